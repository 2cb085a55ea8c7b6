"""Encoded rows as features: no weights, no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zerosum.evaluation.features.base import FeatureOutput


@dataclass(frozen=True)
class EncodedRows:
    """Rows as networks see them: the encoding is the same for all rows of a run, and its entries are of one scale."""

    name: ClassVar[str] = "rows"
    is_cacheable: ClassVar[bool] = False  # cheaper to compute than to look up
    version: ClassVar[str] = "00000001"
    """Increase this whenever the same row would get other features."""
    resize_mode: ClassVar[str] = "as encoded"
    """How values are brought to one scale."""

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, K), the encoded rows (N, K) themselves."""
        return FeatureOutput(images.flatten(1))
