"""Test the super-resolution networks: they start from the upsampled image, their receptive field, no checkerboard."""

from typing import Any

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
from zerosum.networks.configs import RRDBGeneratorConfig, SRResNetGeneratorConfig
from zerosum.networks.super_resolution import RRDB, SuperResolution, upsample_bicubic

CONFIGS: dict[str, Any] = {"rrdb": RRDBGeneratorConfig, "srresnet": SRResNetGeneratorConfig}
KINDS = list(CONFIGS)


def build_network(kind: str, factor: int = 4, seed: int = 0, **fields: Any) -> SuperResolution:
    torch.manual_seed(seed)
    growth = {"growth_channels": 2} if kind == "rrdb" else {}
    config = CONFIGS[kind](**{"width": 4, "blocks": 1, "upscale_factor": factor, **growth, **fields})
    network = config.build(
        0, TensorSpec((3, 8 * factor, 8 * factor), bounded=True), 0, TensorSpec((3, 8, 8), bounded=True)
    )
    assert isinstance(network, SuperResolution)
    return network


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size_and_factor_is_translated_per_sample(kind: str, factor: int) -> None:
    network = build_network(kind, factor)
    assert_any_size(network, 3, 3, factor)
    assert_per_sample(network, 3)
    assert (network.condition_inputs, network.size_multiple, network.upscale_factor) == ((), 1, factor)


@pytest.mark.parametrize(("kind", "factor"), [("rrdb", 1), ("rrdb", 2), ("srresnet", 4), ("srresnet", 8)])
def test_receptive_field_radius_is_exact(kind: str, factor: int) -> None:
    network = build_network(kind, factor)
    assert measure_radius(network, 3, 2 * network.receptive_field_radius + 3, factor) == network.receptive_field_radius
    assert_tiles_equal_the_full_image(network, 3, 2 * network.receptive_field_radius + 8, factor)


@pytest.mark.parametrize("kind", KINDS)
def test_output_starts_near_the_upsampled_input(kind: str) -> None:
    inputs = random_images(2, (3, 12, 12))
    correction = build_network(kind, 4, blocks=3)(inputs) - functional.interpolate(
        inputs, scale_factor=4, mode="bicubic"
    )
    assert 0.01 < correction.std() < 0.3
    assert upsample_bicubic(inputs, 1) is inputs


@pytest.mark.parametrize("kind", KINDS)
def test_pixel_shuffle_starts_without_checkerboard(kind: str) -> None:
    """The four output pixels of one input pixel are equal."""
    network = build_network(kind, 2)
    hidden = network.upsampling(random_images(1, (4, 8, 8)))
    assert torch.equal(hidden, functional.interpolate(hidden[:, :, ::2, ::2], scale_factor=2))


def test_parameter_count_of_the_papers_network() -> None:
    """Check 64 channels that grow by 32, and 23 blocks of 15 convolutions."""
    with torch.device("meta"):
        network = RRDBGeneratorConfig(blocks=23).build(
            0, TensorSpec((3, 32, 32), bounded=True), 0, TensorSpec((3, 8, 8), bounded=True)
        )
    dense_block = sum(9 * (64 + 32 * index) * 32 + 32 for index in range(4)) + 9 * 192 * 64 + 64
    outer_layers = (9 * 3 * 64 + 64) + 2 * (9 * 64 * 64 + 64) + (9 * 64 * 3 + 3) + 2 * (9 * 64 * 256 + 256)
    assert sum(parameter.numel() for parameter in network.parameters()) == 23 * 3 * dense_block + outer_layers


def test_variance_is_preserved_through_many_blocks() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(1, 16, 12, 12)
    blocks = torch.nn.Sequential(*(RRDB(16, 8) for _ in range(23)))
    with torch.no_grad():
        assert 0.5 < blocks(hidden).std() < 2


@pytest.mark.parametrize("kind", KINDS)
def test_unsupported_shapes_are_refused(kind: str) -> None:
    config = CONFIGS[kind](width=4, blocks=1, upscale_factor=4)
    with pytest.raises(BadInput, match=r"4 times as large as its inputs"):
        config.build(0, TensorSpec((3, 32, 32), bounded=True), 0, TensorSpec((3, 16, 16), bounded=True))
    with pytest.raises(BadInput, match=r"and a multiple of 4, got 34x34"):
        config.build(0, TensorSpec((3, 34, 34), bounded=True), 0, TensorSpec((3, 8, 8), bounded=True))
    with pytest.raises(BadInput, match=r"^" + kind):
        config.build(0, TensorSpec((3, 32, 32), bounded=True), 0, TensorSpec((1, 8, 8), bounded=True))
