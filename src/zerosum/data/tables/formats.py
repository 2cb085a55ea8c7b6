"""The format of a column: how its cells are written, as texts, and read, as numbers.

A number and an integer are themselves, a date is its seconds since 1970, and a category is its index. A missing cell is
NaN. A format keeps what it has seen of the notation, such as decimals and the order of day and month, so that samples
are written as the data are.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.table_file import shorten_cell
from zerosum.errors import BadInput
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import Series

Texts = NDArray[np.object_]
"""Cells (N,) as texts."""
Cells = NDArray[np.float64]
"""Cells (N,) as numbers, NaN where they are missing."""

MISSING_TEXTS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none", "<NA>", "NaT")
"""Texts that stand for a missing cell."""
DATE_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M",
    "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y",
    "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y", "%m/%d/%y", "%H:%M", "%H:%M:%S",
)  # fmt: skip
"""Notations of dates and times that are recognized; a column has one."""
NOTATIONS = ((".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"))
"""Marks of decimals and of thousands that are recognized, in this order; a column has one pair."""
_DATE_STEPS = (("%S", 1.0), ("%M", 60.0))
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_DECIMALS = 12
_MAX_EXACT = 2.0**53


@dataclass(frozen=True)
class ColumnFormat(ABC):
    """How the cells of a column are written."""

    kind: ClassVar[str]
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

    def round(self, cells: Cells) -> Cells:
        """Return cells (N,) as they are after writing and reading."""
        return cells

    def parse_text(self, name: str, text: str) -> float:
        """Return a cell of the column `name` that a user gives.

        Raises:
            BadInput: it is none of this format.
        """
        cell = float(self.parse(np.array([text.strip()], object))[0])
        if math.isnan(cell):
            raise BadInput(f"{name}={shorten_cell(text)}: {self.describe_wanted()}")
        return cell

    @abstractmethod
    def describe_wanted(self) -> str:
        """Return what a cell is, as the end of a message."""


def is_missing(texts: Texts) -> NDArray[np.bool_]:
    """Return which texts (N,) stand for missing cells."""
    known = frozenset(MISSING_TEXTS)
    return np.fromiter((text in known for text in texts), bool, len(texts))


def most_frequent_missing(texts: Texts) -> str:
    """Return the text that stands for most missing cells; "" if there are none."""
    counts = Counter(texts[is_missing(texts)].tolist())
    return str(counts.most_common(1)[0][0]) if counts else ""


# ---------------------------------------------------------------------- numbers


@dataclass(frozen=True)
class NumberFormat(ColumnFormat):
    """Numbers."""

    kind: ClassVar[str] = "number"
    decimals: int | None = None
    """Largest number of decimals; None: any, of `digits` significant ones."""
    has_fixed_decimals: bool = False
    """Whether every number has all decimals, such as 1.50."""
    decimal_mark: str = "."
    thousands_mark: str = ""
    digits: int = 15

    def parse(self, texts: Texts) -> Cells:
        """Return the numbers."""
        gone = is_missing(texts)
        plain = texts
        if self.thousands_mark or self.decimal_mark != ".":
            marks = {self.thousands_mark: "", self.decimal_mark: "."}
            table = {ord(mark): to for mark, to in marks.items() if mark}
            plain = np.array([text.translate(table) for text in texts], object)
        return np.fromiter(
            (math.nan if lost or not _PLAIN_NUMBER.fullmatch(text) else float(text)
             for text, lost in zip(plain, gone, strict=True)), np.float64, len(texts),
        )  # fmt: skip

    def round(self, cells: Cells) -> Cells:
        """Round to the decimals."""
        if self.decimals is not None:
            return np.round(cells, self.decimals) + 0.0  # no negative zero
        return np.array([float(f"{cell:.{self.digits}g}") for cell in cells])

    def texts(self, cells: Cells) -> Texts:
        """Return the numbers as texts."""
        return np.array([self.missing if math.isnan(cell) else self._text(cell) for cell in cells.tolist()], object)

    def _text(self, cell: float) -> str:
        comma = "," if self.thousands_mark else ""
        if self.decimals is None:
            text = f"{cell:.{self.digits}g}"
        elif self.has_fixed_decimals or not self.decimals:
            text = f"{cell:{comma}.{self.decimals}f}"
        else:
            text = f"{cell:{comma}.{self.decimals}f}".rstrip("0").rstrip(".")
        return text.translate({ord(","): self.thousands_mark, ord("."): self.decimal_mark})

    def typed(self, cells: Cells) -> Series:
        """Return a column of float64."""
        import pandas as pd

        return pd.Series(cells)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {
            "missing": self.missing, "decimals": self.decimals, "has_fixed_decimals": self.has_fixed_decimals,
            "decimal_mark": self.decimal_mark, "thousands_mark": self.thousands_mark, "digits": self.digits,
        }  # fmt: skip

    def describe_wanted(self) -> str:
        """Say that it is a number."""
        return "give a number, as they are written in the data"


@dataclass(frozen=True)
class IntegerFormat(NumberFormat):
    """Integers."""

    kind: ClassVar[str] = "integer"
    decimals: int | None = 0

    def typed(self, cells: Cells) -> Series:
        """Return a column of int64 or, where cells are missing, Int64."""
        import pandas as pd

        column = pd.Series(cells)
        return column.astype("Int64") if column.isna().any() else column.astype("int64")


def detect_number_format(texts: Texts, missing: str) -> NumberFormat | None:
    """Return the format of texts (N,), of which none is missing, if all are numbers; None if one is not.

    Raises:
        BadInput: a number is infinite, or too large for a float.
    """
    for decimal_mark, thousands_mark in (
        (".", ""),
        (",", ""),
        (".", ","),
        (",", "."),
        (",", " "),
        (".", " "),
        (".", "'"),
    ):
        notation = NumberFormat(missing=missing, decimal_mark=decimal_mark, thousands_mark=thousands_mark)
        if not _has_notation(texts, notation):
            continue
        cells = notation.parse(texts)
        if not np.isnan(cells).any():
            return _measure_decimals(texts, cells, notation)
    return None


def _has_notation(texts: Texts, notation: NumberFormat) -> bool:
    """Return whether the marks of thousands are where they belong, three digits before each."""
    if not notation.thousands_mark:
        return True
    mark, decimal = re.escape(notation.thousands_mark), re.escape(notation.decimal_mark)
    pattern = re.compile(rf"[+-]?\d{{1,3}}(?:{mark}\d{{3}})*(?:{decimal}\d*)?")
    return all(pattern.fullmatch(text) for text in texts)


def _measure_decimals(texts: Texts, cells: Cells, notation: NumberFormat) -> NumberFormat:
    """Return the notation with the number of decimals of the texts."""
    mark = notation.decimal_mark
    has_exponent = any("e" in text or "E" in text for text in texts)
    counts = {len(text.partition(mark)[2]) for text in texts}
    most = max(counts, default=0)
    if has_exponent or most > _MAX_DECIMALS or np.abs(cells).max(initial=0) >= _MAX_EXACT:
        digits = max((len(re.sub(r"[eE].*|\D", "", text).lstrip("0")) for text in texts), default=6)
        return replace(notation, digits=min(17, max(3, digits)))
    if most == 0:
        return IntegerFormat(missing=notation.missing, decimal_mark=mark, thousands_mark=notation.thousands_mark)
    return replace(notation, decimals=most, has_fixed_decimals=len(counts) == 1)


# ---------------------------------------------------------------------- dates


@dataclass(frozen=True)
class DateFormat(ColumnFormat):
    """Dates and times, as seconds since 1970."""

    kind: ClassVar[str] = "date"
    notation: str = "%Y-%m-%d"

    @property
    def step(self) -> float:
        """The seconds between two dates next to each other."""
        return next((step for mark, step in _DATE_STEPS if mark in self.notation), 86400.0)

    def parse(self, texts: Texts) -> Cells:
        """Return seconds since 1970."""
        import pandas as pd

        wanted = np.where(is_missing(texts), None, texts)  # type: ignore[call-overload]
        dates = pd.to_datetime(pd.Series(wanted), format=self.notation, errors="coerce", exact=True)
        seconds = dates.astype("datetime64[s]").astype("int64").to_numpy().astype(np.float64)
        return np.where(dates.isna().to_numpy(), np.nan, seconds)

    def round(self, cells: Cells) -> Cells:
        """Round to whole days, minutes or seconds."""
        return np.round(cells / self.step) * self.step

    def texts(self, cells: Cells) -> Texts:
        """Return the dates as texts."""
        dates = self.typed(cells).dt.strftime(self.notation)
        return np.where(np.isnan(cells), self.missing, dates.to_numpy(object)).astype(object)

    def typed(self, cells: Cells) -> Series:
        """Return a column of datetime64[s]."""
        import pandas as pd

        whole = np.where(np.isnan(cells), 0, cells).astype("int64").astype("datetime64[s]")
        return cast("Series", pd.Series(whole).where(~np.isnan(cells)))

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {"missing": self.missing, "notation": self.notation}

    def describe_wanted(self) -> str:
        """Say how a date is written."""
        return f"give a date in the form of the data ({self.notation})"


def detect_date_format(texts: Texts, missing: str) -> DateFormat | None:
    """Return the format of texts (N,), of which none is missing, if all are dates of one notation; None if not."""
    if not len(texts) or not all(any(char.isdigit() for char in text) for text in texts[:20]):
        return None
    for notation in DATE_FORMATS:
        known = DateFormat(missing=missing, notation=notation)
        if np.isnan(known.parse(texts[:20])).any() or np.isnan(known.parse(texts)).any():
            continue
        return known
    return None


# ---------------------------------------------------------------------- categories


@dataclass(frozen=True)
class CategoryFormat(ColumnFormat):
    """Texts, of which each is a category."""

    kind: ClassVar[str] = "category"
    values: tuple[str, ...] = ()
    """The texts, in their order; a cell is an index."""

    @classmethod
    def fit(cls, texts: Texts) -> CategoryFormat:
        """Return the format of these texts (N,), of which some may be missing."""
        present = texts[~is_missing(texts)]
        return cls(missing=most_frequent_missing(texts), values=tuple(sorted(set(present.tolist()))))

    def parse(self, texts: Texts) -> Cells:
        """Return the indices; of numbers, other notations are the same category."""
        index: dict[str, float] = {value: float(number) for number, value in enumerate(self.values)}
        gone = is_missing(texts)
        return np.fromiter(
            (math.nan if lost else index.get(text, math.nan) for text, lost in zip(texts, gone, strict=True)),
            np.float64, len(texts),
        )  # fmt: skip

    def texts(self, cells: Cells) -> Texts:
        """Return the texts of the categories."""
        names = np.array([*self.values, self.missing], object)
        chosen: Texts = names[np.where(np.isnan(cells), len(self.values), cells).astype(np.int64)]
        return chosen

    def typed(self, cells: Cells) -> Series:
        """Return a column of texts, None where a cell is missing."""
        import pandas as pd

        names = np.array([*self.values, None], object)
        return pd.Series(names[np.where(np.isnan(cells), len(self.values), cells).astype(np.int64)], dtype=object)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {"missing": self.missing, "values": list(self.values)}

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
    """Return the format of texts (N,), of which none is missing, if these are truth values; None if not."""
    values = sorted(set(texts.tolist()), key=str.lower)
    is_pair = tuple(value.lower() for value in values) in BOOLEAN_TEXTS
    return BooleanFormat(missing=missing, values=tuple(values)) if is_pair else None


FORMATS: Mapping[str, type[ColumnFormat]] = {
    known.kind: known for known in (NumberFormat, IntegerFormat, DateFormat, CategoryFormat, BooleanFormat)
}
"""The formats by the kind of column."""


def restore_format(kind: str, settings: Mapping[str, Json]) -> ColumnFormat:
    """Return the format that was saved."""
    values = {name: tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
              for name, value in settings.items()}  # fmt: skip
    return FORMATS[kind](**values)  # type: ignore[arg-type]
