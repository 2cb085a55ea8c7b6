"""Deep convolutional networks (Radford, Metz, Chintala 2015, arXiv:1511.06434).

The generator doubles the size from 4x4 by 4x4 transposed convolutions of stride 2, the discriminator halves
it down to 4x4 by 4x4 convolutions of stride 2. As in the paper, ReLU in the generator and leaky ReLU 0.2 in
the discriminator, and no norm beside the picture on either side.

One thing may be added: `detail`, a 3x3 convolution of a few channels at the picture's own size on either side, where
the paper's networks see and make no pixel but through a stride of 2.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.layers import LEAKY_RELU, RELU, LayerFactory, Norm, dropout_or_identity, tanh_or_identity


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., half the picture."""

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        factory: LayerFactory,
        bounded: bool,
        full_resolution_channels: int = 0,
    ) -> None:
        super().__init__()
        first = widths[0]
        self.input_layer = nn.Sequential(
            factory.linear(latent_size, first * 16, RELU.gain, bias=not norm.has_bias),
            nn.Unflatten(1, (first, 4, 4)),
            norm.build(first),
            RELU.build(),
        )
        stages = (
            nn.Sequential(
                factory.conv_transpose2d(inside, outside, RELU.gain, bias=not norm.has_bias),
                norm.build(outside),
                RELU.build(),
            )
            for inside, outside in pairwise([*widths, full_resolution_channels] if full_resolution_channels else widths)
        )
        self.stages = nn.Sequential(*stages)
        last = (
            factory.conv2d(full_resolution_channels, channels, kernel_size=3)
            if full_resolution_channels
            else factory.conv_transpose2d(widths[-1], channels)
        )
        self.output_layer = nn.Sequential(last, tanh_or_identity(bounded))

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 4 * 2^len(widths), in [-1, 1] if bounded."""
        image: Tensor = self.output_layer(self.stages(self.input_layer(latent)))
        return image


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels at half the picture, ..., 8x8, 4x4."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        factory: LayerFactory,
        dropout: float,
        build_head: HeadFactory,
        full_resolution_channels: int = 0,
    ) -> None:
        super().__init__()
        close: list[nn.Module] = []
        if full_resolution_channels:
            close = [
                factory.conv2d(channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain),
                LEAKY_RELU.build(),
            ]
        self.input_layer = nn.Sequential(
            *close,
            factory.strided_conv2d(full_resolution_channels or channels, widths[0], LEAKY_RELU.gain),
            LEAKY_RELU.build(),
            dropout_or_identity(dropout),
        )
        stages = (
            nn.Sequential(
                factory.strided_conv2d(inside, outside, LEAKY_RELU.gain, bias=not norm.has_bias),
                norm.build(outside),
                LEAKY_RELU.build(),
                dropout_or_identity(dropout),
            )
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.head = build_head(widths[-1] * 16, factory, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, channels, S, S) with S = 4 * 2^len(widths) to a verdict with score (N,)."""
        seen = self.stages(self.input_layer(sample))  # (N, widths[-1], 4, 4)
        output: DiscriminatorOutput = self.head(seen.flatten(1), label)
        return output
