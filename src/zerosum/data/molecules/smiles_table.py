"""Tables, one column of which holds SMILES."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zerosum.data.molecules.molecule_file import MoleculeFile, Record, count_lines, open_text, reading, shorten
from zerosum.data.molecules.smiles_text import is_smiles_column, is_smiles_name, looks_like_smiles
from zerosum.data.text import printable
from zerosum.errors import BadInput

_SEPARATORS = ",;\t|"
_MAX_CELL_CHARS = 1 << 24
_SNIFFED_ROWS = 50
_MAX_NAMED_COLUMNS = 20


@dataclass(frozen=True)
class SmilesTable(MoleculeFile):
    """A .csv or .tsv file."""

    separator: str = ","
    names: tuple[str, ...] = ()
    """The names of all columns; those of a table without a header are numbers from 1."""
    column: int = 0
    """The index of the column of SMILES."""
    has_header: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the other columns."""
        return tuple(name for index, name in enumerate(self.names) if index != self.column)

    @property
    def form(self) -> str:
        """The separator, the column and whether there is a header."""
        return f"table {self.separator} {self.column} {self.has_header}"

    def count(self) -> int:
        """Return the number of lines: more than the rows if cells contain ends of lines."""
        return count_lines(self.path) - self.has_header

    def read(self, columns: Sequence[str]) -> Iterator[Record]:
        """Yield the rows that are not blank, by the number of their line."""
        places = [self.names.index(name) for name in columns]
        csv.field_size_limit(_MAX_CELL_CHARS)
        with reading(self.path), open_text(self.path) as file:
            rows = csv.reader(file, delimiter=self.separator, skipinitialspace=True)
            try:
                for number, row in enumerate(rows):
                    if row and not (self.has_header and number == 0):
                        cells = [row[place].strip() if place < len(row) else "" for place in places]
                        yield Record(rows.line_num, row[self.column].strip() if self.column < len(row) else "", cells)
            except csv.Error as error:
                raise self.error(f"cannot be read as a table ({error}); mend it", rows.line_num) from error


def open_table(path: Path, lines: Sequence[str], column: str) -> SmilesTable:
    """Return the table of a file.

    Args:
        path: the file.
        lines: its first lines.
        column: the name of the column of SMILES; "" to find it.

    Raises:
        BadInput: it has no such column.
    """
    shown = printable(str(path))
    separator = find_separator(lines[0], path)
    rows = [[cell.strip() for cell in row] for row in islice(
        csv.reader(lines, delimiter=separator, skipinitialspace=True), _SNIFFED_ROWS)]  # fmt: skip
    first = rows[0]
    own = find_smiles_column(first, rows[1:], column)
    has_header = own is None or bool(column) or is_smiles_name(first[own]) or not looks_like_smiles(first[own])
    names = tuple(first) if has_header else tuple(str(number) for number in range(1, len(first) + 1))
    if own is None and column:
        raise BadInput(f"`data.column` {printable(column)}: {shown} has no such column; choose one of "
                       f"{_list_names(names)}")  # fmt: skip
    if own is None:
        raise BadInput(f"{shown}: has no column of SMILES (its columns are {_list_names(names)}); name "
                       "it smiles, or set `data.column`")  # fmt: skip
    return SmilesTable(path, separator, names, own, has_header)


def find_separator(line: str, path: Path) -> str:
    """Return the separator of a table by its first line."""
    counts = Counter(char for char in line if char in _SEPARATORS)
    is_tabs = ".tsv" in path.name.lower()
    return "\t" if is_tabs and counts["\t"] else max(_SEPARATORS, key=lambda mark: counts[mark])


def find_smiles_column(names: Sequence[str], rows: Sequence[Sequence[str]], column: str = "") -> int | None:
    """Return the index of the column of SMILES: the named one, or by its name, or by its cells; None without one.

    Args:
        names: the names of the columns.
        rows: the first rows below them.
        column: the name that the user gave; "" to find it.
    """
    if column:
        return names.index(column) if column in names else None
    named = next((index for index, name in enumerate(names) if is_smiles_name(name)), None)
    if named is not None:
        return named
    for index in range(len(names)):
        if is_smiles_column([row[index] for row in rows if index < len(row)]):
            return index
    return None


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED_COLUMNS} more" if len(names) > _MAX_NAMED_COLUMNS else ""
    return ", ".join(shorten(name)[1:-1] for name in names[:_MAX_NAMED_COLUMNS]) + more
