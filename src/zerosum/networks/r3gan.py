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

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LEAKY_RELU, Downsample, LayerFactory, Upsample, init_kaiming

_FACTORY = LayerFactory(init_kaiming)

BlockFactory = Callable[[int], nn.Module]
"""Makes the residual blocks of one stage, given its width."""


class ResidualBlock(nn.Module):
    """x + f(x), with f an inverted bottleneck: widen 1x1, mix 3x3 in groups, narrow 1x1."""

    def __init__(self, width: int, *, expansion: int, group_width: int, num_blocks: int) -> None:
        """`num_blocks` counts the network's blocks; `group_width` is in widened channels, 0 for one group."""
        super().__init__()
        wide = width * expansion
        groups = wide // (group_width or wide)
        # Fixup: among L branches of m layers, all but the last are scaled by L^(-1 / (2m - 2)); here m = 3.
        gain = LEAKY_RELU.gain * num_blocks**-0.25
        self.branch = nn.Sequential(
            _FACTORY.conv2d(width, wide, gain=gain),
            LEAKY_RELU.build(),
            _FACTORY.conv2d(wide, wide, kernel_size=3, groups=groups, gain=gain),
            LEAKY_RELU.build(),
            _FACTORY.conv2d(wide, width, gain=0.0, bias=False),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        branch: Tensor = self.branch(hidden)
        return hidden + branch


class GenerativeBasis(nn.Module):
    """A learned 4x4 pattern a channel, each as strong as the latent vector says."""

    def __init__(self, latent_size: int, width: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(1, width, 4, 4))
        self.linear = _FACTORY.linear(latent_size, width, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, width, 4, 4)."""
        strengths: Tensor = self.linear(latent)
        return self.basis * strengths[:, :, None, None]


class DiscriminativeBasis(nn.Module):
    """The mirror of `Basis`: each channel against a learned 4x4 pattern."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.empty(1, width, 4, 4))
        init_kaiming(self.basis, 16, 1.0)

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, 4, 4) to (N, width)."""
        return (self.basis * hidden).sum((2, 3))


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., the picture's size."""

    def __init__(self, latent_size: int, channels: int, widths: tuple[int, ...], build_blocks: BlockFactory) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(GenerativeBasis(latent_size, widths[0]), build_blocks(widths[0]))
        stages = (
            # Narrow before resampling: the 1x1 convolution then works on a quarter of the pixels.
            nn.Sequential(_transition(inside, outside), Upsample(), build_blocks(outside))
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.output_layer = _FACTORY.conv2d(widths[-1], channels, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 2 * 2^len(widths), unbounded."""
        image: Tensor = self.output_layer(self.stages(self.input_layer(latent)))
        return image


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels at the picture's size, ..., 8x8, 4x4."""

    def __init__(
        self, channels: int, widths: tuple[int, ...], build_blocks: BlockFactory, build_head: HeadFactory
    ) -> None:
        super().__init__()
        self.input_layer = _FACTORY.conv2d(channels, widths[0], bias=False)
        stages = (
            nn.Sequential(build_blocks(inside), Downsample(), _transition(inside, outside))
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.final_block = nn.Sequential(build_blocks(widths[-1]), DiscriminativeBasis(widths[-1]))
        self.head = build_head(widths[-1], _FACTORY, False)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S) with S = 2 * 2^len(widths) to a verdict with score (N,)."""
        output: DiscriminatorOutput = self.head(self.final_block(self.stages(self.input_layer(sample))), label)
        return output


def build_block_factory(blocks_per_stage: int, *, expansion: int, group_width: int, num_stages: int) -> BlockFactory:
    """`blocks_per_stage` residual blocks a stage, in a network of this many stages."""
    depth = blocks_per_stage * num_stages

    def make(width: int) -> nn.Module:
        parts = (
            ResidualBlock(width, expansion=expansion, group_width=group_width, num_blocks=depth)
            for _ in range(blocks_per_stage)
        )
        return nn.Sequential(*parts)

    return make


def _transition(in_channels: int, out_channels: int) -> nn.Module:
    """1x1 convolution where the width changes, nothing where it does not."""
    return nn.Identity() if in_channels == out_channels else _FACTORY.conv2d(in_channels, out_channels, bias=False)
