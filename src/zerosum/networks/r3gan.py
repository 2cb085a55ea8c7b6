"""R3GAN's networks: residual, with grouped convolutions and without normalization.

Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", arXiv:2501.05441,
config E. Generator and discriminator mirror each other stage for stage: a transition (resampling, and a 1x1 convolution
where the width changes) and residual blocks of 1x1, grouped 3x3 and 1x1 convolutions. Fixup initialization (Zhang,
Dauphin, Ma 2019, arXiv:1901.09321) replaces normalization: every residual branch starts at zero. The output is linear,
without tanh.

One difference: resampling keeps a constant image constant up to the edge, where the paper pads with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.layers import LEAKY_RELU, Downsample, LayerFactory, Upsample, init_kaiming
from zerosum.networks.stages import Stages, StagesFromImage, list_stages

_FACTORY = LayerFactory(init_kaiming)

BlockFactory = Callable[[int], nn.Module]
"""Create the residual blocks of one stage from its width."""


class ResidualBlock(nn.Module):
    """x + f(x), with f an inverted bottleneck: widen 1x1, mix 3x3 in groups, narrow 1x1."""

    def __init__(self, width: int, *, expansion: int, group_width: int, num_blocks: int) -> None:
        """Create the block.

        Args:
            width: channels of the input and output.
            expansion: factor by which the block is wider inside.
            group_width: channels per group of the 3x3 convolution, 0 for one group.
            num_blocks: number of blocks in the whole network, which scales the initial weights.
        """
        super().__init__()
        wide = width * expansion
        groups = wide // (group_width or wide)
        # Fixup: in each of L branches of m layers, all but the last layer are scaled by L^(-1 / (2m - 2)); here m = 3
        gain = LEAKY_RELU.gain * num_blocks**-0.25
        self.branch = nn.Sequential(
            _FACTORY.conv2d(width, wide, gain=gain),
            LEAKY_RELU.build(),
            _FACTORY.conv2d(wide, wide, kernel_size=3, groups=groups, gain=gain),
            LEAKY_RELU.build(),
            _FACTORY.conv2d(wide, width, gain=0.0, bias=False),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        branch: Tensor = self.branch(hidden)
        return hidden + branch


class GenerativeBasis(nn.Module):
    """A learned pattern per channel, 4x4 or the grid, scaled by a linear function of the latent."""

    def __init__(self, latent_size: int, width: int, grid: ImageGrid) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(1, width, grid.height, grid.width))
        self.linear = _FACTORY.linear(latent_size, width, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L) to (N, width, h, w)."""
        strengths: Tensor = self.linear(latent)
        return self.basis * strengths[:, :, None, None]


class DiscriminativeBasis(nn.Module):
    """The mirror of `GenerativeBasis`: the inner product of each channel with a learned pattern."""

    def __init__(self, width: int, grid: ImageGrid) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.empty(1, width, grid.height, grid.width))
        init_kaiming(self.basis, grid.cells, 1.0)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, h, w) to (N, width)."""
        return (self.basis * hidden).sum((2, 3))


class Generator(nn.Module):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., the image's size."""

    def __init__(
        self, latent_size: int, channels: int, widths: tuple[int, ...], grid: ImageGrid, build_blocks: BlockFactory
    ) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(GenerativeBasis(latent_size, widths[0], grid), build_blocks(widths[0]))
        stages = (
            # narrow before resampling: the 1x1 convolution then works on a quarter of the pixels
            nn.Sequential(_transition(in_channels, out_channels), Upsample(), build_blocks(out_channels))
            for in_channels, out_channels in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.output_layer = _FACTORY.conv2d(widths[-1], channels, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L) to images (N, channels, H, W), 2^(len(widths) - 1) times the grid, unbounded."""
        image: Tensor = self.output_layer(self.stages(self.input_layer(latent)))
        return image


class Discriminator(nn.Module):
    """Map images to scores; `widths` are the channels at the image's size, ..., 8x8, 4x4."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        grid: ImageGrid,
        build_blocks: BlockFactory,
        build_head: HeadFactory,
    ) -> None:
        super().__init__()
        self.input_layer = _FACTORY.conv2d(channels, widths[0], bias=False)
        stages = (
            nn.Sequential(build_blocks(in_channels), Downsample(), _transition(in_channels, out_channels))
            for in_channels, out_channels in pairwise(widths)
        )
        self.stages = StagesFromImage(*stages)
        self.final_block = nn.Sequential(build_blocks(widths[-1]), DiscriminativeBasis(widths[-1], grid))
        self.head = build_head(widths[-1], _FACTORY, False)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W), 2^(len(widths) - 1) times the grid, to an output with score (N,)."""
        output: DiscriminatorOutput = self.head(self.final_block(self.stages(self.input_layer(sample))), label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: each halves the image, the first one with the input layer."""
        first, *further = self.stages
        return list_stages([self.input_layer, first], further)


def build_block_factory(blocks_per_stage: int, *, expansion: int, group_width: int, num_stages: int) -> BlockFactory:
    """Return a factory of `blocks_per_stage` residual blocks, for a network of `num_stages` stages."""
    num_blocks = blocks_per_stage * num_stages

    def build_blocks(width: int) -> nn.Module:
        blocks = (
            ResidualBlock(width, expansion=expansion, group_width=group_width, num_blocks=num_blocks)
            for _ in range(blocks_per_stage)
        )
        return nn.Sequential(*blocks)

    return build_blocks


def _transition(in_channels: int, out_channels: int) -> nn.Module:
    """Return a 1x1 convolution where the width changes, else the identity."""
    return nn.Identity() if in_channels == out_channels else _FACTORY.conv2d(in_channels, out_channels, bias=False)
