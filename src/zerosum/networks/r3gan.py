"""R3GAN's networks: residual, grouped, with no normalisation.

Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN",
arXiv:2501.05441, config E. The generator and the discriminator mirror each other stage for stage: a
transition (resampling, and a 1x1 convolution where the width changes) and residual blocks of 1x1, grouped 3x3
and 1x1 convolutions. Drawing the first weights as in Fixup (Zhang, Dauphin, Ma 2019, arXiv:1901.09321) takes
the place of normalisation: every residual branch starts at zero. The picture is linear, without tanh.

One thing differs: resampling keeps a constant constant up to the edge, where the paper pads with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.game.types import Verdict
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import LEAKY_RELU, Downsample, Upsample, Weights, scaled

_WEIGHTS = Weights(scaled)

Blocks = Callable[[int], nn.Module]
"""Makes the residual blocks of one stage, given its width."""


class Block(nn.Module):
    """x + f(x), with f an inverted bottleneck: widen 1x1, mix 3x3 in groups, narrow 1x1."""

    def __init__(self, width: int, *, expansion: int, group_width: int, depth: int) -> None:
        """`depth` counts the network's blocks; `group_width` is in widened channels, 0 for one group."""
        super().__init__()
        wide = width * expansion
        groups = wide // (group_width or wide)
        # Fixup: among L branches of m layers, all but the last are scaled by L^(-1 / (2m - 2)); here m = 3.
        gain = LEAKY_RELU.gain * depth**-0.25
        self.branch = nn.Sequential(
            _WEIGHTS.convolution(width, wide, gain=gain),
            LEAKY_RELU.make(),
            _WEIGHTS.convolution(wide, wide, side=3, groups=groups, gain=gain),
            LEAKY_RELU.make(),
            _WEIGHTS.convolution(wide, width, gain=0.0, bias=False),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        branch: Tensor = self.branch(hidden)
        return hidden + branch


class Basis(nn.Module):
    """A learned 4x4 pattern a channel, each as strong as the latent vector says."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.randn(1, width, 4, 4))
        self.strengths = _WEIGHTS.linear(latent, width, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, width, 4, 4)."""
        strengths: Tensor = self.strengths(latent)
        return self.patterns * strengths[:, :, None, None]


class Pooling(nn.Module):
    """The mirror of `Basis`: each channel against a learned 4x4 pattern."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.empty(1, width, 4, 4))
        scaled(self.patterns, 16, 1.0)

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, 4, 4) to (N, width)."""
        return (self.patterns * hidden).sum((2, 3))


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    def __init__(self, latent: int, channels: int, widths: tuple[int, ...], blocks: Blocks) -> None:
        super().__init__()
        self.start = nn.Sequential(Basis(latent, widths[0]), blocks(widths[0]))
        stages = (
            # Narrow before resampling: the 1x1 convolution then works on a quarter of the pixels.
            nn.Sequential(_transition(inside, outside), Upsample(), blocks(outside))
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.picture = _WEIGHTS.convolution(widths[-1], channels, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^len(widths), unbounded."""
        picture: Tensor = self.picture(self.stages(self.start(latent)))
        return picture


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels at the picture's size, ..., 8x8, 4x4."""

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: Blocks, head: HeadMaker) -> None:
        super().__init__()
        self.picture = _WEIGHTS.convolution(channels, widths[0], bias=False)
        stages = (
            nn.Sequential(blocks(inside), Downsample(), _transition(inside, outside))
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.end = nn.Sequential(blocks(widths[-1]), Pooling(widths[-1]))
        self.head = head(widths[-1], _WEIGHTS, False)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S) with S = 2 * 2^len(widths) to a verdict with score (N,)."""
        verdict: Verdict = self.head(self.end(self.stages(self.picture(sample))), label)
        return verdict


def blocks(count: int, *, expansion: int, group_width: int, stages: int) -> Blocks:
    """`count` residual blocks a stage, in a network of this many stages."""
    depth = count * stages

    def make(width: int) -> nn.Module:
        parts = (Block(width, expansion=expansion, group_width=group_width, depth=depth) for _ in range(count))
        return nn.Sequential(*parts)

    return make


def _transition(inside: int, outside: int) -> nn.Module:
    """1x1 convolution where the width changes, nothing where it does not."""
    return nn.Identity() if inside == outside else _WEIGHTS.convolution(inside, outside, bias=False)
