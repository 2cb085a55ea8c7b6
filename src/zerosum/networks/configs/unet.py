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
    check_equal_channels,
)
from zerosum.networks.image_grid import count_doublings

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import TensorSpec


class UNetGeneratorConfig(TranslatorConfig):
    """Encoder and decoder with a skip connection at every resolution (Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["unet"] = "unet"
    width: Width = 64
    """Channels at half the image's size; they double at every halving."""
    max_width: Width = 512
    """Limit of the doubled channels."""
    depth: Annotated[int, Field(ge=0, le=10)] = 0
    """Number of halvings; 0: down to 4x4 at the training size."""
    full_resolution_channels: Annotated[int, Field(ge=0, le=8192)] = 0
    """Channels of a feature map at the image's full resolution, in encoder and decoder; 0 for none, as in the paper."""
    norm: InstanceNormName = "instance"
    """Norm after every layer except those next to the image."""
    dropout: DropoutRate = 0.0
    """Fraction of values dropped in the three innermost decoder blocks, in training and evaluation mode, as a function
    of the seed: the paper's noise, 0.5 there. At 0 an input has a single output."""
    residual: bool = False
    """Add the output to the input, without tanh: for small changes."""
    init: InitName = "kaiming"
    """Initialization of the weights: normal is the paper's N(0, 0.02)."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if self.max_width < self.width:
            raise ValueError(f"`max_width` must be at least `width` ({self.width}), got {self.max_width}")
        return self

    def stage_widths(self, side: int) -> tuple[int, ...]:
        """Return the channels from half the image's size inwards, for images of this side."""
        return tuple(min(self.width << level, self.max_width) for level in range(self.depth or count_doublings(side)))

    def build_translator(self, input_spec: TensorSpec, output_spec: TensorSpec) -> nn.Module:
        """Build the network, (N, *input_shape) to (N, *output_shape), in [-1, 1] by tanh unless it is residual.

        Raises:
            BadInput: it is residual, and input and output differ in their channels.
        """
        if self.residual:
            reason, advice = "adds its output to its input", "set `generator.residual` to false"
            check_equal_channels(self.kind, input_spec.shape, output_spec.shape, reason, advice)
        from zerosum.networks import unet

        return unet.UNet(
            input_spec.shape[0],
            output_spec.shape[0],
            self.stage_widths(min(output_spec.shape[1:])),
            norm=self.norm,
            factory=build_layer_factory(self.init),
            dropout=self.dropout,
            full_resolution_channels=self.full_resolution_channels,
            residual=self.residual,
        )
