"""Test the settings of the networks: validation without torch, TOML and JSON, clear messages for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

import pytest
import tomli_w
from pydantic import BaseModel, TypeAdapter, ValidationError
from torch import nn

from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec, require_single_tensor
from zerosum.networks import configs
from zerosum.networks.receptive_field import TranslatorNetwork

GENERATORS = [
    configs.MLPGeneratorConfig(widths=(32, 64), norm="batch", activation="relu", init="orthogonal"),
    configs.DCGANGeneratorConfig(width=24, max_width=96, norm="none", init="kaiming"),
    configs.R3GANGeneratorConfig(widths=(128, 64), blocks=1, expansion=1, group_width=0),
]
DISCRIMINATORS = [
    configs.MLPDiscriminatorConfig(widths=(64,), dropout=0.1, spectral_norm=True),
    configs.DCGANDiscriminatorConfig(width=24, norm="none", spectral_norm=True, dropout=0.5, init="orthogonal"),
    configs.R3GANDiscriminatorConfig(widths=(64, 32), group_width=32),
]
TRANSLATORS = [
    configs.UNetGeneratorConfig(width=8, depth=3, full_resolution_channels=4, norm="none", dropout=0.5, init="normal"),
    configs.ResNetTranslatorConfig(width=8, downsamplings=3, blocks=9, residual=True, contrastive_heads=True),
    configs.RRDBGeneratorConfig(width=8, blocks=2, growth_channels=4, upscale_factor=2),
    configs.SRResNetGeneratorConfig(width=8, blocks=2, upscale_factor=8),
    configs.GatedConvGeneratorConfig(width=8, dilations=(2, 4)),
]
PATCHGAN = configs.PatchGANDiscriminatorConfig(
    width=8, layers=2, scales=3, full_resolution_channels=4, norm="none", spectral_norm=True, concat_input=True
)
CLASSES = [type(config) for config in [*GENERATORS, *DISCRIMINATORS, *TRANSLATORS, PATCHGAN]]
CONVOLUTIONAL = [config for config in GENERATORS + DISCRIMINATORS if config.kind != "mlp"]


def test_settings_are_validated_without_torch() -> None:
    script = (
        "import sys, zerosum.networks.configs as configs\n"
        "from zerosum.game.sample_spec import TensorSpec\n"
        "configs.DCGANGeneratorConfig(width=8).check_shape((1, 32, 32))\n"
        "configs.R3GANDiscriminatorConfig().check_shape((3, 64, 64))\n"
        "configs.MLPDiscriminatorConfig().check_shape((2,))\n"
        "configs.UNetGeneratorConfig().check_shape((3, 20, 24))\n"
        "configs.PatchGANDiscriminatorConfig().check_shape((3, 20, 24))\n"
        "try:\n"
        "    configs.R3GANGeneratorConfig().build(64, TensorSpec((2,)))\n"
        "except ValueError:\n"
        "    pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("union", "config"),
    [(configs.AnyGeneratorConfig, config) for config in [*GENERATORS, *TRANSLATORS]]
    + [(configs.AnyDiscriminatorConfig, config) for config in [*DISCRIMINATORS, PATCHGAN]],
)
def test_settings_round_trip_through_toml_and_json(union: Any, config: Any) -> None:
    adapter = TypeAdapter(union)
    toml = tomllib.loads(tomli_w.dumps(config.model_dump(mode="json")))
    assert adapter.validate_python(toml) == config
    assert adapter.validate_python(json.loads(config.model_dump_json())) == config
    assert adapter.validate_python({"kind": config.kind}) == type(config)()


@pytest.mark.parametrize("cls", CLASSES)
def test_all_fields_are_documented_and_others_are_refused(cls: type[BaseModel]) -> None:
    assert not [name for name, field in cls.model_fields.items() if name != "kind" and not field.description]
    with pytest.raises(ValidationError, match="Extra inputs"):
        cls(wdith=3)
    with pytest.raises(ValidationError, match="frozen"):
        cls().kind = "other"


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (configs.MLPGeneratorConfig, {"widths": ()}),
        (configs.MLPGeneratorConfig, {"widths": (0,)}),
        (configs.MLPGeneratorConfig, {"activation": "gelu"}),
        (configs.MLPDiscriminatorConfig, {"dropout": 1.0}),
        (configs.DCGANGeneratorConfig, {"width": 0}),
        (configs.DCGANGeneratorConfig, {"width": 64, "max_width": 32}),
        (configs.DCGANDiscriminatorConfig, {"dropout": -0.1}),
        (configs.DCGANDiscriminatorConfig, {"norm": "layer"}),
        (configs.R3GANGeneratorConfig, {"blocks": 0}),
        (configs.R3GANGeneratorConfig, {"widths": (100,), "group_width": 16}),
        (configs.ResNetTranslatorConfig, {"upscale_factor": 2}),
        (configs.RRDBGeneratorConfig, {"upscale_factor": 3}),
        (configs.GatedConvGeneratorConfig, {"dilations": (0,)}),
    ],
)
def test_numbers_out_of_range_are_refused(cls: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cls(**fields)


def test_group_width_that_does_not_divide_the_width_is_refused() -> None:
    with pytest.raises(ValidationError, match="width 100 times `expansion` 2 must be a multiple of `group_width` 16"):
        configs.R3GANGeneratorConfig(widths=(100,))


@pytest.mark.parametrize("config", CONVOLUTIONAL)
@pytest.mark.parametrize(
    ("sample_shape", "advice"),
    [
        ((3, 100, 100), r"got 100x100: set `data.size` to 96\.$"),
        ((3, 64, 31), r"got 31x64: set `data.size` to 32x64\.$"),
        ((3, 64, 1000), r"got 1000x64: set `data.size` to 256x64\.$"),
        ((1, 30, 30), r"set `data.size` to 32\.$"),
        ((1, 8, 8), r"set `data.size` to 16\.$"),
        ((1, 2048, 2048), r"set `data.size` to 1024\.$"),
        ((65, 32, 32), r"1 to 64 channels, got 65: leave some of them out\.$"),
        ((2,), r"shape \(channels, height, width\), got samples of shape \(2\): set `generator.kind` and"),
    ],
)
def test_unsupported_shapes_are_refused(config: Any, sample_shape: tuple[int, ...], advice: str) -> None:
    with pytest.raises(BadInput, match=advice):
        config.check_shape(sample_shape)
    with pytest.raises(BadInput, match=f"^{config.kind} "):
        build(config, TensorSpec(sample_shape, bounded=True))


@pytest.mark.parametrize("config", [*GENERATORS, *TRANSLATORS, *DISCRIMINATORS, PATCHGAN])
def test_trees_of_tensors_are_refused(config: Any) -> None:
    spec = {"token": TensorSpec((8,)), "length": TensorSpec((1,))}
    with pytest.raises(BadInput, match=f"^{config.kind} needs samples that are one tensor.* token and length"):
        build(config, spec)


class TreeGeneratorConfig(configs.GeneratorConfig):
    """A generator of trees, which takes the whole specification."""

    kind: Literal["tree"] = "tree"

    def build(
        self, latent_size: int, spec: SampleSpec, num_classes: int = 0, input_spec: SampleSpec | None = None
    ) -> nn.Module:
        """Build a linear map for each tensor."""
        assert isinstance(spec, Mapping)
        tensors = {name: require_single_tensor(inner, self.kind) for name, inner in spec.items()}
        return nn.ModuleDict({name: nn.Linear(latent_size, inner.shape[0]) for name, inner in tensors.items()})


def test_generators_of_trees_of_tensors_are_possible() -> None:
    network = TreeGeneratorConfig().build(4, {"token": TensorSpec((8,)), "length": TensorSpec((1,))})
    assert isinstance(network, nn.ModuleDict)
    assert list(network) == ["token", "length"]


@pytest.mark.parametrize("config", TRANSLATORS)
def test_translators_declare_what_tiles_need(config: Any) -> None:
    side, channels = 64 // config.upscale_factor, 3 + (config.kind == "gated-conv")
    network = config.build(
        0, TensorSpec((3, 64, 64), bounded=True), 0, TensorSpec((channels, side, side), bounded=True)
    )
    assert isinstance(network, TranslatorNetwork)


def build(config: Any, spec: SampleSpec) -> nn.Module:
    """Build the network of samples, translations of samples of the same kind."""
    return config.build(8, spec, 0, spec) if config in GENERATORS + TRANSLATORS else config.build(spec, 0, spec)


@pytest.mark.parametrize("sample_shape", [(), (0,), (3, 0, 8)])
def test_empty_samples_are_refused(sample_shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="at least one value"):
        configs.MLPGeneratorConfig().check_shape(sample_shape)


def test_configs_declare_translators_and_discriminators_that_see_the_input() -> None:
    assert all(config.is_translator for config in TRANSLATORS)
    assert not any(config.is_translator for config in GENERATORS)
    assert [config.upscale_factor for config in TRANSLATORS] == [1, 1, 2, 8, 1]
    assert [config.sees_input for config in [*DISCRIMINATORS, PATCHGAN]] == [False, False, False, True]


@pytest.mark.parametrize("config", TRANSLATORS)
def test_translators_refuse_to_generate_from_latents(config: Any) -> None:
    with pytest.raises(BadInput, match=f"^{config.kind} "):
        config.build(64, TensorSpec((3, 64, 64), bounded=True))


def test_other_networks_ignore_the_input_shape() -> None:
    input_shape = (1, 32, 32)
    for config in GENERATORS[1:2]:
        network = config.build(8, TensorSpec((3, 32, 32), bounded=True), 0, TensorSpec(input_shape, bounded=True))
        assert network.state_dict().keys() == config.build(8, TensorSpec((3, 32, 32), bounded=True)).state_dict().keys()
    for config in DISCRIMINATORS[1:2]:
        assert config.build(TensorSpec((3, 32, 32)), 0, TensorSpec(input_shape, bounded=True)).condition_inputs == ()
