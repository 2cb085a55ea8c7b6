"""Each image's nearest images in another set, exactly."""

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
"""Queries that are answered in one pass over the other set."""
SPARE_CANDIDATES = 8
"""Candidates beyond k: fewer than these may be out of order by rounding before a query must be asked again."""


class _Queries(NamedTuple):
    """Rows that ask for their neighbours."""

    features: Tensor
    """(n, D) float32"""
    excluded_indices: NDArray[np.int64]
    """(n,) The row that each must not find, or -1."""

    def select(self, indices: NDArray[np.int64]) -> _Queries:
        return _Queries(self.features[torch.from_numpy(indices)], self.excluded_indices[indices])


class _Neighbors(NamedTuple):
    """Neighbours found, in rising order of distance and then of index."""

    squared_distances: NDArray[np.float64]
    """(n, k) Squared distances."""
    indices: NDArray[np.int64]
    """(n, k)"""
    is_certain: NDArray[np.bool_]
    """(n,) Whether these are certainly the nearest."""


def nearest_neighbors(
    queries: FeatureTable, reference: FeatureTable, k: int = 1, exclude_self: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The k nearest rows of `reference` to each of N queries, by Euclidean distance; of equally near ones the lower index.

    Candidates come from products in float32, their distances from differences in float64, so that a copy is at 0
    exactly. Where the products' rounding might have lost a neighbour, the query is asked again with products in
    float64, and where rows are as good as equal even then, by all differences: some 15 ms for each 10,000 rows of
    1,280 numbers, so only a set with very many copies of one image is slow.

    Args:
        queries: (N, D) features.
        reference: (M, D) features.
        k: at least 1.
        exclude_self: the two tables are one, and a row is not its own neighbour.

    Returns:
        Distances (N, k) in rising order, and indices (N, k).

    Raises:
        BadInput: other widths, or fewer rows to find than k.
    """
    if queries.num_columns != reference.num_columns:
        raise BadInput(
            f"Features of {queries.num_columns} and of {reference.num_columns} numbers cannot be compared; "
            "use one feature network for both sets."
        )
    chunks = (
        np.arange(start, min(start + QUERIES_PER_PASS, len(queries)))
        for start in range(0, len(queries), QUERIES_PER_PASS)
    )
    nobody = np.int64(-1)
    asked = (_Queries(queries.take(rows), rows if exclude_self else np.full(len(rows), nobody)) for rows in chunks)
    return _search_all(asked, reference, k, len(reference) - exclude_self)


def nearest_other_neighbors(
    features: FeatureTable, rows: NDArray[np.int64], k: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For some rows of a table, the k nearest of its other rows; as `nearest` with `same`, but for these rows alone."""
    chunks = (rows[start : start + QUERIES_PER_PASS] for start in range(0, len(rows), QUERIES_PER_PASS))
    return _search_all((_Queries(features.take(chunk), chunk) for chunk in chunks), features, k, len(features) - 1)


def _search_all(
    query_chunks: Iterable[_Queries], reference: FeatureTable, k: int, num_available: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if not 1 <= k <= num_available:
        raise BadInput(
            f"There are {num_available} images to find {k} nearest ones among; ask for at least 1 and at most these."
        )
    search = _NearestNeighborSearch(reference, k, num_available, _center(reference))
    squares, indices = [np.empty((0, k))], [np.empty((0, k), np.int64)]
    for queries in query_chunks:
        _check_finite(queries.features)
        answers = search(queries)
        squares.append(answers.squared_distances)
        indices.append(answers.indices)
    return np.sqrt(np.concatenate(squares)), np.concatenate(indices)


def _center(features: FeatureTable) -> Tensor:
    """The mean (D,), rounded to float32: near it, products cancel less."""
    total = sum(
        (block.double().sum(0) for block in features.blocks()), torch.zeros(features.num_columns, dtype=torch.float64)
    )
    centre = (total / len(features)).float()
    _check_finite(centre)
    return centre


def _check_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")


@dataclass(frozen=True, eq=False)
class _NearestNeighborSearch:
    """The search among one table."""

    reference: FeatureTable
    k: int
    num_available: int
    """How many rows each query may find."""
    center: Tensor
    """(D,) float32"""

    def __call__(self, queries: _Queries) -> _Neighbors:
        answers = self._search_by_products(queries, torch.float32)
        for again in (lambda left: self._search_by_products(left, torch.float64), self._search_by_differences):
            left = np.flatnonzero(~answers.is_certain)
            if len(left):
                for mine, found in zip(answers, again(queries.select(left)), strict=True):
                    mine[left] = found
        return answers

    def _search_by_products(self, queries: _Queries, dtype: torch.dtype) -> _Neighbors:
        """Neighbours among candidates, which are the rows of the smallest lower bounds of the squared distance.

        A product of D numbers errs by at most (D + a little) u |x| |y|, u being half the spacing of numbers at 1. So
        |x - y|^2 >= (1 - e) |x|^2 + (1 - e) |y|^2 - 2 x.y as computed, with e = (D + a little) u.
        """
        slack = (self.reference.num_columns + 16) * torch.finfo(dtype).eps / 2
        rows = queries.features.to(dtype) - self.center
        wanted = min(self.k + SPARE_CANDIDATES, self.num_available)
        bounds = torch.empty(len(rows), 0, dtype=dtype)
        indices = torch.empty(len(rows), 0, dtype=torch.int64)
        for start, block in zip(self.reference.block_starts, self.reference.blocks(), strict=True):
            others = block.to(dtype) - self.center
            squares = others.square().sum(1, dtype=torch.float64)
            below = torch.addmm((squares * (1 - slack)).to(dtype), rows, others.T, alpha=-2)
            _mask_excluded(below, queries.excluded_indices - start)
            found = below.topk(min(wanted, len(block)), dim=1, largest=False)
            bounds, indices = torch.cat([bounds, found.values], 1), torch.cat([indices, found.indices + start], 1)
            best = bounds.topk(min(wanted, bounds.shape[1]), dim=1, largest=False)
            bounds, indices = best.values, indices.gather(1, best.indices)
        distances, ordered = self._exact_nearest(queries.features, indices.sort(1).values.numpy())
        reach = bounds[:, -1].double() + (1 - slack) * rows.double().square().sum(1)
        sure = (distances[:, -1] < reach.numpy()) | (wanted == self.num_available)
        return _Neighbors(distances, ordered, sure)

    def _exact_nearest(
        self, queries: Tensor, candidates: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The k nearest of candidates (n, c), each row's in rising order: squared distances and indices, (n, k)."""
        squares = np.empty(candidates.shape)
        for start in range(0, len(queries), BLOCK_ROWS):
            place = slice(start, start + BLOCK_ROWS)
            asked = queries[place].double()
            others = self.reference.take(candidates[place].ravel()).view(len(asked), -1, queries.shape[1])
            for column in range(others.shape[1]):
                squares[place, column] = (others[:, column] - asked).square_().sum(1).numpy()
        order = squares.argsort(1, kind="stable")[:, : self.k]  # stable: of equal distances the lower index
        return np.take_along_axis(squares, order, 1), np.take_along_axis(candidates, order, 1)

    def _search_by_differences(self, queries: _Queries) -> _Neighbors:
        squares = np.full((len(queries.features), self.k), math.inf)
        indices = np.zeros(squares.shape, np.int64)
        asked = queries.features.double()
        for start, block in zip(self.reference.block_starts, self.reference.blocks(), strict=True):
            here, others = np.arange(start, start + len(block)), block.double()
            for i, row in enumerate(asked):
                distances = (others - row).square_().sum(1)
                if 0 <= queries.excluded_indices[i] - start < len(block):
                    distances[queries.excluded_indices[i] - start] = math.inf
                both = np.concatenate([squares[i], distances.numpy()])
                order = both.argsort(kind="stable")[: self.k]
                squares[i], indices[i] = both[order], np.concatenate([indices[i], here])[order]
        return _Neighbors(squares, indices, np.ones(len(squares), bool))


def _mask_excluded(bounds: Tensor, columns: NDArray[np.int64]) -> None:
    """Put each row's own column, where this tile (n, m) has it, out of reach."""
    rows = np.flatnonzero((columns >= 0) & (columns < bounds.shape[1]))
    bounds[torch.from_numpy(rows), torch.from_numpy(columns[rows])] = math.inf
