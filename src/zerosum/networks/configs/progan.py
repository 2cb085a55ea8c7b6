"""Settings of ProGAN's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.networks.configs.base import (
    DiscriminatorConfig,
    GeneratorConfig,
    Widths,
    check_square_image,
    count_doublings,
)
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory


class _ProGANConfig(Settings):
    kind: Literal["progan"] = "progan"
    widths: Widths = (512, 512, 512, 512, 256, 128, 64, 32, 16)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the picture's size, the last repeated for larger pictures. The
    default is the paper's for pictures of 1024 x 1024."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"progressive growing"})

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_square_image(self.kind, shape)

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Channels from 4x4 up to the picture's side."""
        count = count_doublings(side) + 1
        return (self.widths + self.widths[-1:] * count)[:count]


class ProGANGeneratorConfig(_ProGANConfig, GeneratorConfig):
    """Grows from 4x4 pixels to the picture's side (Karras et al. 2017, arXiv:1710.10196)."""

    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape), fully grown; linear even if bounded, as in the paper."""
        from zerosum.networks import progan

        return progan.Generator(latent_size, shape[0], self.stage_widths(shape[1]))


class ProGANDiscriminatorConfig(_ProGANConfig, DiscriminatorConfig):
    """The generator's mirror image: from the picture down to 4x4."""

    minibatch_std_group_size: int = Field(4, ge=2, le=1024)
    """Samples whose deviation from each other is shown to it; 4 in the authors' program, the whole batch in the
    paper."""

    @property
    def per_sample(self) -> bool:
        """Whether each sample is judged by itself: never, as the deviation is of several."""
        return False

    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network, (N, *shape) to a verdict, fully grown."""
        from zerosum.networks import progan

        return progan.Discriminator(shape[0], self.stage_widths(shape[1]), self.minibatch_std_group_size, build_head)
