"""Fill the missing cells of a text file of rows: all else stays as it is, to the last character."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.fill import fill_rows
from zerosum.data.tables.formats import as_texts
from zerosum.data.tables.table_file import TEXT_SUFFIXES, table_suffix
from zerosum.data.tables.text_file import detect_dialect, open_text, read_rows
from zerosum.data.tables.text_table import Dialect, Texts, shorten_cell
from zerosum.data.text import enumerate_names, pluralize, printable
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.media.incomplete import FillOptions, GenerateFn, IncompleteFile
from zerosum.media.tables_csv import format_cell

ROWS_PER_BATCH = 256
"""Rows that are read, filled and written together."""


@dataclass(frozen=True)
class _Record:
    """A row of the file, or a blank line."""

    fields: list[str]
    """Its cells as they stand in the file, with quotes and spaces."""
    cells: list[str]
    """Their texts; [] of a blank line."""
    end: str
    """The end of the line, or a blank line."""

    def line(self, separator: str) -> str:
        """Return the row as it stands in the file."""
        return separator.join(self.fields) + self.end


@dataclass
class _ColumnSurvey:
    """What the cells of a column are, by their number."""

    known: int = 0
    unknown: int = 0
    holes: int = 0
    example: str = ""
    """An unknown cell."""

    def add(self, texts: Texts, cells: NDArray[np.float64], holes: NDArray[np.bool_]) -> None:
        """Count more cells (N,)."""
        odd = np.isnan(cells) & ~holes
        self.holes += int(holes.sum())
        self.unknown += int(odd.sum())
        self.known += int((~np.isnan(cells)).sum())
        if odd.any():
            self.example = self.example or str(texts[odd][0])


@dataclass
class _Survey:
    columns: list[_ColumnSurvey]
    count: int = 0
    """Number of rows."""


@dataclass(frozen=True)
class IncompleteTable(IncompleteFile):
    """A text file of rows, some of whose cells are missing."""

    path: Path
    codec: TableCodec
    dialect: Dialect
    names: tuple[str, ...]
    """The columns of the file."""

    @classmethod
    def open(cls, path: Path, codec: TableCodec) -> IncompleteTable:
        """Return the file, of which the first row has been read.

        Raises:
            BadInput: it cannot be used, or lacks a column.
        """
        if path.is_dir() or table_suffix(path) not in TEXT_SUFFIXES:
            raise BadInput(f"{path}: missing cells are filled in files of text; name a file that ends with "
                           f"{', '.join(TEXT_SUFFIXES)}")  # fmt: skip
        dialect, names = detect_dialect(path)
        if lost := [column.name for column in codec.columns if column.name not in names]:
            raise BadInput(
                f"{path}: has no column {printable(enumerate_names(lost))}, which the run was trained on; add it, with "
                "empty cells if they are to be filled"
            )
        return cls(path, codec, dialect, names)

    @cached_property
    def _places(self) -> list[int]:
        """The place in the file of each encoded column."""
        return [self.names.index(column.name) for column in self.codec.columns]

    def check(self) -> list[str]:
        """Read all rows once.

        Raises:
            BadInput: a row has another number of cells, or a column has none that is written as in the data.
        """
        notes = [f"column {printable(name)} is none of the run, and stays as it is"
                 for name in self.names if name not in self.codec.layout.known_names]  # fmt: skip
        for index, column in enumerate(self.codec.columns):
            found = self._survey.columns[index]
            if not found.unknown:
                continue
            example = shorten_cell(found.example)
            if not found.known and column.is_numeric:
                raise BadInput(
                    f"{self.path}: no cell of the column {printable(column.name)} is written as in the data of the "
                    f"run, such as {example}: {column.format.describe_wanted()}"
                )
            notes.append(f"column {printable(column.name)}: {pluralize(found.unknown, 'cell')} with a value that the "
                         f"run does not know, such as {example}, kept and not used")  # fmt: skip
        num_holes = sum(found.holes for found in self._survey.columns)
        return [*notes, f"{pluralize(num_holes, 'missing cell')} of {pluralize(self._survey.count, 'row')}"]

    @cached_property
    def _survey(self) -> _Survey:
        """What all rows together hold."""
        survey = _Survey([_ColumnSurvey() for _ in self._places])
        with open_text(self.path, self.dialect.encoding) as file:
            rows = (record for record in self._read(file) if record.cells)
            next(rows)
            while records := list(itertools.islice(rows, ROWS_PER_BATCH)):
                survey.count += len(records)
                for index, found in enumerate(survey.columns):
                    found.add(*self._column(records, index))
        return survey

    def write(self, into: Path, generate: GenerateFn, options: FillOptions) -> list[str]:
        """Write the file with its missing cells filled.

        Raises:
            BadInput: a value of the run cannot be written in the encoding of the file.
        """
        done, left = 0, set[int]()
        with (
            open_text(self.path, self.dialect.encoding) as source,
            open_text(into, self.dialect.encoding, "w") as target,
        ):
            records = self._read(source)
            for record in records:
                target.write(record.line(self.dialect.separator))
                if record.cells:  # the names of the columns
                    break
            while batch := list(itertools.islice(records, ROWS_PER_BATCH)):
                rows = [record for record in batch if record.cells]
                left |= self._fill(rows, done, generate, options) if rows else set()
                try:
                    target.writelines(record.line(self.dialect.separator) for record in batch)
                except UnicodeEncodeError as error:
                    raise BadInput(f"{self.path}: its encoding, {self.dialect.encoding}, has no "
                                   f"{printable(error.object[error.start])}; save it as UTF-8") from error  # fmt: skip
                done += len(rows)
                options.progress(done, self._survey.count)
        return [f"column {printable(self.codec.columns[index].name)} has no value in the training data, and is not "
                "filled" for index in sorted(left)]  # fmt: skip

    def _fill(self, records: Sequence[_Record], first: int, generate: GenerateFn, options: FillOptions) -> set[int]:
        """Fill the missing cells of records number `first`, ... in place; return the columns where some are left."""
        columns = [self._column(records, index) for index in range(len(self._places))]
        cells = np.stack([column[1] for column in columns], 1)
        holes = np.stack([column[2] for column in columns], 1)
        chosen = np.flatnonzero(holes.any(1))
        if not len(chosen):
            return set()
        seeds = seeded_rng.derive_seeds(options.seed, first, len(records))[chosen]
        filled = fill_rows(self.codec, cells[chosen], holes[chosen], seeds, generate, options.draws)
        for index, place in enumerate(self._places):
            texts = self.codec.columns[index].format.texts(filled[:, index])
            for row in np.flatnonzero(holes[chosen, index] & ~np.isnan(filled[:, index])):
                records[chosen[row]].fields[place] = format_cell(str(texts[row]), self.dialect.separator)
        gone = np.isnan(filled) & holes[chosen]
        return set(np.flatnonzero(gone.any(0)).tolist())

    def _column(self, records: Sequence[_Record], index: int) -> tuple[Texts, NDArray[np.float64], NDArray[np.bool_]]:
        """Return the texts (N,) of an encoded column, its cells (N,), and which are missing."""
        place = self._places[index]
        texts = as_texts([record.cells[place] for record in records])
        return (
            texts,
            self.codec.columns[index].format.parse(texts),
            self.codec.columns[index].format.find_missing(texts),
        )

    def _read(self, file: TextIO) -> Iterator[_Record]:
        """Yield the rows of an open file, the first one too, and its blank lines.

        Raises:
            BadInput: a row has another number of cells, or is damaged.
        """
        lines: list[str] = []
        for cells in read_rows(self.path, _record_lines(file, lines), self.dialect.separator, len(self.names)):
            text = "".join(lines)
            lines.clear()
            yield _split_record(text, cells, self.dialect.separator) if cells else _Record([], [], text)


def _record_lines(file: TextIO, lines: list[str]) -> Iterator[str]:
    """Yield lines, and add them to a list."""
    for line in file:
        lines.append(line)
        yield line


def _split_record(text: str, cells: list[str], separator: str) -> _Record:
    """Return a row with its cells as they stand in the file."""
    body = text.rstrip("\r\n")
    mark = re.escape(separator)
    fields = re.findall(rf'(?:^|{mark})([ ]*"(?:[^"]|"")*"[^{mark}]*|[^{mark}]*)', body)
    if len(fields) != len(cells) or separator.join(fields) != body:  # a quote in an odd place
        fields = [format_cell(cell, separator) for cell in cells]
    return _Record(fields, cells, text[len(body) :])
