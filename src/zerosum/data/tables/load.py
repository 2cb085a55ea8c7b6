"""Load a table: find out what its columns hold, split its rows, and fit the encoding to the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.content_hash import hash_content
from zerosum.data.kind import LoadOptions
from zerosum.data.split import split_by_content, split_by_group
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.constraint_base import Constraint, coded_columns
from zerosum.data.tables.constraints import CONSTRAINTS
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.detect import list_names
from zerosum.data.tables.encoder import TIGHT_ATOM_FRACTION, ColumnEncoder
from zerosum.data.tables.formats import Rows, is_missing
from zerosum.data.tables.group_column import detect_table
from zerosum.data.tables.layout import TableLayout
from zerosum.data.tables.number_model import MAX_ROWS, can_fit, find_tight, fit_number_model
from zerosum.data.tables.summary import TableSummary
from zerosum.data.tables.table_file import read_table
from zerosum.data.tables.text_table import TextColumn, TextTable, shorten_cell
from zerosum.data.tables.unknown import (
    OF_RUN,
    Origin,
    RareValues,
    add_unknown_category,
    describe_unknown,
    find_unknown,
)
from zerosum.data.text import pluralize, printable

MIN_ROWS = 20
"""Least number of rows to train on."""
FEW_ROWS = 1_000
"""Fewer rows than this are noted: generators memorize them."""
_NOTHING_VARIES = "no column varies, or all that do hold keys or text; give columns from which to learn"
_CELL_MARK = "\x1f"


def load_table(data: TableDataConfig, options: LoadOptions, table: TextTable | None = None) -> TableDataset:
    """Load a table to train on.

    Args:
        data: the settings.
        options: split, and what a run keeps of its former data.
        table: the table, if it has been read before.

    Raises:
        BadInput: the table cannot be used.
    """
    table = table or read_table(Path(data.source))
    table.require_rows(1 if options.for_evaluation else MIN_ROWS)
    known = options.codec or (options.former.codec if options.former else None)
    if isinstance(known, TableCodec):
        return build_dataset(data, options, table, known.layout, known)
    layout = TableLayout(detect_table(data, table), table.dialect, table.dtypes)
    _check_columns(data, table, layout)
    return build_dataset(data, options, table, layout, None)


def load_table_like(data: TableDataConfig, codec: TableCodec, options: LoadOptions) -> TableDataset:
    """Load another table with the columns of a run's.

    Raises:
        BadInput: the table cannot be used, or lacks a column.
    """
    table = read_table(Path(data.source))
    table.require_rows(1)
    return build_dataset(data, options, table, codec.layout, codec)


def _check_columns(data: TableDataConfig, table: TextTable, layout: TableLayout) -> None:
    """Raise if a setting names a column that there is not, or nothing can be learned.

    Raises:
        BadInput: it is so.
    """
    if not layout.columns:
        raise table.error(_NOTHING_VARIES)
    if len(layout.written_names) < 2:
        raise table.error(f"samples would have the column {shorten_cell(layout.written_names[0])} only, since text is "
                          "left out; add another one")  # fmt: skip
    names = [column.name for column in layout.all_columns]
    encoded = [column.name for column in layout.columns]
    constraints = {"combinations": data.combinations, "ordered": data.ordered, "sums": data.sums}
    wanted = {field: [name for group in groups for name in group] for field, groups in constraints.items()}
    for field, columns in {**wanted, "target": [data.target] if data.target else []}.items():
        if unknown := next((name for name in columns if name not in encoded), ""):
            left_out = "holds keys or text, which are not generated" if unknown in names else "there is no such column"
            raise table.error(
                f"`data.{field}` {printable(unknown)}: {left_out}; choose of {list_names(encoded, unknown)}"
            )
    if data.group and data.group not in names:
        raise table.error(f"`data.group` {printable(data.group)}: there is no such column; choose one of "
                          f"{list_names(names, data.group)}")  # fmt: skip
    numeric = {column.name for column in layout.columns if column.is_numeric}
    for field in ("ordered", "sums"):
        if other := next((name for name in wanted[field] if name not in numeric), ""):
            raise table.error(f"`data.{field}` {printable(other)}: holds no numbers or dates; leave it out")


def build_dataset(
    data: TableDataConfig,
    options: LoadOptions,
    table: TextTable,
    layout: TableLayout,
    codec: TableCodec | None,
    origin: Origin = OF_RUN,
) -> TableDataset:
    """Build the dataset of a table whose columns are known.

    Args:
        data: the settings.
        options: the split.
        table: the table.
        layout: what its columns hold.
        codec: the codec of the run, whose rows these are; None: it is fitted to the training rows.
        origin: where the columns are known from, if the codec is.

    Raises:
        BadInput: a column is missing, a row does not keep a constraint, or nothing can be learned.
    """
    if lost := next((column.name for column in layout.columns if column.name not in table.columns), ""):
        raise table.error(f"has no column {shorten_cell(lost)}, {origin.of_column}; add it")
    cells = layout.parse(table.columns)
    content_hashes = _hash_rows([table.columns[name] for name in _content_names(data, table, layout)])
    train, held_out = _split(data, options, table, content_hashes)
    if codec is None and not options.for_evaluation:
        layout, cells = layout.keep_values(cells, train)
    fitted = codec or _fit_codec(data, layout, cells, train)
    if codec is None and options.for_evaluation:
        fitted = add_unknown_category(fitted)
    if not fitted.has_blocks:
        raise table.error(_NOTHING_VARIES)
    seed = torch.from_numpy(content_hashes.view(np.int64).copy())
    unknown = find_unknown(layout, table.columns, cells)
    is_other = codec is not None and not options.held_out_fraction  # rows that no run trains on
    unseen = np.arange(len(cells)) if is_other else held_out
    cells, replaced = RareValues(fitted, train, unseen)(cells, unknown, seed)
    summary = _summarize(data, table, layout, np.isnan(cells) & ~unknown, content_hashes)
    summary.train, summary.held_out = len(train), len(held_out)
    summary.notes += describe_unknown(layout, unknown, replaced, origin)
    labels = np.zeros(len(cells), np.int64)
    first = train[:MAX_ROWS]
    if codec is None and not options.for_evaluation and data.model_numbers and can_fit(fitted.spec, len(first)):
        fitted = _add_number_model(fitted, cells[first], seed[first], cells[train])
    values = fitted.encode_cells(cells, seed)
    return TableDataset(values, labels, (), content_hashes, train, held_out, summary, fitted, given_fraction=data.given)


def _content_names(data: TableDataConfig, table: TextTable, layout: TableLayout) -> list[str]:
    """Return the columns that are the content of a row: those that are encoded and, if there is one, that of groups.

    A content is on one side of the split: without the group, equal rows of two groups would join these.
    """
    names = [column.name for column in layout.columns]
    return [*names, data.group] if data.group in table.columns and data.group not in names else names


def _hash_rows(columns: Sequence[TextColumn]) -> NDArray[np.uint64]:
    """Return the hashes (N,) of the texts of columns, so that neither keys nor the row's place matter."""
    values = [np.where(is_missing(column.values), "", column.values) for column in columns]
    texts = (own[column.codes].tolist() for own, column in zip(values, columns, strict=True))
    rows = (_CELL_MARK.join(row) for row in zip(*texts, strict=True))
    return np.array([hash_content("row", row.encode(errors="surrogateescape")) for row in rows], np.uint64)


def _split(
    data: TableDataConfig, options: LoadOptions, table: TextTable, content_hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and the held-out rows."""
    fraction, bounded = options.held_out_fraction, options.bounded_split
    if not data.group or options.for_evaluation:
        return options.keep_sides(content_hashes, *split_by_content(content_hashes, fraction, bounded=bounded))
    column = table.columns.get(data.group)
    if column is None:
        raise table.error(f"has no column {shorten_cell(data.group)}, which `data.group` names; add it")
    own = [hash_content("group", text.encode(errors="surrogateescape")) for text in column.values.tolist()]
    groups = np.array(own, np.uint64)[column.codes]
    train, held_out = split_by_group(content_hashes, groups, fraction, "data.group", bounded=bounded)
    return options.former.split.keep(content_hashes, train, held_out, groups) if options.former else (train, held_out)


def _fit_codec(data: TableDataConfig, layout: TableLayout, cells: Rows, train: NDArray[np.int64]) -> TableCodec:
    """Return the codec of the training rows.

    Raises:
        BadInput: a row does not keep a constraint.
    """
    names = [column.name for column in layout.columns]
    groups = {"ordered": data.ordered, "sums": data.sums, "combinations": data.combinations}
    constraints: list[Constraint] = []
    for kind, members in groups.items():
        for group in members:
            fitted = CONSTRAINTS[kind].fit([names.index(name) for name in group], cells, names)
            constraints.append(fitted.with_training_rows(cells[train]))
    derived = TableCodec(layout, (), tuple(constraints)).derive(cells)
    coded = coded_columns(constraints)
    encoders = tuple(
        ColumnEncoder.fit(derived[train, index], column.is_numeric and index not in coded)
        for index, column in enumerate(layout.columns)
    )
    return TableCodec(layout, encoders, tuple(constraints))


def _add_number_model(codec: TableCodec, cells: Rows, seed: Tensor, train: Rows) -> TableCodec:
    """Return the codec with the distribution of its numbers.

    A number that depends on others tightly has only very frequent values as categories: which of its values is next to
    the one that the others ask for is more than a category can say.

    Args:
        codec: the codec.
        cells: (n, C) the training rows to which the distribution is fitted.
        seed: (n,) their seeds.
        train: (N, C) all training rows.
    """
    sample = codec.encode_rows(cells, seed)
    model = fit_number_model(sample, codec.spec)
    if model is None:
        return codec
    derived, encoders = codec.derive(train), list(codec.encoders)
    for index in codec.block_columns(find_tight(model, sample, codec.spec)):
        encoders[index] = ColumnEncoder.fit(derived[:, index], True, TIGHT_ATOM_FRACTION)
    codec = replace(codec, encoders=tuple(encoders))
    return replace(codec, number_model=fit_number_model(codec.encode_rows(cells, seed), codec.spec))


def _summarize(
    data: TableDataConfig,
    table: TextTable,
    layout: TableLayout,
    gone: NDArray[np.bool_],
    content_hashes: NDArray[np.uint64],
) -> TableSummary:
    """Return the summary of a table of which some cells (N, C) are missing, without the split."""
    counts = zip(layout.columns, gone.sum(0).tolist(), strict=True)
    missing = {column.name: count for column, count in counts if count}
    columns = {column.name: column.reason for column in layout.all_columns}
    copies = len(content_hashes) - len(np.unique(content_hashes))
    summary = TableSummary(data.source, data.kind, table.num_rows, columns=columns, missing=missing, copies=copies)
    summary.target = data.target
    summary.notes += _notes(table, layout)
    return summary


def _notes(table: TextTable, layout: TableLayout) -> list[str]:
    """Return sentences for the user about what was decided."""
    notes = [f"column {printable(column.name)}: {column.reason}"
             for column in layout.all_columns if column.format is None]  # fmt: skip
    if table.dialect.encoding == "cp1252":
        notes.append("the file is not UTF-8 and was read as Western Windows text (cp1252)")
    if table.num_rows < FEW_ROWS:
        notes.append(
            f"{pluralize(table.num_rows, 'row')}: few, so a generator may memorize them, which its scores show"
        )
    return notes
