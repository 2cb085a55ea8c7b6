"""Read a table from a file of separated values, in any notation that spreadsheets and databases write."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TextIO, cast

from zerosum.data.tables.text_table import (
    Dialect,
    TextColumn,
    TextIndex,
    TextTable,
    check_names,
    is_number,
    name_columns,
    shorten_cell,
)
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

SEPARATORS = ",;\t|"
_SNIFFED_BYTES = 1 << 16
_ROWS_PER_CHUNK = 1_000
_MAX_CELL_CHARS = 1 << 30
_END = "\x1f"  # a last line after the file's: if it is no row of its own, a quote is open
_OPEN_QUOTE = "a quote is not closed; close it, or remove it"
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a]")
_OTHER_FORMATS = (("<", "HTML or XML"), ("{", "JSON"), ("[", "JSON"), ("%PDF", "a PDF document"))
"""How files of other formats begin that are saved under the name of a table."""
_NAME_IN_BRACKETS = re.compile(r"(?:<[^<>\r\n]*>|\{[^{}\":\r\n]*\}|\[[^][{}\"\r\n]*\]) *[,;\t|]")
"""A first name such as [id], which is one of a table: no other format goes on with a separator."""


def read_text_file(path: Path) -> TextTable:
    """Read a file of separated values.

    Raises:
        BadInput: it is damaged, a row has another number of cells than the first, or a quote is not closed.
    """
    dialect, names = detect_dialect(path)
    indices = [TextIndex() for _ in names]
    with open_text(path, dialect.encoding) as file:
        rows = filter(None, read_rows(path, file, dialect.separator, len(names)))
        next(rows)
        while chunk := list(islice(rows, _ROWS_PER_CHUNK)):
            for index, cells in zip(indices, zip(*chunk, strict=True), strict=True):
                index.add(cells)
    columns = {name: TextColumn(*index.values_and_codes()) for name, index in zip(names, indices, strict=True)}
    _check_first_row_holds_names(path, columns)
    return TextTable(str(path), columns, dialect)


def read_rows(path: Path, lines: Iterable[str], separator: str, num_columns: int = 0) -> Iterator[list[str]]:
    """Yield the cells of each row, the names of the columns first; [] for a blank line.

    Args:
        path: the file, for messages.
        lines: its lines.
        separator: what separates cells.
        num_columns: the number of cells of each row; 0: any.

    Raises:
        BadInput: a row has another number of cells, a quote is not closed, or the file is damaged.
    """
    csv.field_size_limit(_MAX_CELL_CHARS)
    reader = csv.reader(chain(lines, [_END]), delimiter=separator, skipinitialspace=True)
    first, line = 1, 1
    try:
        for row in reader:
            if row == [_END]:
                return
            first, line = line, reader.line_num + 1
            is_blank = not row or (len(row) == 1 and not row[0].strip())
            if num_columns and not is_blank and len(row) != num_columns:
                _raise_ragged(path, first, row, num_columns)
            yield [] if is_blank else row
    except (csv.Error, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    raise BadInput(f"{path}, line {first:,}: {_OPEN_QUOTE}")


def _raise_ragged(path: Path, line: int, row: list[str], num_columns: int) -> None:
    """Raise an error about a row.

    Raises:
        BadInput: always.
    """
    if any(_END in cell for cell in row):
        raise BadInput(f"{path}, line {line:,}: {_OPEN_QUOTE}")
    raise BadInput(
        f"{path}, line {line:,}: has {pluralize(len(row), 'cell')}, and the first row names {num_columns:,} columns; "
        "mend the row, and put cells that contain the separator in quotes"
    )


def _check_first_row_holds_names(path: Path, columns: dict[str, TextColumn]) -> None:
    """Raise if the first row is one of values: some are numbers, and a text is found again below.

    Raises:
        BadInput: it is so.
    """
    if not any(map(is_number, columns)):
        return
    again = (name for name, column in columns.items() if not is_number(name) and name in set(column.values.tolist()))
    if name := next(again, ""):
        raise BadInput(f"{path}: its first row holds values such as {shorten_cell(name)}, which is found again below; "
                       "add a first row with a name for each column")  # fmt: skip


# ---------------------------------------------------------------------- the form of a file


def detect_dialect(path: Path) -> tuple[Dialect, tuple[str, ...]]:
    """Return how a file of separated values is written, and the names of its columns.

    Raises:
        BadInput: there is no such file, it is damaged, or its first row holds no names.
    """
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file; name a table")
    head = _read_head(path)
    encoding = _detect_encoding(path, head)
    if other := find_other_format(head.decode(encoding, errors="ignore").lstrip("\ufeff \r\n")):
        raise BadInput(f"{path}: holds {other}, in spite of its name; name a table, such as a .csv file")
    first = "".join(_read_first_line(path, encoding).split('"')[::2])
    if first.startswith("sep="):
        raise BadInput(f"{path}: its first line is '{printable(first)}', which only Excel knows; remove this line")
    counts = Counter(char for char in first if char in SEPARATORS)
    is_tabs = ".tsv" in path.suffixes or ".TSV" in path.suffixes
    separator = "\t" if is_tabs and counts["\t"] else max(SEPARATORS, key=lambda mark: counts[mark])
    names = _read_names(path, encoding, separator)
    check_names(str(path), names)
    return Dialect(separator, encoding), names


def _read_first_line(path: Path, encoding: str) -> str:
    """Return the line of names, or several if there is an end of a line in quotes.

    Raises:
        BadInput: the file is damaged.
    """
    parts: list[str] = []
    num_quotes = 0
    try:
        with open_text(path, encoding) as file:
            for line in file:
                parts.append(line if parts else line.lstrip("\ufeff \r\n"))
                num_quotes += line.count('"')
                if parts[0] and num_quotes % 2 == 0:
                    break
                parts = parts if parts[0] else []
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return "".join(parts).rstrip("\r\n")


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read ({error}); name an intact file")


def _read_names(path: Path, encoding: str, separator: str) -> tuple[str, ...]:
    """Return the names of the columns, of any length.

    Raises:
        BadInput: the file is damaged, or a quote is not closed.
    """
    with open_text(path, encoding) as file:
        first, *others = next(filter(None, read_rows(path, file, separator)), [""])
    return name_columns([first.lstrip("\ufeff").strip(), *(name.strip() for name in others)])


def find_other_format(text: str) -> str:
    """Return the format of a text that is no table, by its beginning; "" for a table.

    Example:
        >>> find_other_format('[{"id": 1}]'), find_other_format("[id],[value]")
        ('JSON', '')
    """
    if _NAME_IN_BRACKETS.match(text):
        return ""
    return next((other for beginning, other in _OTHER_FORMATS if text.startswith(beginning)), "")


def _read_head(path: Path) -> bytes:
    """Return the first bytes of the text.

    Raises:
        BadInput: the file is empty or damaged.
    """
    try:
        with gzip.open(path) if _is_zipped(path) else path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if not head.strip():
        raise BadInput(f"{path}: is empty; name a table with a row of names and rows of values")
    return head


def _detect_encoding(path: Path, head: bytes) -> str:
    """Return the encoding: by its mark, UTF-8, or that of Western Windows where the bytes are no UTF-8.

    Raises:
        BadInput: these are no texts, or texts of two encodings.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return encoding
    if _CONTROL_BYTES.search(head):
        raise BadInput(f"{path}: holds no text, in spite of its name; name a table of texts, or a .parquet or .xlsx "
                       "file")  # fmt: skip
    has_others = False
    try:
        with open_text(path, "utf-8") as file:
            while part := file.read(1 << 20):
                has_others = has_others or not part.isascii()
                if "\0" in part:
                    raise BadInput(f"{path}: holds zero bytes, which no text has; mend the file")
    except UnicodeDecodeError as error:
        if has_others or not error.object[: error.start].isascii():
            raise BadInput(f"{path}: is not valid UTF-8 ({error.reason}), though its beginning is; mend the file, or "
                           "save it as UTF-8") from error  # fmt: skip
        return "cp1252"
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return "utf-8"


def open_text(path: Path, encoding: str, mode: str = "r") -> TextIO:
    """Open a text file, plain or zipped, whose ends of lines stay as they are."""
    if _is_zipped(path):
        return cast("TextIO", gzip.open(path, f"{mode}t", encoding=encoding, newline=""))
    return cast("TextIO", path.open(mode, encoding=encoding, newline=""))


def _is_zipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")
