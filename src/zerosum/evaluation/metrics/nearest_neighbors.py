"""Exact nearest-neighbor search in feature tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable

QUERIES_PER_PASS = 4 * BLOCK_ROWS
"""Number of queries that are searched in one pass over the reference set."""
SPARE_CANDIDATES = 8
"""Candidates beyond k: if rounding may have misplaced more than these, a query is searched again more precisely."""


class _Queries(NamedTuple):
    """Rows whose neighbors are searched."""

    features: Tensor
    """(n, D) float32"""
    excluded_indices: NDArray[np.int64]
    """(n,) reference row that each query must not find, or -1."""

    def select(self, indices: NDArray[np.int64]) -> _Queries:
        return _Queries(self.features[torch.from_numpy(indices)], self.excluded_indices[indices])


class _Neighbors(NamedTuple):
    """The nearest neighbors of n queries, in ascending order of distance and then of index."""

    squared_distances: NDArray[np.float64]
    """(n, k) squared distances."""
    indices: NDArray[np.int64]
    """(n, k) reference rows."""
    is_certain: NDArray[np.bool_]
    """(n,) whether these are certainly the nearest, in spite of rounding."""


def nearest_neighbors(
    queries: FeatureTable, reference: FeatureTable, k: int = 1, exclude_self: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the k nearest reference rows of each query by Euclidean distance, the lower index first among ties.

    Candidates are found with products in float32, and their distances are computed from differences in float64, so a
    copy has the distance 0 exactly. Where rounding may have lost a neighbor, the query is searched again with products
    in float64, and where rows are nearly equal even then, by the differences to all rows: about 15 ms per 10,000 rows
    of 1,280 features, so only a set with very many copies of one item is slow.

    Args:
        queries: (N, D) features.
        reference: (M, D) features.
        k: number of neighbors, at least 1.
        exclude_self: the two tables are the same, and a row is not its own neighbor.

    Returns:
        Distances (N, k) in ascending order, and indices (N, k).

    Raises:
        BadInput: the numbers of features differ, a feature is not finite, or there are fewer than k reference rows.
    """
    if queries.num_columns != reference.num_columns:
        raise BadInput(
            f"size mismatch: {queries.num_columns} and {reference.num_columns} features per item: "
            "use one feature network for both sets"
        )
    chunks = (
        np.arange(start, min(start + QUERIES_PER_PASS, len(queries)))
        for start in range(0, len(queries), QUERIES_PER_PASS)
    )
    none_excluded = np.int64(-1)
    query_chunks = (
        _Queries(queries.take(rows), rows if exclude_self else np.full(len(rows), none_excluded)) for rows in chunks
    )
    return _search_all(query_chunks, reference, k, len(reference) - exclude_self)


def nearest_other_neighbors(
    features: FeatureTable, rows: NDArray[np.int64], k: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the k nearest other rows of some rows of a table.

    As `nearest_neighbors(features, features, k, exclude_self=True)`, for these rows only.

    Args:
        features: (N, D) features.
        rows: (n,) indices of the rows to search for.
        k: number of neighbors, at least 1.

    Returns:
        Distances (n, k) in ascending order, and indices (n, k).
    """
    chunks = (rows[start : start + QUERIES_PER_PASS] for start in range(0, len(rows), QUERIES_PER_PASS))
    return _search_all((_Queries(features.take(chunk), chunk) for chunk in chunks), features, k, len(features) - 1)


def _search_all(
    query_chunks: Iterable[_Queries], reference: FeatureTable, k: int, num_available: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if not 1 <= k <= num_available:
        raise BadInput(
            f"{k} nearest items cannot be searched among {num_available}: choose 1 to {num_available} of them"
        )
    search = _NearestNeighborSearch(reference, k, num_available, _center(reference))
    squares, indices = [np.empty((0, k))], [np.empty((0, k), np.int64)]
    for queries in query_chunks:
        _check_finite(queries.features)
        neighbors = search(queries)
        squares.append(neighbors.squared_distances)
        indices.append(neighbors.indices)
    return np.sqrt(np.concatenate(squares)), np.concatenate(indices)


def _center(features: FeatureTable) -> Tensor:
    """Return the mean (D,), rounded to float32; centering reduces cancellation in products."""
    total = sum(
        (block.double().sum(0) for block in features.blocks()), torch.zeros(features.num_columns, dtype=torch.float64)
    )
    center = (total / len(features)).float()
    _check_finite(center)
    return center


def _check_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise BadInput("the features of an item are not finite: look for NaN or infinity in the items")


@dataclass(frozen=True, eq=False)
class _NearestNeighborSearch:
    """A search for the nearest rows of one table."""

    reference: FeatureTable
    k: int
    num_available: int
    """Number of rows that each query may find."""
    center: Tensor
    """(D,) float32"""

    def __call__(self, queries: _Queries) -> _Neighbors:
        neighbors = self._search_by_products(queries, torch.float32)
        for search in (lambda queries: self._search_by_products(queries, torch.float64), self._search_by_differences):
            uncertain = np.flatnonzero(~neighbors.is_certain)
            if len(uncertain):
                for array, replacement in zip(neighbors, search(queries.select(uncertain)), strict=True):
                    array[uncertain] = replacement
        return neighbors

    def _search_by_products(self, queries: _Queries, dtype: torch.dtype) -> _Neighbors:
        """Search among candidates: the rows with the smallest lower bounds of the squared distance.

        A product of D numbers has an error of at most (D + c) u |x| |y|, where u is half the spacing of numbers at 1
        and c a small constant. So |x - y|^2 >= (1 - e) |x|^2 + (1 - e) |y|^2 - 2 x.y as computed, with e = (D + c) u.
        """
        slack = (self.reference.num_columns + 16) * torch.finfo(dtype).eps / 2
        rows = queries.features.to(dtype) - self.center
        num_candidates = min(self.k + SPARE_CANDIDATES, self.num_available)
        bounds = torch.empty(len(rows), 0, dtype=dtype)
        indices = torch.empty(len(rows), 0, dtype=torch.int64)
        for start, block in zip(self.reference.block_starts, self.reference.blocks(), strict=True):
            others = block.to(dtype) - self.center
            squares = others.square().sum(1, dtype=torch.float64)
            block_bounds = torch.addmm((squares * (1 - slack)).to(dtype), rows, others.T, alpha=-2)
            _mask_excluded(block_bounds, queries.excluded_indices - start)
            best = block_bounds.topk(min(num_candidates, len(block)), dim=1, largest=False)
            bounds, indices = torch.cat([bounds, best.values], 1), torch.cat([indices, best.indices + start], 1)
            best = bounds.topk(min(num_candidates, bounds.shape[1]), dim=1, largest=False)
            bounds, indices = best.values, indices.gather(1, best.indices)
        distances, ordered = self._exact_nearest(queries.features, indices.sort(1).values.numpy())
        # no row outside the candidates is nearer than the largest of their lower bounds
        limit = bounds[:, -1].double() + (1 - slack) * rows.double().square().sum(1)
        is_certain = (distances[:, -1] < limit.numpy()) | (num_candidates == self.num_available)
        return _Neighbors(distances, ordered, is_certain)

    def _exact_nearest(
        self, queries: Tensor, candidates: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return squared distances and indices (n, k) of the k nearest of candidates (n, c), sorted by index."""
        squares = np.empty(candidates.shape)
        for start in range(0, len(queries), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            chunk = queries[rows].double()
            others = self.reference.take(candidates[rows].ravel()).view(len(chunk), -1, queries.shape[1])
            for column in range(others.shape[1]):
                squares[rows, column] = (others[:, column] - chunk).square_().sum(1).numpy()
        order = squares.argsort(1, kind="stable")[:, : self.k]  # stable: of equal distances the lower index
        return np.take_along_axis(squares, order, 1), np.take_along_axis(candidates, order, 1)

    def _search_by_differences(self, queries: _Queries) -> _Neighbors:
        squares = np.full((len(queries.features), self.k), math.inf)
        indices = np.zeros(squares.shape, np.int64)
        rows = queries.features.double()
        for start, block in zip(self.reference.block_starts, self.reference.blocks(), strict=True):
            block_indices, others = np.arange(start, start + len(block)), block.double()
            for i, row in enumerate(rows):
                distances = (others - row).square_().sum(1)
                if 0 <= queries.excluded_indices[i] - start < len(block):
                    distances[queries.excluded_indices[i] - start] = math.inf
                candidates = np.concatenate([squares[i], distances.numpy()])
                order = candidates.argsort(kind="stable")[: self.k]
                squares[i], indices[i] = candidates[order], np.concatenate([indices[i], block_indices])[order]
        return _Neighbors(squares, indices, np.ones(len(squares), bool))


def _mask_excluded(bounds: Tensor, columns: NDArray[np.int64]) -> None:
    """Set the bound of each row's excluded column to infinity, where this tile (n, m) contains it."""
    rows = np.flatnonzero((columns >= 0) & (columns < bounds.shape[1]))
    bounds[torch.from_numpy(rows), torch.from_numpy(columns[rows])] = math.inf
