"""Gated convolutions: what is known comes back, what is made is made of what lies around."""

import pytest
import torch
from torch import Tensor
from translator_checks import assert_alone, assert_any_size, assert_tiles_are_the_whole, pictures, seen

from zerosum.errors import BadInput
from zerosum.networks.configs import GatedConvGeneratorConfig
from zerosum.networks.gated_conv import GATED_ELU, GatedELU, Inpainter


def built(channels: int = 3, seed: int = 0, **fields: object) -> Inpainter:
    torch.manual_seed(seed)
    shape = GatedConvGeneratorConfig.model_validate({"width": 4, **fields})
    network = shape.build(0, (channels, 16, 16), True, 0, (channels + 1, 16, 16))
    assert isinstance(network, Inpainter)
    return network


def holed(side: int = 24) -> Tensor:
    """Pictures with a hole of 6x6, and the mask."""
    mask = -torch.ones(2, 1, side, side)
    mask[:, :, 8:14, 5:11] = 1
    return torch.cat([pictures(2, (3, side, side)) * (mask < 0), mask], 1)


def test_what_is_known_comes_back_exactly() -> None:
    given = holed()
    made, known = built()(given), given[:, -1:].expand(-1, 3, -1, -1) < 0
    assert torch.equal(made[known], given[:, :-1][known])
    assert made[~known].abs().max() <= 1
    assert made[~known].std() > 0.05


def test_half_a_hole_is_half_filled() -> None:
    given = torch.cat([pictures(1, (3, 16, 16)), torch.zeros(1, 1, 16, 16)], 1)
    network = built()
    torch.testing.assert_close(network(given), (network.layers(given) + given[:, :-1]) / 2)


def test_any_size() -> None:
    network = built()
    assert_any_size(network, 4, 3)
    assert_alone(network, 4)
    assert network.condition_inputs == ()


@pytest.mark.parametrize("dilations", [(2,), ()])
def test_it_sees_as_far_as_it_says(dilations: tuple[int, ...]) -> None:
    network = built(1, dilations=dilations)
    side = 4 * (network.receptive_field_radius // 2) + 12
    assert seen(network, 2, side) == network.receptive_field_radius
    assert_tiles_are_the_whole(network, 2, side + 12)


def test_reach_at_the_usual_dilations() -> None:
    """Two 3x3 and the dilated ones at a quarter of the size, 4 (2 + 14) pixels, and what stands around them."""
    assert built().receptive_field_radius - built(dilations=()).receptive_field_radius == 4 * (2 + 4 + 8)


def test_a_gate_keeps_the_size_of_its_signal() -> None:
    torch.manual_seed(0)
    hidden = GATED_ELU.gain * torch.randn(4, 32, 64, 64)
    passed = GatedELU()(hidden)
    assert passed.shape == (4, 16, 64, 64)
    assert passed.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_a_picture_without_mask_is_refused() -> None:
    with pytest.raises(BadInput, match=r"its mask \(4 channels\), got 3: set data.degrade = \[\"masks\"\]"):
        GatedConvGeneratorConfig().build(0, (3, 16, 16), True, 0, (3, 16, 16))
