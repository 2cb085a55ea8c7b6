"""Classes from a table: a labels.csv or metadata.csv (or .tsv) that lies with the images and names a label for each.

Its first row names the columns, or is the first of two columns' values. Files are named by their path from the table's
folder, or from the folder that all images lie in, with slashes of either kind, with or without the suffix.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.summary import natural_sort_key, pluralize
from zerosum.errors import BadInput

LABEL_TABLE_NAMES = ("labels.csv", "labels.tsv", "metadata.csv", "metadata.tsv")
"""What a table of labels is called, in any case; of several in one folder, the first of these is used."""
FILE_COLUMN_NAMES = (
    *("file", "file_name", "filename", "file_path", "filepath"),
    *("image", "image_path", "image_name", "path", "name", "image_id", "id"),
)
"""What the column of files is called, in any case, the likeliest first."""
LABEL_COLUMN_NAMES = ("label", "labels", "class", "classes", "category", "target", "class_name", "label_name")
"""What the column of labels is called, in any case, the likeliest first."""
_MISSING, _AMBIGUOUS = -1, -2  # in place of an image's index
_MAX_CELL_CHARS = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class LabelTable:
    """A table of labels, not read yet."""

    name: str
    """Its path within the source, with slashes."""
    display_name: str
    """What the user would call it."""
    content: bytes = field(repr=False)

    @property
    def folder(self) -> str:
        """The path of its folder within the source: "" or with a slash at its end."""
        return self.name.removesuffix(self.name.rpartition("/")[2])

    @property
    def entry(self) -> tuple[str, int, int]:
        """(name, bytes, hash of the content): what its labels depend on, whatever the file's date."""
        digest = hashlib.blake2b(self.content, digest_size=8).digest()
        return self.name, len(self.content), int.from_bytes(digest, "little")

    def row_error(self, row: int, message: str) -> BadInput:
        """What the user is told of a row, the first of the file being number 1."""
        return BadInput(f"row {row:,} of {self.display_name} {message}")


@dataclass(frozen=True, eq=False)
class TableLabels:
    """What a table says of the images."""

    labels: NDArray[np.int64]
    """(n,) class indices; zeros where there are no classes."""
    classes: tuple[str, ...]
    """The distinct labels in natural order; () if there are fewer than two, or hardly any is said twice."""
    notes: tuple[str, ...]


def find_label_tables(other_files: Iterable[str], root: str) -> list[str]:
    """The tables in the uppermost folder that has one, on the way down to `root`; the first is the one to use.

    Args:
        other_files: the paths of files that are no images.
        root: the folder in which all images lie: "" or with a slash at its end.
    """
    levels = list(itertools.accumulate((f"{folder}/" for folder in root.split("/")[:-1]), initial=""))
    found = []
    for path in other_files:
        file = path.rpartition("/")[2]
        folder = path.removesuffix(file)
        if file.lower() in LABEL_TABLE_NAMES and folder in levels:
            found.append((len(folder), LABEL_TABLE_NAMES.index(file.lower()), path))
    found.sort()
    return [path for length, _, path in found if length == found[0][0]]


def read_label_table(table: LabelTable, names: Sequence[str], indices: Sequence[int], root: str) -> TableLabels:
    """The classes that the table gives to those of the images that are kept.

    Args:
        table: the table.
        names: the paths of all images within the source.
        indices: which of them are the data: (n,) indices, whose order is that of the labels.
        root: the folder in which these lie: "" or with a slash at its end.

    Raises:
        BadInput: if the table cannot be read or understood, or does not give just one label to each image kept.
    """
    images = _ImageLookup(names, table.folder, root)
    rows = _read_rows(table)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{table.display_name} is empty: write a row for each image into it, or remove it")
    columns = _detect_columns(table, *first, images)
    conditioning = _LabelCollector(table, columns, images, set(indices))
    for number, cells in rows if columns.has_header else itertools.chain([first], rows):
        conditioning.add(number, cells)
    conditioning.require_complete(names, indices)
    return _build_labels(table, columns, conditioning, indices)


class _ImageLookup:
    """The images, to be found by what a cell says."""

    def __init__(self, names: Sequence[str], folder: str, root: str) -> None:
        start = len(folder)
        self._root = _normalize_path(root[start:])
        self._by_path = {
            _normalize_path(name[start:]): index for index, name in enumerate(names) if name.startswith(folder)
        }

    def find(self, cell: str) -> int:
        """The index of the image that a cell names, or _ABSENT, or _SEVERAL."""
        path = _normalize_path(cell)
        for place in (path, self._root + path):
            if place in self._by_path:
                return self._by_path[place]
        return self._by_stem.get(path, self._by_stem.get(self._root + path, _MISSING))

    @cached_property
    def _by_stem(self) -> dict[str, int]:
        """Indices by path without the suffix."""
        found: dict[str, int] = {}
        for path, index in self._by_path.items():
            bare = path.rpartition(".")[0]
            found[bare] = _AMBIGUOUS if bare in found else index
        return found


def _normalize_path(path: str) -> str:
    path = path.strip().replace("\\", "/").removeprefix("./")
    # macOS writes an accent in a file's name as a character of its own, a spreadsheet does not.
    return path if path.isascii() else unicodedata.normalize("NFC", path)


@dataclass(frozen=True)
class _Columns:
    """Which columns hold what."""

    file_column: int
    label_column: int
    column_count: int
    """How many columns there are."""
    has_header: bool
    """Whether the first row names them."""
    label_title: str
    """What a message calls the column of labels."""


def _detect_columns(table: LabelTable, row: int, cells: list[str], images: _ImageLookup) -> _Columns:
    """What the first row says of the columns, or its being a row of values."""
    titles = ["_".join(cell.lower().replace("-", " ").split()) for cell in cells]
    filled = [place for place, title in enumerate(titles) if title]
    file, label = _find_title(titles, FILE_COLUMN_NAMES), _find_title(titles, LABEL_COLUMN_NAMES)
    if _MISSING in (file, label) and images.find(cells[0]) != _MISSING:
        if filled != [0, 1]:
            raise table.row_error(
                row,
                f"names an image, but holds {pluralize(len(filled), 'cell')} and not 2: put a row above it that calls "
                "the column of the files file and that of the classes label",
            )
        return _Columns(0, 1, len(cells), False, "the second column")
    if len(filled) == 2 and file != label:  # one of two is known, and the other is the other
        file = sum(filled) - label if file == _MISSING else file
        label = sum(filled) - file if label == _MISSING else label
    missing = [what for what, place in (("file", file), ("label", label)) if place == _MISSING]
    if missing:
        raise table.row_error(
            row,
            f"does not say which column holds the {' and which the '.join(f'{what}s' for what in missing)} (it says "
            f"{_quote_cell(', '.join(cells))}): call it {' and '.join(missing)}, or rename the table to leave it out",
        )
    return _Columns(file, label, len(cells), True, f"the column {_quote_cell(cells[label])}")


def _find_title(titles: list[str], candidates: Sequence[str]) -> int:
    return next((titles.index(title) for title in candidates if title in titles), _MISSING)


class _LabelCollector:
    """What the rows read so far say."""

    def __init__(self, table: LabelTable, columns: _Columns, images: _ImageLookup, indices: set[int]) -> None:
        self._table, self._columns, self._images, self._indices = table, columns, images, indices
        self.labels: dict[int, str] = {}
        """The label of each image by its index."""
        self._row_numbers: dict[int, int] = {}
        self.missing_files: list[tuple[int, str]] = []
        """(row, cell) of files that are not there."""

    def add(self, row_number: int, cells: list[str]) -> None:
        """Take down a row."""
        columns = self._columns
        if len(cells) > columns.column_count and any(cells[columns.column_count :]):
            raise self._table.row_error(
                row_number, f"holds {len(cells)} cells and the first row {columns.column_count}: quote commas in cells"
            )
        cell = cells[columns.file_column] if columns.file_column < len(cells) else ""
        label = cells[columns.label_column].strip() if columns.label_column < len(cells) else ""
        if not cell.strip():
            raise self._table.row_error(row_number, "names no file: fill it in, or remove the row")
        index = self._images.find(cell)
        if index == _AMBIGUOUS:
            raise self._table.row_error(
                row_number, f"says {_quote_cell(cell)}, which several images are called: write the suffix too"
            )
        if index == _MISSING:
            self.missing_files.append((row_number, cell))
        elif index in self._indices:  # and not, say, of the test split, which is left alone
            if not label:
                raise self._table.row_error(
                    row_number, f"gives {_quote_cell(cell)} no label: fill it in, or remove the row and the image"
                )
            known = self.labels.setdefault(index, label)
            row = self._row_numbers.setdefault(index, row_number)
            if known != label:
                raise self._table.row_error(
                    row_number,
                    f"labels {_quote_cell(cell)} {_quote_cell(label)}, but row {row:,} {_quote_cell(known)}: keep one of them",
                )

    def require_complete(self, names: Sequence[str], indices: Sequence[int]) -> None:
        """Refuse a table that leaves an image without a label."""
        without = [names[index] for index in indices if index not in self.labels]
        where, images = self._table.display_name, pluralize(len(indices), "image")
        if len(without) == len(indices):
            said = (
                f"; row {self.missing_files[0][0]:,} says {_quote_cell(self.missing_files[0][1])}"
                if self.missing_files
                else ""
            )
            raise BadInput(
                f"no row of {where} gives any of the {images} a label, {without[0]} for one{said}: name files by their "
                "path from the folder of the table"
            )
        if without:
            raise BadInput(
                f"{where} has no row for {len(without):,} of the {images}, {without[0]} for one: add the rows, or move "
                "these images away"
            )


def _build_labels(
    table: LabelTable, columns: _Columns, collector: _LabelCollector, indices: Sequence[int]
) -> TableLabels:
    notes = []
    if collector.missing_files:
        row, cell = collector.missing_files[0]
        rows = f"{pluralize(len(collector.missing_files), 'row')} of {table.name}"
        notes.append(f"{rows} named no image that is there, such as row {row:,} with {_quote_cell(cell)}")
    tidy = {label: " ".join(label.split()) for label in set(collector.labels.values())}
    classes = sorted(set(tidy.values()), key=natural_sort_key)
    if len(classes) < 2 or 2 * len(classes) > len(indices):
        # Captions and numbers of one's own are in tables too, and a class of one image teaches nothing.
        said = f"the one label {_quote_cell(classes[0])}" if len(classes) < 2 else f"{len(classes):,} different labels"
        notes.append(
            f"no classes were read, since {columns.label_title} of {table.name} gives {pluralize(len(indices), 'image')} {said}: "
            "give the images of a kind one label, and those of another kind another, to have them"
        )
        return TableLabels(np.zeros(len(indices), np.int64), (), tuple(notes))
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number[tidy[collector.labels[index]]] for index in indices], np.int64)
    notes.insert(0, f"the classes are the labels in {columns.label_title} of {table.name}")
    return TableLabels(labels, tuple(classes), tuple(notes))


def _read_rows(table: LabelTable) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each row that is not blank, the first of the file being number 1."""
    text = _decode_text(table)
    delimiter = _detect_delimiter(table.name, text.lstrip().partition("\n")[0])
    number = 0
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        for number, cells in enumerate(reader, 1):
            if any(map(str.strip, cells)):
                yield number, cells
    except csv.Error as error:
        raise table.row_error(number + 1, f"cannot be read ({error}): see that every quote is closed") from error


def _detect_delimiter(name: str, first_line: str) -> str:
    """What stands between cells: spreadsheets write semicolons where a comma is the decimal point."""
    if name.lower().endswith(".tsv"):
        return "\t"
    return next((mark for mark in ",;\t" if mark in first_line), ",")


def _decode_text(table: LabelTable) -> str:
    try:
        text = table.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _encoding_error(table, error.start) from error
    if "\0" in text:  # UTF-16 of English letters passes for UTF-8 with zeros between
        raise _encoding_error(table, table.content.index(b"\0"))
    return text


def _encoding_error(table: LabelTable, offset: int) -> BadInput:
    row = table.content.count(b"\n", 0, offset) + 1
    return table.row_error(row, "is no text in UTF-8: save the table as CSV in UTF-8")


def _quote_cell(cell: str) -> str:
    text = " ".join(cell.split())
    return f"'{text}'" if len(text) <= _MAX_CELL_CHARS else f"'{text[:_MAX_CELL_CHARS]}...'"
