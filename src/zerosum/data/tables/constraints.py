"""Constraints that hold in every row of a table, and hold in every sample because of how rows are encoded.

Rows (N, C) become derived rows (N, C) of which every combination of cells is allowed, and back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.formats import Rows
from zerosum.data.text import enumerate_names, pluralize
from zerosum.errors import BadInput
from zerosum.run_folder import Json

RoundFn = Callable[[Rows], Rows]
_TOLERANCE, _SUM_TOLERANCE = 1e-9, 1e-6


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

    def derive_given(self, rows: Rows) -> Rows:
        """Return derived rows (N, C) of rows in which a cell of NaN is not given, rather than missing."""
        return self.derive(rows)

    def complete(self, rows: Rows, draws: NDArray[np.float64], allow_missing: bool = True) -> Rows:
        """Return rows (N, C) with the cells that follow from given ones; by default none do.

        Args:
            rows: the rows, NaN where a cell is not given.
            draws: (N,) uniform numbers in (0, 1), by which one of several possibilities is drawn.
            allow_missing: whether a cell may be completed as missing.
        """
        return rows

    def settle(self, rows: Rows, given: Rows, round_rows: RoundFn) -> Rows:
        """Return generated rows that keep the constraint together with given cells.

        Args:
            rows: (N, C) generated rows.
            given: (N, C) given cells, NaN elsewhere.
            round_rows: rounds cells as they are written.
        """
        return rows

    def keep_rounded(self, rows: Rows, round_up: Sequence[RoundFn]) -> Rows:
        """Return rows (N, C) that keep the constraint after they were rounded, which most do anyway.

        Args:
            rows: the rounded rows.
            round_up: rounds the cells (N,) of each of the C columns, never down.
        """
        return rows

    @abstractmethod
    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Return why cells (C,), NaN where none is given, cannot be given as they are; "" if they can."""

    def with_counts(self, rows: Rows) -> Constraint:
        """Return the constraint with what it counts in the training rows (N, C)."""
        return self

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

    def keep_rounded(self, rows: Rows, round_up: Sequence[RoundFn]) -> Rows:
        """Round a cell up where one before it has more decimals, and is above it therefore."""
        cells = {self.columns[0]: rows[:, self.columns[0]]}
        for low, high in pairwise(self.columns):
            is_wrong = cells[low] > rows[:, high]
            cells[high] = np.where(is_wrong, round_up[high](cells[low]), rows[:, high])
        return self._change(rows, cells)

    def settle(self, rows: Rows, given: Rows, round_rows: RoundFn) -> Rows:
        """Bound generated cells by the given ones on both sides."""
        highest, lowest = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
        cells = {column: rows[:, column] for column in self.columns}
        for column in reversed(self.columns):
            cells[column] = np.minimum(cells[column], highest)
            highest = np.fmin(highest, given[:, column])
        for column in self.columns:
            lowest = np.fmax(lowest, given[:, column])
            cells[column] = np.maximum(cells[column], lowest)
        return self._change(rows, cells)

    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Say which column is to be given too, or which cells are in the wrong order."""
        for low, high in pairwise(self.columns):
            if np.isnan(row[low]) and not np.isnan(row[high]):
                return f"{names[low]} must be given too, since in the data it is never above {names[high]}"
            if row[low] > row[high]:
                return f"in the data, {names[low]} is never above {names[high]}; give other values"
        return ""

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

    def complete(self, rows: Rows, draws: NDArray[np.float64], allow_missing: bool = True) -> Rows:
        """Fill the one cell that follows from the others."""
        total, *parts = self.columns
        gone = np.isnan(rows[:, parts])
        rest = rows[:, total] - np.where(gone, 0, rows[:, parts]).sum(1)
        is_last = (gone.sum(1) == 1) & ~np.isnan(rows[:, total])
        return self._change(
            rows,
            {part: np.where(is_last & gone[:, place], rest, rows[:, part]) for place, part in enumerate(parts)},
        )

    def settle(self, rows: Rows, given: Rows, round_rows: RoundFn) -> Rows:
        """Scale generated parts to what a given sum leaves for them."""
        total, *parts = self.columns
        open_parts = np.isnan(given[:, parts])
        generated = np.where(open_parts, rows[:, parts], 0)
        rest = given[:, total] - np.where(open_parts, 0, given[:, parts]).sum(1)
        is_bound = ~np.isnan(rest) & open_parts.any(1)
        sums, counts = generated.sum(1), np.maximum(1, open_parts.sum(1))
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.where((sums != 0)[:, None], generated * (rest / sums)[:, None], (rest / counts)[:, None])
        is_scaled = is_bound[:, None] & open_parts
        cells = np.where(is_scaled, scaled, rows[:, parts])
        rounded = round_rows(self._change(rows, {part: cells[:, place] for place, part in enumerate(parts)}))
        largest = np.where(is_scaled, np.abs(rounded[:, parts]), -1.0).argmax(1)
        error = np.where(is_bound, rest - np.where(open_parts, rounded[:, parts], 0).sum(1), 0)
        rounded[np.arange(len(rows)), np.array(parts)[largest]] += np.nan_to_num(error)
        return rounded

    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Say which parts are to be given too, or that the sum is another."""
        total, *parts = self.columns
        text = " + ".join(names[part] for part in parts)
        if np.isnan(row[total]):
            return ""
        num_open = np.count_nonzero(np.isnan(row[parts]))
        if num_open > 1:
            return f"in the data, {names[total]} is {text}, so give all but one of these too"
        is_wrong = abs(row[parts].sum() - row[total]) > _SUM_TOLERANCE * max(1, abs(row[total]))
        return f"in the data, {names[total]} is {text}, which are {row[parts].sum():g}" if is_wrong else ""

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Sum:
        """Return the constraint of these columns of rows (N, C).

        Raises:
            BadInput: a row does not keep it, or lacks some of its cells.
        """
        total, *parts = columns
        _require_all_or_none("sums", rows, columns, names)
        sums = rows[:, parts].sum(1)
        wrong = np.abs(sums - rows[:, total]) > _SUM_TOLERANCE * np.maximum(1, np.abs(sums))
        _require("sums", wrong, f"{names[total]} is not {' + '.join(names[part] for part in parts)}")
        return cls(tuple(columns))


@dataclass(frozen=True)
class Combination(Constraint):
    """Columns whose cells occur together in some combinations only, of which each is a category."""

    kind: ClassVar[str] = "combinations"
    cells: tuple[tuple[float | None, ...], ...] = ()
    """The combinations; None is a missing cell."""
    counts: tuple[int, ...] = ()
    """How many training rows have each; (): they are not counted, and taken for equally frequent."""

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

    def with_counts(self, rows: Rows) -> Combination:
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
    """Return the constraint that was saved."""
    columns = tuple(int(str(column)) for column in _as_list(settings["columns"]))
    if settings["kind"] == Combination.kind:
        rows = (_as_list(row) for row in _as_list(settings["cells"]))
        cells = tuple(tuple(None if cell is None else float(str(cell)) for cell in row) for row in rows)
        return Combination(columns, cells, tuple(int(str(count)) for count in _as_list(settings.get("counts", []))))
    return CONSTRAINTS[str(settings["kind"])](columns)


def _unique_rows(rows: Rows) -> Rows:
    """Return the different ones of rows (N, C), in order; cells of NaN are equal."""
    found = np.unique(np.nan_to_num(rows, nan=np.inf), axis=0)
    return np.where(np.isinf(found), np.nan, found)


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
            f"`data.{setting}`: in {pluralize(int(wrong.sum()), 'row')}, first row {int(wrong.argmax()) + 2:,}, {what};"
            " mend the table, or leave the constraint out"
        )
