"""Encode the cells of a column as categories and normal scores, fitted to the training rows.

A value that is frequent, such as 0 hours or a missing cell, is a category; the other values of a column of numbers are
the normal scores of their quantiles, so that what networks see is nearly normal whatever the column's unit and tails.
Decoding inverts the quantiles: bounds, spikes and whole numbers hold by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.tables.formats import Cells
from zerosum.game.sample_spec import Block

MAX_CATEGORIES = 200
"""Largest number of categories; of more, the rare ones are one category, and are drawn by their counts."""
MAX_PLAIN_VALUES = 20
"""Largest number of different numbers of a column that are categories."""
ATOM_FRACTION, MIN_ATOM_ROWS, MAX_ATOMS = 0.01, 5, 60
"""Numbers of at least this fraction of the rows, and of so many rows, are categories, but at most so many."""
TIGHT_ATOM_FRACTION = 0.05
"""The same, of a column that depends on others tightly."""
MIN_SCORED = 20
"""Least number of rows whose values are scored; fewer are categories."""
MAX_KNOTS = 5_000
"""Largest number of quantiles that are kept."""
SCORE_SCALE, MAX_SCORE = 1.5, 3.7
"""Normal scores are divided by this, so that they are about as large as the ones of categories. In decoding they are
clipped, in standard deviations."""


@dataclass(frozen=True, eq=False)
class ColumnEncoder:
    """Encodes one column."""

    categories: Cells
    """(K,) the cells that are categories, the most frequent first; NaN is a missing cell."""
    rare: Cells
    """(R,) the cells that share one category, which comes after the others; (0,) if none do."""
    rare_counts: Cells
    """(R,) how many training rows have each."""
    knots: Cells
    """(Q,) ascending values of scored numbers; (0,) if none are scored."""
    knot_levels: Cells
    """(Q,) their levels in (0, 1): the fraction of the scored training cells below."""

    @classmethod
    def fit(cls, cells: Cells, is_numeric: bool, atom_fraction: float = ATOM_FRACTION) -> Self:
        """Fit to the training cells (N,), N >= 1; numbers of at least `atom_fraction` of them are categories."""
        none = np.zeros(0)
        values, counts = np.unique(cells, return_counts=True)  # NaN is one value
        order = np.argsort(-counts, kind="stable")
        if is_numeric and np.count_nonzero(~np.isnan(values)) > MAX_PLAIN_VALUES:
            is_atom = (counts >= max(MIN_ATOM_ROWS, atom_fraction * len(cells))) | np.isnan(values)
            atoms = [index for index in order if is_atom[index]][:MAX_ATOMS]
            is_scored = ~np.isin(np.arange(len(values)), atoms)
            if counts[is_scored].sum() >= MIN_SCORED:
                return cls(values[atoms], none, none, *_fit_knots(values[is_scored], counts[is_scored]))
        if len(values) > MAX_CATEGORIES:
            kept, rare = order[: MAX_CATEGORIES - 1], order[MAX_CATEGORIES - 1 :]
            missing = [index for index in rare if np.isnan(values[index])]  # missing is never one of the rare values
            kept, rare = np.array([*kept, *missing]), np.array([index for index in rare if index not in missing])
            return cls(values[kept], values[rare], counts[rare].astype(np.float64), none, none)
        return cls(values[order], none, none, none, none)

    @property
    def block(self) -> Block | None:
        """What the column is in a sample; None if all its cells are the same, so that nothing is to be learned."""
        count = len(self.categories) + bool(len(self.rare)) + self.has_scores
        if not self.has_scores:
            return Block(count) if count > 1 else None
        return Block(count if count > 1 else 0, True, tuple(self._category_scores.tolist()))

    @property
    def may_be_missing(self) -> bool:
        """Whether some of its cells are missing."""
        return bool(np.isnan(self.categories).any())

    @property
    def has_scores(self) -> bool:
        """Whether some of its cells are scored."""
        return len(self.knots) > 0

    def encode(self, cells: Cells, draws: Cells | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return codes (N,) and scores (N,) of cells (N,).

        A cell that is none of the training rows has the category nearest to it or, of texts, that of the rare values.

        Args:
            cells: the cells.
            draws: (N,) uniform numbers in (0, 1) that say where among equal values a cell is scored; None: halfway.
        """
        codes, known = _find(self.categories, cells)
        last = len(self.categories)
        if self.has_scores:
            low = np.interp(cells, self.knots, self.knot_levels)
            levels = self._tied_levels(cells, low, draws)
            scores = torch.special.ndtri(torch.from_numpy(levels)).numpy() / SCORE_SCALE
            is_scored = ~known & ~np.isnan(cells) & self._is_near_scored(cells, codes)
            codes[is_scored] = last
            of_categories = np.append(self._category_scores, np.float32(0))[codes]
            return codes, np.where(is_scored, scores, of_categories).astype(np.float32)
        if len(self.rare):
            codes[~known] = last
        return codes, np.zeros(len(cells), np.float32)

    def _is_near_scored(self, cells: Cells, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which cells (N,) are at least as near to the scored ones as to the nearest category (N,)."""
        if not len(self.categories):
            return np.ones(len(cells), bool)
        distance = np.abs(cells - cells.clip(self.knots[0], self.knots[-1]))
        return np.asarray(~(distance > np.abs(cells - self.categories[codes])))

    @cached_property
    def _category_scores(self) -> NDArray[np.float32]:
        """The scores (K,) of the categories: where they are among the scored cells; 0 of a missing cell.

        So networks see how large a number is, also where it is a category.
        """
        levels = np.interp(self.categories, self.knots, self.knot_levels).clip(1e-4, 1 - 1e-4)
        scores = torch.special.ndtri(torch.from_numpy(levels)).numpy() / SCORE_SCALE
        return np.where(np.isnan(self.categories), 0.0, scores).astype(np.float32)

    def _tied_levels(self, cells: Cells, levels: Cells, draws: Cells | None) -> Cells:
        """Return levels (N,), drawn among those of equal values."""
        first = np.searchsorted(self.knots, cells, "left").clip(0, len(self.knots) - 1)
        last = (np.searchsorted(self.knots, cells, "right") - 1).clip(0, len(self.knots) - 1)
        low, high = self.knot_levels[first], self.knot_levels[last]
        tied = (last > first) & (self.knots[first] == cells)
        chosen = low + (high - low) * (0.5 if draws is None else draws)
        bounded: Cells = np.where(tied, chosen, np.nan_to_num(levels, nan=0.5)).clip(1e-4, 1 - 1e-4)
        return bounded

    def decode(self, codes: NDArray[np.int64], scores: NDArray[np.float32], draws: Cells) -> Cells:
        """Return the cells (N,) of codes (N,) and scores (N,).

        Args:
            codes: the categories.
            scores: the normal scores, of any value.
            draws: (N,) uniform numbers in (0, 1), by which the rare values are drawn.
        """
        cells = np.append(self.categories, np.nan)[np.minimum(codes, len(self.categories))]
        is_last = codes >= len(self.categories)
        if self.has_scores:
            bounded = np.clip(np.nan_to_num(scores.astype(np.float64)) * SCORE_SCALE, -MAX_SCORE, MAX_SCORE)
            levels = torch.special.ndtr(torch.from_numpy(bounded)).numpy()
            return np.where(is_last, np.interp(levels, self.knot_levels, self.knots), cells)
        if len(self.rare):
            edges = np.cumsum(self.rare_counts) / self.rare_counts.sum()
            drawn = self.rare[np.searchsorted(edges, draws).clip(0, len(self.rare) - 1)]
            return np.where(is_last, drawn, cells)
        return cells

    def tensors(self) -> dict[str, Tensor]:
        """Return what was fitted."""
        values = {field.name: vars(self)[field.name] for field in fields(self)}
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return the encoder that was saved."""
        return cls(**{name: tensor.numpy() for name, tensor in tensors.items()})


def _fit_knots(values: Cells, counts: NDArray[np.int64]) -> tuple[Cells, Cells]:
    """Return the knots of the inverse quantile function of ascending values (V,) with counts (V,).

    A value that occurs often has two knots, at the first and the last of its ranks: it is as frequent in samples.
    """
    total = counts.sum()
    ends = np.cumsum(counts)
    first, last = (ends - counts + 0.5) / total, (ends - 0.5) / total
    knots, levels = np.repeat(values, 2), np.stack([first, last], 1).ravel()
    keep = np.ones(len(knots), bool)
    keep[1::2] = counts > 1
    knots, levels = knots[keep], levels[keep]
    if len(knots) > MAX_KNOTS:
        chosen = np.unique(np.rint(np.linspace(0, len(knots) - 1, MAX_KNOTS)).astype(np.int64))
        knots, levels = knots[chosen], levels[chosen]
    return knots, levels


def _find(categories: Cells, cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index (N,) of the category of each cell (N,), and whether there is one; else that of the nearest."""
    if not len(categories):
        return np.zeros(len(cells), np.int64), np.zeros(len(cells), bool)
    order = np.argsort(categories)  # NaN last
    ordered = categories[order]
    numbers = ordered[~np.isnan(ordered)]
    missing = np.isnan(cells)
    if not len(numbers):
        return np.full(len(cells), order[0]), missing
    right = np.searchsorted(numbers, np.where(missing, numbers[0], cells)).clip(0, len(numbers) - 1)
    left = (right - 1).clip(0)
    nearest = np.where(np.abs(numbers[left] - cells) < np.abs(numbers[right] - cells), left, right)
    codes = order[nearest]
    has_missing = len(numbers) < len(ordered)
    if has_missing:
        codes = np.where(missing, order[-1], codes)
    return codes, np.where(missing, has_missing, categories[codes] == cells)
