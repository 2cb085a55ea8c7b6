"""The file of a table of labels: where it is found, and its rows, in any notation that spreadsheets write."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from zerosum.data.text import printable
from zerosum.errors import BadInput

LABEL_TABLE_NAMES = ("labels.csv", "labels.tsv", "metadata.csv", "metadata.tsv")
"""File names of a table of labels, in lower or upper case; of several in one folder, the first of these is used."""
_MAX_CELL_CHARS = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class LabelTable:
    """A table of labels, not parsed yet."""

    name: str
    """Its path within the source, with slashes."""
    display_name: str
    """Its name in messages."""
    content: bytes = field(repr=False)
    noun: str = "image"
    """One of the files that it labels in messages; the plural has an s."""

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


def read_rows(table: LabelTable) -> Iterator[tuple[int, list[str]]]:
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


def quote_cell(cell: str) -> str:
    """Return a cell in quotes for a message, cut if it is long."""
    text = printable(" ".join(cell.split()))
    return f"'{text}'" if len(text) <= _MAX_CELL_CHARS else f"'{text[:_MAX_CELL_CHARS]}...'"
