"""What metrics know of the columns of a table, and rows as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_contents

Rows: TypeAlias = NDArray[np.float64]
"""Rows (N, C): a number as itself, a category as the index of its value, NaN where a cell is missing."""
MAX_VECTOR_COLUMNS = 100
"""Largest number of columns that vectors of rows are made of."""
MAX_ONE_HOT, MIN_ONE_HOT, ALL_ENTRIES = 32, 4, 1_024
"""Columns of more values than the first have random unit vectors instead of one-hot ones; of many columns, those of
more than ALL_ENTRIES / C values, but at least the second."""


@dataclass(frozen=True)
class ColumnFacts:
    """What metrics know of a column.

    Example:
        >>> ColumnFacts("city", num_values=3).is_numeric
        False
    """

    name: str
    num_values: int = 0
    """Number of values of a column of categories; 0: its cells are numbers."""

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are numbers."""
        return not self.num_values


def choose_indices(count: int, maximum: int) -> NDArray[np.int64]:
    """Return at most `maximum` of the indices 0 to `count` - 1, ascending: the same ones in every evaluation."""
    if count <= maximum:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, maximum, replace=False))


def count_values(cells: Rows, num_values: int) -> NDArray[np.int64]:
    """Return how often (num_values,) each value occurs among the cells (N,) of a column that are not missing."""
    return np.bincount(cells[~np.isnan(cells)].astype(np.int64), minlength=num_values)


def hash_rows(rows: Rows) -> NDArray[np.uint64]:
    """Return hashes (N,) of rows (N, C), which are equal for rows of equal cells; missing cells equal each other."""
    if not rows.size:
        return np.zeros(len(rows), np.uint64)
    cells = np.where(np.isnan(rows), np.nan, rows + 0.0)  # -0.0 is 0.0, and there is one NaN
    return hash_contents("rows", np.ascontiguousarray(cells).view(np.uint8).reshape(len(rows), -1))


@dataclass(frozen=True, eq=False)
class RowVectors:
    """Rows as vectors: Euclidean distances between them add up the differences of cells.

    Numbers are standardized. Two different values of a category are sqrt(2) apart, as a missing number and any other
    one are; so are, in expectation, those of columns of many values, which have random unit vectors.

    Example:
        >>> rows = np.array([[0.0, 0], [2, 1], [4, 0]])
        >>> vectors = RowVectors.fit(rows, (ColumnFacts("age"), ColumnFacts("city", num_values=2)))
        >>> vectors(rows).round(2).tolist()[1]
        [0.0, 0.0, 0.0, 1.0, 0.0]
    """

    columns: Sequence[ColumnFacts]
    chosen: NDArray[np.int64]
    """Indices of the columns that are used: at most MAX_VECTOR_COLUMNS of them."""
    mean: Rows
    """(C,)"""
    std: Rows
    """(C,)"""

    @classmethod
    def fit(cls, rows: Rows, columns: Sequence[ColumnFacts]) -> Self:
        """Standardize by rows (N, C), whose missing cells do not count."""
        present = ~np.isnan(rows)
        counts = np.maximum(present.sum(0), 1)
        mean = np.where(present, rows, 0.0).sum(0) / counts
        std = np.sqrt(np.where(present, (rows - mean) ** 2, 0.0).sum(0) / counts)
        return cls(columns, choose_indices(len(columns), MAX_VECTOR_COLUMNS), mean, np.where(std > 0, std, 1.0))

    def __call__(self, rows: Rows) -> Rows:
        """Return the vectors (N, D) of rows (N, C): of a number two entries, of a category one for each value."""
        return np.concatenate([self._column(rows, int(index)) for index in self.chosen], axis=1)

    def _column(self, rows: Rows, index: int) -> Rows:
        cells, column = rows[:, index], self.columns[index]
        missing = np.isnan(cells)
        if column.is_numeric:
            scaled = np.where(missing, 0.0, (cells - self.mean[index]) / self.std[index])
            return np.stack([scaled, np.sqrt(2) * missing], 1)
        codes = np.where(missing, column.num_values, cells).astype(np.int64).clip(0, column.num_values)
        width = int(np.clip(ALL_ENTRIES // len(self.chosen), MIN_ONE_HOT, MAX_ONE_HOT))
        if column.num_values < width:
            vectors = np.eye(column.num_values + 1)
        else:
            vectors = np.random.default_rng(index).normal(size=(column.num_values + 1, width))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        own: Rows = vectors[codes]
        return own
