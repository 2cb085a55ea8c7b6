"""Settings of the inpainting network of gated convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.networks.configs.base import InitName, TranslatorConfig, Width, build_layer_factory

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec


class GatedConvGeneratorConfig(TranslatorConfig):
    """Fills the holes of images with gated convolutions (Yu et al. 2019, arXiv:1806.03589)."""

    kind: Literal["gated-conv"] = "gated-conv"
    width: Width = 32
    """Channels at the image's full resolution; twice and four times as many after each of two halvings."""
    dilations: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(max_length=8)] = (2, 4, 8)
    """Dilations of the convolutions in the middle; the paper has 2, 4, 8, 16. A hole is filled from pixels within 4
    times their sum, and some more."""
    init: InitName = "kaiming"
    """Initialization of the weights."""

    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network, from images and masks (N, *input_shape) to (N, *output_shape).

        Raises:
            BadInput: the input has no mask channel.
        """
        input_channels, channels = input_spec.shape[0], output_spec.shape[0]
        if input_channels != channels + 1:
            raise BadInput(
                f"{self.kind} fills holes, so its inputs need a mask as the last of {channels + 1} channels, got"
                f" {input_channels} channels: set `data.degrade` to masks, or choose another `generator.kind`."
            )
        from zerosum.networks import gated_conv

        return gated_conv.Inpainter(channels, self.width, self.dilations, build_layer_factory(self.init))
