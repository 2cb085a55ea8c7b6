"""The cells that a user gives: the columns of which all samples have the same value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from zerosum.data.codec import GivenValues
from zerosum.data.tables.constraint_base import Constraint
from zerosum.data.tables.detect import list_names
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.formats import BooleanFormat, Rows, as_texts
from zerosum.data.tables.layout import TableColumn, TableLayout
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.game import seeded_rng

_TOLERANCE = 1e-12
"""Relative error of a given number, such as 0.1 + 0.2, that is none of the user's."""


def given_rows(
    layout: TableLayout,
    encoders: Sequence[ColumnEncoder],
    constraints: Sequence[Constraint],
    values: GivenValues,
    seed: Tensor,
) -> Rows:
    """Return rows (N, C) of given cells, with those that follow from them by a constraint, and NaN elsewhere.

    Args:
        layout: the columns.
        encoders: that of each of the C encoded columns.
        constraints: what holds in every row.
        values: the given value of each column by name, in the user's notation or as a number.
        seed: (N,) int64 of the samples, by which one of several combinations is drawn.

    Raises:
        BadInput: there is no such column or value, or a constraint forbids it.
    """
    row = np.full(len(layout.columns), np.nan)
    tied = {column for constraint in constraints for column in constraint.columns}
    for name, value in values.items():
        index = find_column(layout, name, "given")
        row[index] = _number_or_text(layout.columns[index], value)
        encoder = None if index in tied else encoders[index]
        _check_range(layout.columns[index], _find_range(index, encoder, constraints), row[index], value)
    names = [printable(column.name) for column in layout.columns]
    for constraint in constraints:
        if problem := constraint.describe_conflict(row, names):
            given = next(column for column in reversed(constraint.columns) if not np.isnan(row[column]))
            raise BadInput(f"`given` {names[given]}: {problem}")
    return complete_rows(constraints, np.tile(row, (len(seed), 1)), seed)


def complete_rows(constraints: Sequence[Constraint], rows: Rows, seed: Tensor, allow_missing: bool = True) -> Rows:
    """Return rows (N, C) with the cells that follow from given ones, NaN elsewhere; see `Constraint.complete`."""
    draws = seeded_rng.uniform(seed.cpu(), max(1, len(constraints)), seeded_rng.RandomStream.COMBINATION)
    for place, constraint in enumerate(constraints):
        rows = constraint.complete(rows, draws[:, place].double().numpy(), allow_missing)
    return rows


def find_column(layout: TableLayout, name: str, argument: str) -> int:
    """Return the index of an encoded column.

    Args:
        layout: the columns.
        name: the name of the column.
        argument: the argument that names it, for the message.

    Raises:
        BadInput: there is no such column, or it is not generated.
    """
    names = [column.name for column in layout.columns]
    if name in names:
        return names.index(name)
    is_other = any(column.name == name for column in layout.all_columns)
    reason = "holds keys or text, which are not learned" if is_other else "there is no such column"
    raise BadInput(f"`{argument}` {printable(name)}: {reason}; choose one of {list_names(names, name)}")


def _find_range(
    index: int, encoder: ColumnEncoder | None, constraints: Sequence[Constraint]
) -> tuple[float, float] | None:
    """Return the least and the largest number of a column in the training rows; None if they are not known.

    Args:
        index: the column.
        encoder: its encoder, if it encodes the column itself, and not something that a constraint derives.
        constraints: the constraints.
    """
    if encoder is None:
        return next((ends for known in constraints if (ends := known.find_range(index)) is not None), None)
    known = np.concatenate([encoder.categories[~np.isnan(encoder.categories)], encoder.knots])
    return (float(known.min()), float(known.max())) if len(known) else None


def _check_range(column: TableColumn, known: tuple[float, float] | None, cell: float, value: str | float) -> None:
    """Raise if a number or a date is outside those of the training rows.

    Raises:
        BadInput: it is.
    """
    if column.is_numeric and known is not None and not known[0] <= cell <= known[1]:
        ends = column.format.texts(np.array(known))
        raise BadInput(
            f"`given` {printable(column.name)}={value}: the training rows have values from {ends[0]} to {ends[1]}; "
            "give one of these"
        )


def _number_or_text(column: TableColumn, value: str | float) -> float:
    """Return the cell that a text in the user's notation, a number or a truth value means.

    Raises:
        BadInput: it means none, a missing one, or one that no sample has, since it is too fine.
    """
    name = printable(column.name)
    if column.format.find_missing(as_texts([str(value).strip()]))[0]:
        raise BadInput(f"`given` {name}={value}: a missing cell cannot be given; `where` \"{name}=\" keeps the rows in "
                       "which it is missing")  # fmt: skip
    is_truth = isinstance(column.format, BooleanFormat) and value in (0, 1)
    is_cell = not isinstance(value, str) and (column.is_numeric or is_truth)
    cell = float(value) if is_cell else column.format.parse_text(f"`given` {name}", str(value))
    rounded = column.format.round(np.array([cell]))
    if not math.isclose(rounded[0], cell, rel_tol=_TOLERANCE):
        raise BadInput(f"`given` {name}={value}: the column holds {column.format.resolution}; give one of these, such "
                       f"as {column.format.texts(rounded)[0]}")  # fmt: skip
    return float(rounded[0])
