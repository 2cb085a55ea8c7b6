"""Settings of the U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from zerosum.networks.configs.base import (
    DropoutRate,
    InitName,
    InstanceNormName,
    TranslatorConfig,
    Width,
    build_layer_factory,
    count_doublings,
)

if TYPE_CHECKING:
    from torch import nn


class UNetGeneratorConfig(TranslatorConfig):
    """Down to few places and up again, every map beside its like (Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["unet"] = "unet"
    width: Width = 64
    """Channels at half the picture's size; they double at every halving."""
    max_width: Width = 512
    """The doubling stops here."""
    depth: Annotated[int, Field(ge=0, le=10)] = 0
    """Halvings; 0: down to 4x4 at the size it is trained at."""
    full_resolution_channels: Annotated[int, Field(ge=0, le=8192)] = 0
    """Channels of a map at the picture's own size, on the way down and up; 0: none, as in the paper."""
    norm: InstanceNormName = "instance"
    """Normalisation after every layer but those beside the picture."""
    dropout: DropoutRate = 0.0
    """Share of values dropped in the three innermost ups, in use as in training, as the seed says: the paper's noise,
    0.5 there. At 0 a picture has one answer."""
    init: InitName = "kaiming"
    """First weights: normal is the paper's N(0, 0.02)."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"max_width must be at least width ({self.width}), got {self.max_width}")
        return self

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Channels from half the picture's size inwards, for pictures of this side."""
        return tuple(min(self.width << level, self.max_width) for level in range(self.depth or count_doublings(side)))

    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given) to (N, *shape) in [-1, 1] by tanh."""
        from zerosum.networks import unet

        return unet.UNet(
            input_shape[0],
            output_shape[0],
            self.stage_widths(min(output_shape[1:])),
            norm=self.norm,
            factory=build_layer_factory(self.init),
            dropout=self.dropout,
            full_resolution_channels=self.full_resolution_channels,
        )
