"""What a constraint is that holds in every row of a table.

Rows (N, C) become derived rows (N, C) of which every combination of cells is allowed, and back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.formats import Rows
from zerosum.data.tables.ranges import RoundFn
from zerosum.data.text import enumerate_names, pluralize
from zerosum.errors import BadInput
from zerosum.run_folder import Json


@dataclass(frozen=True)
class Constraint(ABC):
    """A constraint of some columns."""

    kind: ClassVar[str]
    columns: tuple[int, ...]
    """The columns, in the order of the setting."""

    @property
    def coded_columns(self) -> tuple[int, ...]:
        """The columns whose derived cells are codes, not numbers, whatever the columns hold; by default none."""
        return ()

    @property
    def differences(self) -> tuple[int, ...]:
        """The columns whose derived cells are differences, and so no cells that a column's format can round."""
        return ()

    def find_members(self, column: int) -> tuple[int, ...]:
        """Return the columns whose cells one of the derived columns stands for: by default itself alone."""
        return (column,)

    def restore_cell(self, column: int, cell: float) -> Mapping[int, float]:
        """Return the cells by their columns that a cell of a derived column stands for; by default itself.

        Returns:
            The cells; none where a derived cell says nothing without those of other columns.
        """
        return {column: cell}

    def find_missing(self, column: int, cells: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which cells (N,) of a derived column stand for a missing cell; by default those that are NaN."""
        return np.isnan(cells)

    @abstractmethod
    def derive(self, rows: Rows) -> Rows:
        """Return derived rows (N, C); NaN also where a row does not say what a derived cell is."""

    @abstractmethod
    def restore(self, rows: Rows) -> Rows:
        """Return the rows (N, C) of derived rows."""

    def derive_given(self, rows: Rows) -> Rows:
        """Return derived rows (N, C) of rows in which a cell of NaN is not given, rather than missing."""
        return self.derive(rows)

    def take_back_parts(self, rows: Rows) -> Rows:
        """Return given rows (N, C) without the cells that say nothing unless others are given, too; by default all."""
        return rows

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

    def keep_rounded(self, rows: Rows, given: Rows, round_rows: RoundFn, round_up: Sequence[RoundFn]) -> Rows:
        """Return rows that keep the constraint, and the ranges of the columns, after they were rounded.

        Args:
            rows: (N, C) rounded rows.
            given: (N, C) given cells, which stay, NaN elsewhere.
            round_rows: rounds cells as they are written.
            round_up: rounds the cells (N,) of each of the C columns, never down.
        """
        return rows

    def find_range(self, column: int) -> tuple[float, float] | None:
        """Return the least and the largest value of a column in the training rows; None if they are not known."""
        return None

    @abstractmethod
    def describe_conflict(self, row: Rows, names: Sequence[str]) -> str:
        """Return why cells (C,), NaN where none is given, cannot be given as they are; "" if they can."""

    def with_training_rows(self, rows: Rows) -> Constraint:
        """Return the constraint with what it keeps of the training rows (N, C)."""
        return self

    def settings(self) -> dict[str, Json]:
        """Return the fields as JSON."""
        return {"kind": self.kind, "columns": list(self.columns)}

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Mapping[str, Json]) -> Self:
        """Return the constraint of these fields."""

    def _change(self, rows: Rows, cells: Mapping[int, NDArray[np.float64]]) -> Rows:
        changed = rows.copy()
        for column, values in cells.items():
            changed[:, column] = values
        return changed


def coded_columns(constraints: Sequence[Constraint]) -> frozenset[int]:
    """Return the columns whose derived cells are codes, not numbers, by any of the constraints."""
    return frozenset(column for known in constraints for column in known.coded_columns)


def find_members(constraints: Sequence[Constraint], column: int) -> tuple[int, ...]:
    """Return the columns whose cells a derived column stands for; a column is in one constraint at most."""
    return next((known.find_members(column) for known in constraints if column in known.columns), (column,))


def saved_columns(settings: Mapping[str, Json]) -> tuple[int, ...]:
    """Return the columns of the fields of a constraint."""
    return tuple(int(str(column)) for column in as_list(settings["columns"]))


def as_list(value: Json) -> list[Json]:
    """Return what was saved as a list."""
    assert isinstance(value, Sequence), "a list was saved"
    return list(value)


def require_all_or_none(setting: str, rows: Rows, columns: Sequence[int], names: Sequence[str]) -> None:
    """Raise if some cells of a row (N, C) are missing, of those of a constraint, and others are not.

    Raises:
        BadInput: it is so.
    """
    gone = np.isnan(rows[:, list(columns)])
    text = enumerate_names([names[column] for column in columns])
    require(setting, np.asarray(gone.any(1) & ~gone.all(1)), f"some cells of {text} are missing and others are not")


def require(setting: str, wrong: NDArray[np.bool_], what: str) -> None:
    """Raise if a row does not keep a constraint.

    Raises:
        BadInput: one does not.
    """
    if wrong.any():
        raise BadInput(
            f"`data.{setting}`: in {pluralize(int(wrong.sum()), 'row')}, first row {int(wrong.argmax()) + 2:,}, {what};"
            " mend the table, or leave the constraint out"
        )
