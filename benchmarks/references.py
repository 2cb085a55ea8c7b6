"""Training loops of the peers' well-known codes, written out: their steps and their operators.

Their image loading is in `references_loaders.py`, the steps of the family are in `references_family.py`; all of this
applies to them too.

The loops reproduce what the codes compute, and contain none of their text. Where a loop differs from its original, its
docstring says so. Common to all: the networks are Zerosum's, built from the recipe of the row, so that both sides do
the same arithmetic; they end in a score where some originals end in a sigmoid, so the cross-entropy is the one of
logits; epochs drop a smaller last batch; nothing is printed, drawn or saved, but losses are still copied to Python, as
the originals do for their output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.networks import fastgan, stylegan2
from zerosum.recipes.recipe import Recipe

Batches = Iterator[Tensor]
Step = Callable[[], None]
NUM_CLASSES = 10
"""Classes of the data of conditional rows."""


# ---------------------------------------------------------------------- parts of several steps


def gradient_penalty(score_fn: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the mean of (|d score / d image| - 1)^2 at images (N, C, H, W); `score_fn` returns scores (N,)."""
    images.requires_grad_(True)
    gradient = torch.autograd.grad(score_fn(images).sum(), images, create_graph=True)[0]
    penalty: Tensor = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    return penalty


def interpolate(real: Tensor, fake: Tensor) -> Tensor:
    """Return a random point on the line from each fake to a real image, all (N, C, H, W)."""
    weight = torch.rand(len(real), 1, 1, 1)
    return weight * real + (1 - weight) * fake


def ema_step(network: nn.Module, decay: float = 0.999) -> Step:
    """Return a step that updates an EMA of the network's weights in a loop over the parameters."""
    averages = [parameter.detach().clone() for parameter in network.parameters()]

    def update() -> None:
        with torch.no_grad():
            for average, parameter in zip(averages, network.parameters(), strict=True):
                average.copy_(torch.lerp(parameter, average, decay))

    return update


def sequence(*steps: Step) -> Step:
    """Return a step that takes all these steps in order."""

    def step() -> None:
        for inner_step in steps:
            inner_step()

    return step


def every_rounds(interval: int, step: Step) -> Step:
    """Return a step that is taken in the first of every `interval` rounds."""
    rounds = count()

    def lazy_step() -> None:
        if next(rounds) % interval == 0:
            step()

    return lazy_step


def use_global_rng(generator: nn.Module) -> None:
    """Make noise layers draw by `torch.randn` and ignore the seeds of the samples."""

    def noise(sample: Tensor, side: int) -> Tensor:
        return torch.randn(len(sample), 1, side, side)

    layer: Any
    for layer in generator.modules():
        if isinstance(layer, stylegan2.NoiseInjection):
            layer.draw_noise = lambda seed, layer=layer: noise(seed, layer.side)
        if isinstance(layer, fastgan.NoiseInjection):
            layer.forward = lambda x, seed, layer=layer: x + layer.strength * noise(x, x.shape[3])


# ---------------------------------------------------------------------- the steps


def dcgan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Cross-entropy with labels, the discriminator first: pytorch/examples' dcgan/main.py.

    The original copies five numbers to Python at every step (both losses and three mean scores), this one three; it
    also prints a line per step, and generates and saves grids of 64 samples every 100 steps. Latents are normal as in
    the original; in Zerosum's recipe they are uniform.
    """
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))

    def step() -> None:
        real = next(data)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss_real.backward()
        fake = generator(torch.randn(len(real), recipe.latent.size))
        loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()).score, zeros)
        loss_fake.backward()
        d_optimizer.step()
        generator.zero_grad()
        loss = F.binary_cross_entropy_with_logits(discriminator(fake).score, ones)
        loss.backward()
        g_optimizer.step()
        loss_real.item(), loss_fake.item(), loss.item()

    return step


def gan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Cross-entropy with labels, the generator first: PyTorch-GAN's implementations/gan/gan.py.

    Both players use one batch of fakes: the generator takes its step through the discriminator, whose gradients of that
    pass are discarded, then the discriminator takes its step on the same fakes, detached. (Zerosum's discriminator
    comes first, and its gradients are not computed in the generator's move.) As in the original, NumPy draws the
    latents in float64, the two losses are halved, and both players' losses are copied to Python at every step. The
    original also prints a line per step and saves a grid of 25 samples every 400. The first of its four hidden layers
    has no batch norm, and the epsilon of the others is 0.8; here, on both sides, all four have a normal one.
    """
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))

    def step() -> None:
        real = next(data)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        g_optimizer.zero_grad()
        latent = torch.from_numpy(np.random.normal(0, 1, (len(real), recipe.latent.size))).float()
        fake = generator(latent)
        g_loss = F.binary_cross_entropy_with_logits(discriminator(fake).score, ones)
        g_loss.backward()
        g_optimizer.step()
        d_optimizer.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()).score, zeros)
        d_loss = (loss_real + loss_fake) / 2
        d_loss.backward()
        d_optimizer.step()
        d_loss.item(), g_loss.item()

    return step


def wgan_gp(generator: nn.Module, critic: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """WGAN-GP: five critic steps with a gradient penalty between real and fake images, one generator step."""
    d_optimizer = torch.optim.Adam(critic.parameters(), 1e-4, (0.0, 0.9))
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, (0.0, 0.9))

    def step() -> None:
        for _ in range(5):
            real = next(data)
            d_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), recipe.latent.size)).detach()
            penalty = gradient_penalty(lambda images: critic(images).score, interpolate(real, fake))
            loss = critic(fake).score.mean() - critic(real).score.mean() + 10 * penalty
            loss.backward()
            d_optimizer.step()
            loss.item()
        g_optimizer.zero_grad()
        loss = -critic(generator(torch.randn(len(real), recipe.latent.size))).score.mean()
        loss.backward()
        g_optimizer.step()
        loss.item()

    return step


def r3gan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """R3GAN: relativistic loss, R1 and R2 at every step, and an EMA of the generator in a loop over its parameters."""
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.0, 0.9))
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.0, 0.9))
    update_ema = ema_step(generator)

    def step() -> None:
        real = next(data)
        g_optimizer.zero_grad()
        fake = generator(torch.randn(len(real), recipe.latent.size))
        loss = F.softplus(-(discriminator(fake).score - discriminator(real).score)).mean()
        loss.backward()
        g_optimizer.step()
        d_optimizer.zero_grad()
        real = next(data).detach().requires_grad_(True)
        fake = generator(torch.randn(len(real), recipe.latent.size)).detach().requires_grad_(True)
        real_score, fake_score = discriminator(real).score, discriminator(fake).score
        penalties = [
            torch.autograd.grad(score.sum(), images, create_graph=True)[0].square().sum((1, 2, 3))
            for score, images in ((real_score, real), (fake_score, fake))
        ]
        loss = (F.softplus(-(real_score - fake_score)) + 0.5 * 0.05 * (penalties[0] + penalties[1])).mean()
        loss.backward()
        d_optimizer.step()
        update_ema()
        loss.item()

    return step


# ---------------------------------------------------------------------- DiffAugment


def change_brightness(images: Tensor) -> Tensor:
    """Add a random constant in [-0.5, 0.5) to each image."""
    return images + (torch.rand(len(images), 1, 1, 1) - 0.5)


def change_saturation(images: Tensor) -> Tensor:
    """Multiply each image's difference from gray by a random factor in [0, 2)."""
    gray = images.mean(1, keepdim=True)
    return (images - gray) * (2 * torch.rand(len(images), 1, 1, 1)) + gray


def change_contrast(images: Tensor) -> Tensor:
    """Multiply each image's difference from its mean by a random factor in [0.5, 1.5)."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (torch.rand(len(images), 1, 1, 1) + 0.5) + mean


def pixel_indices(images: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return indices into (N, H, W, C) of (N, h) rows and (N, w) columns of each sample."""
    return torch.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]


def translate(images: Tensor) -> Tensor:
    """Shift each image by up to an eighth of its side in each direction, over zeros."""
    n, side = len(images), images.shape[3]
    max_shift = int(side / 8 + 0.5)
    padded = F.pad(images, [max_shift] * 4).permute(0, 2, 3, 1)
    rows, columns = (torch.arange(side) + torch.randint(2 * max_shift + 1, (n, 1)) for _ in range(2))
    return padded[pixel_indices(images, rows, columns)].permute(0, 3, 1, 2).contiguous()


def cutout(images: Tensor) -> Tensor:
    """Set a square of half the side to zero in each image; it may extend beyond an edge."""
    n, side = len(images), images.shape[3]
    half = int(side / 2 + 0.5)
    square = torch.arange(half) - half // 2
    rows, columns = (
        (square + torch.randint(side + 1 - half % 2, (n, 1))).clamp(0, side - 1) for _ in range(2)
    )  # fmt: skip
    mask = torch.ones(n, side, side)
    mask[pixel_indices(images, rows, columns)] = 0
    return images * mask[:, None]


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "color": (change_brightness, change_saturation, change_contrast),
    "translation": (translate,),
    "cutout": (cutout,),
}


def diffaugment(images: Tensor, policy: tuple[str, ...]) -> Tensor:
    """Apply DiffAugment with the global random state: Zhao et al. 2020, arXiv:2006.10738."""
    for name in policy:
        for transform in POLICIES[name]:
            images = transform(images)
    return images


# ---------------------------------------------------------------------- operators of the style-based family


def zero_insert_upsample(sample: Tensor, taps: Tensor) -> Tensor:
    """Double the size in the usual way: zeros between pixels, then the filter; edges replicated as in Zerosum."""
    n, c, height, width = sample.shape
    padded = F.pad(sample, [1, 1, 1, 1], mode="replicate")
    spread = padded.new_zeros(n, c, height + 2, 2, width + 2, 2)
    spread[:, :, :, 0, :, 0] = padded
    spread = spread.reshape(n, c, 2 * height + 4, 2 * width + 4)
    out = F.conv2d(spread, (4 * taps).expand(c, 1, 4, 4), groups=c)
    return out[:, :, : 2 * height, : 2 * width]


def filter_downsample(sample: Tensor, taps: Tensor) -> Tensor:
    """Halve the size in the usual way: the filter at every pixel, then every second pixel; edges replicated."""
    channels = sample.shape[1]
    padded = F.pad(sample, [1, 1, 1, 1], mode="replicate")
    return F.conv2d(padded, taps.expand(channels, 1, 4, 4), groups=channels)[:, :, ::2, ::2]


def grouped_modulated_conv2d(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
    """Compute a modulated convolution by a grouped one, with weights of its own for each of the N samples."""
    n, c, height, width = sample.shape
    weights = weight[None] * style[:, None, :, None, None]
    weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    folded = F.conv2d(sample.reshape(1, n * c, height, width), weights.flatten(0, 1), padding=1, groups=n)
    return folded.reshape(n, -1, height, width)
