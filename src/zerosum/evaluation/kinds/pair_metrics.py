"""Metrics that compare each output of a translation with its target: what every kind of data has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.evaluation.metrics.score import grouped_mean_score


class PairMetrics(ABC):
    """Accumulates the metrics of batches of pairs."""

    def __init__(self) -> None:
        """Start without pairs."""
        self._values: dict[str, list[Tensor]] = {}

    def update(self, generated: Tensor, target: Tensor) -> None:
        """Add pairs of samples (N, ...) in [-1, 1]."""
        for name, values in self.compare(generated, target).items():
            self._values.setdefault(name, []).append(values.double().cpu())

    @abstractmethod
    def compare(self, generated: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """Return each metric of each pair (N,) by its name."""

    def adjust(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (N,) of a metric as they are averaged; by default unchanged."""
        return values

    def compute(self, groups: NDArray[np.generic]) -> dict[str, tuple[float | None, float | None]]:
        """Return the mean and the standard error of each metric; None if it is not finite.

        Args:
            groups: (N,) what each pair belongs to; pairs of different groups are independent.
        """
        arrays = {name: self.adjust(name, torch.cat(values).numpy()) for name, values in self._values.items()}
        scores = {name: grouped_mean_score(values, groups) for name, values in arrays.items()}
        return {name: (_finite_or_none(score.value), _finite_or_none(score.error)) for name, score in scores.items()}


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
