"""The format of numbers: marks of decimals and of thousands, decimals, exponents, and signs of units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zerosum.data.tables.formats import MISSING_MARKS, MISSING_TEXTS, Cells, ColumnFormat, as_texts
from zerosum.data.tables.text_table import Texts
from zerosum.data.text import pluralize
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import Series

NOTATIONS = (
    (".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"), (",", "\xa0"),
    (",", "\u202f"), (".", "\u2019"),
)  # fmt: skip
"""Marks of decimals and of thousands that are recognized, in this order; a column has one pair."""
UNITS = (("$", ""), ("\u20ac", ""), ("\xa3", ""), ("\xa5", ""), ("", " %"), ("", "%"), ("", " \u20ac"), ("", "\u20ac"))
"""What may stand before or after all numbers of a column."""
MAX_EXACT = 2.0**53
"""Integers from here on are not exact as floats."""
_MAX_DECIMALS = 12
_COUNTED = 2_000  # texts whose digits are counted
_SHORTEST = 16
"""Significant digits from which on a number is written as Python writes it: as short as it is exact."""
_ACCOUNTED = re.compile(r"\s*\(([^-+()]+)\)\s*")
_NUMBER_CHARS = frozenset("0123456789+-.eE ")


@dataclass(frozen=True)
class NumberFormat(ColumnFormat):
    """Numbers.

    Example:
        >>> import numpy as np
        >>> known = detect_number_format(np.array(["1.234,50", "7,25"], object))
        >>> known.parse(np.array(["1.234,50"], object)).tolist(), known.texts(np.array([2000.5])).tolist()
        ([1234.5], ['2.000,50'])
    """

    kind: ClassVar[str] = "number"
    missing_texts: ClassVar[frozenset[str]] = frozenset((*MISSING_TEXTS, *MISSING_MARKS))
    decimals: int | None = None
    """Largest number of decimals; None: any, of `digits` significant ones."""
    has_fixed_decimals: bool = False
    """Whether every number has all decimals, such as 1.50 or, of significant digits, at least one, such as 2.0."""
    decimal_mark: str = "."
    thousands_mark: str = ""
    digits: int = 15
    exponent: str = ""
    """The mark of the exponent, if every number has one; "" otherwise."""
    before: str = ""
    after: str = ""
    """What stands before and after the number, such as $ or %."""
    has_parentheses: bool = False
    """Whether negative numbers are written as in accounting: (12) is -12."""

    def parse(self, texts: Texts) -> Cells:
        """Return the numbers."""
        gone = self.find_missing(texts)
        cells = np.full(len(texts), np.nan)
        present = texts[~gone].tolist()
        if self.has_parentheses:
            present = list(map(_sign_accounted, present))
        if self.before or self.after:
            present = [_strip_unit(text, self.before, self.after) for text in present]
        cells[~gone] = self._parse_present(present)
        return cells

    def _parse_present(self, texts: Sequence[str]) -> Cells:
        cells = self._parse_fast(texts)
        return _finite(np.array([self._parse_number(text) for text in texts], np.float64)) if cells is None else cells

    def _parse_fast(self, texts: Sequence[str]) -> Cells | None:
        """Return the numbers, parsed all at once; None if one is none, or there is a mark of thousands."""
        chars = frozenset("".join(texts))
        others = {"."} - {self.decimal_mark}
        if self.thousands_mark or not chars <= (_NUMBER_CHARS | {self.decimal_mark}) - others:
            return None
        plain = texts if self.decimal_mark == "." else [text.replace(self.decimal_mark, ".") for text in texts]
        try:
            return _finite(np.array(list(map(float, plain)), np.float64))
        except ValueError:
            return None

    def _parse_number(self, text: str) -> float:
        if not self._pattern.fullmatch(text.strip()):
            return math.nan
        marks = {ord(self.thousands_mark): ""} if self.thousands_mark else {}
        return float(text.strip().translate({**marks, ord(self.decimal_mark): "."}))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A number in this notation: with three digits after each mark of thousands."""
        mark, decimal = re.escape(self.thousands_mark), re.escape(self.decimal_mark)
        whole = rf"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)" if mark else "[0-9]+"
        return re.compile(rf"[+-]?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?")

    def _fits(self, texts: Sequence[str]) -> bool:
        """Return whether all texts are numbers in this notation."""
        return all(map(self._pattern.fullmatch, texts))

    def round(self, cells: Cells) -> Cells:
        """Round to the decimals."""
        if self.decimals is not None:
            return np.round(cells, self.decimals) + 0.0  # no negative zero
        if self.digits >= _SHORTEST:
            return cells
        return np.array([float(f"{cell:.{self.digits}g}") for cell in cells])

    def round_up(self, cells: Cells) -> Cells:
        """Round to the decimals, never down."""
        rounded = self.round(cells)
        step = 0.0 if self.decimals is None else 10.0**-self.decimals
        return self.round(np.where(rounded < cells, rounded + step, rounded))

    def texts(self, cells: Cells) -> Texts:
        """Return the numbers as texts."""
        return as_texts([self.missing if math.isnan(cell) else self._text(cell) for cell in cells.tolist()])

    def _text(self, cell: float) -> str:
        comma = "," if self.thousands_mark else ""
        if self.exponent:
            text = f"{cell:.{self.digits - 1}e}" if self.has_fixed_decimals else _short_exponent(cell, self.digits)
            text = text.replace("e", self.exponent)
        elif self.decimals is None:
            text = repr(cell) if self.digits >= _SHORTEST else f"{cell:.{self.digits}g}"
            text = text if self.has_fixed_decimals or self.digits < _SHORTEST else text.removesuffix(".0")
        elif self.has_fixed_decimals or not self.decimals:
            text = f"{cell:{comma}.{self.decimals}f}"
        else:
            text = f"{cell:{comma}.{self.decimals}f}".rstrip("0").rstrip(".")
        if comma or self.decimal_mark != ".":
            text = text.translate({ord(","): self.thousands_mark, ord("."): self.decimal_mark})
        sign = "-" if self.before and text.startswith("-") else ""
        text = f"{sign}{self.before}{text.removeprefix(sign)}{self.after}"
        return f"({text[1:]})" if self.has_parentheses and text.startswith("-") else text

    def typed(self, cells: Cells) -> Series:
        """Return a column of float64."""
        import pandas as pd

        return pd.Series(cells)

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {
            "missing": self.missing, "decimals": self.decimals, "has_fixed_decimals": self.has_fixed_decimals,
            "decimal_mark": self.decimal_mark, "thousands_mark": self.thousands_mark, "digits": self.digits,
            "exponent": self.exponent, "before": self.before, "after": self.after,
            "has_parentheses": self.has_parentheses,
        }  # fmt: skip

    def describe_wanted(self) -> str:
        """Say that it is a number."""
        return "give a number, as they are written in the data"

    @property
    def resolution(self) -> str:
        """What its numbers are."""
        if self.decimals is None:
            return f"numbers of at most {self.digits} significant digits"
        return f"numbers with at most {pluralize(self.decimals, 'decimal')}" if self.decimals else "integers"


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


def _finite(cells: Cells) -> Cells:
    """Return cells (N,) in which infinite ones are none."""
    return np.where(np.isinf(cells), np.nan, cells)


def _sign_accounted(text: str) -> str:
    """Return a negative number of accounting, (12), with a sign, -12; any other text as it is."""
    found = _ACCOUNTED.fullmatch(text)
    return f"-{found[1]}" if found else text


def _strip_unit(text: str, before: str, after: str) -> str:
    text = text.strip().removesuffix(after)
    sign = text[:1] if before and text[:1] in ("-", "+") else ""
    return sign + text.removeprefix(sign).removeprefix(before)


def _short_exponent(cell: float, digits: int) -> str:
    mantissa, _, exponent = f"{cell:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"


def detect_number_format(texts: Texts, missing: str = "", separator: str = ";") -> NumberFormat | None:
    """Return the format of different texts (V,), none of them missing, if all are numbers; None if one is not.

    Args:
        texts: the texts.
        missing: the text of a missing cell.
        separator: what separates the cells of the file: where it is a comma, 1,234 is above a thousand.
    """
    written = [text.strip() for text in texts.tolist()]
    if not written:
        return IntegerFormat(missing=missing)
    values = list(map(_sign_accounted, written))
    fitting = (unit for unit in UNITS if all(_has_unit(value, *unit) for value in values))
    before, after = next(fitting, ("", ""))
    plain = [_strip_unit(value, before, after) for value in values] if before or after else values
    notations = NOTATIONS if separator == ";" else (NOTATIONS[0], NOTATIONS[2], *NOTATIONS)
    for decimal_mark, thousands_mark in notations:
        notation = NumberFormat(
            missing=missing, decimal_mark=decimal_mark, thousands_mark=thousands_mark, before=before, after=after,
            has_parentheses=values != written,
        )  # fmt: skip
        if thousands_mark:
            cells = notation._parse_present(plain) if notation._fits(plain) else None
        else:
            cells = notation._parse_fast(plain)
        if cells is not None and not np.isnan(cells).any():
            return _measure_decimals(plain, cells, notation)
    return None


def _has_unit(text: str, before: str, after: str) -> bool:
    return text.lstrip("+-").startswith(before) and text.endswith(after)


def _measure_decimals(texts: Sequence[str], cells: Cells, notation: NumberFormat) -> NumberFormat:
    """Return the notation with the number of decimals, or of digits, of the texts."""
    mark = notation.decimal_mark
    joined = "".join(texts)
    exponent = next((char for char in "eE" if char in joined), "")
    if exponent:
        return _measure_exponents(texts, notation, exponent)
    counts = {len(text.partition(mark)[2]) for text in texts} if mark in joined else {0}
    most = max(counts)
    if most == 0:
        return IntegerFormat(**{**notation.settings(), "decimals": 0})  # type: ignore[arg-type]
    if most > _MAX_DECIMALS or np.abs(cells).max() * 10.0**most >= MAX_EXACT:
        digits = max(_count_digits(text) for text in texts[:_COUNTED])
        return replace(notation, digits=min(17, digits), has_fixed_decimals=0 not in counts)
    return replace(notation, decimals=most, has_fixed_decimals=len(counts) == 1)


def _measure_exponents(texts: Sequence[str], notation: NumberFormat, exponent: str) -> NumberFormat:
    """Return the notation of numbers of which some, or all, have an exponent."""
    digits = {_count_digits(text, leading=True) for text in texts[:_COUNTED]}
    known = replace(notation, digits=min(17, max(digits)))
    if all(exponent in text for text in texts):
        return replace(known, exponent=exponent, has_fixed_decimals=len(digits) == 1)
    has_point = all(notation.decimal_mark in text or exponent in text for text in texts)
    return replace(known, has_fixed_decimals=has_point)


def _count_digits(text: str, leading: bool = False) -> int:
    """Return the number of significant digits of a number; with the leading zeros if they are to be counted."""
    digits = re.sub(r"[eE].*|[^0-9]", "", text)
    return max(1, len(digits if leading else digits.lstrip("0")))


def are_long_integers(texts: Texts) -> bool:
    """Return whether different texts (V,) are integers of which a float cannot hold one exactly."""
    values = list(map(_sign_accounted, texts.tolist()))
    longest = max(map(len, values), default=0)
    if longest < len(str(int(MAX_EXACT))):
        return False
    return all(re.fullmatch("[+-]?[0-9]+", value) for value in values) and any(
        len(value) > 16 or abs(int(value)) >= MAX_EXACT for value in values
    )
