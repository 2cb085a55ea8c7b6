"""Settings of StyleGAN2's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import DiscriminatorShape, GeneratorShape, Width, check_picture, doublings
from zerosum.settings import Setting

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadMaker


class _StyleGAN2(Setting):
    kind: Literal["stylegan2"] = "stylegan2"
    channel_base: Annotated[int, Field(ge=1, le=1 << 20)] = 32768
    """Channels at a size are channel_base / side, at most channel_max. The paper's for 1024 px; 16384 at 256 px."""
    channel_max: Width = 512
    """No size has more channels."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_picture(self.kind, shape)

    def widths(self, side: int) -> tuple[int, ...]:
        """Channels at 4x4, 8x8, ..., the picture's size."""
        sides = (4 << size for size in range(doublings(side) + 1))
        return tuple(max(1, min(self.channel_base // each, self.channel_max)) for each in sides)


class StyleGAN2Generator(_StyleGAN2, GeneratorShape):
    """A mapping network makes styles of latents, and styles modulate the layers that make pictures.

    Karras et al. 2019, arXiv:1912.04958. A class joins the latent before the mapping (arXiv:2006.06676).
    """

    style: Width = 512
    """Numbers in a style."""
    mapping: Annotated[int, Field(ge=1, le=32)] = 8
    """Layers of the mapping network; 2 do for small pictures (arXiv:2006.06676)."""
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of samples that are made of two styles in training."""
    noise: bool = True
    """Add noise after every convolution, as strongly as is learned."""

    @property
    def can(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"have styles"})

    def build(
        self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int = 0, given: tuple[int, ...] = ()
    ) -> nn.Module:
        """The network, (N, latent) to (N, *shape), told of classes by itself. It takes seeds: `takes` has "seed"."""
        self.check(shape)
        return self.network(latent, shape, bounded, classes)

    def network(self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); linear even if bounded, as in the paper."""
        from zerosum.networks import stylegan2
        from zerosum.networks.mapping import Anyhow, Classed, Mapping

        told = self.condition == "concat"
        start = Classed(classes, self.condition_size) if told else Anyhow()
        mapping = Mapping(start, latent + told * self.condition_size, self.style, self.mapping)
        return stylegan2.Generator(
            latent, shape[0], self.widths(shape[1]), mapping, style=self.style, mixing=self.mixing, noisy=self.noise
        )


class StyleGAN2Discriminator(_StyleGAN2, DiscriminatorShape):
    """Residual blocks from the picture down to 4x4, where samples are compared with each other."""

    group: Annotated[int, Field(ge=0, le=1024)] = 4
    """Samples that are compared with each other (minibatch standard deviation, arXiv:1710.10196); 0: none are."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself."""
        return self.group == 0

    def network(self, shape: tuple[int, ...], head: HeadMaker) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import stylegan2

        return stylegan2.Discriminator(shape[0], self.widths(shape[1])[::-1], self.group, head)
