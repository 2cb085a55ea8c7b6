"""Settings of autoencoders, in whose latent space a game is played."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec, require_single_tensor
from zerosum.networks.configs.base import MAX_CHANNELS, NetworkConfig, Width, check_image_size
from zerosum.networks.configs.patchgan import PatchGANDiscriminatorConfig
from zerosum.networks.image_grid import MAX_SIDE, MIN_SIDE

if TYPE_CHECKING:
    from zerosum.game.sample_spec import SampleSpec
    from zerosum.game.types import Autoencoder
    from zerosum.networks.configs.base import DiscriminatorConfig


class AutoencoderConfig(NetworkConfig):
    """Settings that all autoencoders share."""

    @property
    def patch_discriminator(self) -> DiscriminatorConfig:
        """The discriminator of decoded samples, where their adversarial loss has a weight."""
        raise BadInput(
            f"`game.autoencoder.adversarial_weight`: `autoencoder.kind` {self.kind} has no discriminator of its"
            " samples; set it to 0"
        )

    @property
    def patch_discriminator_fields(self) -> tuple[str, ...]:
        """The names of the settings in its table `discriminator`; () if it has none."""
        return ()

    @property
    def has_predictor(self) -> bool:
        """Whether it predicts from codes what may be given of a sample."""
        return False

    @abstractmethod
    def code_spec(self, spec: SampleSpec) -> TensorSpec:
        """Return what the code of such a sample is.

        Raises:
            BadInput: the autoencoder does not support such samples.
        """

    @abstractmethod
    def build(self, spec: SampleSpec, condition_spec: SampleSpec | None = None) -> Autoencoder:
        """Build the autoencoder, samples (N, ...) to codes (N, ...) and back.

        Args:
            spec: what a sample is.
            condition_spec: what a numeric condition is; None if there are none. Most autoencoders take none.

        Raises:
            BadInput: the autoencoder does not support such samples.
        """


class ConvolutionalAutoencoderConfig(AutoencoderConfig):
    """Maps images to small images of codes, by convolutions of stride 2 (Rombach et al. 2022, arXiv:2112.10752)."""

    kind: Literal["convolutional"] = "convolutional"
    code_channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] = 4
    """Channels of the codes."""
    factor: Literal[2, 4, 8] = 4
    """How many times smaller than the image the codes are on each side, at most: the codes of small images keep at
    least 16 values a side, for networks that need as many."""
    width: Width = 32
    """Channels of the layer next to the image; they double at every halving of the size, up to `max_width`."""
    max_width: Width = 256
    """Limit of the doubled channels."""
    blocks: Annotated[int, Field(ge=0, le=16)] = 1
    """Residual blocks of the decoder at the size of the codes, and of the encoder half as many."""
    discriminator: PatchGANDiscriminatorConfig = PatchGANDiscriminatorConfig(width=32, layers=2)
    """The discriminator of patches of reconstructed images, where `game.autoencoder.adversarial_weight` is not 0."""

    @property
    def patch_discriminator(self) -> DiscriminatorConfig:
        """The discriminator of patches of reconstructed images."""
        return self.discriminator

    @property
    def patch_discriminator_fields(self) -> tuple[str, ...]:
        """The names of the settings of that discriminator."""
        return tuple(type(self.discriminator).model_fields)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check that the shape is that of supported images, of which the codes have at least 16 values a side.

        Raises:
            BadInput: the samples are no images, or these are too small, too large, or of an odd size.
        """
        check_image_size(f"`autoencoder.kind` {self.kind}", shape, 2 * MIN_SIDE, 2)
        if max(shape[1:]) > MAX_SIDE:
            raise BadInput(
                f"`autoencoder.kind` {self.kind} needs images of at most {MAX_SIDE} pixels a side, got"
                f" {shape[2]}x{shape[1]}: set `data.size` to a smaller one"
            )

    def count_halvings(self, shape: tuple[int, ...]) -> int:
        """Return how often the size (C, H, W) of an image is halved."""
        halvings, (height, width) = 0, shape[1:]
        while 2 << halvings <= self.factor and not (height % 2 or width % 2) and min(height, width) >= 2 * MIN_SIDE:
            height, width, halvings = height // 2, width // 2, halvings + 1
        return halvings

    def code_spec(self, spec: SampleSpec) -> TensorSpec:
        """Return what the code of an image is: an unbounded image of fewer pixels.

        Raises:
            BadInput: the samples are no images of a supported size.
        """
        shape = require_single_tensor(spec, f"`autoencoder.kind` {self.kind}").shape
        self.check_shape(shape)
        halvings = self.count_halvings(shape)
        return TensorSpec((self.code_channels, shape[1] >> halvings, shape[2] >> halvings))

    def build(self, spec: SampleSpec, condition_spec: SampleSpec | None = None) -> Autoencoder:
        """Build the autoencoder, images (N, C, H, W) to codes and back.

        Raises:
            BadInput: the samples are no images of a supported size.
        """
        from zerosum.networks import autoencoder

        image_spec = require_single_tensor(spec, f"`autoencoder.kind` {self.kind}")
        self.check_shape(image_spec.shape)
        halvings = self.count_halvings(image_spec.shape)
        widths = tuple(min(self.width << stage, self.max_width) for stage in range(halvings))
        return autoencoder.ConvolutionalAutoencoder(
            image_spec.shape[0], self.code_channels, widths, blocks=self.blocks, bounded=image_spec.bounded
        )
