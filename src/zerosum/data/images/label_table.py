"""Classes from a table of labels: a labels.csv or metadata.csv (or .tsv) in the folder of the images.

The first row either names the columns, or is the first data row of a table with two columns. Files are named by their
path: see `zerosum.data.images.image_lookup`. A column `split` says which images are for training and which for a test.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.image_lookup import AMBIGUOUS, MISSING, ImageLookup
from zerosum.data.images.splits import Split, name_split, preferred_split
from zerosum.data.text import natural_sort_key, pluralize, printable
from zerosum.errors import BadInput

LABEL_TABLE_NAMES = ("labels.csv", "labels.tsv", "metadata.csv", "metadata.tsv")
"""File names of a table of labels, in lower or upper case; of several in one folder, the first of these is used."""
FILE_COLUMN_NAMES = (
    *("file", "file_name", "filename", "file_path", "filepath"),
    *("image", "image_path", "image_name", "path", "name", "image_id", "id"),
)
"""Names of the column of files, in lower or upper case, the most likely first."""
SPLIT_COLUMN_NAMES = ("split", "subset", "partition")
"""Names of the column that says which images are for training, in lower or upper case."""
LABEL_COLUMN_NAMES = ("label", "labels", "class", "classes", "category", "target", "class_name", "label_name")
"""Names of the column of labels, in lower or upper case, the most likely first."""
_MAX_CELL_CHARS = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class LabelTable:
    """A table of labels, not parsed yet."""

    name: str
    """Its path within the source, with slashes."""
    display_name: str
    """Its name in messages."""
    content: bytes = field(repr=False)

    @property
    def folder(self) -> str:
        """The path of its folder within the source: "" or with a trailing slash."""
        return self.name.removesuffix(self.name.rpartition("/")[2])

    @property
    def entry(self) -> tuple[str, int, int]:
        """(name, bytes, hash of the content): identifies its labels, whatever the date of the file."""
        digest = hashlib.blake2b(self.content, digest_size=8).digest()
        return self.name, len(self.content), int.from_bytes(digest, "little")

    def row_error(self, row: int, message: str) -> BadInput:
        """Return an error about a row; the first row of the file is number 1."""
        return BadInput(f"{self.display_name}, row {row:,}: {message}")


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


def find_label_tables(other_files: Iterable[str], root: str) -> list[str]:
    """Return the tables in the uppermost folder that has one, on the path down to `root`; the first is to be used.

    Args:
        other_files: paths of the files that are not images.
        root: the folder that contains all images: "" or with a trailing slash.
    """
    levels = list(itertools.accumulate((f"{folder}/" for folder in root.split("/")[:-1]), initial=""))
    tables = []
    for path in other_files:
        file = path.rpartition("/")[2]
        folder = path.removesuffix(file)
        if file.lower() in LABEL_TABLE_NAMES and folder in levels:
            tables.append((len(folder), LABEL_TABLE_NAMES.index(file.lower()), path))
    tables.sort()
    return [path for length, _, path in tables if length == tables[0][0]]


def read_label_table(
    table: LabelTable, names: Sequence[str], indices: Sequence[int], root: str, split: Split = Split.TRAINING
) -> TableLabels:
    """Read the labels of the training images from a table.

    Args:
        table: the table.
        names: paths of all images within the source.
        indices: indices (n,) of the training images among them, in the order of the labels.
        root: the folder that contains the training images: "" or with a trailing slash.
        split: the wanted split, if the table has a column of splits.

    Raises:
        BadInput: if the table cannot be parsed, or does not have exactly one label for each training image.
    """
    images = ImageLookup(names, table.folder, root)
    columns = _read_columns(table, images)
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
    columns, (_, header) = _read_columns(table, images), next(_read_rows(table))
    titles = [title.strip().casefold() for title in header]
    if column.strip().casefold() not in titles:
        raise BadInput(
            f"{table.display_name} has no column {_quote_cell(column)} (found: {', '.join(header)}): name one of these"
        )
    position = titles.index(column.strip().casefold())
    images.learn_prefix(columns.file(row) for _, row in _read_data(table, columns))
    cells = [""] * len(names)
    for _, row in _read_data(table, columns):
        index = images.find(columns.file(row))
        if index >= 0 and position < len(row):
            cells[index] = row[position].strip()
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
        f"used {pluralize(len(kept), 'image')} and ignored {len(indices) - len(kept):,}: the column "
        f"{_quote_cell(columns.split_title)} of {table.name} says which are for {chosen.value}"
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


def _read_columns(table: LabelTable, images: ImageLookup) -> _Columns:
    """Detect the columns from the first row.

    Raises:
        BadInput: if the table is empty, or its columns are not known.
    """
    first = next(_read_rows(table), None)
    if first is None:
        raise BadInput(f"{table.display_name} is empty: write one row per image, or remove the file")
    return _detect_columns(table, *first, images)


def _read_data(table: LabelTable, columns: _Columns) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that follow the header; see `_read_rows`."""
    return itertools.islice(_read_rows(table), int(columns.has_header), None)


def _detect_columns(table: LabelTable, row: int, cells: list[str], images: ImageLookup) -> _Columns:
    """Detect the columns from the first row, which is a header or a data row."""
    titles = ["_".join(cell.lower().replace("-", " ").split()) for cell in cells]
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
    if split != MISSING and missing == ["'label'"]:
        missing = []  # a table of splits alone
    if missing:
        raise table.row_error(
            row,
            f"the header {_quote_cell(', '.join(cells))} has no column {' and no column '.join(missing)}: rename the "
            "columns, or rename the table if it holds no labels",
        )
    title, split_title = f"the column {_quote_cell(cells[label])}", cells[split] if split != MISSING else ""
    return _Columns(file, label, len(cells), True, title, split, split_title)


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
                row_number, f"{_quote_cell(cell)} matches several images: write the file name with its suffix"
            )
        if index == MISSING:
            self.missing_files.append((row_number, cell))
        elif index in self._indices:  # an image of the test split is not in them, so its label does not matter
            self._add_label(row_number, cell, index, label)

    def _add_label(self, row_number: int, cell: str, index: int, label: str) -> None:
        if not label:
            raise self._table.row_error(
                row_number, f"{_quote_cell(cell)} has no label: fill it in, or remove the row and the image"
            )
        known_label = self.labels.setdefault(index, label)
        known_row = self._row_numbers.setdefault(index, row_number)
        if known_label != label:
            raise self._table.row_error(
                row_number,
                f"{_quote_cell(cell)} has the label {_quote_cell(label)}, but row {known_row:,} has "
                f"{_quote_cell(known_label)}: keep one of them",
            )

    def require_complete(self, names: Sequence[str], indices: Sequence[int]) -> None:
        """Raise if an image has no label.

        Raises:
            BadInput: if the table has no row for one of the images at `indices`.
        """
        unlabeled = [names[index] for index in indices if index not in self.labels]
        table, images = self._table.display_name, pluralize(len(indices), "image")
        if len(unlabeled) == len(indices):
            example = (
                f"; row {self.missing_files[0][0]:,} names {_quote_cell(self.missing_files[0][1])}"
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
                "move these images away"
            )


def _build_labels(
    table: LabelTable, columns: _Columns, collector: _LabelCollector, indices: Sequence[int], split_notes: list[str]
) -> TableLabels:
    notes = split_notes.copy()
    if collector.missing_files:
        row, cell = collector.missing_files[0]
        rows = f"{pluralize(len(collector.missing_files), 'row')} of {table.name}"
        notes.append(f"ignored {rows} without a matching image, such as row {row:,} with {_quote_cell(cell)}")
    class_names = {label: printable(" ".join(label.split())) for label in set(collector.labels.values())}
    classes = sorted(set(class_names.values()), key=natural_sort_key)
    if len(classes) < 2 or 2 * len(classes) > len(indices):
        # A column may hold captions or unique numbers, and a class of one image teaches nothing.
        labels_text = f"only the label {_quote_cell(classes[0])}" if len(classes) < 2 else f"{len(classes):,} labels"
        notes.append(
            f"no classes were read, because {columns.label_title} of {table.name} has {labels_text} for "
            f"{pluralize(len(indices), 'image')}: use at least two labels, and on average at least two images per "
            "label, to train with classes"
        )
        return TableLabels(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes))
    label_of_class = {name: label for label, name in enumerate(classes)}
    labels = np.array([label_of_class[class_names[collector.labels[index]]] for index in indices], np.int64)
    notes.insert(0, f"the classes are the labels in {columns.label_title} of {table.name}")
    return TableLabels(tuple(indices), labels, tuple(classes), tuple(notes))


def _read_rows(table: LabelTable) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, cells) of each row that is not blank; the first row of the file is number 1."""
    text = _decode_text(table)
    delimiter = _detect_delimiter(table.name, text.lstrip().partition("\n")[0])
    number = 0
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        for number, cells in enumerate(reader, 1):
            if any(map(str.strip, cells)):
                yield number, cells
    except csv.Error as error:
        raise table.row_error(number + 1, f"not valid CSV ({error}): check that every quote is closed") from error


def _detect_delimiter(name: str, first_line: str) -> str:
    """Return the delimiter of cells; spreadsheets write semicolons where the comma is the decimal point."""
    if name.lower().endswith(".tsv"):
        return "\t"
    return next((mark for mark in ",;\t" if mark in first_line), ",")


def _decode_text(table: LabelTable) -> str:
    try:
        text = table.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _encoding_error(table, error.start) from error
    if "\0" in text:  # UTF-16 of English letters is valid UTF-8 with zero bytes in between
        raise _encoding_error(table, table.content.index(b"\0"))
    return text


def _encoding_error(table: LabelTable, offset: int) -> BadInput:
    row = table.content.count(b"\n", 0, offset) + 1
    return table.row_error(row, "not valid UTF-8: save the table as CSV in UTF-8")


def _quote_cell(cell: str) -> str:
    text = printable(" ".join(cell.split()))
    return f"'{text}'" if len(text) <= _MAX_CELL_CHARS else f"'{text[:_MAX_CELL_CHARS]}...'"
