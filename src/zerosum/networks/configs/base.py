"""What the settings of all networks share: how they come by a sample's class, and what shapes they can make."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.networks.heads import HeadFactory
    from zerosum.networks.layers import LayerFactory

Width = Annotated[int, Field(ge=1, le=8192)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)]
ActivationName = Literal["leaky_relu", "relu"]
NormName = Literal["none", "batch"]
InstanceNormName = Literal["none", "instance"]
"""A norm that is the same in training and in use, whatever a picture's size and its neighbours."""
InitName = Literal["normal", "orthogonal", "kaiming"]
DropoutRate = Annotated[float, Field(ge=0.0, lt=1.0)]

MIN_SIDE, MAX_SIDE = 16, 1024
"""Sides of the pictures that the convolutional networks make and judge."""
MIN_INPUT_SIDE = 8
"""Least side of the pictures that translators are given, and make others of."""


class GeneratorConfig(Settings):
    """Any generator's settings."""

    is_translator: ClassVar[bool] = False
    """Whether it turns pictures into pictures, not noise."""
    condition: Literal["none", "concat"] = "none"
    """How it is told the class to make: not at all, or by a learned vector beside the latent (Mirza and Osindero 2014,
    arXiv:1411.1784)."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Numbers in a class's learned vector."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What the network does beyond the usual, which terms and games may need: "grow", "have styles", "rebuild"."""
        return frozenset()

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""

    def build(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        bounded: bool,
        num_classes: int = 0,
        input_shape: tuple[int, ...] = (),
    ) -> nn.Module:
        """The network, (N, latent) to (N, *shape), in [-1, 1] by tanh if bounded (where the paper has it).

        A translator's goes from (N, *given) instead. Its `takes` names what else it is called with: `label` (class
        indices, or weights of the classes), `seed`.
        """
        self.check_shape(shape)
        if self.condition != "concat":
            return self.build_network(latent_size, shape, bounded, num_classes)
        from zerosum.networks import conditioning

        network = self.build_network(latent_size + self.condition_size, shape, bounded, num_classes)
        return conditioning.LatentConditioned(network, num_classes, self.condition_size)

    @abstractmethod
    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """The network itself."""


class DiscriminatorConfig(Settings):
    """Any discriminator's settings."""

    condition: Literal["none", "concat", "projection", "auxiliary-classifier"] = "none"
    """How classes are judged: not at all; by learned planes beside the picture (concat, arXiv:1411.1784); by the
    product of the features with a vector of the class (projection, arXiv:1802.05637); or by guessing them (classify,
    arXiv:1610.09585), which the terms classify-real and classify-fake then play for."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 4
    """Planes beside the picture, or numbers beside the point (concat)."""

    @property
    def per_sample(self) -> bool:
        """Whether each sample is judged by itself: batch norm mixes a batch's samples."""
        return True

    @property
    def sees_input(self) -> bool:
        """Whether it is shown what a sample is made from, beside the sample."""
        return False

    @property
    def pretrained_features(self) -> str:
        """The features it is trained on, which therefore must not judge; "" where it has its own."""
        return ""

    @property
    def capabilities(self) -> frozenset[str]:
        """What the network does beyond the usual, which terms and games may need: "grow", "have styles", "rebuild"."""
        return frozenset()

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why samples of this shape are out of reach."""

    def build(self, shape: tuple[int, ...], num_classes: int = 0, input_shape: tuple[int, ...] = ()) -> nn.Module:
        """The network, (N, *shape) to a verdict. Its `takes` names what else it is called with: `label`, `input_shape`.

        `input_shape` is the shape of what samples are made from, empty where that is noise.
        """
        self.check_shape(shape)
        from zerosum.networks import conditioning

        head = conditioning.choose_head(self.condition, num_classes)
        if self.condition != "concat":
            return self.build_network(shape, head)
        network = self.build_network((shape[0] + self.condition_size, *shape[1:]), head)
        return conditioning.SampleConditioned(network, num_classes, self.condition_size)

    @abstractmethod
    def build_network(self, shape: tuple[int, ...], build_head: HeadFactory) -> nn.Module:
        """The network itself, its last word left to the head."""


class TranslatorConfig(GeneratorConfig):
    """Any translator's settings: pictures (N, Ci, h, w) to pictures (N, C, factor h, factor w).

    The networks are convolutions throughout, so they take pictures of any size from 8 pixels a side, and are the same
    in training and in use. They tell three things of themselves: `takes`, () or ("seed",); `reach`, how many pixels of
    what is given count to each side of a pixel that is made, None where all do; `multiple`, to which they fill pictures
    up inside. A tile that begins at a multiple, and has `reach` more on each side, is made as in the whole picture.
    """

    is_translator: ClassVar[bool] = True
    kind: str
    condition: Literal["none"] = "none"
    """Translators are told of no classes."""
    upscale_factor: Literal[1] = 1
    """How many times larger the picture becomes each way."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` why pictures of this shape are out of reach."""
        check_image_size(self.kind, shape, MIN_INPUT_SIDE * self.upscale_factor, self.upscale_factor)

    def build(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        bounded: bool,
        num_classes: int = 0,
        input_shape: tuple[int, ...] = (),
    ) -> nn.Module:
        """The network, (N, *given) to (N, *shape), and of any other size to as many times its size."""
        self.check_shape(shape)
        if not input_shape:
            return self.build_network(latent_size, shape, bounded, num_classes)
        check_input_shape(self.kind, input_shape, shape, self.upscale_factor)
        return self.build_translator(input_shape, shape)

    def build_network(self, latent_size: int, shape: tuple[int, ...], bounded: bool, num_classes: int) -> nn.Module:
        """Refused: of noise it makes nothing."""
        raise BadInput(
            f'{self.kind} turns pictures into pictures and makes none of noise: set game.kind = "translation", or'
            " another generator.kind."
        )

    @abstractmethod
    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network itself."""


def build_layer_factory(init: InitName, spectral_norm: bool = False) -> LayerFactory:
    """How weights are drawn, and whether they are kept in bounds."""
    from zerosum.networks import layers

    return layers.LayerFactory(
        layers.INITS[init], layers.spectral_norm if spectral_norm else layers.leave_unconstrained
    )


def count_doublings(side: int) -> int:
    """From 4x4 to this side."""
    return side.bit_length() - 3


def check_square_image(kind: str, shape: tuple[int, ...]) -> None:
    """Say in a `BadInput` why pictures of this shape are out of reach of convolutional networks."""
    _check_image_channels(kind, shape)
    _, height, width = shape
    if height != width or height.bit_count() != 1 or not MIN_SIDE <= height <= MAX_SIDE:
        raise BadInput(
            f"{kind} needs square pictures whose side is a power of two from {MIN_SIDE} to {MAX_SIDE},"
            f" got {height} x {width}: set {_suggest_sizes(min(height, width))}."
        )


def check_image_size(kind: str, shape: tuple[int, ...], min_side: int, multiple: int = 1) -> None:
    """Say in a `BadInput` why pictures of this shape are out of reach of networks that take any size from the least."""
    _check_image_channels(kind, shape)
    _, height, width = shape
    if min(height, width) < min_side or height % multiple or width % multiple:
        steps = f", a multiple of {multiple}" if multiple > 1 else ""
        side = max(min_side, min(height, width) // multiple * multiple)
        raise BadInput(
            f"{kind} needs pictures of at least {min_side} pixels a side{steps}, got {height} x {width}:"
            f" set `--data.size {side}`."
        )


def check_input_shape(
    kind: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...], upscale_factor: int
) -> None:
    """Say in a `BadInput` why what is given is not `upscale_factor` times smaller than what is to be made of it."""
    if len(input_shape) != 3:
        raise BadInput(
            f"{kind} turns pictures into pictures, and is given samples of the shape {format_shape(input_shape)}."
        )
    if (input_shape[1] * upscale_factor, input_shape[2] * upscale_factor) != output_shape[1:]:
        times = "as large as" if upscale_factor == 1 else f"{upscale_factor} times as large as"
        raise BadInput(
            f"{kind} makes pictures {times} what it is given, but {input_shape[1]} x {input_shape[2]} is given where"
            f" {output_shape[1]} x {output_shape[2]} is wanted: choose a generator whose factor is theirs (of rrdb and srresnet it"
            " can be set)."
        )


def check_equal_channels(
    kind: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...], reason: str, advice: str
) -> None:
    """Say in a `BadInput` that a picture and what becomes of it must have as many channels."""
    if input_shape[0] != output_shape[0]:
        raise BadInput(
            f"{kind} {reason}, so both must have as many channels, got {input_shape[0]} given and {output_shape[0]} wanted: {advice}."
        )


def _check_image_channels(kind: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise BadInput(
            f'{kind} makes pictures and cannot make samples of the shape {format_shape(shape)}: set kind = "mlp" for'
            " the generator and the discriminator."
        )
    if not 1 <= shape[0] <= 4:
        raise BadInput(
            f"{kind} takes pictures of 1 to 4 channels, got {shape[0]}: convert them to grey (1) or colour (3)."
        )


def _suggest_sizes(side: int) -> str:
    """The sizes to choose instead, below and above this side."""
    within = min(max(side, MIN_SIDE), MAX_SIDE)
    below = 1 << (within.bit_length() - 1)
    sizes = (below,) if below == within else (below, 2 * below)
    return " or ".join(f"`--data.size {size}`" for size in sizes)


def format_shape(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return "(" + ", ".join(map(str, shape)) + ")"
