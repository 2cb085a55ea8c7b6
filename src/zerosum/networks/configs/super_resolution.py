"""Settings of the networks that enlarge pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import TranslatorConfig, Width, check_equal_channels

if TYPE_CHECKING:
    from torch import nn


class _SuperResolutionConfig(TranslatorConfig):
    width: Width = 64
    """Channels, the same throughout."""
    upscale_factor: Literal[1, 2, 4, 8] = 4  # type: ignore[assignment]
    """How many times larger the picture becomes each way; 1 restores it at its own size."""

    def check_channels(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Say in a `BadInput` that what is given has not the channels of what is wanted."""
        why = "corrects what it is given, enlarged"
        check_equal_channels(
            self.kind, input_shape, output_shape, why, 'choose another generator.kind, "unet" or "translator"'
        )


class RRDBGeneratorConfig(_SuperResolutionConfig):
    """Residual in residual dense blocks (ESRGAN, Wang et al. 2018, arXiv:1809.00219)."""

    kind: Literal["rrdb"] = "rrdb"
    blocks: Annotated[int, Field(ge=1, le=64)] = 8
    """Of three dense blocks of five convolutions each; the paper has 23."""
    growth_channels: Width = 32
    """Channels that each convolution of a dense block adds."""

    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given) to (N, *shape): what is given, enlarged, and a correction; not bounded."""
        self.check_channels(input_shape, output_shape)
        from zerosum.networks import super_resolution

        blocks = [super_resolution.RRDB(self.width, self.growth_channels) for _ in range(self.blocks)]
        return super_resolution.SuperResolution(output_shape[0], self.width, self.upscale_factor, blocks)


class SRResNetGeneratorConfig(_SuperResolutionConfig):
    """Residual blocks (SRGAN, Ledig et al. 2016, arXiv:1609.04802), without batch norm: a third of RRDB's cost or less.

    At a given width and number of blocks.
    """

    kind: Literal["srresnet"] = "srresnet"
    blocks: Annotated[int, Field(ge=1, le=256)] = 16
    """Of two convolutions each."""

    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given) to (N, *shape): what is given, enlarged, and a correction; not bounded."""
        self.check_channels(input_shape, output_shape)
        from zerosum.networks import super_resolution

        blocks = [super_resolution.ResidualBlock(self.width) for _ in range(self.blocks)]
        return super_resolution.SuperResolution(output_shape[0], self.width, self.upscale_factor, blocks)
