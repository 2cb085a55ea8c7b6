"""Settings of the residual translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.networks.configs.base import Init, MapNorm, TranslatorShape, Width, check_alike, weights

if TYPE_CHECKING:
    from torch import nn


class TranslatorGenerator(TranslatorShape):
    """Residual blocks at a quarter of the size.

    Johnson et al. 2016, arXiv:1603.08155; Zhu et al. 2017 (CycleGAN), arXiv:1703.10593.
    """

    kind: Literal["translator"] = "translator"
    width: Width = 64
    """Channels at the picture's own size; they double at every halving."""
    downs: Annotated[int, Field(ge=1, le=5)] = 2
    """Halvings before the blocks."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 6
    """Residual blocks; the paper has 6 for 128 pixels a side and 9 from 256."""
    norm: MapNorm = "instance"
    """Normalisation after every layer but the last."""
    init: Init = "scaled"
    """First weights: normal is the paper's N(0, 0.02)."""
    residual: bool = False
    """What is made is a correction, added to what is given and not bounded by tanh: for small changes."""
    contrast: bool = False
    """Heads through which its inner maps are compared, for the term contrast (CUT, Park et al. 2020,
    arXiv:2007.15651)."""
    contrast_size: Annotated[int, Field(ge=1, le=4096)] = 256
    """Numbers that a place of an inner map is compared by."""

    @property
    def can(self) -> frozenset[str]:
        """What terms and games may need."""
        return frozenset({"contrast"}) if self.contrast else frozenset()

    def translator(self, given: tuple[int, ...], shape: tuple[int, ...]) -> nn.Module:
        """The network, (N, *given) to (N, *shape), in [-1, 1] by tanh unless it is residual."""
        if self.residual:
            why, advice = "adds to what it is given (residual)", "set generator.residual = false"
            check_alike(self.kind, given, shape, why, advice)
        if self.contrast:
            why = "compares what it makes with what it is given (contrast)"
            check_alike(self.kind, given, shape, why, "set generator.contrast = false, and leave the term contrast out")
        from zerosum.networks import resnet_translator

        return resnet_translator.Translator(
            given[0],
            shape[0],
            self.width,
            downs=self.downs,
            blocks=self.blocks,
            norm=self.norm,
            weights=weights(self.init),
            residual=self.residual,
            contrast=self.contrast_size if self.contrast else 0,
        )
