"""Settings of R3GAN's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zerosum.networks.configs.base import (
    NetworkConfig,
    TensorDiscriminatorConfig,
    TensorGeneratorConfig,
    Widths,
    check_grid_image,
)
from zerosum.networks.image_grid import count_doublings, find_grid

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec
    from zerosum.networks.heads import HeadFactory
    from zerosum.networks.r3gan import BlockFactory


class _R3GANConfig(NetworkConfig):
    kind: Literal["r3gan"] = "r3gan"
    keeps_weights_across_sizes: ClassVar[bool] = True
    widths: Widths = (768, 768, 768, 768, 384, 192, 96)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the image's size, the last repeated for larger images. The default is
    the paper's for CIFAR-10 (its first 4), FFHQ-64 (5) and FFHQ-256 (7)."""
    blocks: int = Field(2, ge=1, le=16)
    """Residual blocks per stage."""
    expansion: int = Field(2, ge=1, le=8)
    """Factor by which a block is wider inside."""
    group_width: int = Field(16, ge=0, le=8192)
    """Channels per group of the 3x3 convolution, counted inside the block; 0 for one dense group."""

    @model_validator(mode="after")
    def _check_group_width(self) -> Self:
        for width in self.widths:
            if self.group_width and width * self.expansion % self.group_width:
                raise ValueError(
                    f"width {width} times `expansion` {self.expansion} must be a multiple of"
                    f" `group_width` {self.group_width}; set `group_width` to 0 for a dense convolution"
                )
        return self

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from 4x4 up to the image's side."""
        count = count_doublings(side) + 1
        return (self.widths + self.widths[-1:] * count)[:count]

    def _build_block_factory(self, side: int) -> BlockFactory:
        from zerosum.networks import r3gan

        return r3gan.build_block_factory(
            self.blocks,
            expansion=self.expansion,
            group_width=self.group_width,
            num_stages=len(self.stage_widths(side)),
        )


class R3GANGeneratorConfig(_R3GANConfig, TensorGeneratorConfig):
    """Residual blocks of grouped convolutions, without norm (Huang et al. 2024, arXiv:2501.05441)."""

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network, latents (N, L) to (N, *shape); linear even if bounded, as in the paper."""
        from zerosum.networks import r3gan

        grid = find_grid(*spec.shape[1:])
        widths, build_blocks = self.stage_widths(grid.side), self._build_block_factory(grid.side)
        return r3gan.Generator(latent_size, spec.shape[0], widths, grid, build_blocks)


class R3GANDiscriminatorConfig(_R3GANConfig, TensorDiscriminatorConfig):
    """The mirror of the generator: the same blocks, from the image's side down to 4x4."""

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network, (N, *shape) to scores (N,)."""
        from zerosum.networks import r3gan

        grid = find_grid(*spec.shape[1:])
        widths, build_blocks = self.stage_widths(grid.side)[::-1], self._build_block_factory(grid.side)
        return r3gan.Discriminator(spec.shape[0], widths, grid, build_blocks, build_head)
