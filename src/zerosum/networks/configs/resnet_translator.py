"""Settings of the residual translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import (
    InitName,
    InstanceNormName,
    TranslatorConfig,
    Width,
    build_layer_factory,
    check_equal_channels,
)

if TYPE_CHECKING:
    from torch import nn


class ResNetTranslatorConfig(TranslatorConfig):
    """Residual blocks at a quarter of the size.

    Johnson et al. 2016, arXiv:1603.08155; Zhu et al. 2017 (CycleGAN), arXiv:1703.10593.
    """

    kind: Literal["resnet-translator"] = "resnet-translator"
    width: Width = 64
    """Channels at the picture's own size; they double at every halving."""
    downsamplings: Annotated[int, Field(ge=1, le=5)] = 2
    """Halvings before the blocks."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 6
    """Residual blocks; the paper has 6 for 128 pixels a side and 9 from 256."""
    norm: InstanceNormName = "instance"
    """Normalisation after every layer but the last."""
    init: InitName = "kaiming"
    """First weights: normal is the paper's N(0, 0.02)."""
    residual: bool = False
    """What is made is a correction, added to what is given and not bounded by tanh: for small changes."""
    contrastive_heads: bool = False
    """Heads through which its inner maps are compared, for the term contrast (CUT, Park et al. 2020,
    arXiv:2007.15651)."""
    contrastive_size: Annotated[int, Field(ge=1, le=4096)] = 256
    """Numbers that a place of an inner map is compared by."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"contrastive heads"}) if self.contrastive_heads else frozenset()

    def build_translator(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given) to (N, *shape), in [-1, 1] by tanh unless it is residual."""
        if self.residual:
            why, advice = "adds to what it is given (residual)", "set generator.residual = false"
            check_equal_channels(self.kind, input_shape, output_shape, why, advice)
        if self.contrastive_heads:
            why = "compares what it makes with what it is given (contrast)"
            check_equal_channels(
                self.kind,
                input_shape,
                output_shape,
                why,
                "set generator.contrastive_heads = false, and leave the term contrast out",
            )
        from zerosum.networks import resnet_translator

        return resnet_translator.ResNetTranslator(
            input_shape[0],
            output_shape[0],
            self.width,
            num_downsamplings=self.downsamplings,
            num_blocks=self.blocks,
            norm=self.norm,
            factory=build_layer_factory(self.init),
            residual=self.residual,
            contrastive_size=self.contrastive_size if self.contrastive_heads else 0,
        )
