"""Constraints of numbers and dates: an order, and a sum. Each column stays within the range of the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.constraint_base import Constraint, as_list, require, require_all_or_none, saved_columns
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.ranges import RoundFn, move_parts
from zerosum.run_folder import Json

_TOLERANCE, _SUM_TOLERANCE = 1e-9, 1e-6


@dataclass(frozen=True)
class NumericConstraint(Constraint):
    """A constraint of numbers, each of which stays within the range of the training rows."""

    ranges: tuple[tuple[float, float], ...] = ()
    """The least and the largest value of each column in the training rows; (): they are not known."""

    def with_training_rows(self, rows: Rows) -> NumericConstraint:
        """Return the constraint with the ranges of the training rows (N, C)."""
        own = rows[:, list(self.columns)]
        if np.isnan(own).all(0).any():
            return self
        ends = zip(np.nanmin(own, 0).tolist(), np.nanmax(own, 0).tolist(), strict=True)
        return replace(self, ranges=tuple(ends))

    def find_range(self, column: int) -> tuple[float, float] | None:
        """Return the least and the largest value of a column in the training rows; None if they are not known."""
        return self.ranges[self.columns.index(column)] if self.ranges and column in self.columns else None

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {**super().settings(), "ranges": [list(ends) for ends in self.ranges]}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Json]) -> Self:
        """Return the constraint of these fields."""
        ends = [[float(str(end)) for end in as_list(pair)] for pair in as_list(settings.get("ranges", []))]
        return cls(saved_columns(settings), tuple((low, high) for low, high in ends))


@dataclass(frozen=True)
class Ordered(NumericConstraint):
    """Numbers or dates that never decrease: each but the first is encoded by what it is above the one before."""

    kind: ClassVar[str] = "ordered"

    @property
    def differences(self) -> tuple[int, ...]:
        """All but the first column."""
        return self.columns[1:]

    def restore_cell(self, column: int, cell: float) -> Mapping[int, float]:
        """Return the cell of the first column, and none for the others, whose derived cells are differences."""
        return {column: cell} if column == self.columns[0] else {}

    def derive(self, rows: Rows) -> Rows:
        """Subtract from each column the one before."""
        pairs = zip(self.columns, self.columns[1:], strict=False)
        return self._change(rows, {high: rows[:, high] - rows[:, low] for low, high in pairs})

    def restore(self, rows: Rows) -> Rows:
        """Add the differences, which are at least 0, up to the end of the range."""
        cells = {self.columns[0]: rows[:, self.columns[0]]}
        for low, high in pairwise(self.columns):
            cells[high] = cells[low] + np.maximum(rows[:, high], 0)
            if (ends := self.find_range(high)) is not None:
                cells[high] = np.maximum(cells[high].clip(*ends), cells[low])
        return self._change(rows, cells)

    def keep_rounded(self, rows: Rows, given: Rows, round_rows: RoundFn, round_up: Sequence[RoundFn]) -> Rows:
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
            require_all_or_none("ordered", rows, (low, high), names)
            require("ordered", rows[:, low] > rows[:, high] + _TOLERANCE, f"{names[low]} is above {names[high]}")
        return cls(tuple(columns))


@dataclass(frozen=True)
class Sum(NumericConstraint):
    """A number that is the sum of others: it is not encoded, but added up.

    Where it is then outside of its range, the others are moved towards the ends of theirs.
    """

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
        low, high = self._bounds(rounded, given)
        is_out = ((rounded[:, parts] < low) | (rounded[:, parts] > high)).any(1) & is_bound
        is_out &= (low.sum(1) <= given[:, total]) & (given[:, total] <= high.sum(1))
        return self._move(rounded, is_out, given[:, total], (low, high), round_rows)

    def keep_rounded(self, rows: Rows, given: Rows, round_rows: RoundFn, round_up: Sequence[RoundFn]) -> Rows:
        """Move the parts that are not given where their sum is outside of its range, or cannot be written."""
        total, *parts = self.columns
        if not self.ranges:
            return rows
        sums, wanted = rows[:, parts].sum(1), rows[:, total].clip(*self.ranges[0])
        is_wrong = np.abs(wanted - sums) > _SUM_TOLERANCE * np.maximum(1, np.abs(sums))
        return self._move(rows, is_wrong & np.isnan(given[:, total]), wanted, self._bounds(rows, given), round_rows)

    def _bounds(self, rows: Rows, given: Rows) -> tuple[Rows, Rows]:
        """Return the least and the largest values (N, P) of the parts of rows; those of given ones are themselves."""
        _, *parts = self.columns
        ranges = np.array(self.ranges[1:] or [(-np.inf, np.inf)] * len(parts))
        is_given = ~np.isnan(given[:, parts])
        low, high = (np.where(is_given, rows[:, parts], ends) for ends in ranges.T)
        return low, high

    def _move(
        self, rows: Rows, chosen: NDArray[np.bool_], wanted: Rows, bounds: tuple[Rows, Rows], round_rows: RoundFn
    ) -> Rows:
        """Return rows (N, C) of which chosen ones (N,) have the wanted sum (N,)."""
        if not chosen.any():
            return rows
        total, *parts = self.columns
        low, high = (ends[chosen] for ends in bounds)
        moved = move_parts(rows[chosen], parts, wanted[chosen], low, high, round_rows)
        moved[:, total] = moved[:, parts].sum(1)
        changed = rows.copy()
        changed[chosen] = round_rows(moved)
        return changed

    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Say which parts are to be given too, or that the sum is another."""
        total, *parts = self.columns
        text = " + ".join(names[part] for part in parts)
        if np.isnan(row[total]):
            return ""
        is_open = [part for part in parts if np.isnan(row[part])]
        if len(is_open) > 1:
            return f"in the data, {names[total]} is {text}, so give all but one of these too"
        if is_open:
            return self._describe_last(
                is_open[0], row[total] - np.nansum(row[parts]), f"{names[total]} is {text}", names
            )
        is_wrong = abs(row[parts].sum() - row[total]) > _SUM_TOLERANCE * max(1, abs(row[total]))
        return f"in the data, {names[total]} is {text}, which are {row[parts].sum():g}" if is_wrong else ""

    def _describe_last(self, part: int, rest: float, rule: str, names: Sequence[str]) -> str:
        """Say that what given cells leave for the last part is outside of its range; "" if it is not."""
        low, high = self.find_range(part) or (-np.inf, np.inf)
        slack = _SUM_TOLERANCE * max(1, abs(rest))
        if low - slack <= rest <= high + slack:
            return ""
        return (
            f"in the data, {rule}, so {names[part]} would be {rest:g}, and the training rows have values from {low:g} "
            f"to {high:g}; give other values"
        )

    @classmethod
    def fit(cls, columns: Sequence[int], rows: Rows, names: Sequence[str]) -> Sum:
        """Return the constraint of these columns of rows (N, C).

        Raises:
            BadInput: a row does not keep it, or lacks some of its cells.
        """
        total, *parts = columns
        require_all_or_none("sums", rows, columns, names)
        sums = rows[:, parts].sum(1)
        wrong = np.abs(sums - rows[:, total]) > _SUM_TOLERANCE * np.maximum(1, np.abs(sums))
        require("sums", wrong, f"{names[total]} is not {' + '.join(names[part] for part in parts)}")
        return cls(tuple(columns))
