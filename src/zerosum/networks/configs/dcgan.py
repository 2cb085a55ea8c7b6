"""Settings of the DCGAN networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.networks.configs.base import (
    NUM_COLORS,
    DropoutRate,
    InitName,
    NetworkConfig,
    NormName,
    TensorDiscriminatorConfig,
    TensorGeneratorConfig,
    Width,
    build_layer_factory,
    check_grid_image,
)
from zerosum.networks.image_grid import count_doublings, find_grid

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory


class _DCGANConfig(NetworkConfig):
    kind: Literal["dcgan"] = "dcgan"
    width: Width = 64
    """Channels of the layer next to the image; they double at every stage towards 4x4."""
    max_width: Width = 512
    """Limit of the doubled channels."""
    full_resolution_channels: int = Field(0, ge=0, le=8192)
    """Channels of a 3x3 convolution at the image's full resolution; 0 for none, as in the paper."""
    init: InitName = "normal"
    """Initialization of the weights: normal is the paper's N(0, 0.02), for networks with norm; without norm use
    kaiming, which preserves the variance from layer to layer, or orthogonal."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"`max_width` must be at least `width` ({self.width}), got {self.max_width}")
        return self

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from half the image's side down to 4x4."""
        return tuple(min(self.width << stage, self.max_width) for stage in range(count_doublings(side)))


class DCGANGeneratorConfig(_DCGANConfig, TensorGeneratorConfig):
    """Transposed convolutions from 4x4 up (Radford et al. 2015, arXiv:1511.06434; the paper's width is 128)."""

    norm: NormName = "batch"
    """Norm after every layer but the last."""
    upsampling: Literal["transposed", "nearest"] = "transposed"
    """How the size is doubled: by 4x4 transposed convolutions as in the paper, or by repeating pixels (nearest) and 3x3
    convolutions, which leave no checkerboard in flat colors."""
    palette_colors: int = Field(0, ge=0, le=256)
    """Number of colors of a sample's palette, in addition to black and white, from which its pixels are mixed; 0 for
    pixels that are free. A palette keeps the colors of an object together where a run takes minutes."""

    output_skips: bool = False
    """Add an output of every resolution to the image, so that coarse shapes are learned directly."""

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape), in [-1, 1] by tanh if bounded."""
        from zerosum.networks import dcgan, layers

        grid = find_grid(*spec.shape[1:])
        return dcgan.Generator(
            latent_size,
            spec.shape[0],
            self.stage_widths(grid.side)[::-1],
            grid=grid,
            norm=layers.NORMS_2D[self.norm],
            factory=build_layer_factory(self.init),
            bounded=spec.bounded,
            full_resolution_channels=self.full_resolution_channels,
            upsampling=self.upsampling,
            palette_colors=self.palette_colors,
            output_skips=self.output_skips,
        )


class DCGANDiscriminatorConfig(_DCGANConfig, TensorDiscriminatorConfig):
    """Convolutions of stride 2 down to 4x4."""

    norm: NormName = "batch"
    """Norm after every layer but the first and the last. With a gradient penalty use none: batch norm makes a sample's
    score depend on the rest of the batch."""
    dropout: DropoutRate = 0.0
    """Fraction of hidden values dropped in training; 0 for none."""
    spectral_norm: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); then set norm to none."""
    chroma_gain: float = Field(1.0, gt=0, le=16)
    """Factor of the color differences of images before the first layer, so that pale colors are noticed; images in
    color only."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images, in color if color differences are scaled."""
        super().check_shape(shape)
        if self.chroma_gain != 1 and shape[0] not in (NUM_COLORS, NUM_COLORS + 1):
            raise BadInput(
                f"`discriminator.chroma_gain` {self.chroma_gain:g} scales color differences, and samples of shape "
                f"{'x'.join(map(str, shape))} have none: leave it out"
            )

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return self.norm == "batch"

    @property
    def uses_dropout(self) -> bool:
        """Whether it has dropout, which makes the score of a sample differ between two forward passes."""
        return self.dropout > 0

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import dcgan, layers

        grid = find_grid(*spec.shape[1:])
        return dcgan.Discriminator(
            spec.shape[0],
            self.stage_widths(grid.side),
            grid=grid,
            norm=layers.NORMS_2D[self.norm],
            factory=build_layer_factory(self.init, self.spectral_norm),
            dropout=self.dropout,
            full_resolution_channels=self.full_resolution_channels,
            build_head=build_head,
            chroma_gain=self.chroma_gain,
        )
