"""Constraints that hold in every row of a table, and hold in every sample because of how rows are encoded.

Rows (N, C) become derived rows (N, C) of which every combination of cells is allowed, and back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import enumerate_names
from zerosum.errors import BadInput
from zerosum.run_folder import Json

Rows = NDArray[np.float64]
"""Cells (N, C) of rows; NaN where they are missing."""
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Constraint(ABC):
    """A constraint of some columns."""

    kind: ClassVar[str]
    columns: tuple[int, ...]
    """The columns, in the order of the setting."""

    @abstractmethod
    def derive(self, rows: Rows) -> Rows:
        """Return derived rows (N, C); NaN also where a row does not say what a derived cell is."""

    @abstractmethod
    def restore(self, rows: Rows) -> Rows:
        """Return the rows (N, C) of derived rows."""

    def settings(self) -> dict[str, Json]:
        """Return the fields as JSON."""
        return {"kind": self.kind, "columns": list(self.columns)}

    def _change(self, rows: Rows, cells: Mapping[int, NDArray[np.float64]]) -> Rows:
        changed = rows.copy()
        for column, values in cells.items():
            changed[:, column] = values
        return changed


@dataclass(frozen=True)
class Ordered(Constraint):
    """Numbers or dates that never decrease: each but the first is encoded by what it is above the one before."""

    kind: ClassVar[str] = "ordered"

    def derive(self, rows: Rows) -> Rows:
        """Subtract from each column the one before."""
        pairs = zip(self.columns, self.columns[1:], strict=False)
        return self._change(rows, {high: rows[:, high] - rows[:, low] for low, high in pairs})

    def restore(self, rows: Rows) -> Rows:
        """Add the differences, which are at least 0."""
        cells = {self.columns[0]: rows[:, self.columns[0]]}
        for low, high in pairwise(self.columns):
            cells[high] = cells[low] + np.maximum(rows[:, high], 0)
        return self._change(rows, cells)

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Ordered:
        """Return the constraint of these columns of rows (N, C).

        Raises:
            BadInput: a row does not keep it, or lacks some of its cells.
        """
        for low, high in pairwise(columns):
            _require_all_or_none("ordered", rows, (low, high), names)
            _require("ordered", rows[:, low] > rows[:, high] + _TOLERANCE, f"{names[low]} is above {names[high]}")
        return cls(tuple(columns))


@dataclass(frozen=True)
class Sum(Constraint):
    """A number that is the sum of others: it is not encoded, but added up."""

    kind: ClassVar[str] = "sums"

    def derive(self, rows: Rows) -> Rows:
        """Replace the sum by 0."""
        return self._change(rows, {self.columns[0]: np.zeros(len(rows))})

    def restore(self, rows: Rows) -> Rows:
        """Add up."""
        return self._change(rows, {self.columns[0]: rows[:, list(self.columns[1:])].sum(1)})

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Sum:
        """Return the constraint of these columns of rows (N, C).

        Raises:
            BadInput: a row does not keep it, or lacks some of its cells.
        """
        total, *parts = columns
        _require_all_or_none("sums", rows, columns, names)
        sums = rows[:, parts].sum(1)
        wrong = np.abs(sums - rows[:, total]) > 1e-6 * np.maximum(1, np.abs(sums))
        _require("sums", wrong, f"{names[total]} is not {' + '.join(names[part] for part in parts)}")
        return cls(tuple(columns))


@dataclass(frozen=True)
class Combination(Constraint):
    """Columns whose cells occur together in some combinations only, of which each is a category."""

    kind: ClassVar[str] = "combinations"
    cells: tuple[tuple[float | None, ...], ...] = ()
    """The combinations; None is a missing cell."""

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

    def _table(self) -> Rows:
        return np.array([[np.nan if cell is None else cell for cell in row] for row in self.cells], np.float64)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {**super().settings(), "cells": [list(row) for row in self.cells]}

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Combination:
        """Return the constraint of these columns of rows (N, C)."""
        found = np.unique(rows[:, list(columns)], axis=0, equal_nan=True)
        cells = tuple(tuple(None if np.isnan(cell) else float(cell) for cell in row) for row in found)
        return cls(tuple(columns), cells)


CONSTRAINTS: Mapping[str, type[Ordered | Sum | Combination]] = {
    known.kind: known for known in (Ordered, Sum, Combination)
}
"""The constraints by the name of their setting."""


def restore_constraint(settings: Mapping[str, Json]) -> Constraint:
    """Return the constraint that was saved."""
    columns = tuple(int(str(column)) for column in _as_list(settings["columns"]))
    if settings["kind"] == Combination.kind:
        rows = (_as_list(row) for row in _as_list(settings["cells"]))
        return Combination(
            columns, tuple(tuple(None if cell is None else float(str(cell)) for cell in row) for row in rows)
        )
    return CONSTRAINTS[str(settings["kind"])](columns)


def _as_list(value: Json) -> list[Json]:
    assert isinstance(value, Sequence), "a list was saved"
    return list(value)


def _require_all_or_none(setting: str, rows: Rows, columns: Sequence[int], names: Sequence[str]) -> None:
    gone = np.isnan(rows[:, list(columns)])
    text = enumerate_names([names[column] for column in columns])
    _require(setting, np.asarray(gone.any(1) & ~gone.all(1)), f"some cells of {text} are missing and others are not")


def _require(setting: str, wrong: NDArray[np.bool_], what: str) -> None:
    """Raise if a row does not keep a constraint.

    Raises:
        BadInput: one does not.
    """
    if wrong.any():
        raise BadInput(
            f"`data.{setting}`: in {np.count_nonzero(wrong):,} rows, of which the first is row "
            f"{int(wrong.argmax()) + 2:,}, {what}; mend these rows, or leave the constraint out"
        )
