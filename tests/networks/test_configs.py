"""The settings: checkable without torch, read from and written to TOML and JSON, plain about bad input."""

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import tomli_w
from pydantic import BaseModel, TypeAdapter, ValidationError

from zerosum.errors import BadInput
from zerosum.networks import configs

GENERATORS = [
    configs.MLPGeneratorConfig(widths=(32, 64), norm="batch", activation="relu", init="orthogonal"),
    configs.DCGANGeneratorConfig(width=24, max_width=96, norm="none", init="scaled"),
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
PATCH = configs.PatchGANDiscriminatorConfig(
    width=8, layers=2, scales=3, full_resolution_channels=4, norm="none", spectral_norm=True, concat_input=True
)
CLASSES = [type(shape) for shape in [*GENERATORS, *DISCRIMINATORS, *TRANSLATORS, PATCH]]
CONVOLUTIONAL = [shape for shape in GENERATORS + DISCRIMINATORS if shape.kind != "mlp"]


def test_settings_are_read_and_checked_without_torch() -> None:
    program = (
        "import sys, zerosum.networks.shapes as shapes\n"
        "shapes.DCGANGenerator(width=8).check((1, 32, 32))\n"
        "shapes.R3GANDiscriminator().check((3, 64, 64))\n"
        "shapes.MLPDiscriminator().check((2,))\n"
        "shapes.UNetGenerator().check((3, 20, 24))\n"
        "shapes.PatchDiscriminator().check((3, 20, 24))\n"
        "try:\n"
        "    shapes.R3GANGenerator().build(64, (2,), False)\n"
        "except ValueError:\n"
        "    pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("union", "shape"),
    [(configs.AnyGeneratorConfig, shape) for shape in [*GENERATORS, *TRANSLATORS]]
    + [(configs.AnyDiscriminatorConfig, shape) for shape in [*DISCRIMINATORS, PATCH]],
)
def test_settings_travel_through_toml_and_json(union: Any, shape: Any) -> None:
    adapter = TypeAdapter(union)
    toml = tomllib.loads(tomli_w.dumps(shape.model_dump(mode="json")))
    assert adapter.validate_python(toml) == shape
    assert adapter.validate_python(json.loads(shape.model_dump_json())) == shape
    assert adapter.validate_python({"kind": shape.kind}) == type(shape)()


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_described_and_no_other_is_taken(cls: type[BaseModel]) -> None:
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
        (configs.ResNetTranslatorConfig, {"factor": 2}),
        (configs.RRDBGeneratorConfig, {"factor": 3}),
        (configs.GatedConvGeneratorConfig, {"dilations": (0,)}),
    ],
)
def test_numbers_out_of_range_are_refused(cls: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cls(**fields)


def test_a_group_that_does_not_fit_is_explained() -> None:
    with pytest.raises(ValidationError, match="width 100 times expansion 2 must be a multiple of group_width 16"):
        configs.R3GANGeneratorConfig(widths=(100,))


@pytest.mark.parametrize("shape", CONVOLUTIONAL)
@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ((3, 48, 48), r"got 48 x 48: set `--data.size 32` or `--data.size 64`\.$"),
        ((3, 64, 32), r"got 64 x 32: set `--data.size 32`\.$"),
        ((1, 28, 28), r"set `--data.size 16` or `--data.size 32`\.$"),
        ((1, 8, 8), r"set `--data.size 16`\.$"),
        ((1, 2048, 2048), r"set `--data.size 1024`\.$"),
        ((7, 32, 32), r"1 to 4 channels, got 7: convert them to grey \(1\) or colour \(3\)\.$"),
        ((2,), r"cannot make samples of the shape \(2\): set kind = \"mlp\" for"),
    ],
)
def test_pictures_out_of_reach_are_explained(shape: Any, given: tuple[int, ...], advice: str) -> None:
    with pytest.raises(BadInput, match=advice):
        shape.check(given)
    with pytest.raises(BadInput, match=f"^{shape.kind} "):
        shape.build(8, given, True) if shape in GENERATORS else shape.build(given)


@pytest.mark.parametrize("given", [(), (0,), (3, 0, 8)])
def test_empty_samples_are_refused(given: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="at least one value"):
        configs.MLPGeneratorConfig().check_shape(given)


def test_translators_say_what_they_are() -> None:
    assert all(shape.translates for shape in TRANSLATORS)
    assert not any(shape.translates for shape in GENERATORS)
    assert [shape.factor for shape in TRANSLATORS] == [1, 1, 2, 8, 1]
    assert [shape.sees_given for shape in [*DISCRIMINATORS, PATCH]] == [False, False, False, True]


@pytest.mark.parametrize("shape", TRANSLATORS)
def test_translators_make_nothing_of_noise(shape: Any) -> None:
    with pytest.raises(BadInput, match=f"^{shape.kind} turns pictures into pictures and makes none of noise"):
        shape.build(64, (3, 64, 64), True)


def test_others_take_no_notice_of_what_is_given() -> None:
    given = (1, 32, 32)
    for shape in GENERATORS[1:2]:
        network = shape.build(8, (3, 32, 32), True, 0, given)
        assert network.state_dict().keys() == shape.build(8, (3, 32, 32), True).state_dict().keys()
    for judge in DISCRIMINATORS[1:2]:
        assert judge.build((3, 32, 32), 0, given).takes == ()
