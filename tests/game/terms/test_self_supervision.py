"""Self-supervised reconstruction against its formula, and its training."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.game.sample_spec import TensorSpec
from zerosum.game.seeded_rng import RandomStream, normal
from zerosum.game.terms.self_supervision import SelfSupervisedReconstruction
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.configs.fastgan import FastGANDiscriminatorConfig


def reconstruction_term(reconstructions: Tensor | None, real: Tensor) -> Tensor:
    output = DiscriminatorOutput(torch.zeros(len(real)), reconstructions=reconstructions)
    play: Any = SimpleNamespace(real_output=output, real_samples=real)
    return SelfSupervisedReconstruction()(play)


@pytest.mark.parametrize("side", [1, 4, 16])
def test_the_downsampled_image_has_loss_zero(side: int) -> None:
    torch.manual_seed(0)
    real = torch.randn(3, 2, 16, 16)
    downsampled = functional.interpolate(real, size=(side, side), mode="area")
    loss = reconstruction_term(downsampled, real)
    assert loss.shape == (3,)
    torch.testing.assert_close(loss, torch.zeros(3), rtol=0, atol=1e-6)
    three_decoders = reconstruction_term(downsampled.repeat(1, 3, 1, 1), real)
    torch.testing.assert_close(three_decoders, torch.zeros(3), rtol=0, atol=1e-6)


def test_loss_is_the_mean_absolute_difference_per_sample() -> None:
    rng = np.random.default_rng(0)
    real, reconstructions = rng.normal(size=(3, 2, 8, 8)), rng.normal(size=(3, 4, 4, 4))  # from two decoders
    expected = np.zeros(3)
    for n in range(3):
        for decoder in range(2):
            for c in range(2):
                for y in range(4):
                    for x in range(4):
                        area = real[n, c, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean()
                        expected[n] += abs(reconstructions[n, 2 * decoder + c, y, x] - area) / (2 * 2 * 4 * 4)
    loss = reconstruction_term(torch.tensor(reconstructions), torch.tensor(real))
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)


def test_constant_offset_in_channels_last_format() -> None:
    real = torch.full((2, 3, 16, 16), 0.25).to(memory_format=torch.channels_last)
    reconstructions = torch.full((2, 3, 8, 8), 1.0).to(memory_format=torch.channels_last)
    torch.testing.assert_close(reconstruction_term(reconstructions, real), torch.full((2,), 0.75))


def test_gradient_is_the_sign_of_the_difference() -> None:
    real = torch.zeros(1, 1, 4, 4)
    reconstructions = torch.tensor([[[[2.0, -1.0], [0.5, -3.0]]]], requires_grad=True)
    reconstruction_term(reconstructions, real).sum().backward()
    assert reconstructions.grad is not None
    torch.testing.assert_close(reconstructions.grad, reconstructions.detach().sign() / 4)


def test_half_precision_is_compared_in_float32() -> None:
    loss = reconstruction_term(torch.zeros(2, 1, 4, 4, dtype=torch.bfloat16), torch.ones(2, 1, 8, 8))
    assert loss.dtype == torch.float32


def test_settings_of_the_term() -> None:
    term = SelfSupervisedReconstruction()
    assert (term.kind, term.player, term.input_gradients_at, term.weight, term.every_rounds) == (
        "self-supervision",
        "discriminator",
        frozenset(),
        1.0,
        1,
    )


def test_a_discriminator_without_decoders_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="decoder"):
        reconstruction_term(None, torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_discriminator_learns_to_reconstruct(norm: Any) -> None:
    """Dark images with one bright square: a loss below that of a dark image requires the position of the square."""
    torch.manual_seed(0)
    config = FastGANDiscriminatorConfig(width=2, decoder_width=4, norm=norm, spectral_norm=norm == "batch")
    discriminator = config.build(TensorSpec((1, 32, 32)))
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    losses = []
    for step in range(40):
        draws = normal(torch.arange(8) + 8 * step, 2, RandomStream.INTERPOLATION, truncation=1.5)
        position = (draws * 8 + 16).round()  # (8, 2)
        grid = torch.arange(32.0)
        inside = (grid - position[:, :, None]).abs() <= 6  # (8, 2, 32)
        real = (inside[:, 0, :, None] & inside[:, 1, None, :]).float()[:, None] * 2 - 1
        reconstructions = discriminator(real).reconstructions
        loss = reconstruction_term(reconstructions, real).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    dark_loss = reconstruction_term(-torch.ones_like(reconstructions), real).mean().item()
    assert sum(losses[-5:]) / 5 < 0.8 * dark_loss < 0.8 * losses[0]
