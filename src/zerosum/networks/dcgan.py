"""Deep convolutional networks (Radford, Metz, Chintala 2015, arXiv:1511.06434).

The generator doubles the size from 4x4 (see `image_grid`) by 4x4 transposed convolutions of stride 2; the discriminator
halves it down to 4x4 by 4x4 convolutions of stride 2. As in the paper, the generator uses ReLU and the discriminator
leaky ReLU 0.2, and the layer next to the image has no norm in either.

Four extensions: `full_resolution_channels` adds a 3x3 convolution at the image's full resolution to both networks,
where the paper's networks read and write pixels only through a stride of 2; `upsampling` replaces the transposed
convolutions of the generator, whose kernels may leave a checkerboard (Odena et al. 2016, "Deconvolution and
Checkerboard Artifacts"), by nearest-neighbor upsampling and 3x3 convolutions; `palette_colors` mixes pixels from a
palette of the sample (see `palette`); and `output_skips` adds an output of every resolution to the image, as in
StyleGAN2 (Karras et al. 2019, arXiv:1912.04958, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.chroma import ChromaGain
from zerosum.networks.heads import HeadFactory, Labels
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.layers import (
    LEAKY_RELU,
    RELU,
    LayerFactory,
    Norm,
    UpsampleConv,
    dropout_or_identity,
    repeat_pixels,
    tanh_or_identity,
)
from zerosum.networks.palette import PaletteOutput, num_logits
from zerosum.networks.stages import Stages, list_stages

Upsampling = Literal["transposed", "nearest"]
"""How a generator doubles the size: by 4x4 transposed convolutions, or by repeated pixels and 3x3 convolutions."""
UpsampleFactory = Callable[[int, int, float, bool], nn.Module]
"""Create a layer that doubles the size, from its input and output channels, its gain, and whether it has a bias."""


def _build_upsampling(upsampling: Upsampling, factory: LayerFactory) -> UpsampleFactory:
    if upsampling == "transposed":
        return factory.conv_transpose2d
    return lambda in_channels, out_channels, gain, bias: UpsampleConv(
        factory.conv2d(in_channels, out_channels, kernel_size=3, gain=gain, bias=bias)
    )


class Generator(nn.Module):
    """Map latent vectors to images; `widths` are the channels at 4x4, 8x8, ..., half the image's size."""

    def __init__(
        self,
        latent_size: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        grid: ImageGrid,
        norm: Norm,
        factory: LayerFactory,
        bounded: bool,
        full_resolution_channels: int = 0,
        upsampling: Upsampling = "transposed",
        palette_colors: int = 0,
        output_skips: bool = False,
    ) -> None:
        super().__init__()
        first = widths[0]
        upsample = _build_upsampling(upsampling, factory)
        self.input_layer = nn.Sequential(
            factory.linear(latent_size, first * grid.cells, RELU.gain, bias=not norm.has_bias),
            nn.Unflatten(1, (first, grid.height, grid.width)),
            norm.build(first),
            RELU.build(),
        )
        stages = (
            nn.Sequential(
                upsample(in_channels, out_channels, RELU.gain, not norm.has_bias),
                norm.build(out_channels),
                RELU.build(),
            )
            for in_channels, out_channels in pairwise(
                [*widths, full_resolution_channels] if full_resolution_channels else widths
            )
        )
        self.stages = nn.Sequential(*stages)
        outputs = num_logits(palette_colors, bounded) if palette_colors else channels
        last_conv = (
            factory.conv2d(full_resolution_channels, outputs, kernel_size=3)
            if full_resolution_channels
            else upsample(widths[-1], outputs, 1.0, True)
        )
        self.output_layer = nn.Sequential(last_conv, nn.Identity() if palette_colors else tanh_or_identity(bounded))
        self.palette = PaletteOutput(latent_size, channels, palette_colors, bounded) if palette_colors else None
        self.skip_layers = nn.ModuleList(factory.conv2d(width, outputs) for width in widths if output_skips)

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (N, L) to images (N, channels, H, W), 2^len(widths) times the grid, in [-1, 1] if bounded."""
        features = self.input_layer(latent)
        last_conv, activation = self.output_layer
        image: Tensor
        if self.skip_layers:
            features, skip = self._forward_stages_with_skips(features)
            image = last_conv(features) + skip
        else:
            image = last_conv(self.stages(features))
        image = activation(image) if self.palette is None else self.palette(image, latent)
        return image

    def _forward_stages_with_skips(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last features, and the sum of the outputs at all resolutions, enlarged to the image's size."""
        skip = self.skip_layers[0](features)
        for index, stage in enumerate(self.stages, 1):
            features, skip = stage(features), repeat_pixels(skip)
            if index < len(self.skip_layers):  # the last convolution is the output at full resolution
                skip = skip + self.skip_layers[index](features)
        has_full_resolution_stage = len(self.stages) == len(self.skip_layers)
        return features, skip if has_full_resolution_stage else repeat_pixels(skip)


class Discriminator(nn.Module):
    """Map images to scores; `widths` are the channels at half the image's size, ..., 8x8, 4x4."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        grid: ImageGrid,
        norm: Norm,
        factory: LayerFactory,
        dropout: float,
        build_head: HeadFactory,
        full_resolution_channels: int = 0,
        chroma_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.chroma = nn.Identity() if chroma_gain == 1 else ChromaGain(chroma_gain)
        full_resolution_layers: list[nn.Module] = []
        if full_resolution_channels:
            full_resolution_layers = [
                factory.conv2d(channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain),
                LEAKY_RELU.build(),
            ]
        self.input_layer = nn.Sequential(
            *full_resolution_layers,
            factory.strided_conv2d(full_resolution_channels or channels, widths[0], LEAKY_RELU.gain),
            LEAKY_RELU.build(),
            dropout_or_identity(dropout),
        )
        stages = (
            nn.Sequential(
                factory.strided_conv2d(in_channels, out_channels, LEAKY_RELU.gain, bias=not norm.has_bias),
                norm.build(out_channels),
                LEAKY_RELU.build(),
                dropout_or_identity(dropout),
            )
            for in_channels, out_channels in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.head = build_head(widths[-1] * grid.cells, factory, True)
        self.condition_inputs = self.head.condition_inputs

    def forward(self, sample: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map (N, channels, H, W), 2^len(widths) times the grid, to an output with score (N,)."""
        features = self.stages(self.input_layer(self.chroma(sample)))  # (N, widths[-1], 4, 4), or the grid
        output: DiscriminatorOutput = self.head(features.flatten(1), label)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on: each halves the image."""
        return list_stages([self.input_layer], self.stages)
