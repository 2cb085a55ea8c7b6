"""Values as features: no weights, no download, and no knowledge of their meaning."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Self

import torch
from torch import Tensor

from zerosum.evaluation.features.base import FeatureOutput


class ValueFeatures:
    """The values of items, each standardized by those of training examples, so that none outweighs the others."""

    name: ClassVar[str] = "values"
    is_cacheable: ClassVar[bool] = False  # cheaper to compute than to look up

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        """Standardize by means (D,) and standard deviations (D,)."""
        self._mean, self._std = mean, std

    @classmethod
    def fit(cls, values: Tensor) -> Self:
        """Return the features that standardize by the values (N, ...) of training examples."""
        rows = values.flatten(1).cpu().double()
        return cls(rows.mean(0), rows.std(0).clamp_min(1e-6))

    @property
    def version(self) -> str:
        """12 hex digits that change with the means and the deviations."""
        return hashlib.blake2b(torch.stack([self._mean, self._std]).numpy().tobytes(), digest_size=6).hexdigest()

    @property
    def resize_mode(self) -> str:
        """How values are brought to one scale."""
        return "standardized by the training examples"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, D) of the values (N, ...) of items."""
        return FeatureOutput(((images.flatten(1).cpu().double() - self._mean) / self._std).float())
