"""A file of molecules of any format: its records, and the columns of numbers that come with them."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple, TextIO, cast

from zerosum.data.text import printable
from zerosum.errors import BadInput

HEAD_BYTES = 1 << 14
"""Bytes of the beginning of a file by which its form is found."""
READ_ERRORS = (OSError, EOFError, zlib.error, UnicodeError)
_HASHED_BYTES = 1 << 22  # read at a time
_MAX_SHOWN_CHARS = 60  # of a text in a message
_OTHER_FORMATS = (("<", "HTML or XML"), ("{", "JSON"), ("%PDF", "a PDF document"), ("PK\x03\x04", "a ZIP archive"))
"""How files of other formats begin that are saved under the name of molecules."""


class Record(NamedTuple):
    """A molecule as a file has it."""

    row: int
    """The number of its line in a text file, or of its record in an .sdf file, from 1."""
    text: str
    """A SMILES text, or the block of an .sdf file."""
    cells: Sequence[str] = ()
    """The cells of the columns that were asked for; "" where one is missing."""


@dataclass(frozen=True)
class MoleculeFile(ABC):
    """A file whose form is known."""

    path: Path
    has_mol_blocks: ClassVar[bool] = False
    """Whether the text of a record is the block of an .sdf file; else it is a SMILES text."""
    row_noun: ClassVar[str] = "line"
    """What a record is called, of which messages give the number."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, or fields, that come with the molecules; () if there are none."""

    @property
    @abstractmethod
    def form(self) -> str:
        """How the file is read, in a text that changes with it."""

    @abstractmethod
    def read(self, columns: Sequence[str]) -> Iterator[Record]:
        """Yield its records, with the cells of these columns.

        Raises:
            BadInput: it is damaged.
        """

    @abstractmethod
    def count(self) -> int:
        """Return the number of records, or about as many."""

    @cached_property
    def content_hash(self) -> str:
        """32 hex digits of the bytes of the file."""
        digest = hashlib.blake2b(digest_size=16)
        with reading(self.path), self.path.open("rb") as file:
            while part := file.read(_HASHED_BYTES):
                digest.update(part)
        return digest.hexdigest()

    def error(self, message: str, row: int | None = None) -> BadInput:
        """Return an error about the file, or one of its records."""
        place = "" if row is None else f", {self.row_noun} {row:,}"
        return BadInput(f"{printable(str(self.path))}{place}: {message}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into `BadInput`."""
    try:
        yield
    except READ_ERRORS as error:
        reason = printable(str(error)) or type(error).__name__
        raise BadInput(f"{printable(str(path))}: cannot be read ({reason}); name an intact file") from error


def is_zipped(path: Path) -> bool:
    """Return whether a file is compressed by gzip, by its name."""
    return path.name.lower().endswith(".gz")


def open_binary(path: Path) -> io.BufferedIOBase:
    """Open a file, plain or zipped."""
    return cast("io.BufferedIOBase", gzip.open(path)) if is_zipped(path) else path.open("rb")


def open_text(path: Path) -> TextIO:
    """Open a text file, plain or zipped; bytes that are no UTF-8 are kept as surrogates: SMILES have none."""
    with open_binary(path) as file:
        beginning = file.read(2)
    encoding = "utf-16" if beginning in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    errors = "strict" if encoding == "utf-16" else "surrogateescape"
    if is_zipped(path):
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding, errors=errors))
    return path.open(encoding=encoding, errors=errors)


def read_head(path: Path) -> list[str]:
    """Return the first lines of a file, without their ends; the last one only if it is complete.

    Raises:
        BadInput: it cannot be read, is empty, or is of another format.
    """
    shown = printable(str(path))
    with reading(path), open_text(path) as file:
        head = file.read(HEAD_BYTES)
    if "\0" in head:
        raise BadInput(f"{shown}: holds no text, in spite of its name; name a file of SMILES")
    if not head.strip():
        raise BadInput(f"{shown}: is empty; name a file with a SMILES text in each line")
    for beginning, other in _OTHER_FORMATS:
        if head.lstrip().startswith(beginning):
            raise BadInput(f"{shown}: holds {other}, in spite of its name; name a file of SMILES")
    lines = head.splitlines()
    return lines[:-1] if len(head) == HEAD_BYTES and len(lines) > 1 else lines


def count_lines(path: Path) -> int:
    """Return the number of lines of a file.

    Raises:
        BadInput: it cannot be read.
    """
    count, last = 0, b"\n"
    with reading(path), open_binary(path) as file:
        while part := file.read(_HASHED_BYTES):
            count += part.count(b"\n")
            last = part[-1:]
    return count + (last != b"\n")


def shorten(text: str) -> str:
    """Return a text in quotes for a message, cut if it is long."""
    shown = printable(text[: 2 * _MAX_SHOWN_CHARS])
    return f"'{shown}'" if len(shown) <= _MAX_SHOWN_CHARS else f"'{shown[:_MAX_SHOWN_CHARS]}...'"
