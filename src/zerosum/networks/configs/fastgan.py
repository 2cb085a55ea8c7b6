"""Settings of FastGAN's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zerosum.networks.configs.base import DiscriminatorShape, GeneratorShape, Init, Norm, Width, check_picture, weights
from zerosum.settings import Setting

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadMaker

TIMES = {4: 16.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25, 1024: 0.125}
"""Channels over `width`, by the side of the map: the published code's."""
FEWEST = 4
"""Channels of any map, however narrow the network."""


class _FastGAN(Setting):
    kind: Literal["fastgan"] = "fastgan"
    init: Init = "scaled"
    """First weights: scaled keeps the variance from layer to layer, normal is N(0, 0.02), for networks with norm."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_picture(self.kind, shape)


class FastGANGenerator(_FastGAN, GeneratorShape):
    """Gated up-blocks with noise, large maps gated by small ones (Liu et al. 2021, arXiv:2101.04775).

    The paper divides its weights by their spectral norm too; here batch norm alone keeps them, which undoes any scale.
    """

    width: Width = 64
    """Channels at 128 px: 16 times as many at 4x4, 8 at 8x8, 4 at 16x16, 2 at 32 and 64, halved beyond 128."""
    norm: Norm = "batch"
    """Normalisation before every gated linear unit."""

    def widths(self, side: int) -> tuple[int, ...]:
        """Channels from 4x4 up to the picture's side."""
        return tuple(channels(self.width, size) for size in TIMES if size <= side)

    def network(self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded."""
        from zerosum.networks import fastgan, layers

        return fastgan.Generator(
            latent,
            shape[0],
            self.widths(shape[1]),
            norm=layers.NORMS[self.norm],
            weights=weights(self.init),
            bounded=bounded,
        )


class FastGANDiscriminator(_FastGAN, DiscriminatorShape):
    """Down-blocks of two branches, and decoders that find the picture again in what it has seen of it.

    It scores 5 x 5 places of a picture. A gradient penalty counts the slope of their sum, so a weight fitted to one
    score is 25^2 times as strong here.
    """

    width: Width = 64
    """Channels at 64 px: twice as many at each halving, 8 times as many at 8x8."""
    norm: Norm = "none"
    """Normalisation after every layer but the first and the last; the paper's is batch. With a gradient penalty take
    none: batch norm makes a sample's score depend on its neighbours."""
    spectral: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018, arXiv:1802.05957), as the paper does."""
    decoder: int = Field(32, ge=0, le=8192)
    """Channels of the decoders at 128 px, and more at smaller sizes, as in the generator; 0: no decoders. The term
    rebuild plays for them."""
    rebuilt: Literal[8, 16, 32, 64, 128, 256, 512] = 128
    """Side of the pictures they make, or half the picture's where that is less."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return self.norm == "none"

    @property
    def can(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"rebuild"} if self.decoder else ())

    def widths(self, side: int) -> tuple[int, ...]:
        """Channels from the picture's side down to 8x8."""
        return tuple(max(64 * self.width // size, FEWEST) for size in reversed(TIMES) if 8 <= size <= side)

    def network(self, shape: tuple[int, ...], head: HeadMaker) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import fastgan, layers

        return fastgan.Discriminator(
            shape[0],
            self.widths(shape[1]),
            norm=layers.NORMS[self.norm],
            weights=weights(self.init, self.spectral),
            head=head,
            decoders=self._decoders(shape),
        )

    def _decoders(self, shape: tuple[int, ...]) -> nn.ModuleList:
        """Of the 8x8 map, and of the 16x16 map where the rebuilt picture is no smaller."""
        from torch import nn

        from zerosum.networks import fastgan, layers

        # planes of a class beside the picture are not rebuilt
        pictures = shape[0] - (self.condition_size if self.condition == "concat" else 0)
        target = min(self.rebuilt, shape[1] // 2)
        *_, middle, small = self.widths(shape[1])
        decoders = (
            fastgan.Decoder(
                (width, *(channels(self.decoder, size) for size in TIMES if side < size <= target)),
                pictures,
                norm=layers.NORMS[self.norm],
                weights=weights(self.init, self.spectral),
            )
            for side, width in ((8, small), (16, middle))
            if self.decoder and side <= target
        )
        return nn.ModuleList(decoders)


def channels(width: int, side: int) -> int:
    """Channels of a map of this side, in a network of this width."""
    return max(int(width * TIMES[side]), FEWEST)
