"""The settings of every network, checkable without torch: each shape builds its network on demand.

A generator's shape builds `forward(latent (N, latent)) -> (N, *shape)`; a discriminator's builds
`forward(sample (N, *shape)) -> Verdict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.setting import Setting

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.layers import Weights
    from zerosum.networks.r3gan import Blocks

Width = Annotated[int, Field(ge=1, le=8192)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)]
Activation = Literal["leaky_relu", "relu"]
Norm = Literal["none", "batch"]
Init = Literal["normal", "orthogonal", "scaled"]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]

SMALLEST, LARGEST = 16, 1024
"""Sides of the pictures that the convolutional networks make and judge."""


class _MLP(Setting):
    kind: Literal["mlp"] = "mlp"
    activation: Activation = "leaky_relu"
    """The nonlinearity; leaky_relu has slope 0.2."""
    norm: Norm = "none"
    """Normalisation after each hidden layer."""
    init: Init = "scaled"
    """First weights: normal is N(0, 0.02), scaled keeps the variance, orthogonal keeps it and mixes best."""

    reach: float = Field(0.0, ge=0)
    """How far from the origin the first layer's units bend; 0: at the origin. For points, about their own extent."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        if not shape or min(shape) < 1:
            raise BadInput(f"mlp needs samples with at least one value each, got the shape {_said(shape)}.")


class MLPGenerator(_MLP):
    """Fully connected generator, for points and small pictures (Goodfellow et al. 2014, arXiv:1406.2661)."""

    widths: Widths = (256, 512, 1024)
    """Hidden layers from the latent vector to the sample."""

    extent: float = Field(1.0, gt=0)
    """The standard deviation of the first samples, where init keeps variance: covering the data from the beginning
    keeps modes from being missed. For points, about their own extent."""

    def build(self, latent: int, shape: tuple[int, ...], bounded: bool) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded."""
        self.check(shape)
        from zerosum.networks import layers, mlp

        return mlp.Generator(
            latent,
            shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_OF_VECTORS[self.norm],
            weights=_weights(self.init, spectral=False),
            reach=self.reach,
            extent=self.extent,
            bounded=bounded,
        )


class MLPDiscriminator(_MLP):
    """Fully connected discriminator, for points and small pictures."""

    widths: Widths = (1024, 512, 256)
    """Hidden layers from the sample to the score."""
    dropout: Rate = 0.3
    """Share of hidden values dropped in training; 0 for none."""
    spectral: bool = False
    """Divide every weight by its largest singular value (Miyato et al. 2018); leave norm at none then."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return self.norm == "none"

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        self.check(shape)
        from zerosum.networks import layers, mlp

        return mlp.Discriminator(
            shape,
            self.widths,
            activation=layers.ACTIVATIONS[self.activation],
            norm=layers.NORMS_OF_VECTORS[self.norm],
            weights=_weights(self.init, self.spectral),
            reach=self.reach,
            rate=self.dropout,
        )


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
        _check_picture(self.kind, shape)

    def widths(self, side: int) -> tuple[int, ...]:
        """Channels from half the picture's side down to 4x4."""
        return tuple(min(self.width << stage, self.max_width) for stage in range(_doublings(side)))


class DCGANGenerator(_DCGAN):
    """Transposed convolutions from 4x4 (Radford et al. 2015, arXiv:1511.06434; the paper's width is 128)."""

    norm: Norm = "batch"
    """Normalisation after every layer but the last."""

    def build(self, latent: int, shape: tuple[int, ...], bounded: bool) -> nn.Module:
        """The network, (N, latent) to (N, *shape); in [-1, 1] by tanh if bounded."""
        self.check(shape)
        from zerosum.networks import dcgan, layers

        return dcgan.Generator(
            latent,
            shape[0],
            self.widths(shape[1])[::-1],
            norm=layers.NORMS[self.norm],
            weights=_weights(self.init, spectral=False),
            bounded=bounded,
            detail=self.detail,
        )


class DCGANDiscriminator(_DCGAN):
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

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        self.check(shape)
        from zerosum.networks import dcgan, layers

        return dcgan.Discriminator(
            shape[0],
            self.widths(shape[1]),
            norm=layers.NORMS[self.norm],
            weights=_weights(self.init, self.spectral),
            rate=self.dropout,
            detail=self.detail,
        )


class _R3GAN(Setting):
    kind: Literal["r3gan"] = "r3gan"
    widths: Widths = (768, 768, 768, 768, 384, 192, 96)
    """Channels at 4x4, 8x8, 16x16, ...: cut to the picture's size, the last repeated for larger pictures. The
    default is the paper's for CIFAR-10 (its first 4), FFHQ-64 (5) and FFHQ-256 (7)."""
    blocks: int = Field(2, ge=1, le=16)
    """Residual blocks a stage."""
    expansion: int = Field(2, ge=1, le=8)
    """How many times wider a block is inside."""
    group_width: int = Field(16, ge=0, le=8192)
    """Channels a group of the 3x3 convolution, counted inside the block; 0 for one dense group."""

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        for width in self.widths:
            if self.group_width and width * self.expansion % self.group_width:
                raise ValueError(
                    f"width {width} times expansion {self.expansion} must be a multiple of"
                    f" group_width {self.group_width}; set group_width 0 for a dense convolution"
                )
        return self

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""
        _check_picture(self.kind, shape)

    def stages(self, side: int) -> tuple[int, ...]:
        """Channels from 4x4 up to the picture's side."""
        count = _doublings(side) + 1
        return (self.widths + self.widths[-1:] * count)[:count]

    def _blocks(self, side: int) -> Blocks:
        from zerosum.networks import r3gan

        return r3gan.blocks(
            self.blocks,
            expansion=self.expansion,
            group_width=self.group_width,
            stages=len(self.stages(side)),
        )


class R3GANGenerator(_R3GAN):
    """Residual blocks of grouped convolutions, no norm (Huang et al. 2024, arXiv:2501.05441)."""

    def build(self, latent: int, shape: tuple[int, ...], bounded: bool) -> nn.Module:
        """The network, (N, latent) to (N, *shape); linear even if bounded, as in the paper."""
        self.check(shape)
        from zerosum.networks import r3gan

        return r3gan.Generator(latent, shape[0], self.stages(shape[1]), self._blocks(shape[1]))


class R3GANDiscriminator(_R3GAN):
    """The generator's mirror image: the same blocks, from the picture down to 4x4."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return True

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *shape) to a verdict."""
        self.check(shape)
        from zerosum.networks import r3gan

        return r3gan.Discriminator(shape[0], self.stages(shape[1])[::-1], self._blocks(shape[1]))


Generator = Annotated[MLPGenerator | DCGANGenerator | R3GANGenerator, Field(discriminator="kind")]
Discriminator = Annotated[MLPDiscriminator | DCGANDiscriminator | R3GANDiscriminator, Field(discriminator="kind")]


def _weights(init: Init, spectral: bool) -> Weights:
    from zerosum.networks import layers

    return layers.Weights(layers.INITS[init], layers.spectral if spectral else layers.free)


def _doublings(side: int) -> int:
    """From 4x4 to this side."""
    return side.bit_length() - 3


def _check_picture(kind: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise BadInput(
            f'{kind} makes pictures and cannot make samples of the shape {_said(shape)}: set kind = "mlp" for'
            " the generator and the discriminator."
        )
    channels, height, width = shape
    if not 1 <= channels <= 4:
        raise BadInput(
            f"{kind} takes pictures of 1 to 4 channels, got {channels}: convert them to grey (1) or colour (3)."
        )
    if height != width or height.bit_count() != 1 or not SMALLEST <= height <= LARGEST:
        raise BadInput(
            f"{kind} needs square pictures whose side is a power of two from {SMALLEST} to {LARGEST},"
            f" got {height} x {width}: set {_nearest(min(height, width))}."
        )


def _nearest(side: int) -> str:
    """The sizes to choose instead, below and above this side."""
    within = min(max(side, SMALLEST), LARGEST)
    below = 1 << (within.bit_length() - 1)
    sizes = (below,) if below == within else (below, 2 * below)
    return " or ".join(f"`--data.size {size}`" for size in sizes)


def _said(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
