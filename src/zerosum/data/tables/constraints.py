"""Constraints that hold in every row of a table, and hold in every sample because of how rows are encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.constraint_base import Constraint, as_list, saved_columns
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.numeric_constraints import Ordered, Sum
from zerosum.data.text import enumerate_names, printable
from zerosum.run_folder import Json


@dataclass(frozen=True)
class Combination(Constraint):
    """Columns whose cells occur together in some combinations only, of which each is a category."""

    kind: ClassVar[str] = "combinations"
    cells: tuple[tuple[float | None, ...], ...] = ()
    """The combinations; None is a missing cell."""
    counts: tuple[int, ...] = ()
    """How many training rows have each; (): they are not counted, and taken for equally frequent."""

    @property
    def coded_columns(self) -> tuple[int, ...]:
        """All columns: the first holds the index of the combination."""
        return self.columns

    def find_members(self, column: int) -> tuple[int, ...]:
        """Return all columns for the first one, and none for the others."""
        return self.columns if column == self.columns[0] else ()

    def restore_cell(self, column: int, cell: float) -> Mapping[int, float]:
        """Return the cells of a combination by their columns."""
        members = self.find_members(column)
        return dict(zip(members, self._table()[int(cell)].tolist(), strict=True)) if members else {}

    def find_missing(self, column: int, cells: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which combinations (N,) have a missing cell."""
        gone = np.isnan(cells)
        if column != self.columns[0]:
            return gone
        has_gap = np.asarray(np.isnan(self._table()).any(1))
        return gone | has_gap[np.where(gone, 0, cells).astype(np.int64)]

    def derive(self, rows: Rows) -> Rows:
        """Replace the first column by the index of the combination, and the others by 0."""
        table = self._table()
        chosen = np.full(len(rows), np.nan)
        own = np.nan_to_num(rows[:, list(self.columns)], nan=np.inf)
        index = {tuple(row): float(number) for number, row in enumerate(np.nan_to_num(table, nan=np.inf).tolist())}
        for number, row in enumerate(own.tolist()):
            chosen[number] = index.get(tuple(row), np.nan)
        first, *others = self.columns
        return self._change(rows, {first: chosen} | {other: np.zeros(len(rows)) for other in others})

    def restore(self, rows: Rows) -> Rows:
        """Look the combinations up."""
        chosen = np.nan_to_num(rows[:, self.columns[0]]).astype(np.int64).clip(0, len(self.cells) - 1)
        table = self._table()[chosen]
        return self._change(rows, {column: table[:, place] for place, column in enumerate(self.columns)})

    def derive_given(self, rows: Rows) -> Rows:
        """Return derived rows (N, C); where no cell is given, nothing is known of the combination."""
        derived = self.derive(rows)
        is_open = np.isnan(rows[:, list(self.columns)]).all(1)
        return self._change(derived, {self.columns[0]: np.where(is_open, np.nan, derived[:, self.columns[0]])})

    def take_back_parts(self, rows: Rows) -> Rows:
        """Return rows (N, C) in which all cells of a combination are given, or none is."""
        is_part = np.isnan(rows[:, list(self.columns)]).any(1)
        return self._change(rows, {column: np.where(is_part, np.nan, rows[:, column]) for column in self.columns})

    def complete(self, rows: Rows, draws: NDArray[np.float64], allow_missing: bool = True) -> Rows:
        """Draw one of the combinations with the given cells, by their counts in the training rows."""
        table = self._table()
        weights = np.array(self.counts or [1] * len(table), np.float64)
        own = rows[:, list(self.columns)]
        is_open = np.isnan(own)
        chosen = own.copy()
        for pattern in _unique_rows(own[is_open.any(1) & ~is_open.all(1)]):
            wanted = ~np.isnan(pattern)
            fits = (table[:, wanted] == pattern[wanted]).all(1)
            if not allow_missing:
                fits &= ~np.isnan(table).any(1)
            if (fits & (weights > 0)).any():  # those of held-out rows alone are drawn only if nothing else fits
                fits &= weights > 0
            edges = np.cumsum(np.where(fits, weights + 1e-9, 0))
            same = ((own == pattern) | (is_open & ~wanted)).all(1)
            if fits.any():
                drawn = np.searchsorted(edges, draws[same] * edges[-1], "right").clip(0, len(table) - 1)
                chosen[same] = table[drawn]
        return self._change(rows, {column: chosen[:, place] for place, column in enumerate(self.columns)})

    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Say that the cells never occur together."""
        own = row[list(self.columns)]
        wanted = ~np.isnan(own)
        if (self._table()[:, wanted] == own[wanted]).all(1).any():
            return ""
        given = [names[column] for column, is_given in zip(self.columns, wanted, strict=True) if is_given]
        return f"these values of {enumerate_names(given)} never occur together in the data; give others"

    def with_training_rows(self, rows: Rows) -> Combination:
        """Return the constraint with the combinations of the training rows (N, C) alone, and their counts."""
        chosen = self.derive(rows)[:, self.columns[0]].astype(np.int64)
        counts = np.bincount(chosen, minlength=len(self.cells)).tolist()
        cells = tuple(cells for cells, count in zip(self.cells, counts, strict=True) if count)
        return replace(self, cells=cells, counts=tuple(count for count in counts if count))

    def _table(self) -> Rows:
        return np.array([[np.nan if cell is None else cell for cell in row] for row in self.cells], np.float64)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {**super().settings(), "cells": [list(row) for row in self.cells], "counts": list(self.counts)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Json]) -> Self:
        """Return the constraint of these fields."""
        rows = (as_list(row) for row in as_list(settings["cells"]))
        cells = tuple(tuple(None if cell is None else float(str(cell)) for cell in row) for row in rows)
        counts = tuple(int(str(count)) for count in as_list(settings.get("counts", [])))
        return cls(saved_columns(settings), cells, counts)

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Combination:
        """Return the constraint of these columns of rows (N, C)."""
        found = _unique_rows(rows[:, list(columns)])
        cells = tuple(tuple(None if np.isnan(cell) else float(cell) for cell in row) for row in found)
        return cls(tuple(columns), cells)


CONSTRAINTS: Mapping[str, type[Ordered | Sum | Combination]] = {
    known.kind: known for known in (Ordered, Sum, Combination)
}
"""The constraints by the name of their setting."""


def restore_constraint(settings: Mapping[str, Json]) -> Constraint:
    """Return the constraint that was saved.

    Raises:
        ValueError: there is no constraint of its kind, as when a later version has saved it.
    """
    kind = str(settings["kind"])
    if kind not in CONSTRAINTS:
        raise ValueError(f"a constraint of the unknown kind {printable(kind)}")
    return CONSTRAINTS[kind].from_settings(settings)


def _unique_rows(rows: Rows) -> Rows:
    """Return the different ones of rows (N, C), in order; cells of NaN are equal."""
    found = np.unique(np.nan_to_num(rows, nan=np.inf), axis=0)
    return np.where(np.isinf(found), np.nan, found)
