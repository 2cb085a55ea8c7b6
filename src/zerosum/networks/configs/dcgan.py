"""Settings of the DCGAN networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from zerosum.networks.configs.base import (
    DiscriminatorShape,
    GeneratorShape,
    Init,
    Norm,
    Rate,
    Width,
    check_picture,
    doublings,
    weights,
)
from zerosum.settings import Setting

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadMaker


class _DCGAN(Setting):
    kind: Literal["dcgan"] = "dcgan"
    width: Width = 64
    """Channels of the layer nearest the picture; they double at every stage towards 4x4."""
    max_width: Width = 512
    """The doubling stops here."""
    detail: int = Field(0, ge=0, le=8192)
    """Channels of a 3x3 convolution at the picture's own size, beside the picture; 0: none, as in the paper."""
    init: Init = "normal"
    """First weights: normal is the paper's N(0, 0.02), for networks with norm; without it take scaled
    (variance kept from layer to layer) or orthogonal."""

    @model_validator(mode="after")
    def _widths_grow(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"max_width must be at least width ({self.width}), got {self.max_width}")
        return self

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        check_picture(self.kind, shape)

    def widths(self, side: int) -> tuple[int, ...]:
        """Channels from half the picture's side down to 4x4."""
        return tuple(min(self.width << stage, self.max_width) for stage in range(doublings(side)))


class DCGANGenerator(_DCGAN, GeneratorShape):
    """Transposed convolutions from 4x4 (Radford et al. 2015, arXiv:1511.06434; the paper's width is 128)."""

    norm: Norm = "batch"
    """Normalisation after every layer but the last."""

    def network(self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded."""
        from zerosum.networks import dcgan, layers

        return dcgan.Generator(
            latent,
            shape[0],
            self.widths(shape[1])[::-1],
            norm=layers.NORMS[self.norm],
            weights=weights(self.init),
            bounded=bounded,
            detail=self.detail,
        )


class DCGANDiscriminator(_DCGAN, DiscriminatorShape):
    """Convolutions of stride 2 down to 4x4."""

    norm: Norm = "batch"
    """Normalisation after every layer but the first and the last. With a gradient penalty take none: batch
    norm makes a sample's score depend on its neighbours."""
    dropout: Rate = 0.0
    """Share of hidden values dropped in training; 0 for none."""
    spectral: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); set norm to none then."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return self.norm == "none"

    def network(self, shape: tuple[int, ...], head: HeadMaker) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        from zerosum.networks import dcgan, layers

        return dcgan.Discriminator(
            shape[0],
            self.widths(shape[1]),
            norm=layers.NORMS[self.norm],
            weights=weights(self.init, self.spectral),
            rate=self.dropout,
            detail=self.detail,
            head=head,
        )
