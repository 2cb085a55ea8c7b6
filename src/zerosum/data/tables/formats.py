"""The format of a column: how its cells are written, as texts, and read, as numbers.

A number and an integer are themselves, a date is its seconds since 1970, and a category is its index. A missing cell is
NaN. A format keeps what it has seen of the notation, such as decimals and the order of day and month, so that samples
are written as the data are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.text_table import TextColumn, Texts, shorten_cell
from zerosum.errors import BadInput
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import Series

Cells = NDArray[np.float64]
"""Cells (N,) as numbers, NaN where they are missing."""
Rows = NDArray[np.float64]
"""Cells (N, C) of rows: a number as itself, a category as the index of its value, NaN where a cell is missing."""

MISSING_TEXTS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none", "<NA>", "NaT")
"""Texts that stand for a missing cell in any column."""
MISSING_MARKS = ("?", "-", "--", ".", "..", "*", "n.a.", "N.A.", "na", "missing", "unknown", "0000-00-00")
"""Texts that stand for a missing cell among numbers and dates; in other columns they may be a category."""
_EMPTY = frozenset(("",))


@dataclass(frozen=True)
class ColumnFormat(ABC):
    """How the cells of a column are written."""

    kind: ClassVar[str]
    missing_texts: ClassVar[frozenset[str]] = frozenset(MISSING_TEXTS)
    missing: str = field(default="", kw_only=True)
    """The text of a missing cell."""

    @abstractmethod
    def parse(self, texts: Texts) -> Cells:
        """Return the cells (N,) of texts (N,); NaN also where a text is none of this format, not only where missing."""

    @abstractmethod
    def texts(self, cells: Cells) -> Texts:
        """Return the texts of cells (N,)."""

    @abstractmethod
    def typed(self, cells: Cells) -> Series:
        """Return cells (N,) as a pandas column."""

    @abstractmethod
    def settings(self) -> dict[str, Json]:
        """Return the fields as JSON."""

    def find_missing(self, texts: Texts) -> NDArray[np.bool_]:
        """Return which texts (N,) stand for missing cells of this column."""
        return _find(texts, self.missing_texts)

    def round(self, cells: Cells) -> Cells:
        """Return cells (N,) as they are after writing and reading."""
        return cells

    def round_up(self, cells: Cells) -> Cells:
        """Return the smallest cells (N,) that can be written and are not below cells (N,)."""
        return cells

    def parse_text(self, name: str, text: str) -> float:
        """Return a cell of the column `name` that a user gives.

        Raises:
            BadInput: it is none of this format.
        """
        cell = next((cell for own in (text, text.strip()) if not math.isnan(cell := self._parse_one(own))), math.nan)
        if math.isnan(cell):
            raise BadInput(f"{name}={shorten_cell(text)}: {self.describe_wanted()}")
        return cell

    def _parse_one(self, text: str) -> float:
        return float(self.parse(as_texts([text]))[0])

    @abstractmethod
    def describe_wanted(self) -> str:
        """Return what a cell is, as the end of a message."""

    @property
    def resolution(self) -> str:
        """What its cells are, which `round` makes of others, as a plural noun."""
        return "other values"


def as_texts(values: Sequence[str]) -> Texts:
    """Return texts (N,) as an array."""
    texts = np.empty(len(values), object)
    texts[:] = values
    return texts


def is_missing(texts: Texts) -> NDArray[np.bool_]:
    """Return which texts (N,) stand for missing cells in any column."""
    return _find(texts, ColumnFormat.missing_texts)


def is_missing_mark(texts: Texts) -> NDArray[np.bool_]:
    """Return which texts (N,) stand for missing cells among numbers and dates only."""
    return _find(texts, frozenset(MISSING_MARKS))


def _find(texts: Texts, known: frozenset[str]) -> NDArray[np.bool_]:
    values = texts.tolist()
    if known.isdisjoint(values):
        return np.zeros(len(values), bool)
    return np.fromiter(map(known.__contains__, values), bool, len(values))


def most_frequent(column: TextColumn, chosen: NDArray[np.bool_]) -> str:
    """Return the text of a column that most rows have, of those that are chosen (V,); "" if none is."""
    counts = np.where(chosen, column.counts, -1)
    return str(column.values[counts.argmax()]) if chosen.any() else ""


@dataclass(frozen=True)
class CategoryFormat(ColumnFormat):
    """Texts, of which each is a category."""

    kind: ClassVar[str] = "category"
    values: tuple[str, ...] = ()
    """The texts, in their order; a cell is an index."""
    is_literal: bool = False
    """Whether NA and the like are categories, so that only an empty cell is missing."""

    @classmethod
    def fit(cls, column: TextColumn, is_literal: bool = False) -> CategoryFormat:
        """Return the format of a column, of which some cells may be missing."""
        gone = cls(is_literal=is_literal).find_missing(column.values)
        values = tuple(sorted(column.values[~gone].tolist()))
        return cls(missing=most_frequent(column, gone), values=values, is_literal=is_literal)

    def find_missing(self, texts: Texts) -> NDArray[np.bool_]:
        """Return which texts (N,) stand for missing cells of this column."""
        return _find(texts, _EMPTY) if self.is_literal else super().find_missing(texts)

    def parse(self, texts: Texts) -> Cells:
        """Return the indices."""
        index = {value: float(number) for number, value in enumerate(self.values)}
        return np.array([index.get(text, math.nan) for text in texts.tolist()], np.float64)

    def texts(self, cells: Cells) -> Texts:
        """Return the texts of the categories."""
        chosen: Texts = as_texts([*self.values, self.missing])[self.indices(cells)]
        return chosen

    def typed(self, cells: Cells) -> Series:
        """Return a column of texts, None where a cell is missing."""
        import pandas as pd

        names = np.array([*self.values, None], object)
        return pd.Series(names[self.indices(cells)], dtype=object)

    def _parse_one(self, text: str) -> float:
        """Return the category of a text that a user gives, who need not give the spaces around it."""
        cell = super()._parse_one(text)
        same = [place for place, value in enumerate(self.values) if value.strip() == text.strip()]
        return float(same[0]) if math.isnan(cell) and len(same) == 1 else cell

    def indices(self, cells: Cells) -> NDArray[np.int64]:
        """Return the indices (N,) of the texts of cells (N,); the number of texts where a cell is missing."""
        return np.where(np.isnan(cells), len(self.values), cells).astype(np.int64)

    def keep_values(self, cells: Cells) -> tuple[CategoryFormat, Cells]:
        """Return the format that knows the texts of cells (N,) alone, and for each text its cell there, or NaN."""
        is_kept = np.bincount(self.indices(cells), minlength=len(self.values) + 1)[:-1] > 0
        values = tuple(value for value, kept in zip(self.values, is_kept, strict=True) if kept)
        return replace(self, values=values), np.where(is_kept, np.cumsum(is_kept) - 1.0, np.nan)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {"missing": self.missing, "values": list(self.values), "is_literal": self.is_literal}

    def describe_wanted(self) -> str:
        """Say which categories there are."""
        shown = ", ".join(shorten_cell(value)[1:-1] for value in self.values[:12])
        more = f" and {len(self.values) - 12:,} more" if len(self.values) > 12 else ""
        return f"no such value; choose one of {shown}{more}"


BOOLEAN_TEXTS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
"""Pairs of texts, in any case, that are truth values."""


@dataclass(frozen=True)
class BooleanFormat(CategoryFormat):
    """Truth values; 0 is false."""

    kind: ClassVar[str] = "boolean"

    def keep_values(self, cells: Cells) -> tuple[CategoryFormat, Cells]:
        """Return the format itself, since a truth value has two texts."""
        return self, np.arange(2.0)

    def typed(self, cells: Cells) -> Series:
        """Return a column of bool, with missing cells of the nullable type; of other words than true and false, texts.

        So its type is the one that pandas reads from the same file.
        """
        import pandas as pd

        if self.values[0].lower() != "false":
            return super().typed(cells)
        column = pd.Series(cells).astype("Int64").astype("boolean")
        return column if column.isna().any() else column.astype(bool)


def detect_boolean_format(texts: Texts, missing: str) -> BooleanFormat | None:
    """Return the format of different texts (V,), none of them missing, if they are truth values; None if not."""
    if len(texts) != 2:
        return None
    values = sorted(texts.tolist(), key=str.lower)
    is_pair = tuple(value.lower() for value in values) in BOOLEAN_TEXTS
    return BooleanFormat(missing=missing, values=tuple(values)) if is_pair else None
