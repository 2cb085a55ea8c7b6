"""Rows as they are drawn: the columns that say most, as values and as texts in the user's notation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zerosum.data.codec import Items
from zerosum.data.tables.constraint_base import Constraint
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.layout import TableColumn

MAX_COLUMNS = 24
"""Largest number of columns that are drawn."""
MANY_CATEGORIES = 50
"""Columns with more categories are drawn only where there is room: few of their bars would be seen."""


def preview_rows(columns: Sequence[TableColumn], chosen: Sequence[int], rows: Rows) -> Items:
    """Return rows (N, C) as a structured array (N,) with a field for each column that is drawn.

    The field of a column of numbers or dates has a `value`, NaN where it is missing, and a `text`; that of any other
    column a `code`, -1 where it is missing, and a `text`.

    Args:
        columns: the C columns.
        chosen: those that are drawn; see `choose_columns`.
        rows: the rows.
    """
    fields = [
        (column.name, [("value", np.float64) if column.is_numeric else ("code", np.int64), ("text", object)])
        for column in (columns[index] for index in chosen)
    ]
    drawn = np.empty(len(rows), np.dtype(fields))
    for index in chosen:
        column, cells = columns[index], rows[:, index]
        field = drawn[column.name]
        field["text"] = column.format.texts(cells)
        if column.is_numeric:
            field["value"] = cells
        else:
            field["code"] = np.nan_to_num(cells, nan=-1).astype(np.int64)
    return drawn


def choose_columns(
    columns: Sequence[TableColumn], encoders: Sequence[ColumnEncoder], constraints: Sequence[Constraint]
) -> list[int]:
    """Return the columns that are drawn: those that vary, with few categories first, in the order of the table."""
    tied = {column for constraint in constraints for column in constraint.columns}
    varied = [index for index, encoder in enumerate(encoders) if index in tied or encoder.block is not None]
    varied.sort(key=lambda index: not columns[index].is_numeric and len(columns[index].values) > MANY_CATEGORIES)
    return sorted(varied[:MAX_COLUMNS])
