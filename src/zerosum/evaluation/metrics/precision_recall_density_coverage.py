"""The balls around items that precision, recall, density and coverage count.

Precision and recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020,
arXiv:2002.09797.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zerosum.evaluation.metrics.base import Metric
from zerosum.evaluation.metrics.tiles import Tile

TIE_TOLERANCE = 1e-12
"""Squared distances that differ by less than this fraction of the squared norms are treated as equal: products in
float64 have a relative error of about 1e-15, and float32 features carry no information about such a difference."""


class RadiusAccumulator:
    """Accumulate the k smallest squared distances of each row to other rows of its table, (N, k) in ascending order."""

    def __init__(self, num_rows: int, neighbors: int) -> None:
        self.squared_distances = torch.full((num_rows, neighbors), math.inf, dtype=torch.float64)

    def update(self, tile: Tile) -> None:
        distances = torch.add(tile.first.squared_norms[:, None], tile.products, alpha=-2).add_(
            tile.second.squared_norms
        )
        if tile.is_diagonal:
            distances.fill_diagonal_(math.inf)
        self._update_rows(tile.first.row_slice, distances)
        if tile.is_mirrored:
            self._update_rows(tile.second.row_slice, distances.T.contiguous())

    def _update_rows(self, row_slice: slice, squared_distances: Tensor) -> None:
        previous = self.squared_distances[row_slice]
        k = previous.shape[1]
        nearest = squared_distances.topk(min(k, squared_distances.shape[1]), dim=1, largest=False).values
        self.squared_distances[row_slice] = torch.cat([previous, nearest], 1).topk(k, dim=1, largest=False).values


class BallAccumulator:
    """Accumulate which rows of each table lie in balls of the other's rows, if `paired` without those of their pair."""

    def __init__(self, real_squared_radii: Tensor, fake_squared_radii: Tensor, paired: bool = False) -> None:
        self.squared_radii = real_squared_radii, fake_squared_radii
        self._paired = paired
        self.density_counts = torch.zeros(len(fake_squared_radii), dtype=torch.int64)
        self.recall_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)
        self.coverage_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)

    def update(self, tile: Tile) -> None:
        reals, fakes = tile.first.row_slice, tile.second.row_slice
        # squared distance plus tolerance: below the radius by more than rounding
        distances = torch.add(tile.first.squared_norms[:, None] * (1 + TIE_TOLERANCE), tile.products, alpha=-2)
        distances += tile.second.squared_norms * (1 + TIE_TOLERANCE)
        if self._paired and tile.first.block_index == tile.second.block_index:
            distances.fill_diagonal_(math.inf)
        self.recall_mask[reals] |= (distances < self.squared_radii[1][fakes]).any(1)
        in_real_ball = distances < self.squared_radii[0][reals, None]
        self.coverage_mask[reals] |= in_real_ball.any(1)
        self.density_counts[fakes] += in_real_ball.sum(0)


METRICS = (
    Metric(
        "precision", "fraction of samples within the distribution of real {noun}s",
        lambda comparison: comparison.pairwise.precision, lower_is_better=False, position=30,
    ),
    Metric(
        "recall", "fraction of real {noun}s within the distribution of samples",
        lambda comparison: comparison.pairwise.recall, lower_is_better=False, position=31,
    ),
    Metric(
        "density", "mean density of real {noun}s around the samples",
        lambda comparison: comparison.pairwise.density, lower_is_better=False, position=32,
    ),
    Metric(
        "coverage", "fraction of real {noun}s with a sample near by",
        lambda comparison: comparison.pairwise.coverage, lower_is_better=False, position=33,
    ),
)  # fmt: skip
