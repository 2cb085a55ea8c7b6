"""Whether samples lie nearer to the training rows than other real rows do: distances, and exact copies.

None of these scores is a guarantee of privacy: they are means over samples, and a row that is given away may be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.score import Score, mean_score
from zerosum.evaluation.metrics.tables.columns import ColumnFacts, Rows, RowVectors, hash_rows

MAX_QUERIES = 5_000
"""Largest number of rows whose nearest training row is searched."""
MAX_TRAIN = 20_000
"""Largest number of training rows among which it is."""
TIE = 1e-9
"""Relative difference of distances up to which they are equal."""
_BLOCK_ROWS = 1_024
Hashes: TypeAlias = NDArray[np.uint64]
"""Hashes (N,) of rows, see `hash_rows`."""


def nearest_rows(queries: Rows, reference: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the Euclidean distance (N,) of each vector (N, D) to the nearest reference vector (M, D), and its index.

    The nearest one is found with products in float32, so that it may be one of several that are equally near but for a
    millionth; its distance is computed from differences in float64.
    """
    center = reference.mean(0)
    others = (reference - center).astype(np.float32)
    squares = (others**2).sum(1) / 2
    distances, indices = np.empty(len(queries)), np.empty(len(queries), np.int64)
    for first in range(0, len(queries), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        block = queries[rows]
        indices[rows] = (squares - (block - center).astype(np.float32) @ others.T).argmin(1)
        distances[rows] = np.sqrt(((block - reference[indices[rows]]) ** 2).sum(1))
    return distances, indices


def distance_to_closest_record(generated: Rows, train: Rows, columns: Sequence[ColumnFacts]) -> Score:
    """Return the median distance of samples (N, C) to their nearest training row (T, C); see `RowVectors`."""
    vectors = RowVectors.fit(train, columns)
    reference = vectors(train[:MAX_TRAIN])
    return Score(float(np.median(nearest_rows(vectors(generated[:MAX_QUERIES]), reference)[0])))


def held_out_distance(held_out: Rows, train: Rows, num_train: int, columns: Sequence[ColumnFacts]) -> Score:
    """Return the median distance of a new real row to the nearest of these training rows (T, C).

    It is measured on held-out rows (M, C). Of these none equals a training row if rows are held out by their content,
    but a new row may: so as large a share of the distances counts as 0 as `chance_of_copy` says.

    Args:
        held_out: real rows that the generator was not trained on.
        train: training rows.
        num_train: number of all training rows, of which `train` are a part.
        columns: the columns.
    """
    vectors = RowVectors.fit(train, columns)
    searched = train[:MAX_TRAIN]
    distances = nearest_rows(vectors(held_out[:MAX_QUERIES]), vectors(searched))[0]
    positive = distances[distances > 0]
    chance = chance_of_copy(hash_rows(searched), num_train + len(held_out))
    zeros = max(1 - len(positive) / len(distances), chance)
    if zeros >= 0.5 or not len(positive):
        return Score(0.0)
    return Score(float(np.quantile(positive, (0.5 - zeros) / (1 - zeros))))


def chance_of_copy(train: Hashes, num_known: int) -> float:
    """Return the chance that a new real row equals one of the training rows of these hashes (T,).

    It is the share of rows that repeat, times the share of all `num_known` real rows that these are: for rows that are
    held out by their content, so that all of one content are on one side.
    """
    return float(repeats(train).mean()) * len(train) / max(num_known, len(train))


def nearest_training_share(
    generated: Rows, train: Rows, held_out: Rows, columns: Sequence[ColumnFacts]
) -> Score | None:
    """Return the share of samples (N, C) that are nearer to a training row than to any held-out row; 0.5 is best.

    The sets are as many different training rows (T, C), from the first on, as there are different held-out rows (M, C).
    Equal distances count half. Samples with one nearest row are not independent, since all are near the same side: the
    standard error is that of a mean of such clusters. None without rows to compare with.

    Args:
        generated: the samples.
        train: training rows, ordered by a hash of their content, so that the first are as good as drawn at random.
        held_out: real rows of another part.
        columns: the columns.
    """
    first, second = train[first_occurrences(train)], held_out[first_occurrences(held_out)]
    count = min(len(first), len(second), MAX_TRAIN)
    if not count or not len(generated):
        return None
    vectors = RowVectors.fit(train, columns)
    queries = vectors(generated[:MAX_QUERIES])
    (to_train, own), (to_held_out, other) = (nearest_rows(queries, vectors(rows[:count])) for rows in (first, second))
    difference = to_held_out - to_train
    is_tie = np.abs(difference) <= TIE * np.maximum(to_train, to_held_out)
    is_nearer = np.where(is_tie, 0.5, difference > 0)
    return _clustered_mean(is_nearer, np.where(difference > 0, own, count + other))


def _clustered_mean(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> Score:
    """Return the mean of values (N,), and its standard error if those of one cluster (N,) are not independent."""
    mean = float(values.mean())
    sums = np.bincount(clusters, weights=values - mean)
    return Score(mean, float(np.sqrt((sums**2).sum())) / len(values))


def held_out_training_share(train: Rows, held_out: Rows, columns: Sequence[ColumnFacts]) -> Score | None:
    """Return the share of one half of the held-out rows (M, C) that are nearer to training rows than to the other half.

    None if a half is empty.
    """
    half = len(held_out) // 2
    return nearest_training_share(held_out[half:], train, held_out[:half], columns)


def copy_share(generated: Rows, train: Hashes) -> Score:
    """Return the share of samples (N, C) that equal a training row in every cell, given the hashes (T,) of these."""
    return mean_score(np.isin(hash_rows(generated), train))


def repeats(hashes: Hashes) -> NDArray[np.bool_]:
    """Return which of the hashes (N,) equal another one."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1)


def first_occurrences(rows: Rows) -> NDArray[np.int64]:
    """Return the indices, ascending, of the first row of each content among rows (N, C)."""
    return np.sort(np.unique(hash_rows(rows), return_index=True)[1])
