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

from zerosum.data.images.summary import counted, natural
from zerosum.errors import BadInput

TABLES = ("labels.csv", "labels.tsv", "metadata.csv", "metadata.tsv")
"""What a table of labels is called, in any case; of several in one folder, the first of these is used."""
FILE_TITLES = (
    *("file", "file_name", "filename", "file_path", "filepath"),
    *("image", "image_path", "image_name", "path", "name", "image_id", "id"),
)
"""What the column of files is called, in any case, the likeliest first."""
LABEL_TITLES = ("label", "labels", "class", "classes", "category", "target", "class_name", "label_name")
"""What the column of labels is called, in any case, the likeliest first."""
_ABSENT, _SEVERAL = -1, -2  # in place of an image's index
_SHOWN = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class Table:
    """A table of labels, not read yet."""

    name: str
    """Its path within the source, with slashes."""
    where: str
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

    def fault(self, row: int, what: str) -> BadInput:
        """What the user is told of a row, the first of the file being number 1."""
        return BadInput(f"row {row:,} of {self.where} {what}")


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a table says of the images."""

    labels: NDArray[np.int64]
    """(n,) class indices; zeros where there are no classes."""
    classes: tuple[str, ...]
    """The distinct labels in natural order; () if there are fewer than two, or hardly any is said twice."""
    notes: tuple[str, ...]


def find_tables(others: Iterable[str], inner: str) -> list[str]:
    """The tables in the uppermost folder that has one, on the way down to `inner`; the first is the one to use.

    Args:
        others: the paths of files that are no images.
        inner: the folder in which all images lie: "" or with a slash at its end.
    """
    levels = list(itertools.accumulate((f"{folder}/" for folder in inner.split("/")[:-1]), initial=""))
    found = []
    for path in others:
        file = path.rpartition("/")[2]
        folder = path.removesuffix(file)
        if file.lower() in TABLES and folder in levels:
            found.append((len(folder), TABLES.index(file.lower()), path))
    found.sort()
    return [path for length, _, path in found if length == found[0][0]]


def read_table(table: Table, names: Sequence[str], kept: Sequence[int], inner: str) -> Labelled:
    """The classes that the table gives to those of the images that are kept.

    Args:
        table: the table.
        names: the paths of all images within the source.
        kept: which of them are the data: (n,) indices, whose order is that of the labels.
        inner: the folder in which these lie: "" or with a slash at its end.

    Raises:
        BadInput: if the table cannot be read or understood, or does not give just one label to each image kept.
    """
    images = _Images(names, table.folder, inner)
    rows = _rows(table)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{table.where} is empty: write a row for each image into it, or remove it")
    columns = _columns(table, *first, images)
    told = _Told(table, columns, images, set(kept))
    for number, cells in rows if columns.headed else itertools.chain([first], rows):
        told.add(number, cells)
    told.refuse_gaps(names, kept)
    return _ranked(table, columns, told, kept)


class _Images:
    """The images, to be found by what a cell says."""

    def __init__(self, names: Sequence[str], folder: str, inner: str) -> None:
        start = len(folder)
        self._inner = _plain(inner[start:])
        self._whole = {_plain(name[start:]): index for index, name in enumerate(names) if name.startswith(folder)}

    def find(self, cell: str) -> int:
        """The index of the image that a cell names, or _ABSENT, or _SEVERAL."""
        path = _plain(cell)
        for place in (path, self._inner + path):
            if place in self._whole:
                return self._whole[place]
        return self._bare.get(path, self._bare.get(self._inner + path, _ABSENT))

    @cached_property
    def _bare(self) -> dict[str, int]:
        """Indices by path without the suffix."""
        found: dict[str, int] = {}
        for path, index in self._whole.items():
            bare = path.rpartition(".")[0]
            found[bare] = _SEVERAL if bare in found else index
        return found


def _plain(path: str) -> str:
    path = path.strip().replace("\\", "/").removeprefix("./")
    # macOS writes an accent in a file's name as a character of its own, a spreadsheet does not.
    return path if path.isascii() else unicodedata.normalize("NFC", path)


@dataclass(frozen=True)
class _Columns:
    """Which columns hold what."""

    file: int
    label: int
    width: int
    """How many columns there are."""
    headed: bool
    """Whether the first row names them."""
    title: str
    """What a message calls the column of labels."""


def _columns(table: Table, row: int, cells: list[str], images: _Images) -> _Columns:
    """What the first row says of the columns, or its being a row of values."""
    titles = ["_".join(cell.lower().replace("-", " ").split()) for cell in cells]
    filled = [place for place, title in enumerate(titles) if title]
    file, label = _first(titles, FILE_TITLES), _first(titles, LABEL_TITLES)
    if _ABSENT in (file, label) and images.find(cells[0]) != _ABSENT:
        if filled != [0, 1]:
            raise table.fault(
                row,
                f"names an image, but holds {counted(len(filled), 'cell')} and not 2: put a row above it that calls "
                "the column of the files file and that of the classes label",
            )
        return _Columns(0, 1, len(cells), False, "the second column")
    if len(filled) == 2 and file != label:  # one of two is known, and the other is the other
        file = sum(filled) - label if file == _ABSENT else file
        label = sum(filled) - file if label == _ABSENT else label
    missing = [what for what, place in (("file", file), ("label", label)) if place == _ABSENT]
    if missing:
        raise table.fault(
            row,
            f"does not say which column holds the {' and which the '.join(f'{what}s' for what in missing)} (it says "
            f"{_shown(', '.join(cells))}): call it {' and '.join(missing)}, or rename the table to leave it out",
        )
    return _Columns(file, label, len(cells), True, f"the column {_shown(cells[label])}")


def _first(titles: list[str], wanted: Sequence[str]) -> int:
    return next((titles.index(title) for title in wanted if title in titles), _ABSENT)


class _Told:
    """What the rows read so far say."""

    def __init__(self, table: Table, columns: _Columns, images: _Images, wanted: set[int]) -> None:
        self._table, self._columns, self._images, self._wanted = table, columns, images, wanted
        self.labels: dict[int, str] = {}
        """The label of each image by its index."""
        self._rows: dict[int, int] = {}
        self.absent: list[tuple[int, str]] = []
        """(row, cell) of files that are not there."""

    def add(self, number: int, cells: list[str]) -> None:
        """Take down a row."""
        columns = self._columns
        if len(cells) > columns.width and any(cells[columns.width :]):
            raise self._table.fault(
                number, f"holds {len(cells)} cells and the first row {columns.width}: quote commas in cells"
            )
        cell = cells[columns.file] if columns.file < len(cells) else ""
        label = cells[columns.label].strip() if columns.label < len(cells) else ""
        if not cell.strip():
            raise self._table.fault(number, "names no file: fill it in, or remove the row")
        index = self._images.find(cell)
        if index == _SEVERAL:
            raise self._table.fault(
                number, f"says {_shown(cell)}, which several images are called: write the suffix too"
            )
        if index == _ABSENT:
            self.absent.append((number, cell))
        elif index in self._wanted:  # and not, say, of the test split, which is left alone
            if not label:
                raise self._table.fault(
                    number, f"gives {_shown(cell)} no label: fill it in, or remove the row and the image"
                )
            known = self.labels.setdefault(index, label)
            row = self._rows.setdefault(index, number)
            if known != label:
                raise self._table.fault(
                    number, f"labels {_shown(cell)} {_shown(label)}, but row {row:,} {_shown(known)}: keep one of them"
                )

    def refuse_gaps(self, names: Sequence[str], kept: Sequence[int]) -> None:
        """Refuse a table that leaves an image without a label."""
        without = [names[index] for index in kept if index not in self.labels]
        where, images = self._table.where, counted(len(kept), "image")
        if len(without) == len(kept):
            said = f"; row {self.absent[0][0]:,} says {_shown(self.absent[0][1])}" if self.absent else ""
            raise BadInput(
                f"no row of {where} gives any of the {images} a label, {without[0]} for one{said}: name files by their "
                "path from the folder of the table"
            )
        if without:
            raise BadInput(
                f"{where} has no row for {len(without):,} of the {images}, {without[0]} for one: add the rows, or move "
                "these images away"
            )


def _ranked(table: Table, columns: _Columns, told: _Told, kept: Sequence[int]) -> Labelled:
    notes = []
    if told.absent:
        row, cell = told.absent[0]
        rows = f"{counted(len(told.absent), 'row')} of {table.name}"
        notes.append(f"{rows} named no image that is there, such as row {row:,} with {_shown(cell)}")
    tidy = {label: " ".join(label.split()) for label in set(told.labels.values())}
    classes = sorted(set(tidy.values()), key=natural)
    if len(classes) < 2 or 2 * len(classes) > len(kept):
        # Captions and numbers of one's own are in tables too, and a class of one image teaches nothing.
        said = f"the one label {_shown(classes[0])}" if len(classes) < 2 else f"{len(classes):,} different labels"
        notes.append(
            f"no classes were read, since {columns.title} of {table.name} gives {counted(len(kept), 'image')} {said}: "
            "give the images of a kind one label, and those of another kind another, to have them"
        )
        return Labelled(np.zeros(len(kept), np.int64), (), tuple(notes))
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number[tidy[told.labels[index]]] for index in kept], np.int64)
    notes.insert(0, f"the classes are the labels in {columns.title} of {table.name}")
    return Labelled(labels, tuple(classes), tuple(notes))


def _rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each row that is not blank, the first of the file being number 1."""
    text = _text(table)
    delimiter = _delimiter(table.name, text.lstrip().partition("\n")[0])
    number = 0
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        for number, cells in enumerate(reader, 1):
            if any(map(str.strip, cells)):
                yield number, cells
    except csv.Error as error:
        raise table.fault(number + 1, f"cannot be read ({error}): see that every quote is closed") from error


def _delimiter(name: str, start: str) -> str:
    """What stands between cells: spreadsheets write semicolons where a comma is the decimal point."""
    if name.lower().endswith(".tsv"):
        return "\t"
    return next((mark for mark in ",;\t" if mark in start), ",")


def _text(table: Table) -> str:
    try:
        text = table.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _undecoded(table, error.start) from error
    if "\0" in text:  # UTF-16 of English letters passes for UTF-8 with zeros between
        raise _undecoded(table, table.content.index(b"\0"))
    return text


def _undecoded(table: Table, place: int) -> BadInput:
    row = table.content.count(b"\n", 0, place) + 1
    return table.fault(row, "is no text in UTF-8: save the table as CSV in UTF-8")


def _shown(cell: str) -> str:
    text = " ".join(cell.split())
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}...'"
