"""Settings of the super-resolution networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import TranslatorConfig, Width, check_equal_channels

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec


class _SuperResolutionConfig(TranslatorConfig):
    width: Width = 64
    """Channels of all feature maps."""
    upscale_factor: Literal[1, 2, 4, 8] = 4  # type: ignore[assignment]
    """How many times as large as the input the output is on each side; 1 restores an image at its own size."""

    def check_channels(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Check that input and output have equally many channels.

        Raises:
            BadInput: they differ.
        """
        reason, advice = "corrects its upsampled input", "set `generator.kind` to unet or resnet-translator"
        check_equal_channels(self.kind, input_shape, output_shape, reason, advice)


class RRDBGeneratorConfig(_SuperResolutionConfig):
    """Residual in residual dense blocks (ESRGAN, Wang et al. 2018, arXiv:1809.00219)."""

    kind: Literal["rrdb"] = "rrdb"
    blocks: Annotated[int, Field(ge=1, le=64)] = 8
    """Number of blocks, each of three dense blocks of five convolutions; the paper has 23."""
    growth_channels: Width = 32
    """Channels that each convolution of a dense block adds."""

    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network, (N, *input_shape) to (N, *output_shape): the upsampled input plus a correction, unbounded.

        Raises:
            BadInput: input and output differ in their channels.
        """
        self.check_channels(input_spec.shape, output_spec.shape)
        from zerosum.networks import super_resolution

        blocks = [super_resolution.RRDB(self.width, self.growth_channels) for _ in range(self.blocks)]
        return super_resolution.SuperResolution(output_spec.shape[0], self.width, self.upscale_factor, blocks)


class SRResNetGeneratorConfig(_SuperResolutionConfig):
    """Residual blocks (SRGAN, Ledig et al. 2016, arXiv:1609.04802) without batch norm.

    At the same width and number of blocks it costs a third of RRDB or less.
    """

    kind: Literal["srresnet"] = "srresnet"
    blocks: Annotated[int, Field(ge=1, le=256)] = 16
    """Number of blocks, each of two convolutions."""

    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network, (N, *input_shape) to (N, *output_shape): the upsampled input plus a correction, unbounded.

        Raises:
            BadInput: input and output differ in their channels.
        """
        self.check_channels(input_spec.shape, output_spec.shape)
        from zerosum.networks import super_resolution

        blocks = [super_resolution.ResidualBlock(self.width) for _ in range(self.blocks)]
        return super_resolution.SuperResolution(output_spec.shape[0], self.width, self.upscale_factor, blocks)
