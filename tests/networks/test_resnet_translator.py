"""Test the residual translator: sizes, receptive field, padding, residual output, and the maps that patch-NCE
compares."""

import pytest
import torch
from torch.nn import functional
from translator_checks import (
    assert_any_size,
    assert_per_sample,
    assert_tiles_equal_the_full_image,
    measure_radius,
    random_images,
)

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import ResNetTranslatorConfig
from zerosum.networks.padding import pad_to_multiple, reflect_pad
from zerosum.networks.resnet_translator import ResNetTranslator


def build_network(input_shape: tuple[int, ...] = (3, 16, 16), seed: int = 0, **fields: object) -> ResNetTranslator:
    torch.manual_seed(seed)
    config = ResNetTranslatorConfig.model_validate({"width": 4, "blocks": 2, **fields})
    network = config.build(0, TensorSpec((3, *input_shape[1:]), bounded=True), 0, TensorSpec(input_shape, bounded=True))
    assert isinstance(network, ResNetTranslator)
    return network


@pytest.mark.parametrize("fields", [{}, {"norm": "none"}, {"downsamplings": 3}, {"residual": True}])
def test_any_size_is_translated_per_sample(fields: dict[str, object]) -> None:
    network = build_network(**fields)
    assert_any_size(network, 3, 3)
    assert_per_sample(network, 3)
    assert network.condition_inputs == ()
    assert network.size_multiple == 2 ** fields.get("downsamplings", 2)


def test_output_is_bounded() -> None:
    network = build_network((1, 16, 16), norm="none")
    assert network(50 * random_images(2, (1, 16, 16))).abs().max() <= 1


def test_parameter_count_of_the_papers_network() -> None:
    """Check 64, 128, 256 channels and 6 blocks; halvings are 4x4, and only layers without norm have a bias."""
    with torch.device("meta"):
        network = ResNetTranslatorConfig().build(
            0, TensorSpec((3, 128, 128), bounded=True), 0, TensorSpec((3, 128, 128), bounded=True)
        )
    outer_weights = 49 * 3 * 64 * 2 + 3
    inner_weights = (16 + 9) * (64 * 128 + 128 * 256) + 12 * 9 * 256 * 256
    norm_parameters = 2 * (64 + 128 + 256 + 12 * 256 + 128 + 64)
    assert (
        sum(parameter.numel() for parameter in network.parameters()) == outer_weights + inner_weights + norm_parameters
    )


@pytest.mark.parametrize("fields", [{"blocks": 1}, {"blocks": 2, "downsamplings": 1}])
def test_receptive_field_radius_is_exact(fields: dict[str, object]) -> None:
    network = build_network(norm="none", **fields)
    assert network.receptive_field_radius is not None
    assert measure_radius(network, 3, 80) == network.receptive_field_radius
    assert_tiles_equal_the_full_image(network, 3, 80)
    assert build_network(**fields).receptive_field_radius is None


def test_padding_equals_torch() -> None:
    sample = random_images(2, (3, 9, 12))
    assert torch.equal(reflect_pad(sample, 3), functional.pad(sample, (3, 3, 3, 3), "reflect"))
    assert torch.equal(pad_to_multiple(sample, 16), functional.pad(sample, (0, 4, 0, 7), "reflect"))
    assert torch.equal(pad_to_multiple(sample, 32), functional.pad(sample, (0, 20, 0, 23), "replicate"))
    assert torch.equal(pad_to_multiple(sample, 3), sample)


def test_residual_output_starts_near_the_input() -> None:
    inputs = random_images(2, (3, 16, 16))
    change = build_network(residual=True)(inputs) - inputs
    assert 0.01 < change.std() < 0.3
    assert (build_network()(inputs) - inputs).std() > 0.3


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_encode_returns_the_inner_feature_maps(blocks: int) -> None:
    network, inputs = (
        build_network(blocks=blocks, contrastive_heads=True, contrastive_size=5),
        random_images(2, (3, 18, 16)),
    )
    maps = network.encode(inputs)
    expected = [(4, 20, 16), (8, 10, 8), (16, 5, 4), (16, 5, 4), (16, 5, 4)][: 4 if blocks == 1 else 5]
    assert [tuple(hidden.shape[1:]) for hidden in maps] == expected
    hidden_map = pad_to_multiple(inputs, 4)
    stage_maps = []
    for stage in network.stages:
        hidden_map = stage(hidden_map)
        stage_maps.append(hidden_map)
    stage_indices = dict.fromkeys([0, 1, 2, 3, 3 + blocks // 2])
    assert all(torch.equal(hidden, stage_maps[index]) for hidden, index in zip(maps, stage_indices, strict=True))


def test_projected_pixels_are_unit_vectors() -> None:
    network = build_network(contrastive_heads=True, contrastive_size=5)
    for level, hidden in enumerate(network.encode(random_images(2, (3, 16, 16)))):
        vectors = network.project(level, hidden.flatten(2).mT.flatten(0, 1)[:7])
        assert vectors.shape == (7, 5)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(7))
    assert ResNetTranslatorConfig(contrastive_heads=True).capabilities == {"contrastive heads"}
    assert ResNetTranslatorConfig().capabilities == set()
    assert not list(build_network().contrastive_heads.parameters())


@pytest.mark.parametrize("fields", [{"residual": True}, {"contrastive_heads": True}])
def test_other_channels_are_refused_if_input_and_output_are_compared(fields: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"need equally many channels, got 1 and 3: set `generator\."):
        build_network((1, 16, 16), **fields)
