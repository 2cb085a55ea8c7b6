"""A table of texts: for each column its different texts, and which of them each row has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.column_types import ColumnType
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

Texts = NDArray[np.object_]
"""Cells (N,) as texts."""
_MAX_CELL_CHARS = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class Dialect:
    """How the cells of a text file are separated and encoded."""

    separator: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True, eq=False)
class TextColumn:
    """The cells of a column as texts, "" where they are empty.

    What is found out about texts takes the time of the different ones, which are often few.

    Example:
        >>> column = TextColumn.of(["red", "blue", "red"])
        >>> column.values.tolist(), column.codes.tolist()
        (['red', 'blue'], [0, 1, 0])
    """

    values: Texts
    """(V,) the different texts, in the order of their first rows."""
    codes: NDArray[np.int32]
    """(N,) the index of each row's text."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Return the column of these cells (N,)."""
        index = TextIndex()
        index.add(texts)
        return cls(*index.values_and_codes())

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(V,) how many rows have each text."""
        return np.bincount(self.codes, minlength=len(self.values))

    @property
    def texts(self) -> Texts:
        """The cells (N,)."""
        return self.values[self.codes]

    def first_row(self, text: str) -> int:
        """Return the first row that has a text, which is one of the column's."""
        return int((self.codes == self.values.tolist().index(text)).argmax())


class TextIndex:
    """Collects the cells of a column."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._codes: list[NDArray[np.int32]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Add the cells of more rows."""
        self._codes.append(np.fromiter(map(self._numbers.__getitem__, texts), np.int32, len(texts)))

    def values_and_codes(self) -> tuple[Texts, NDArray[np.int32]]:
        """Return the different texts (V,), and the index of each row's text (N,)."""
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, np.int32)
        values = np.empty(len(self._numbers), object)
        values[:] = list(self._numbers)
        return values, codes


class _Numbers(dict[str, int]):
    """The number of each text, which a new text gets when it is looked up."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


@dataclass(frozen=True)
class TextTable:
    """A table of texts."""

    name: str
    """Its name in messages."""
    columns: Mapping[str, TextColumn] = field(repr=False)
    """The columns by name, in their order, of N rows each."""
    dialect: Dialect = field(default_factory=Dialect)
    dtypes: Mapping[str, ColumnType] = field(default_factory=dict)
    """The types of the columns, where the file keeps them."""

    @cached_property
    def num_rows(self) -> int:
        """The number of rows N."""
        return max((len(column.codes) for column in self.columns.values()), default=0)

    def require_rows(self, least: int) -> None:
        """Raise if there are fewer rows.

        Raises:
            BadInput: it is so.
        """
        if self.num_rows < least:
            raise self.error(f"has {pluralize(self.num_rows, 'row')}; give at least {least}")

    def error(self, message: str, row: int | None = None) -> BadInput:
        """Return an error about the table or, counted from 0, one of its rows; in messages, the first row is 2."""
        place = "" if row is None else f", row {row + 2:,}"
        return BadInput(f"{printable(self.name)}{place}: {message}")


def shorten_cell(cell: str) -> str:
    """Return a cell in quotes for a message, cut if it is long."""
    text = printable(" ".join(cell[: 2 * _MAX_CELL_CHARS].split()))
    return f"'{text}'" if len(text) <= _MAX_CELL_CHARS else f"'{text[:_MAX_CELL_CHARS]}...'"


def check_names(table: str, names: Sequence[str]) -> None:
    """Raise unless every column has a name of its own.

    Raises:
        BadInput: there is one column, two have the same name, or all names are numbers.
    """
    if len(names) < 2:
        raise BadInput(f"{printable(table)}: has only one column; a table needs at least two, separated by comma, "
                       "semicolon, tab or |")  # fmt: skip
    if all(map(is_number, names)):
        raise BadInput(f"{printable(table)}: its first row holds numbers; add a first row with a name for each column")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadInput(f"{printable(table)}: two columns have the name {shorten_cell(name)}; rename one of them")
        seen.add(name)


def name_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return names in which a column without one, such as that of row names, has the name that pandas gives it."""
    return tuple(name or f"Unnamed: {index}" for index, name in enumerate(names))


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
