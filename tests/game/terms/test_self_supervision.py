"""The term rebuild against its formula, and that playing for it works."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game.seeded_rng import RandomStream, normal
from zerosum.game.terms.self_supervision import SelfSupervisedReconstruction
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.configs.fastgan import FastGANDiscriminatorConfig


def play(rebuilt: Tensor | None, real: Tensor) -> Any:
    return SimpleNamespace(
        real_verdict=DiscriminatorOutput(torch.zeros(len(real)), reconstructions=rebuilt), real_pictures=real
    )


@pytest.mark.parametrize("side", [1, 4, 16])
def test_the_shrunk_picture_costs_nothing(side: int) -> None:
    torch.manual_seed(0)
    real = torch.randn(3, 2, 16, 16)
    shrunk = functional.interpolate(real, size=(side, side), mode="area")
    cost = SelfSupervisedReconstruction()(play(shrunk, real))
    assert cost.shape == (3,)
    torch.testing.assert_close(cost, torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(
        SelfSupervisedReconstruction()(play(shrunk.repeat(1, 3, 1, 1), real)), torch.zeros(3), rtol=0, atol=1e-6
    )


def test_the_mean_absolute_difference_of_each_sample() -> None:
    rng = np.random.default_rng(0)
    real, rebuilt = rng.normal(size=(3, 2, 8, 8)), rng.normal(size=(3, 4, 4, 4))  # from two decoders
    expected = np.zeros(3)
    for n in range(3):
        for decoder in range(2):
            for c in range(2):
                for y in range(4):
                    for x in range(4):
                        area = real[n, c, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean()
                        expected[n] += abs(rebuilt[n, 2 * decoder + c, y, x] - area) / (2 * 2 * 4 * 4)
    cost = SelfSupervisedReconstruction()(play(torch.tensor(rebuilt), torch.tensor(real)))
    np.testing.assert_allclose(cost.numpy(), expected, rtol=1e-12)


def test_a_constant_offset_in_any_layout() -> None:
    real = torch.full((2, 3, 16, 16), 0.25).to(memory_format=torch.channels_last)
    rebuilt = torch.full((2, 3, 8, 8), 1.0).to(memory_format=torch.channels_last)
    torch.testing.assert_close(SelfSupervisedReconstruction()(play(rebuilt, real)), torch.full((2,), 0.75))


def test_its_slope_is_the_sign_of_the_difference() -> None:
    real = torch.zeros(1, 1, 4, 4)
    rebuilt = torch.tensor([[[[2.0, -1.0], [0.5, -3.0]]]], requires_grad=True)
    SelfSupervisedReconstruction()(play(rebuilt, real)).sum().backward()
    assert rebuilt.grad is not None
    torch.testing.assert_close(rebuilt.grad, rebuilt.detach().sign() / 4)


def test_half_precision_is_compared_in_full() -> None:
    cost = SelfSupervisedReconstruction()(play(torch.zeros(2, 1, 4, 4, dtype=torch.bfloat16), torch.ones(2, 1, 8, 8)))
    assert cost.dtype == torch.float32


def test_settings() -> None:
    term = SelfSupervisedReconstruction()
    assert (term.kind, term.player, term.input_gradients_at, term.weight, term.every_rounds) == (
        "rebuild",
        "discriminator",
        frozenset(),
        1.0,
        1,
    )


def test_a_discriminator_without_decoders_is_refused() -> None:
    with pytest.raises(BadInput, match="decoder"):
        SelfSupervisedReconstruction()(play(None, torch.zeros(1, 1, 8, 8)))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_playing_for_it_works(norm: Any) -> None:
    """Dark pictures of one bright square each: where it is must have been seen, to do better than all dark."""
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(width=2, decoder_width=4, norm=norm, spectral_norm=norm == "batch").build(
        (1, 32, 32)
    )
    rule = torch.optim.Adam(judge.parameters(), lr=1e-2, betas=(0.5, 0.999))
    costs = []
    for step in range(40):
        place = (
            normal(torch.arange(8) + 8 * step, 2, RandomStream.INTERPOLATION, truncation=1.5) * 8 + 16
        ).round()  # (8, 2)
        grid = torch.arange(32.0)
        near = (grid - place[:, :, None]).abs() <= 6  # (8, 2, 32)
        real = (near[:, 0, :, None] & near[:, 1, None, :]).float()[:, None] * 2 - 1
        output = judge(real)
        cost = SelfSupervisedReconstruction()(play(output.rebuilt, real)).mean()
        rule.zero_grad()
        cost.backward()
        rule.step()
        costs.append(cost.item())
    dark = SelfSupervisedReconstruction()(play(-torch.ones_like(output.rebuilt), real)).mean().item()
    assert sum(costs[-5:]) / 5 < 0.8 * dark < 0.8 * costs[0]
