"""The names of the blocks of rows and of their categories, for messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zerosum.data.tables.constraint_base import Constraint
from zerosum.data.tables.constraints import Combination
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.layout import TableColumn
from zerosum.data.tables.numeric_constraints import Ordered
from zerosum.data.text import enumerate_names, printable


def name_block(columns: Sequence[TableColumn], constraints: Sequence[Constraint], index: int) -> str:
    """Return the name of derived column number `index`; of a combination, the names of its columns."""
    members = next((known.columns for known in constraints if _is_combination(known, index)), (index,))
    return enumerate_names([printable(columns[member].name) for member in members])


def name_category(
    columns: Sequence[TableColumn], constraints: Sequence[Constraint], index: int, encoder: ColumnEncoder, category: int
) -> str:
    """Return the value of a category of derived column number `index`, as the user writes it.

    Returns:
        "" where the category is a difference of columns, which has no text.
    """
    if category >= len(encoder.categories):
        return "another number" if encoder.has_scores else "a rare value"
    derived = np.full((1, len(columns)), np.nan)
    derived[0, index] = encoder.categories[category]
    if np.isnan(derived[0, index]):
        return "missing"
    members = [index]
    for constraint in constraints:
        if _is_combination(constraint, index):
            members, derived = list(constraint.columns), constraint.restore(derived)
        elif isinstance(constraint, Ordered) and index in constraint.columns[1:]:
            return ""
    texts = (columns[member].format.texts(derived[:, member])[0] for member in members)
    return ", ".join(printable(str(text)) or "missing" for text in texts)


def _is_combination(constraint: Constraint, index: int) -> bool:
    """Return whether a derived column holds the number of a combination."""
    return isinstance(constraint, Combination) and constraint.columns[0] == index
