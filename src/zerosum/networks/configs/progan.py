"""Settings of ProGAN's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

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


class _ProGANConfig(NetworkConfig):
    kind: Literal["progan"] = "progan"
    keeps_weights_across_sizes: ClassVar[bool] = True
    widths: Widths = (512, 512, 512, 512, 256, 128, 64, 32, 16)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the image's size, the last repeated for larger images. The default is
    the paper's for images of 1024 x 1024."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"progressive growing"})

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images."""
        check_grid_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from 4x4 up to the image's side."""
        count = count_doublings(side) + 1
        return (self.widths + self.widths[-1:] * count)[:count]


class ProGANGeneratorConfig(_ProGANConfig, TensorGeneratorConfig):
    """Grows from 4x4 pixels to the image's side (Karras et al. 2017, arXiv:1710.10196)."""

    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the fully grown network, latents (N, L) to (N, *shape); linear even if bounded, as in the paper."""
        from zerosum.networks import progan

        grid = find_grid(*spec.shape[1:])
        return progan.Generator(latent_size, spec.shape[0], self.stage_widths(grid.side), grid)


class ProGANDiscriminatorConfig(_ProGANConfig, TensorDiscriminatorConfig):
    """The mirror of the generator, from the image's side down to 4x4."""

    minibatch_std_group_size: int = Field(4, ge=2, le=1024)
    """Number of samples that minibatch standard deviation compares; 4 in the authors' code, the whole batch in the
    paper."""

    @property
    def per_sample(self) -> bool:
        """Whether a score depends on its own sample only: never, because of minibatch standard deviation."""
        return False

    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the fully grown network, (N, *shape) to scores (N,)."""
        from zerosum.networks import progan

        grid = find_grid(*spec.shape[1:])
        widths = self.stage_widths(grid.side)
        return progan.Discriminator(spec.shape[0], widths, grid, self.minibatch_std_group_size, build_head)
