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
from zerosum.evaluation.features.table import BLOCK, Table

CHUNK = 4 * BLOCK
"""Queries that are answered in one pass over the other set."""
SPARE = 8
"""Candidates beyond k: fewer than these may be out of order by rounding before a query must be asked again."""


class _Queries(NamedTuple):
    """Rows that ask for their neighbours."""

    rows: Tensor
    """(n, D) float32"""
    own: NDArray[np.int64]
    """(n,) The row that each must not find, or -1."""

    def some(self, chosen: NDArray[np.int64]) -> _Queries:
        return _Queries(self.rows[torch.from_numpy(chosen)], self.own[chosen])


class _Answers(NamedTuple):
    """Neighbours found, in rising order of distance and then of index."""

    squares: NDArray[np.float64]
    """(n, k) Squared distances."""
    indices: NDArray[np.int64]
    """(n, k)"""
    sure: NDArray[np.bool_]
    """(n,) Whether these are certainly the nearest."""


def nearest(
    queries: Table, among: Table, k: int = 1, same: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The k nearest rows of `among` to each of N queries, by Euclidean distance; of equally near ones the lower index.

    Candidates come from products in float32, their distances from differences in float64, so that a copy is at 0
    exactly. Where the products' rounding might have lost a neighbour, the query is asked again with products in
    float64, and where rows are as good as equal even then, by all differences: some 15 ms for each 10,000 rows of
    1,280 numbers, so only a set with very many copies of one image is slow.

    Args:
        queries: (N, D) features.
        among: (M, D) features.
        k: at least 1.
        same: the two tables are one, and a row is not its own neighbour.

    Returns:
        Distances (N, k) in rising order, and indices (N, k).

    Raises:
        BadInput: other widths, or fewer rows to find than k.
    """
    if queries.width != among.width:
        raise BadInput(
            f"Features of {queries.width} and of {among.width} numbers cannot be compared; "
            "use one feature network for both sets."
        )
    chunks = (np.arange(start, min(start + CHUNK, len(queries))) for start in range(0, len(queries), CHUNK))
    nobody = np.int64(-1)
    asked = (_Queries(queries.take(rows), rows if same else np.full(len(rows), nobody)) for rows in chunks)
    return _ask(asked, among, k, len(among) - same)


def nearest_others(table: Table, rows: NDArray[np.int64], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For some rows of a table, the k nearest of its other rows; as `nearest` with `same`, but for these rows alone."""
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    return _ask((_Queries(table.take(chunk), chunk) for chunk in chunks), table, k, len(table) - 1)


def _ask(asked: Iterable[_Queries], among: Table, k: int, there: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if not 1 <= k <= there:
        raise BadInput(
            f"There are {there} images to find {k} nearest ones among; ask for at least 1 and at most these."
        )
    search = _Search(among, k, there, _centre(among))
    squares, indices = [np.empty((0, k))], [np.empty((0, k), np.int64)]
    for queries in asked:
        _check_finite(queries.rows)
        answers = search(queries)
        squares.append(answers.squares)
        indices.append(answers.indices)
    return np.sqrt(np.concatenate(squares)), np.concatenate(indices)


def _centre(table: Table) -> Tensor:
    """The mean (D,), rounded to float32: near it, products cancel less."""
    total = sum((block.double().sum(0) for block in table.blocks()), torch.zeros(table.width, dtype=torch.float64))
    centre = (total / len(table)).float()
    _check_finite(centre)
    return centre


def _check_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")


@dataclass(frozen=True, eq=False)
class _Search:
    """The search among one table."""

    among: Table
    k: int
    there: int
    """How many rows each query may find."""
    centre: Tensor
    """(D,) float32"""

    def __call__(self, queries: _Queries) -> _Answers:
        answers = self._by_products(queries, torch.float32)
        for again in (lambda left: self._by_products(left, torch.float64), self._by_differences):
            left = np.flatnonzero(~answers.sure)
            if len(left):
                for mine, found in zip(answers, again(queries.some(left)), strict=True):
                    mine[left] = found
        return answers

    def _by_products(self, queries: _Queries, precision: torch.dtype) -> _Answers:
        """Neighbours among candidates, which are the rows of the smallest lower bounds of the squared distance.

        A product of D numbers errs by at most (D + a little) u |x| |y|, u being half the spacing of numbers at 1. So
        |x - y|^2 >= (1 - e) |x|^2 + (1 - e) |y|^2 - 2 x.y as computed, with e = (D + a little) u.
        """
        slack = (self.among.width + 16) * torch.finfo(precision).eps / 2
        rows = queries.rows.to(precision) - self.centre
        wanted = min(self.k + SPARE, self.there)
        bounds = torch.empty(len(rows), 0, dtype=precision)
        indices = torch.empty(len(rows), 0, dtype=torch.int64)
        for start, block in zip(self.among.starts, self.among.blocks(), strict=True):
            others = block.to(precision) - self.centre
            squares = others.square().sum(1, dtype=torch.float64)
            below = torch.addmm((squares * (1 - slack)).to(precision), rows, others.T, alpha=-2)
            _hide(below, queries.own - start)
            found = below.topk(min(wanted, len(block)), dim=1, largest=False)
            bounds, indices = torch.cat([bounds, found.values], 1), torch.cat([indices, found.indices + start], 1)
            best = bounds.topk(min(wanted, bounds.shape[1]), dim=1, largest=False)
            bounds, indices = best.values, indices.gather(1, best.indices)
        distances, ordered = self._measure(queries.rows, indices.sort(1).values.numpy())
        reach = bounds[:, -1].double() + (1 - slack) * rows.double().square().sum(1)
        sure = (distances[:, -1] < reach.numpy()) | (wanted == self.there)
        return _Answers(distances, ordered, sure)

    def _measure(self, rows: Tensor, candidates: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The k nearest of candidates (n, c), each row's in rising order: squared distances and indices, (n, k)."""
        squares = np.empty(candidates.shape)
        for start in range(0, len(rows), BLOCK):
            place = slice(start, start + BLOCK)
            asked = rows[place].double()
            others = self.among.take(candidates[place].ravel()).view(len(asked), -1, rows.shape[1])
            for column in range(others.shape[1]):
                squares[place, column] = (others[:, column] - asked).square_().sum(1).numpy()
        order = squares.argsort(1, kind="stable")[:, : self.k]  # stable: of equal distances the lower index
        return np.take_along_axis(squares, order, 1), np.take_along_axis(candidates, order, 1)

    def _by_differences(self, queries: _Queries) -> _Answers:
        squares = np.full((len(queries.rows), self.k), math.inf)
        indices = np.zeros(squares.shape, np.int64)
        asked = queries.rows.double()
        for start, block in zip(self.among.starts, self.among.blocks(), strict=True):
            here, others = np.arange(start, start + len(block)), block.double()
            for i, row in enumerate(asked):
                distances = (others - row).square_().sum(1)
                if 0 <= queries.own[i] - start < len(block):
                    distances[queries.own[i] - start] = math.inf
                both = np.concatenate([squares[i], distances.numpy()])
                order = both.argsort(kind="stable")[: self.k]
                squares[i], indices[i] = both[order], np.concatenate([indices[i], here])[order]
        return _Answers(squares, indices, np.ones(len(squares), bool))


def _hide(tile: Tensor, columns: NDArray[np.int64]) -> None:
    """Put each row's own column, where this tile (n, m) has it, out of reach."""
    rows = np.flatnonzero((columns >= 0) & (columns < tile.shape[1]))
    tile[torch.from_numpy(rows), torch.from_numpy(columns[rows])] = math.inf
