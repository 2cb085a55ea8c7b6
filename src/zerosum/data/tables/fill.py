"""Fill the missing cells of rows: what is there is given, and what is missing is generated, several times over.

The best guess of a number or a date is its mean over the draws, and that of a category the most frequent one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.constraint_base import coded_columns
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.given import complete_rows
from zerosum.game import seeded_rng
from zerosum.game.types import Sample

GenerateFn = Callable[[Sample, Tensor], Sample]
"""From conditions (N, ...) and seeds (N,) to samples (N, ...)."""
MIN_DRAWS_IN_ALL = 64
"""Draws of a cell, of which all are missing, before it gets the typical value of its column."""


def fill_rows(
    codec: TableCodec, cells: Rows, holes: NDArray[np.bool_], seed: Tensor, generate: GenerateFn, draws: int
) -> Rows:
    """Return rows with their holes filled; never with a missing cell, if the column has any value in training.

    Args:
        codec: the codec of the rows.
        cells: (N, C) the rows, NaN where a cell is a hole or not to be given.
        holes: (N, C) which cells to fill.
        seed: (N,) int64, from which all randomness of a row derives.
        generate: generates samples of which a part is given.
        draws: number of samples from which a cell is guessed; 1: a random draw.
    """
    filled = cells.copy()
    for number in range(math.ceil(MIN_DRAWS_IN_ALL / draws)):
        is_open = (holes & np.isnan(filled)).any(1)
        if not is_open.any():
            return filled
        seeds = torch.cat([
            seeded_rng.fork_seed(seed[torch.from_numpy(is_open)], number * draws + draw) for draw in range(draws)
        ])  # fmt: skip
        guess = _guess(codec, filled[is_open], seeds, generate, draws)
        filled[is_open] = _take(codec, guess, filled[is_open], holes[is_open])
    is_open = (holes & np.isnan(filled)).any(1)
    guess = np.tile(_typical_row(codec), (int(is_open.sum()), 1))
    filled[is_open] = _take(codec, guess, filled[is_open], holes[is_open])
    return filled


def _take(codec: TableCodec, guess: Rows, given: Rows, holes: NDArray[np.bool_]) -> Rows:
    """Return given rows (N, C) with the holes filled from derived rows (N, C)."""
    known = given
    for constraint in codec.constraints:  # else the other cells of such a combination would be taken for missing ones
        known = constraint.take_back_parts(known)
    return np.where(holes & np.isnan(given), codec.restore_given(guess, known), given)


def _guess(codec: TableCodec, given: Rows, seeds: Tensor, generate: GenerateFn, draws: int) -> Rows:
    """Return derived rows (n, C) that are guessed from several draws; NaN where all draws of a cell are missing.

    Args:
        codec: the codec of the rows.
        given: (n, C) the given cells, NaN elsewhere.
        seeds: (draws n,) those of all rows for the first draw, then for the second, ...
        generate: generates samples.
        draws: the number of draws.
    """
    repeated = complete_rows(codec.constraints, np.tile(given, (draws, 1)), seeds, allow_missing=False)
    sample = generate(codec.give(repeated), seeds)
    assert isinstance(sample, Tensor), "rows are one tensor"
    known = codec.derive_given(repeated)
    derived = np.where(np.isnan(known), codec.decode_derived(sample, seeds), known)
    _drop_missing(codec, derived)
    coded = coded_columns(codec.constraints)
    parts = derived.reshape(draws, len(given), -1)
    guess = np.empty_like(given)
    for index, column in enumerate(codec.columns):
        is_number = column.is_numeric and index not in coded
        guess[:, index] = _mean(parts[..., index]) if is_number else _most_frequent(parts[..., index])
    return guess


def _drop_missing(codec: TableCodec, derived: Rows) -> None:
    """Set to NaN, in place, the cells of derived rows (N, C) that stand for a missing cell."""
    for constraint in codec.constraints:
        for column in constraint.columns:
            derived[constraint.find_missing(column, derived[:, column]), column] = np.nan


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means (n,) of numbers (draws, n) that are not missing; NaN where all are."""
    present = ~np.isnan(values)
    counts = present.sum(0)
    means: NDArray[np.float64] = np.where(present, values, 0).sum(0) / np.maximum(1, counts)
    return np.where(counts > 0, means, np.nan)


def _most_frequent(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the most frequent (n,) of categories (draws, n) that are not missing; NaN where all are."""
    present = ~np.isnan(values)
    known, codes = np.unique(values[present], return_inverse=True)
    if not len(known):
        return np.full(values.shape[1], np.nan)
    counts = np.zeros((values.shape[1], len(known)), np.int64)
    np.add.at(counts, (np.nonzero(present)[1], codes.reshape(-1)), 1)
    return np.where(counts.any(1), known[counts.argmax(1)], np.nan)


def _typical_row(codec: TableCodec) -> Rows:
    """Return the typical derived row (C,): medians of scored numbers, and the most frequent categories."""
    row = np.full(len(codec.encoders), np.nan)
    for index, encoder in enumerate(codec.encoders):
        known = encoder.categories[~np.isnan(encoder.categories)]
        for constraint in codec.constraints:
            if index in constraint.columns:
                known = known[~constraint.find_missing(index, known)]
        if encoder.has_scores:
            row[index] = np.interp(0.5, encoder.knot_levels, encoder.knots)
        elif len(known):
            row[index] = known[0]
    return row
