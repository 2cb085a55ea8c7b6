"""What the settings of all networks share: how they come by a sample's class, and what shapes they can make."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.settings import Setting

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadMaker
    from zerosum.networks.layers import Weights

Width = Annotated[int, Field(ge=1, le=8192)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)]
Activation = Literal["leaky_relu", "relu"]
Norm = Literal["none", "batch"]
MapNorm = Literal["none", "instance"]
"""A norm that is the same in training and in use, whatever a picture's size and its neighbours."""
Init = Literal["normal", "orthogonal", "scaled"]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]

SMALLEST, LARGEST = 16, 1024
"""Sides of the pictures that the convolutional networks make and judge."""
LEAST_GIVEN = 8
"""Least side of the pictures that translators are given, and make others of."""


class GeneratorShape(Setting):
    """Any generator's settings."""

    translates: ClassVar[bool] = False
    """Whether it turns pictures into pictures, not noise."""
    condition: Literal["none", "concat"] = "none"
    """How it is told the class to make: not at all, or by a learned vector beside the latent (Mirza and Osindero 2014,
    arXiv:1411.1784)."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Numbers in a class's learned vector."""

    @property
    def can(self) -> frozenset[str]:
        """What the network does beyond the usual, which terms and games may need: "grow", "have styles", "rebuild"."""
        return frozenset()

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""

    def build(
        self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int = 0, given: tuple[int, ...] = ()
    ) -> nn.Module:
        """The network, (N, latent) to (N, *shape), in [-1, 1] by tanh if bounded (where the paper has it).

        A translator's goes from (N, *given) instead. Its `takes` names what else it is called with: `label` (class
        indices, or weights of the classes), `seed`.
        """
        self.check(shape)
        if self.condition != "concat":
            return self.network(latent, shape, bounded, classes)
        from zerosum.networks import conditioning

        network = self.network(latent + self.condition_size, shape, bounded, classes)
        return conditioning.Joined(network, classes, self.condition_size)

    @abstractmethod
    def network(self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int) -> nn.Module:
        """The network itself."""


class DiscriminatorShape(Setting):
    """Any discriminator's settings."""

    condition: Literal["none", "concat", "projection", "classify"] = "none"
    """How classes are judged: not at all; by learned planes beside the picture (concat, arXiv:1411.1784); by the
    product of the features with a vector of the class (projection, arXiv:1802.05637); or by guessing them (classify,
    arXiv:1610.09585), which the terms classify-real and classify-fake then play for."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 4
    """Planes beside the picture, or numbers beside the point (concat)."""

    @property
    def alone(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return True

    @property
    def sees_given(self) -> bool:
        """Whether it is shown what a sample is made from, beside the sample."""
        return False

    @property
    def sees_through(self) -> str:
        """The features it is trained on, which therefore must not judge; "" where it has its own."""
        return ""

    @property
    def can(self) -> frozenset[str]:
        """What the network does beyond the usual, which terms and games may need: "grow", "have styles", "rebuild"."""
        return frozenset()

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""

    def build(self, shape: tuple[int, ...], classes: int = 0, given: tuple[int, ...] = ()) -> nn.Module:
        """The network, (N, *shape) to a verdict. Its `takes` names what else it is called with: `label`, `given`.

        `given` is the shape of what samples are made from, empty where that is noise.
        """
        self.check(shape)
        from zerosum.networks import conditioning

        head = conditioning.head(self.condition, classes)
        if self.condition != "concat":
            return self.network(shape, head)
        network = self.network((shape[0] + self.condition_size, *shape[1:]), head)
        return conditioning.Beside(network, classes, self.condition_size)

    @abstractmethod
    def network(self, shape: tuple[int, ...], head: HeadMaker) -> nn.Module:
        """The network itself, its last word left to the head."""


class TranslatorShape(GeneratorShape):
    """Any translator's settings: pictures (N, Ci, h, w) to pictures (N, C, factor h, factor w).

    The networks are convolutions throughout, so they take pictures of any size from 8 pixels a side, and are the same
    in training and in use. They tell three things of themselves: `takes`, () or ("seed",); `reach`, how many pixels of
    what is given count to each side of a pixel that is made, None where all do; `multiple`, to which they fill pictures
    up inside. A tile that begins at a multiple, and has `reach` more on each side, is made as in the whole picture.
    """

    translates: ClassVar[bool] = True
    kind: str
    condition: Literal["none"] = "none"
    """Translators are told of no classes."""
    factor: Literal[1] = 1
    """How many times larger the picture becomes each way."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why pictures of this shape are out of reach."""
        check_any_size(self.kind, shape, LEAST_GIVEN * self.factor, self.factor)

    def build(
        self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int = 0, given: tuple[int, ...] = ()
    ) -> nn.Module:
        """The network, (N, *given) to (N, *shape), and of any other size to as many times its size."""
        self.check(shape)
        if not given:
            return self.network(latent, shape, bounded, classes)
        check_given(self.kind, given, shape, self.factor)
        return self.translator(given, shape)

    def network(self, latent: int, shape: tuple[int, ...], bounded: bool, classes: int) -> nn.Module:
        """Refused: of noise it makes nothing."""
        raise BadInput(
            f'{self.kind} turns pictures into pictures and makes none of noise: set game.kind = "translation", or'
            " another generator.kind."
        )

    @abstractmethod
    def translator(self, given: tuple[int, ...], shape: tuple[int, ...]) -> nn.Module:
        """The network itself."""


def weights(init: Init, spectral: bool = False) -> Weights:
    """How weights are drawn, and whether they are kept in bounds."""
    from zerosum.networks import layers

    return layers.Weights(layers.INITS[init], layers.spectral if spectral else layers.free)


def doublings(side: int) -> int:
    """From 4x4 to this side."""
    return side.bit_length() - 3


def check_picture(kind: str, shape: tuple[int, ...]) -> None:
    """Say in a `BadInput` why pictures of this shape are out of reach of convolutional networks."""
    _check_planes(kind, shape)
    _, height, width = shape
    if height != width or height.bit_count() != 1 or not SMALLEST <= height <= LARGEST:
        raise BadInput(
            f"{kind} needs square pictures whose side is a power of two from {SMALLEST} to {LARGEST},"
            f" got {height} x {width}: set {_nearest(min(height, width))}."
        )


def check_any_size(kind: str, shape: tuple[int, ...], least: int, step: int = 1) -> None:
    """Say in a `BadInput` why pictures of this shape are out of reach of networks that take any size from the least."""
    _check_planes(kind, shape)
    _, height, width = shape
    if min(height, width) < least or height % step or width % step:
        steps = f", a multiple of {step}" if step > 1 else ""
        side = max(least, min(height, width) // step * step)
        raise BadInput(
            f"{kind} needs pictures of at least {least} pixels a side{steps}, got {height} x {width}:"
            f" set `--data.size {side}`."
        )


def check_given(kind: str, given: tuple[int, ...], shape: tuple[int, ...], factor: int) -> None:
    """Say in a `BadInput` why what is given is not `factor` times smaller than what is to be made of it."""
    if len(given) != 3:
        raise BadInput(f"{kind} turns pictures into pictures, and is given samples of the shape {said(given)}.")
    if (given[1] * factor, given[2] * factor) != shape[1:]:
        times = "as large as" if factor == 1 else f"{factor} times as large as"
        raise BadInput(
            f"{kind} makes pictures {times} what it is given, but {given[1]} x {given[2]} is given where"
            f" {shape[1]} x {shape[2]} is wanted: choose a generator whose factor is theirs (of rrdb and srresnet it"
            " can be set)."
        )


def check_alike(kind: str, given: tuple[int, ...], shape: tuple[int, ...], why: str, advice: str) -> None:
    """Say in a `BadInput` that a picture and what becomes of it must have as many channels."""
    if given[0] != shape[0]:
        raise BadInput(
            f"{kind} {why}, so both must have as many channels, got {given[0]} given and {shape[0]} wanted: {advice}."
        )


def _check_planes(kind: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise BadInput(
            f'{kind} makes pictures and cannot make samples of the shape {said(shape)}: set kind = "mlp" for'
            " the generator and the discriminator."
        )
    if not 1 <= shape[0] <= 4:
        raise BadInput(
            f"{kind} takes pictures of 1 to 4 channels, got {shape[0]}: convert them to grey (1) or colour (3)."
        )


def _nearest(side: int) -> str:
    """The sizes to choose instead, below and above this side."""
    within = min(max(side, SMALLEST), LARGEST)
    below = 1 << (within.bit_length() - 1)
    sizes = (below,) if below == within else (below, 2 * below)
    return " or ".join(f"`--data.size {size}`" for size in sizes)


def said(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return "(" + ", ".join(map(str, shape)) + ")"
