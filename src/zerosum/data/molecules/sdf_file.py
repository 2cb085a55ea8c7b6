"""SDF files: blocks of atoms and bonds, each with fields of data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zerosum.data.molecules.molecule_file import MoleculeFile, Record, open_text, reading

_RECORD_END = "$$$$"
_BLOCK_END = "M  END"
_FIELD = re.compile(r">.*?<([^>]*)>")
_MAX_BLOCK_LINES = 100_000


@dataclass(frozen=True)
class SdfFile(MoleculeFile):
    """An .sdf file."""

    names: tuple[str, ...] = ()
    """The names of the data fields of its first record."""
    has_mol_blocks = True
    row_noun = "record"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the data fields of its first record."""
        return self.names

    @property
    def form(self) -> str:
        """That it is one."""
        return "sdf"

    def count(self) -> int:
        """Return the number of records."""
        with reading(self.path), open_text(self.path) as file:
            ends = sum(line.startswith(_RECORD_END) for line in file)
        return max(ends, 1)

    def read(self, columns: Sequence[str]) -> Iterator[Record]:
        """Yield the records."""
        with reading(self.path), open_text(self.path) as file:
            for row, lines in enumerate(_split_records(file), 1):
                fields = find_fields(lines)
                yield Record(row, block_of(lines), [fields.get(name, "") for name in columns])


def _split_records(lines: Iterator[str]) -> Iterator[list[str]]:
    """Yield the lines of each record, without their ends."""
    record: list[str] = []
    for line in lines:
        if line.startswith(_RECORD_END):
            yield record
            record = []
        elif len(record) < _MAX_BLOCK_LINES:  # so that a file of another format does not fill the memory
            record.append(line.rstrip("\r\n"))
    if any(line.strip() for line in record):
        yield record


def block_of(lines: Sequence[str]) -> str:
    """Return the block of atoms and bonds of a record."""
    end = next((place for place, line in enumerate(lines) if line.startswith(_BLOCK_END)), len(lines))
    return "\n".join(lines[: end + 1])


def find_fields(lines: Sequence[str]) -> dict[str, str]:
    """Return the first line of each data field of a record, by name.

    Example:
        >>> find_fields(["", ">  <IC50>", "12.5", "", "> <name>", "aspirin"])
        {'IC50': '12.5', 'name': 'aspirin'}
    """
    found: dict[str, str] = {}
    for line, value in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(">") and (match := _FIELD.match(line)):
            found[match[1]] = value.strip()
    return found
