"""A filter of rows that a user writes, such as "price<1000 and cut=Ideal"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import FilterFn, Items
from zerosum.data.tables.formats import as_texts
from zerosum.data.tables.given import find_column
from zerosum.data.tables.layout import TableLayout
from zerosum.data.text import QUOTED, printable, unquote
from zerosum.errors import BadInput

_OPERATORS: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_EQUALITIES = ("=", "==", "!=")
_AND = re.compile(rf"""((?:{QUOTED}|[^"'])*?)(?:\s+and\s+|$)""", re.IGNORECASE | re.DOTALL)
_COMPARISON = re.compile(rf"""\s*({QUOTED}|[^"'<>=!]+?)\s*(<=|>=|!=|==|=|<|>)\s*({QUOTED}|[^"'<>=!]*?)\s*""", re.DOTALL)
_HOW = 'write comparisons such as "price<1000 and cut=Ideal" (< <= > >= = !=); what holds such marks stands in quotes'


@dataclass(frozen=True)
class Comparison:
    """A comparison of a column with a value. A missing cell passes none but that with a missing value."""

    column: int
    mark: str
    value: float
    """NaN stands for a missing cell."""

    def __call__(self, items: Items) -> NDArray[np.bool_]:
        """Return which rows (N, C) pass, (N,)."""
        cells = np.asarray(items[:, self.column], np.float64)
        if np.isnan(self.value):
            return np.isnan(cells) ^ (self.mark == "!=")
        return _OPERATORS[self.mark](cells, self.value) & ~np.isnan(cells)


def parse_filter(layout: TableLayout, text: str) -> FilterFn:
    """Return the filter that a text means: comparisons, all of which a row has to pass.

    Raises:
        BadInput: it means none.
    """
    comparisons = [_parse_comparison(layout, part, text) for part in _split(text)]

    def passes(items: Items) -> NDArray[np.bool_]:
        passed = np.ones(len(items), bool)
        for comparison in comparisons:
            passed &= comparison(items)
        return passed

    return passes


def _split(text: str) -> list[str]:
    """Return the parts of a text between "and", outside quotes.

    Raises:
        BadInput: a quote is not closed.
    """
    parts, start = [], 0
    while start <= len(text):
        match = _AND.match(text, start)
        if match is None:
            raise BadInput(f"`where` {printable(text)}: a quote is not closed; {_HOW}")
        parts.append(match[1])
        if match.end() == len(text) and not match[0].strip().lower().endswith("and"):
            break
        start = match.end()
    return parts


def _parse_comparison(layout: TableLayout, part: str, text: str) -> Comparison:
    """Return one comparison.

    Raises:
        BadInput: it is none, or there is no such column or value.
    """
    match = _COMPARISON.fullmatch(part)
    if match is None:
        raise BadInput(f"`where` {printable(text)}: '{printable(part.strip())}' is no comparison; {_HOW}")
    name, mark, value = unquote(match[1]), match[2], unquote(match[3])
    index = find_column(layout, name, "where")
    column = layout.columns[index]
    if mark not in _EQUALITIES and not column.is_numeric:
        raise BadInput(f"`where` {printable(part.strip())}: {printable(name)} holds no numbers or dates, so its values "
                       "have no order; compare it by = or !=")  # fmt: skip
    if column.format.find_missing(as_texts([value.strip()]))[0]:
        if mark not in _EQUALITIES:
            raise BadInput(f"`where` {printable(part.strip())}: {column.format.describe_wanted()}")
        return Comparison(index, mark, np.nan)
    return Comparison(index, mark, column.format.parse_text(f"`where` {printable(name)}", value))
