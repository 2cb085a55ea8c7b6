"""How two columns depend on each other, in real rows and in samples.

Columns of at least one category are compared by their joint frequencies, for which numbers are binned; two columns of
numbers by their correlation. These are the definitions of sdmetrics.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.tables.columns import ColumnFacts, Rows
from zerosum.evaluation.metrics.tables.shape import tv_similarity

MAX_PAIRS = 1_000
"""Largest number of pairs of columns that are compared."""
NUM_BINS = 10
"""Bins of numbers, of equal width between the least and the largest real one; the outer ones are open."""
MAX_TABLE_ENTRIES = 1_000_000
"""Entries of a table of joint frequencies, above which only those that occur are counted."""


def choose_pairs(indices: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return all pairs of columns or, of more than MAX_PAIRS, so many of them: the same ones in every evaluation."""
    total = len(indices) * (len(indices) - 1) // 2
    if total <= MAX_PAIRS:
        return list(combinations(indices.tolist(), 2))
    rng = np.random.default_rng(0)
    chosen: set[tuple[int, int]] = set()
    while len(chosen) < MAX_PAIRS:
        first, second = sorted(rng.choice(len(indices), 2, replace=False).tolist())
        chosen.add((int(indices[first]), int(indices[second])))
    return sorted(chosen)


def pair_similarities(
    real: Rows, generated: Rows, columns: Sequence[ColumnFacts], pairs: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Return the similarity (P,) of pairs of columns of rows (N, C) and (M, C), from 0 to 1, which is best.

    It is 1 - |r - s| / 2 for two columns of numbers with correlations r and s, and NaN where a real one is constant;
    s is 0 where one is constant in the samples. It is 1 minus the total variation distance of the joint frequencies for
    other columns.
    """
    binned = _bin_columns(real, generated, columns)
    similarities = np.full(len(pairs), np.nan)
    for place, (first, second) in enumerate(pairs):
        if columns[first].is_numeric and columns[second].is_numeric:
            similarities[place] = (
                1 - _correlation_difference(real[:, [first, second]], generated[:, [first, second]]) / 2
            )
        else:
            codes = [(of_rows[first], of_rows[second]) for of_rows in binned]
            similarities[place] = contingency_similarity(*codes)
    return similarities


def correlation(first: Rows, second: Rows, *, by_rank: bool = False) -> float:
    """Return the Pearson correlation of numbers (N,) and (N,), or Spearman's by rank, where neither is missing.

    NaN if one of them is constant, or if fewer than two numbers are left.
    """
    present = ~(np.isnan(first) | np.isnan(second))
    first, second = first[present], second[present]
    if len(first) < 2:
        return float("nan")
    if by_rank:
        first, second = mean_ranks(first), mean_ranks(second)
    # scaled first, so that squares of large numbers, such as seconds since 1970, keep their digits
    centered = [values - values.mean() for values in (first, second)]
    scales = [np.abs(values).max() for values in centered]
    if min(scales) == 0:
        return float("nan")
    first, second = (values / scale for values, scale in zip(centered, scales, strict=True))
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks (N,) of values (N,), from 1 on; equal values have the mean of their ranks.

    Example:
        >>> mean_ranks(np.array([3.0, 1.0, 3.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def contingency_similarity(
    real: tuple[NDArray[np.int64], NDArray[np.int64]], generated: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> float:
    """Return 1 minus the total variation distance of the joint frequencies of two columns of codes from 0 on.

    Args:
        real: the codes (N,) and (N,) of the two columns.
        generated: the codes (M,) and (M,).
    """
    widths = [1 + max(int(codes[place].max()) for codes in (real, generated)) for place in range(2)]
    joint = [first.astype(np.int64) * widths[1] + second for first, second in (real, generated)]
    if widths[0] * widths[1] > MAX_TABLE_ENTRIES:
        _, codes = np.unique(np.concatenate(joint), return_inverse=True)
        joint, size = [codes[: len(joint[0])], codes[len(joint[0]) :]], int(codes.max()) + 1
    else:
        size = widths[0] * widths[1]
    return tv_similarity(*(np.bincount(codes, minlength=size) for codes in joint))


def _bin_columns(
    real: Rows, generated: Rows, columns: Sequence[ColumnFacts]
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return the codes (N,) and (M,) of each column: categories or bins, and one more for missing cells."""
    coded: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for index, column in enumerate(columns):
        present = real[~np.isnan(real[:, index]), index]
        edges = np.histogram_bin_edges(present, NUM_BINS)[1:-1] if column.is_numeric and len(present) else np.zeros(0)
        missing = NUM_BINS if column.is_numeric else column.num_values
        for codes, rows in zip(coded, (real, generated), strict=True):
            cells = rows[:, index]
            values = np.digitize(cells, edges) if column.is_numeric else cells
            codes.append(np.where(np.isnan(cells), missing, values).astype(np.int64))
    return coded


def correlation_differences(
    real: Rows, generated: Rows, columns: Sequence[ColumnFacts], pairs: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Return the difference (P,) of Spearman's rank correlations of pairs of columns, of rows (N, C) and (M, C).

    NaN where a real column is constant; the correlation is 0 where one is constant in the samples.

    Raises:
        AssertionError: a column is neither of numbers nor of two values, so that its values have no order.
    """
    assert all(is_ordered(columns[index]) for pair in pairs for index in pair), "ranks need an order"
    ranks = [_rank_complete_columns(rows, {index for pair in pairs for index in pair}) for rows in (real, generated)]
    differences = []
    for pair in pairs:
        is_ranked = all(index in of_rows for index in pair for of_rows in ranks)
        sides = (
            [np.stack([of_rows[index] for index in pair], 1) for of_rows in ranks]
            if is_ranked
            else [rows[:, list(pair)] for rows in (real, generated)]
        )
        differences.append(_correlation_difference(*sides, by_rank=not is_ranked))
    return np.array(differences, np.float64)


def _rank_complete_columns(rows: Rows, indices: Set[int]) -> dict[int, Rows]:
    """Return the ranks (N,) of the columns without missing cells, by index: those of others depend on the pair."""
    return {index: mean_ranks(rows[:, index]) for index in indices if not np.isnan(rows[:, index]).any()}


def _correlation_difference(real: Rows, generated: Rows, *, by_rank: bool = False) -> float:
    """Return |r - s| of the correlations r and s of two columns, of rows (N, 2) and (M, 2); see `pair_similarities`."""
    own, other = (correlation(rows[:, 0], rows[:, 1], by_rank=by_rank) for rows in (real, generated))
    return abs(own - (0.0 if np.isnan(other) else other))


def is_ordered(column: ColumnFacts) -> bool:
    """Return whether ranks of the cells of a column mean something: numbers, and categories of at most two values."""
    return column.num_values <= 2
