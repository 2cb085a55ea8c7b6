"""The column of `data.group`: it says which rows belong together, and nothing is learned from it.

Groups are held out as a whole, so no value of a held-out group is known to training. As a category, the column would
tell held-out rows from training rows and from samples in every score.
"""

from __future__ import annotations

from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.detect import DetectedColumn, detect_columns
from zerosum.data.tables.formats import is_missing
from zerosum.data.tables.keys import KeyFormat
from zerosum.data.tables.text_table import TextColumn, TextTable


def detect_table(data: TableDataConfig, table: TextTable) -> tuple[DetectedColumn, ...]:
    """Find out what the columns of a table hold; that of the groups is a key, or is left out.

    Raises:
        BadInput: see `detect_columns`.
    """
    if data.group not in table.columns or data.group in data.column:
        return detect_columns(table, data.column)
    found = detect_columns(table, {**data.column, data.group: "text"})
    return tuple(
        _identify(column.name, table.columns[column.name]) if column.name == data.group else column for column in found
    )


def _identify(name: str, column: TextColumn) -> DetectedColumn:
    """Return the column of the groups: a key, if new ones can be made that look like those of the data."""
    present = column.values[~is_missing(column.values)]
    keys = KeyFormat.fit(present)
    if keys.shape or all(text.startswith(keys.before) for text in present.tolist()):
        return DetectedColumn(name, keys, "groups: not learned; each sample has a new key")
    return DetectedColumn(name, None, "groups: not learned, and left out of samples, since they have no numbers")
