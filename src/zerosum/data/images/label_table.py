"""Classes from a table of labels: a labels.csv or metadata.csv (or .tsv) in the folder of the images.

The first row either names the columns, or is the first data row of a table with two columns. Files are named by their
path: see `zerosum.data.images.image_lookup`. A column `split` says which images are for training and which for a test.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.image_lookup import AMBIGUOUS, MISSING, ImageLookup
from zerosum.data.images.splits import Split, name_split, preferred_split
from zerosum.data.images.table_file import LabelTable, quote_cell, read_rows
from zerosum.data.text import natural_sort_key, pluralize, printable
from zerosum.errors import BadInput

FILE_COLUMN_NAMES = (
    *("file", "file_name", "filename", "file_path", "filepath"),
    *("image", "image_path", "image_name", "path", "name", "image_id", "id"),
)
"""Names of the column of files, in lower or upper case, the most likely first."""
SPLIT_COLUMN_NAMES = ("split", "subset", "partition")
"""Names of the column that says which images are for training, in lower or upper case."""
LABEL_COLUMN_NAMES = ("label", "labels", "class", "classes", "category", "target", "class_name", "label_name")
"""Names of the column of labels, in lower or upper case, the most likely first."""


@dataclass(frozen=True, eq=False)
class TableLabels:
    """The labels of the images of a split, read from a table."""

    indices: tuple[int, ...]
    """(n,) indices of these images: all, unless a column of splits says otherwise."""
    labels: NDArray[np.int64]
    """(n,) class indices; zeros if there are no classes."""
    classes: tuple[str, ...]
    """The distinct labels in natural order; () if there are fewer than two, or fewer than two images per label."""
    notes: tuple[str, ...]


def read_label_table(
    table: LabelTable,
    names: Sequence[str],
    indices: Sequence[int],
    root: str,
    split: Split = Split.TRAINING,
    label: str = "",
    conditions: Sequence[str] = (),
) -> TableLabels:
    """Read the labels of the training images from a table.

    Args:
        table: the table.
        names: paths of all images within the source.
        indices: indices (n,) of the training images among them, in the order of the labels.
        root: the folder that contains the training images: "" or with a trailing slash.
        split: the wanted split, if the table has a column of splits.
        label: the column of classes, in lower or upper case; "": the first of `LABEL_COLUMN_NAMES`.
        conditions: the columns that are numeric conditions, and so no classes.

    Raises:
        BadInput: if the table cannot be parsed, or does not have exactly one label for each training image.
    """
    images = ImageLookup(names, table.folder, root)
    label = label if split is Split.TRAINING or _has_column(table, label) else ""
    columns = _read_columns(table, images, label, conditions)
    images.learn_prefix(columns.file(cells) for _, cells in _read_data(table, columns))
    kept, notes = _select_rows(table, columns, images, indices, split)
    if columns.label_column == MISSING:
        notes.append(f"no classes were read, because {table.name} has no column of labels")
        return TableLabels(tuple(kept), np.zeros(len(kept), np.int64), (), tuple(notes))
    collector = _LabelCollector(table, columns, images, set(kept))
    for row_number, cells in _read_data(table, columns):
        collector.add(row_number, cells)
    collector.require_complete(names, kept)
    return _build_labels(table, columns, collector, kept, notes)


def read_column(table: LabelTable, column: str, names: Sequence[str], root: str) -> list[str]:
    """Read a column of a table, whose first row is a header.

    Args:
        table: the table.
        column: the name of the column, in lower or upper case.
        names: (N,) paths of images within the source.
        root: the folder that contains the training images: "" or with a trailing slash.

    Returns:
        The cell of each image, "" for one without a row.

    Raises:
        BadInput: if the table cannot be parsed, or has no such column.
    """
    images = ImageLookup(names, table.folder, root)
    columns, (_, header) = _read_columns(table, images, column), next(read_rows(table))
    position = _find_column(table, header, column)
    images.learn_prefix(columns.file(row) for _, row in _read_data(table, columns))
    cells = [""] * len(names)
    for row_number, row in _read_data(table, columns):
        index = images.find(columns.file(row))
        if index >= 0 and position < len(row):
            cell = row[position].strip()
            if cells[index] not in ("", cell):
                raise table.row_error(
                    row_number,
                    f"{quote_cell(columns.file(row))} has {quote_cell(cell)} in the column {quote_cell(column)}, and "
                    f"another row has {quote_cell(cells[index])}: keep one of them",
                )
            cells[index] = cell
    return cells


def _select_rows(
    table: LabelTable, columns: _Columns, images: ImageLookup, indices: Sequence[int], wanted: Split
) -> tuple[list[int], list[str]]:
    """Return the indices of the images of the wanted split, and a note if the others are ignored.

    The rule is that of folders: see `select_split`. A column of other words, or without training images, says nothing;
    next to known splits, other words and images without a row are ignored: they might be for a test.
    """
    if columns.split_column == MISSING:
        return list(indices), []
    split_of: dict[int, Split | None] = {}
    for _, cells in _read_data(table, columns):
        cell = cells[columns.split_column] if columns.split_column < len(cells) else ""
        split_of[images.find(columns.file(cells))] = name_split(cell)
    chosen = preferred_split({split_of.get(index) for index in indices} - {None}, wanted)
    if chosen is None:
        return list(indices), []
    kept = [index for index in indices if split_of.get(index) is chosen]
    return kept, [
        f"used {pluralize(len(kept), table.noun)} and ignored {len(indices) - len(kept):,}: the column "
        f"{quote_cell(columns.split_title)} of {table.name} says which are for {chosen.value}"
    ]


@dataclass(frozen=True)
class _Columns:
    """The positions of the columns."""

    file_column: int
    label_column: int
    column_count: int
    """Number of columns."""
    has_header: bool
    """Whether the first row names the columns."""
    label_title: str
    """The column of labels in messages."""
    split_column: int = MISSING
    split_title: str = ""

    def file(self, cells: Sequence[str]) -> str:
        """Return the cell of a row that names its file; "" if the row is shorter."""
        return cells[self.file_column] if self.file_column < len(cells) else ""


def _read_columns(table: LabelTable, images: ImageLookup, label: str = "", conditions: Sequence[str] = ()) -> _Columns:
    """Detect the columns from the first row, of which some may be conditions and so no labels.

    Raises:
        BadInput: if the table is empty, or its columns are not known.
    """
    first = next(read_rows(table), None)
    if first is None:
        raise BadInput(f"{table.display_name} is empty: write one row per {table.noun}, or remove the file")
    if conditions and not label:
        known = {name.strip().casefold() for name in conditions}
        others = ["" if title.strip().casefold() in known else title for title in first[1]]
        return _detect_columns(table, first[0], others, images, needs_labels=False)
    if not label:
        return _detect_columns(table, *first, images)
    position = _find_column(table, first[1], label)
    renamed = ["" if title in LABEL_COLUMN_NAMES else title for title in map(_normalize_title, first[1])]
    renamed[position] = LABEL_COLUMN_NAMES[0]
    columns = _detect_columns(table, first[0], renamed, images)
    return replace(columns, label_title=f"the column {quote_cell(label)}")


def _has_column(table: LabelTable, column: str) -> bool:
    _, header = next(read_rows(table), (0, [""]))
    return column.strip().casefold() in (title.strip().casefold() for title in header)


def _find_column(table: LabelTable, header: Sequence[str], column: str) -> int:
    """Return the position of a column, in lower or upper case.

    Raises:
        BadInput: if there is no such column.
    """
    titles = [title.strip().casefold() for title in header]
    if column.strip().casefold() not in titles:
        raise BadInput(
            f"{table.display_name} has no column {quote_cell(column)} (found: {', '.join(header)}): name one of these"
        )
    return titles.index(column.strip().casefold())


def _read_data(table: LabelTable, columns: _Columns) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that follow the header; see `read_rows`."""
    return itertools.islice(read_rows(table), int(columns.has_header), None)


def _detect_columns(
    table: LabelTable, row: int, cells: list[str], images: ImageLookup, needs_labels: bool = True
) -> _Columns:
    """Detect the columns from the first row, which is a header or a data row."""
    titles = [_normalize_title(cell) for cell in cells]
    filled = [index for index, title in enumerate(titles) if title]
    file, label, split = (
        _find_title(titles, names) for names in (FILE_COLUMN_NAMES, LABEL_COLUMN_NAMES, SPLIT_COLUMN_NAMES)
    )
    if MISSING in (file, label) and (images.find(cells[0]) != MISSING or images.knows_end(cells[0])):
        if filled != [0, 1]:
            raise table.row_error(
                row,
                f"the table has no header and {pluralize(len(filled), 'column')} instead of 2: add a header row that "
                "names the columns 'file' and 'label'",
            )
        return _Columns(0, 1, len(cells), False, "the second column")
    others = [index for index in filled if index != split]
    if len(others) == 2 and file != label:  # if one of two columns is known, the other one is known too
        file = sum(others) - label if file == MISSING else file
        label = sum(others) - file if label == MISSING else label
    missing = [f"'{title}'" for title, index in (("file", file), ("label", label)) if index == MISSING]
    if (split != MISSING or not needs_labels) and missing == ["'label'"]:
        missing = []  # a table of splits or of conditions alone
    if missing:
        advice = "name them by `data.label` or `data.conditions`" if missing == ["'label'"] else "rename the columns"
        raise table.row_error(
            row,
            f"the header {quote_cell(', '.join(cells))} has no column {' and no column '.join(missing)}: {advice}, or "
            "rename the table if it holds no labels",
        )
    title, split_title = f"the column {quote_cell(cells[label])}", cells[split] if split != MISSING else ""
    return _Columns(file, label, len(cells), True, title, split, split_title)


def _normalize_title(cell: str) -> str:
    return "_".join(cell.lower().replace("-", " ").split())


def _find_title(titles: list[str], candidates: Sequence[str]) -> int:
    return next((titles.index(title) for title in candidates if title in titles), MISSING)


class _LabelCollector:
    """The labels of the rows read so far."""

    def __init__(self, table: LabelTable, columns: _Columns, images: ImageLookup, indices: set[int]) -> None:
        self._table, self._columns, self._images, self._indices = table, columns, images, indices
        self.labels: dict[int, str] = {}
        """The label of each image by its index."""
        self._row_numbers: dict[int, int] = {}
        self.missing_files: list[tuple[int, str]] = []
        """(row, cell) of each file that does not exist."""

    def add(self, row_number: int, cells: list[str]) -> None:
        """Add a row."""
        columns = self._columns
        if len(cells) > columns.column_count and any(cells[columns.column_count :]):
            raise self._table.row_error(
                row_number,
                f"{len(cells)} cells, but the first row has {columns.column_count}: quote cells that contain commas",
            )
        cell = columns.file(cells)
        label = cells[columns.label_column].strip() if columns.label_column < len(cells) else ""
        if not cell.strip():
            raise self._table.row_error(row_number, "the file name is missing: fill it in, or remove the row")
        index = self._images.find(cell)
        if index == AMBIGUOUS:
            raise self._table.row_error(
                row_number,
                f"{quote_cell(cell)} matches several {self._table.noun}s: write the file name with its suffix",
            )
        if index == MISSING:
            self.missing_files.append((row_number, cell))
        elif index in self._indices:  # an image of the test split is not in them, so its label does not matter
            self._add_label(row_number, cell, index, label)

    def _add_label(self, row_number: int, cell: str, index: int, label: str) -> None:
        if not label:
            raise self._table.row_error(
                row_number, f"{quote_cell(cell)} has no label: fill it in, or remove the row and the {self._table.noun}"
            )
        known_label = self.labels.setdefault(index, label)
        known_row = self._row_numbers.setdefault(index, row_number)
        if known_label != label:
            raise self._table.row_error(
                row_number,
                f"{quote_cell(cell)} has the label {quote_cell(label)}, but row {known_row:,} has "
                f"{quote_cell(known_label)}: keep one of them",
            )

    def require_complete(self, names: Sequence[str], indices: Sequence[int]) -> None:
        """Raise if an image has no label.

        Raises:
            BadInput: if the table has no row for one of the images at `indices`.
        """
        unlabeled = [names[index] for index in indices if index not in self.labels]
        table, images = self._table.display_name, pluralize(len(indices), self._table.noun)
        if len(unlabeled) == len(indices):
            example = (
                f"; row {self.missing_files[0][0]:,} names {quote_cell(self.missing_files[0][1])}"
                if self.missing_files
                else ""
            )
            raise BadInput(
                f"{table} has no label for any of the {images}, such as {unlabeled[0]}{example}: write file paths "
                "relative to the folder of the table"
            )
        if unlabeled:
            raise BadInput(
                f"{table} has no row for {len(unlabeled):,} of the {images}, such as {unlabeled[0]}: add the rows, or "
                f"move these {self._table.noun}s away"
            )


def _build_labels(
    table: LabelTable, columns: _Columns, collector: _LabelCollector, indices: Sequence[int], split_notes: list[str]
) -> TableLabels:
    notes = split_notes.copy()
    if collector.missing_files:
        row, cell = collector.missing_files[0]
        rows = f"{pluralize(len(collector.missing_files), 'row')} of {table.name}"
        notes.append(f"ignored {rows} without a matching {table.noun}, such as row {row:,} with {quote_cell(cell)}")
    class_names = {label: printable(" ".join(label.split())) for label in set(collector.labels.values())}
    classes = sorted(set(class_names.values()), key=natural_sort_key)
    if len(classes) < 2 or 2 * len(classes) > len(indices):
        # A column may hold captions or unique numbers, and a class of one image teaches nothing.
        labels_text = f"only the label {quote_cell(classes[0])}" if len(classes) < 2 else f"{len(classes):,} labels"
        notes.append(
            f"no classes were read, because {columns.label_title} of {table.name} has {labels_text} for "
            f"{pluralize(len(indices), table.noun)}: use at least two labels, and on average at least two "
            f"{table.noun}s per label, to train with classes"
        )
        return TableLabels(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes))
    label_of_class = {name: label for label, name in enumerate(classes)}
    labels = np.array([label_of_class[class_names[collector.labels[index]]] for index in indices], np.int64)
    notes.insert(0, f"the classes are the labels in {columns.label_title} of {table.name}")
    return TableLabels(tuple(indices), labels, tuple(classes), tuple(notes))
