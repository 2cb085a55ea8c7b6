"""The names of the blocks of rows and of their categories, for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zerosum.data.content_hash import hash_content
from zerosum.data.tables.constraint_base import Constraint, find_members
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.layout import TableColumn
from zerosum.data.tables.text_table import shorten_cell
from zerosum.data.text import enumerate_names, printable

MAX_NAME_CHARS = 60
"""Longer texts of categories are cut in their names."""


def name_block(columns: Sequence[TableColumn], constraints: Sequence[Constraint], index: int) -> str:
    """Return the name of derived column number `index`; of a combination, the names of its columns."""
    return enumerate_names([printable(columns[member].name) for member in find_members(constraints, index)])


def name_category(
    columns: Sequence[TableColumn], constraints: Sequence[Constraint], index: int, encoder: ColumnEncoder, category: int
) -> str:
    """Return the value of a category of derived column number `index`, as the user writes it.

    Returns:
        "" where the category is a difference of columns, which has no text.
    """
    if category >= len(encoder.categories):
        return "another number" if encoder.has_scores else "a rare value"
    cell = float(encoder.categories[category])
    if np.isnan(cell):
        return "missing"
    cells: Mapping[int, float] = {index: cell}
    for constraint in constraints:
        if index in constraint.columns:
            cells = constraint.restore_cell(index, cell)
    texts = (str(columns[member].format.texts(np.array([own]))[0]) for member, own in cells.items())
    return ", ".join(_shorten(text) or "missing" for text in texts)


def _shorten(text: str) -> str:
    """Return a text, cut if it is long; with a hash then, since different categories have different names."""
    if len(text) <= MAX_NAME_CHARS:
        return printable(text)
    return f"{shorten_cell(text)[1:-1]} ({hash_content('category', text.encode(errors='surrogateescape')):016x})"
