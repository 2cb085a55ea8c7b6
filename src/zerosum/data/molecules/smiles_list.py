"""Files with a SMILES text at the beginning of each line, and perhaps a name after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zerosum.data.molecules.molecule_file import MoleculeFile, Record, count_lines, open_text, reading
from zerosum.data.molecules.smiles_text import is_smiles_name

_END = re.compile(r"[\s,;]")  # of a SMILES text: it holds none of these


@dataclass(frozen=True)
class SmilesList(MoleculeFile):
    """A .smi file."""

    has_header: bool = False
    """Whether the first line has the names of the columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """No columns."""
        return ()

    @property
    def form(self) -> str:
        """Whether there is a header."""
        return f"list {self.has_header}"

    def count(self) -> int:
        """Return the number of lines."""
        return count_lines(self.path) - self.has_header

    def read(self, columns: Sequence[str]) -> Iterator[Record]:
        """Yield the lines that are not blank."""
        with reading(self.path), open_text(self.path) as file:
            for row, line in enumerate(file, 1):
                text = line.strip()
                if text and not (self.has_header and row == 1):
                    yield Record(row, first_word(text))


def first_word(line: str) -> str:
    """Return the SMILES text at the beginning of a line.

    Example:
        >>> first_word("CCO ethanol"), first_word("CCO,46")
        ('CCO', 'CCO')
    """
    return _END.split(line, maxsplit=1)[0]


def has_header(lines: Sequence[str]) -> bool:
    """Return whether the first line of a .smi file has names of columns."""
    return bool(lines) and is_smiles_name(first_word(lines[0].strip()).strip("\"'#"))
