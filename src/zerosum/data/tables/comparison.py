"""Tables of any origin that are compared with each other, without a run.

The first one decides what the columns hold. A category that it does not have is one of its own in the others, so that
scores see what samples have invented.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.formats import CategoryFormat
from zerosum.data.tables.layout import TableLayout
from zerosum.data.tables.load import build_dataset
from zerosum.data.tables.table_file import read_table
from zerosum.data.tables.text_table import TextTable, shorten_cell
from zerosum.data.tables.unknown import Origin
from zerosum.data.text import pluralize, printable


def load_comparable_table(data: TableDataConfig, first: TableDataset, options: LoadOptions) -> TableDataset:
    """Load a table with the columns of another one, whose codec gets the categories that only this one has.

    Args:
        data: the settings, with the source.
        first: the other table.
        options: progress and split.

    Raises:
        BadInput: the table cannot be used, or lacks a column.
    """
    table = read_table(Path(data.source))
    table.require_rows(1)
    name = printable(first.summary.source)
    layout, notes = add_categories(first.table_codec.layout, table, name)
    codec = replace(first.table_codec, layout=layout)
    dataset = build_dataset(data, options, table, layout, codec, Origin.of_file(name))
    dataset.summary.notes += notes
    return dataset


def add_categories(layout: TableLayout, table: TextTable, name: str) -> tuple[TableLayout, list[str]]:
    """Return a layout that also knows the categories of another table, after its own, and sentences about them.

    Args:
        layout: the columns.
        table: the other table.
        name: what the layout is of, for the sentences.
    """
    columns, notes = [], []
    for column in layout.all_columns:
        own, form = table.columns.get(column.name), column.format
        columns.append(column)
        if own is not None and isinstance(form, CategoryFormat):
            known = frozenset(form.values)
            gone = form.find_missing(own.values)
            new = sorted(text for text in own.values[~gone].tolist() if text not in known)
            columns[-1] = replace(column, format=replace(form, values=(*form.values, *new)))
            if new:
                notes.append(f"column {printable(column.name)}: {pluralize(len(new), 'value')} that {name} does not "
                             f"have, such as {shorten_cell(new[0])}; each counts as a category")  # fmt: skip
    return replace(layout, all_columns=tuple(columns)), notes
