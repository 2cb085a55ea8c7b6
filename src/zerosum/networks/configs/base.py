"""Settings that all networks share: the condition, and the checks of sample shapes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec, require_single_tensor
from zerosum.networks.image_grid import check_grid
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec
    from zerosum.networks.heads import HeadFactory
    from zerosum.networks.layers import LayerFactory

Width = Annotated[int, Field(ge=1, le=8192)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)]
ActivationName = Literal["leaky_relu", "relu"]
NormName = Literal["none", "batch"]
InstanceNormName = Literal["none", "instance"]
"""Norms that behave the same in training and evaluation mode, whatever the image's size and the rest of the batch."""
InitName = Literal["normal", "orthogonal", "kaiming"]
DropoutRate = Annotated[float, Field(ge=0.0, lt=1.0)]

NUM_COLORS = 3
"""Channels of a color image that are colors; a fourth one is alpha."""
MAX_CHANNELS = 64
"""Largest number of channels of images: of satellites and spectrometers, and of stacks of slices."""
MIN_INPUT_SIDE = 8
"""Smallest side of a translator's inputs."""


class NetworkConfig(Settings):
    """Settings that all networks share."""

    kind: str
    """Name of the network."""
    keeps_weights_across_sizes: ClassVar[bool] = False
    """Whether a network for images of another size has the same layers at the resolutions that both have."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the network supports samples of this shape.

        Raises:
            BadInput: the shape is not supported.
        """


class GeneratorConfig(NetworkConfig):
    """Settings that all generators share."""

    is_translator: ClassVar[bool] = False
    """Whether it maps images to images, instead of latents to samples."""
    condition: Literal["none", "concat"] = "none"
    """Condition on the classes and on the numbers of `data.conditions`: none, or a learned vector of them that is
    concatenated with the latent (concat, Mirza and Osindero 2014, arXiv:1411.1784)."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Number of values in the learned vector of a class or of numbers."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require, such as "progressive growing" or "styles"."""
        return frozenset()

    @property
    def num_outputs(self) -> int:
        """Number of samples along its depth that the network can return for each latent."""
        return 1

    @property
    def mixes_styles(self) -> bool:
        """Whether samples are generated from two styles in training, for which it draws normal latents itself."""
        return False

    @abstractmethod
    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to samples (N, ...); a translator maps inputs (N, ...) instead.

        Its `condition_inputs` names the further arguments of `forward`: `label` (class indices or class weights),
        `condition`, `seed`.

        Args:
            latent_size: number of values in a latent.
            spec: what a sample is. Where it is bounded, networks end with tanh, unless the paper's output is linear.
            num_classes: number of classes; 0 for none.
            input_spec: what a translator's input is; None for a generator from latents.
            condition_spec: what a numeric condition is; None if there are none. Most networks take none.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """


class TensorGeneratorConfig(GeneratorConfig):
    """Settings of a generator whose samples are one tensor."""

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to samples (N, ...); the concat condition wraps it.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """
        tensor_spec = require_single_tensor(spec, self.kind)
        self.check_shape(tensor_spec.shape)
        if self.condition == "none":
            return self.build_network(latent_size, tensor_spec, num_classes)
        from zerosum.networks import conditioning, heads

        num_numbers = conditioning.count_numbers(condition_spec)
        num_weights = heads.count_weights(num_classes, num_numbers)
        concatenates = self.condition == "concat"
        network = self.build_network(latent_size + concatenates * self.condition_size, tensor_spec, num_weights)
        if concatenates:
            network = conditioning.LatentConditioned(network, num_weights, self.condition_size)
        return conditioning.add_numbers(network, num_classes, num_numbers)

    @abstractmethod
    def build_network(self, latent_size: int, spec: TensorSpec, num_classes: int) -> nn.Module:
        """Build the network without the concat condition."""


class DiscriminatorConfig(NetworkConfig):
    """Settings that all discriminators share."""

    condition: Literal["none", "concat", "projection", "auxiliary-classifier"] = "none"
    """Condition on the classes and on the numbers of `data.conditions`: none; learned planes of them that are
    concatenated with the image (concat, arXiv:1411.1784); the inner product of the features and a vector of them
    (projection, arXiv:1802.05637); or, of classes alone, class logits (auxiliary-classifier, arXiv:1610.09585), which
    the terms classify-real and classify-fake train."""
    condition_size: Annotated[int, Field(ge=1, le=4096)] = 4
    """Number of planes concatenated with the image, or of values concatenated with a sample of one axis (concat)."""

    @property
    def uses_batch_norm(self) -> bool:
        """Whether it has batch norm, which makes a sample's score depend on the rest of the batch."""
        return False

    @property
    def uses_dropout(self) -> bool:
        """Whether it has dropout, which makes the score of a sample differ between two forward passes."""
        return False

    @property
    def has_second_derivatives(self) -> bool:
        """Whether its input gradients can be differentiated again, as exact gradient penalties need."""
        return True

    @property
    def per_sample(self) -> bool:
        """Whether a score depends on its own sample only."""
        return not self.uses_batch_norm

    @property
    def samples_per_score(self) -> int:
        """Number of samples that get one score together; batches are multiples of it."""
        return 1

    @property
    def sees_input(self) -> bool:
        """Whether the discriminator also gets the input that a sample was translated from."""
        return False

    @property
    def pretrained_features(self) -> str:
        """The pretrained features it is trained on, with which it must not be evaluated; "" if there are none."""
        return ""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require, such as "feature maps"."""
        return frozenset()

    @abstractmethod
    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, samples (N, ...) to a `DiscriminatorOutput`.

        Its `condition_inputs` names the further arguments of `forward`: `label`, `condition`, `inputs`.

        Args:
            spec: what a sample is.
            num_classes: number of classes; 0 for none.
            input_spec: what the inputs are that samples are translated from; None if they are generated from latents.
            condition_spec: what a numeric condition is; None if there are none. Most networks take none.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """


class TensorDiscriminatorConfig(DiscriminatorConfig):
    """Settings of a discriminator whose samples are one tensor."""

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, samples (N, ...) to a `DiscriminatorOutput`; the concat condition wraps it.

        Raises:
            BadInput: the shape is not supported, or the samples are not one tensor.
        """
        tensor_spec = require_single_tensor(spec, self.kind)
        self.check_shape(tensor_spec.shape)
        from zerosum.networks import conditioning, heads

        num_numbers = conditioning.count_numbers(condition_spec) if self.condition in ("concat", "projection") else 0
        num_weights = heads.count_weights(num_classes, num_numbers)
        head = conditioning.choose_head(self.condition, num_weights)
        if self.condition == "concat":
            channels, *size = tensor_spec.shape
            network = self.build_network(replace(tensor_spec, shape=(channels + self.condition_size, *size)), head)
            network = conditioning.SampleConditioned(network, num_weights, self.condition_size)
        else:
            network = self.build_network(tensor_spec, head)
        return conditioning.add_numbers(network, num_classes, num_numbers)

    @abstractmethod
    def build_network(self, spec: TensorSpec, build_head: HeadFactory) -> nn.Module:
        """Build the network without the concat condition, ending in the head."""


class TranslatorConfig(GeneratorConfig):
    """Settings that all translators share: images (N, C_in, h, w) to images (N, C, factor h, factor w).

    The networks are fully convolutional: they take images of any size from 8 pixels a side, and behave the same in
    training and evaluation mode. They declare what `receptive_field.TranslatorNetwork` lists: a tile that starts at a
    multiple of `size_multiple`, with a margin of `receptive_field_radius` on each side, is translated exactly as in the
    full image.
    """

    is_translator: ClassVar[bool] = True
    keeps_weights_across_sizes: ClassVar[bool] = True
    condition: Literal["none"] = "none"
    """Translators have no class condition."""
    upscale_factor: Literal[1] = 1
    """How many times as large as the input the output is on each side."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the translator supports outputs of this shape.

        Raises:
            BadInput: the shape is not supported.
        """
        check_image_size(self.kind, shape, MIN_INPUT_SIDE * self.upscale_factor, self.upscale_factor)

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, (N, Ci, h, w) to (N, C, H, W), and any other size to `upscale_factor` times that size.

        Raises:
            BadInput: the shapes are not supported, or the game generates from latents.
        """
        output_spec = require_single_tensor(spec, self.kind)
        self.check_shape(output_spec.shape)
        if input_spec is None:
            raise BadInput(
                f"{self.kind} translates images and cannot generate them from latents: set `game.kind` to"
                ' "translation", or choose another `generator.kind`.'
            )
        input_spec = require_single_tensor(input_spec, self.kind)
        check_input_shape(self.kind, input_spec.shape, output_spec.shape, self.upscale_factor)
        return self.build_translator(input_spec, output_spec)

    @abstractmethod
    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network."""


def build_layer_factory(init: InitName, spectral_norm: bool = False) -> LayerFactory:
    """Return the layer factory of an initialization, with or without spectral norm."""
    from zerosum.networks import layers

    return layers.LayerFactory(
        layers.INITS[init], layers.spectral_norm if spectral_norm else layers.leave_unconstrained
    )


def check_grid_image(kind: str, shape: tuple[int, ...]) -> None:
    """Check the shape of images for networks that halve them down to a small grid: see `check_grid`.

    Raises:
        BadInput: the samples are no images, or their size is not supported.
    """
    check_channels(kind, shape)
    check_grid(kind, *shape[1:])


def check_image_size(
    kind: str, shape: tuple[int, ...], min_side: int, multiple: int = 1, max_channels: int = MAX_CHANNELS
) -> None:
    """Check the shape of images for networks that take any size.

    Raises:
        BadInput: a side is below `min_side`, or no multiple of `multiple`, or there are too many channels.
    """
    check_channels(kind, shape, max_channels)
    _, height, width = shape
    if min(height, width) < min_side or height % multiple or width % multiple:
        multiples = f" and a multiple of {multiple}" if multiple > 1 else ""
        sides = [max(min_side, length // multiple * multiple) for length in (width, height)]
        size = f"{sides[0]}x{sides[1]}" if sides[0] != sides[1] else sides[0]
        raise BadInput(
            f"{kind} needs images with sides of at least {min_side} pixels{multiples}, got {width}x{height}:"
            f" set `data.size` to {size}."
        )


def check_input_shape(
    kind: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...], upscale_factor: int
) -> None:
    """Check that the output of a translator is `upscale_factor` times as large as its input.

    Raises:
        BadInput: the input is no image, or has another size.
    """
    if len(input_shape) != 3:
        raise BadInput(
            f"{kind} translates images, got inputs of shape {format_shape(input_shape)}: use images as inputs, or"
            " choose another `generator.kind`."
        )
    if (input_shape[1] * upscale_factor, input_shape[2] * upscale_factor) != output_shape[1:]:
        scale = "as large as" if upscale_factor == 1 else f"{upscale_factor} times as large as"
        raise BadInput(
            f"{kind} outputs images {scale} its inputs, but the inputs are {input_shape[2]}x{input_shape[1]} and the"
            f" targets {output_shape[2]}x{output_shape[1]}: choose another `generator.kind`, or set"
            " `generator.upscale_factor` (rrdb, srresnet) to their ratio."
        )


def check_equal_channels(
    kind: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...], reason: str, advice: str
) -> None:
    """Check that the input and the output of a translator have equally many channels.

    Raises:
        BadInput: they differ.
    """
    if input_shape[0] != output_shape[0]:
        raise BadInput(
            f"{kind} {reason}, so inputs and targets need equally many channels, got {input_shape[0]} and"
            f" {output_shape[0]}: {advice}."
        )


def check_channels(kind: str, shape: tuple[int, ...], max_channels: int = MAX_CHANNELS) -> None:
    """Check that samples are images of at most so many channels.

    Raises:
        BadInput: they are not.
    """
    if len(shape) != 3:
        raise BadInput(
            f"{kind} needs images or other samples of shape (channels, height, width), got samples of shape"
            f' {format_shape(shape)}: set `generator.kind` and `discriminator.kind` to "mlp".'
        )
    if not 1 <= shape[0] <= max_channels:
        raise BadInput(f"{kind} needs images of 1 to {max_channels} channels, got {shape[0]}: leave some of them out.")


def format_shape(shape: tuple[int, ...]) -> str:
    """Format a shape as text: (3, 32, 32)."""
    return "(" + ", ".join(map(str, shape)) + ")"
