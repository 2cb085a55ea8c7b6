"""Test the inpainting network: known pixels are returned exactly, holes are filled from their surroundings."""

import pytest
import torch
from torch import Tensor
from translator_checks import (
    assert_any_size,
    assert_per_sample,
    assert_tiles_equal_the_full_image,
    measure_radius,
    random_images,
)

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import GatedConvGeneratorConfig
from zerosum.networks.gated_conv import GATED_ELU, GatedELU, Inpainter


def build_network(channels: int = 3, seed: int = 0, **fields: object) -> Inpainter:
    torch.manual_seed(seed)
    config = GatedConvGeneratorConfig.model_validate({"width": 4, **fields})
    network = config.build(
        0, TensorSpec((channels, 16, 16), bounded=True), 0, TensorSpec((channels + 1, 16, 16), bounded=True)
    )
    assert isinstance(network, Inpainter)
    return network


def masked_images(side: int = 24) -> Tensor:
    """Return two images with a hole of 6x6, and the mask as last channel."""
    mask = -torch.ones(2, 1, side, side)
    mask[:, :, 8:14, 5:11] = 1
    return torch.cat([random_images(2, (3, side, side)) * (mask < 0), mask], 1)


def test_known_pixels_are_returned_exactly() -> None:
    inputs = masked_images()
    outputs, known = build_network()(inputs), inputs[:, -1:].expand(-1, 3, -1, -1) < 0
    assert torch.equal(outputs[known], inputs[:, :-1][known])
    assert outputs[~known].abs().max() <= 1
    assert outputs[~known].std() > 0.05


def test_fractional_mask_blends_input_and_output() -> None:
    inputs = torch.cat([random_images(1, (3, 16, 16)), torch.zeros(1, 1, 16, 16)], 1)
    network = build_network()
    torch.testing.assert_close(network(inputs), (network.layers(inputs) + inputs[:, :-1]) / 2)


def test_any_size_is_translated_per_sample() -> None:
    network = build_network()
    assert_any_size(network, 4, 3)
    assert_per_sample(network, 4)
    assert network.condition_inputs == ()


@pytest.mark.parametrize("dilations", [(2,), ()])
def test_receptive_field_radius_is_exact(dilations: tuple[int, ...]) -> None:
    network = build_network(1, dilations=dilations)
    side = 4 * (network.receptive_field_radius // 2) + 12
    assert measure_radius(network, 2, side) == network.receptive_field_radius
    assert_tiles_equal_the_full_image(network, 2, side + 12)


def test_receptive_field_radius_with_default_dilations() -> None:
    """Compare with and without the dilated convolutions, which work at a quarter of the size."""
    assert build_network().receptive_field_radius - build_network(dilations=()).receptive_field_radius == 4 * (
        2 + 4 + 8
    )


def test_gate_preserves_the_variance() -> None:
    torch.manual_seed(0)
    hidden = GATED_ELU.gain * torch.randn(4, 32, 64, 64)
    output = GatedELU()(hidden)
    assert output.shape == (4, 16, 64, 64)
    assert output.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_input_without_mask_is_refused() -> None:
    with pytest.raises(BadInput, match=r"mask as the last of 4 channels, got 3 channels: set `data.degrade` to masks"):
        GatedConvGeneratorConfig().build(
            0, TensorSpec((3, 16, 16), bounded=True), 0, TensorSpec((3, 16, 16), bounded=True)
        )
