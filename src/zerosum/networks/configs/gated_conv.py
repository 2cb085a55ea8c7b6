"""Settings of the network of gated convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.networks.configs.base import InitName, TranslatorConfig, Width, build_layer_factory

if TYPE_CHECKING:
    from torch import nn


class GatedConvGeneratorConfig(TranslatorConfig):
    """Fills the holes of pictures, by layers that learn where to look (Yu et al. 2019, arXiv:1806.03589)."""

    kind: Literal["gated-conv"] = "gated-conv"
    width: Width = 32
    """Channels at the picture's own size; twice and four times as many after each of two halvings."""
    dilations: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(max_length=8)] = (2, 4, 8)
    """How far apart the pixels lie that each convolution of the middle sees; the paper has 2, 4, 8, 16. What fills a
    hole comes from within their sum times 4 pixels, and some more."""
    init: InitName = "kaiming"
    """First weights."""

    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given), a picture and its mask, to (N, *shape); what is known comes back exactly."""
        if input_shape[0] != output_shape[0] + 1:
            raise BadInput(
                f"gated fills holes, so it is given a picture and last its mask ({output_shape[0] + 1} channels), got"
                f' {input_shape[0]}: set data.degrade = ["masks"], or choose another generator.kind.'
            )
        from zerosum.networks import gated_conv

        return gated_conv.Inpainter(output_shape[0], self.width, self.dilations, build_layer_factory(self.init))
