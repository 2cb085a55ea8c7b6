"""The distribution of each column alone, its missing cells, and the categories that samples have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.tables.columns import ColumnFacts, Rows, count_values


def ks_similarity(real: Rows, generated: Rows) -> float:
    """Return 1 minus the Kolmogorov-Smirnov statistic of numbers (N,) and (M,), without the missing ones; 1 is best.

    The statistic is the largest difference of the two cumulative distribution functions. The similarity is 0 if a side
    has no numbers, and NaN if neither has.

    Example:
        >>> ks_similarity(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, np.nan]))
        0.5
    """
    real, generated = (np.sort(cells[~np.isnan(cells)]) for cells in (real, generated))
    if not len(real) or not len(generated):
        return 0.0 if len(real) or len(generated) else float("nan")
    points = np.concatenate([real, generated])
    levels = [np.searchsorted(cells, points, side="right") / len(cells) for cells in (real, generated)]
    return 1 - float(np.abs(levels[0] - levels[1]).max())


def tv_similarity(real: NDArray[np.int64], generated: NDArray[np.int64]) -> float:
    """Return 1 minus the total variation distance of counts (K,) and (K,); 1 is best.

    The distance is half the sum of the differences of the frequencies. 0 if a side has no counts, NaN if neither has.

    Example:
        >>> tv_similarity(np.array([5, 5]), np.array([9, 1]))
        0.6
    """
    if not real.sum() or not generated.sum():
        return 0.0 if real.sum() or generated.sum() else float("nan")
    return 1 - float(np.abs(real / real.sum() - generated / generated.sum()).sum()) / 2


def column_similarities(real: Rows, generated: Rows, columns: Sequence[ColumnFacts]) -> NDArray[np.float64]:
    """Return the similarity (C,) of the distribution of each column of rows (N, C) and (M, C).

    Of numbers it is `ks_similarity`, of categories `tv_similarity`, both of the cells that are not missing; NaN where
    all are missing on both sides.
    """
    return np.array(
        [
            ks_similarity(real[:, index], generated[:, index])
            if column.is_numeric
            else tv_similarity(*(count_values(rows[:, index], column.num_values) for rows in (real, generated)))
            for index, column in enumerate(columns)
        ]
    )


def missing_similarities(real: Rows, generated: Rows) -> NDArray[np.float64]:
    """Return 1 minus the difference of the fraction of missing cells of each column (C,); NaN where none is missing."""
    fractions = [np.isnan(rows).mean(0) for rows in (real, generated)]
    has_missing = (fractions[0] > 0) | (fractions[1] > 0)
    return np.where(has_missing, 1 - np.abs(fractions[0] - fractions[1]), np.nan)


def category_coverage(real: Rows, generated: Rows, columns: Sequence[ColumnFacts]) -> NDArray[np.float64]:
    """Return the fraction of the values of the real cells that samples have, for each column of categories.

    NaN for columns of numbers, and where all real cells are missing.
    """
    found = np.full(len(columns), np.nan)
    for index, column in enumerate(columns):
        if not column.is_numeric:
            is_real, is_made = (count_values(rows[:, index], column.num_values) > 0 for rows in (real, generated))
            found[index] = (is_real & is_made).sum() / is_real.sum() if is_real.any() else np.nan
    return found
