"""Find out what each column of a table holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zerosum.data.tables.config import ColumnKind
from zerosum.data.tables.formats import (
    BooleanFormat,
    CategoryFormat,
    ColumnFormat,
    IntegerFormat,
    NumberFormat,
    Texts,
    detect_boolean_format,
    detect_date_format,
    detect_number_format,
    is_missing,
    most_frequent_missing,
)
from zerosum.data.tables.keys import KeyFormat
from zerosum.data.tables.table_file import TextTable, shorten_cell
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

UNIQUE_FRACTION, MIN_UNIQUE_ROWS = 0.95, 20
"""A column of texts of which more than this fraction differ is a key or text, in a table of at least so many rows."""
TEXT_WORDS, TEXT_CHARS, TEXT_FRACTION = 3.0, 200, 0.3
"""Mean number of words, or characters, from which on a column of which this fraction differs is free text."""
MIXED_FRACTION = 0.5
"""Fraction of numbers from which on a column of texts that are not all numbers is an error of the data."""
_LEADING_ZERO = re.compile(r"[+-]?0\d")


@dataclass(frozen=True)
class DetectedColumn:
    """A column of the user's table."""

    name: str
    format: ColumnFormat | KeyFormat | None
    """How it is written; None if it is left out."""
    reason: str
    """What it is taken for, and why."""

    @property
    def kind(self) -> str:
        """What it holds, as in `data.column`."""
        return "text" if self.format is None else self.format.kind


def detect_columns(table: TextTable, given: Mapping[str, ColumnKind]) -> tuple[DetectedColumn, ...]:
    """Find out what the columns of a table hold.

    Args:
        table: the table.
        given: what the user says of some columns.

    Raises:
        BadInput: there is no such column, a column is not what the user says, or it mixes numbers with texts.
    """
    names = [str(name) for name in table.frame.columns]
    if unknown := next((name for name in given if name not in names), ""):
        raise table.error(f"`data.column.{printable(unknown)}`: there is no such column; choose one of "
                          f"{printable(', '.join(names))}")  # fmt: skip
    return tuple(_detect(table, name, given.get(name)) for name in names)


def _detect(table: TextTable, name: str, given: ColumnKind | None) -> DetectedColumn:
    texts: Texts = table.frame[name].to_numpy(object)
    if given:
        return DetectedColumn(name, _format_as(table, name, texts, given), f"{given}, as `data.column` says")
    distinct = len(set(texts[~is_missing(texts)].tolist()))
    if distinct <= 1:
        return DetectedColumn(name, CategoryFormat.fit(texts), "one value" if distinct else "all cells are missing")
    return _detect_varied(table, name, texts, distinct)


def _detect_varied(table: TextTable, name: str, texts: Texts, distinct: int) -> DetectedColumn:
    """Return what a column holds that has several values."""
    present, missing = texts[~is_missing(texts)], most_frequent_missing(texts)
    if (boolean := detect_boolean_format(present, missing)) is not None:
        return DetectedColumn(name, boolean, "boolean")
    if (number := _detect_number(table, name, present, missing)) is not None:
        if isinstance(number, IntegerFormat) and _are_row_numbers(present, number, len(texts)):
            return DetectedColumn(name, KeyFormat.fit(present), "key: row numbers; new ones are made")
        return DetectedColumn(name, number, f"{number.kind}: {distinct:,} different")
    if (date := detect_date_format(present, missing)) is not None:
        return DetectedColumn(name, date, f"date: {date.notation}")
    return _detect_text(name, texts, present, distinct)


def _detect_number(table: TextTable, name: str, present: Texts, missing: str) -> NumberFormat | None:
    """Return the format of a column of numbers; None if it is none.

    Raises:
        BadInput: most cells are numbers and some are not, or one is infinite.
    """
    if any(_LEADING_ZERO.match(text) and text.isdigit() for text in present[:1000]):
        return None  # such as postal codes: the zeros are part of the text
    if (known := detect_number_format(present, missing)) is not None:
        return known
    sample = present[:20_000]
    is_text = np.isnan(NumberFormat().parse(sample))
    infinite = [text for text in sample[is_text].tolist() if text.lstrip("+-").lower() in ("inf", "infinity")]
    numbers = np.count_nonzero(~is_text)
    if numbers and len(set(sample[~is_text].tolist())) > 20 and (infinite or numbers >= MIXED_FRACTION * len(sample)):
        wrong = infinite[0] if infinite else str(sample[is_text][0]) if is_text.any() else _first_text(present)
        count = sum(text == wrong for text in present.tolist()) if infinite else int(is_text.sum())
        row = int((table.frame[name].to_numpy(object) == wrong).argmax())
        raise table.error(
            f"column {shorten_cell(name)} holds numbers, but {pluralize(count, 'cell')} such as {shorten_cell(wrong)} "
            f"{'is' if count == 1 else 'are'} none; mend them, leave them empty if they are missing, or set "
            f"`data.column.{printable(name)}` to category", row,
        )  # fmt: skip
    return None


def _first_text(present: Texts) -> str:
    return str(present[np.isnan(NumberFormat().parse(present))][0])


def _are_row_numbers(present: Texts, number: IntegerFormat, num_rows: int) -> bool:
    """Return whether integers count the rows: all differ, and there are no gaps."""
    if len(present) < max(num_rows, MIN_UNIQUE_ROWS):
        return False
    cells = number.parse(present)
    return len(np.unique(cells)) == num_rows and cells.max() - cells.min() == num_rows - 1


def _detect_text(name: str, texts: Texts, present: Texts, distinct: int) -> DetectedColumn:
    """Return whether a column of texts is a category, a key or free text."""
    sample = [str(text) for text in present[:2_000]]
    words = sum(len(text.split()) for text in sample) / len(sample)
    chars = sum(map(len, sample)) / len(sample)
    is_long = words >= TEXT_WORDS or chars >= TEXT_CHARS
    if is_long and distinct > max(TEXT_FRACTION * len(present), MIN_UNIQUE_ROWS):
        reason = f"text of {words:.0f} words on average: left out, since language models write texts better than GANs"
        return DetectedColumn(name, None, reason)
    if distinct > UNIQUE_FRACTION * len(present) and len(present) >= MIN_UNIQUE_ROWS:
        reason = f"key: {distinct:,} of {len(present):,} differ; new ones are made"
        return DetectedColumn(name, KeyFormat.fit(present), reason)
    return DetectedColumn(name, CategoryFormat.fit(texts), f"category: {distinct:,} different")


def _format_as(table: TextTable, name: str, texts: Texts, kind: ColumnKind) -> ColumnFormat | KeyFormat | None:
    """Return the format of a column of which the user says what it holds.

    Raises:
        BadInput: it does not hold that.
    """
    gone = is_missing(texts)
    present, missing = texts[~gone], most_frequent_missing(texts)
    if kind == "text":
        return None
    if kind == "key":
        return KeyFormat.fit(present)
    if kind == "category":
        return CategoryFormat.fit(texts)
    found: ColumnFormat | None
    if kind == "boolean":
        found = detect_boolean_format(present, missing)
        if found is None and len(values := sorted(set(present.tolist()))) == 2:
            found = BooleanFormat(missing=missing, values=tuple(values))
    elif kind == "date":
        found = detect_date_format(present, missing)
    else:
        found = detect_number_format(present, missing)
    if found is None or (kind == "integer" and found.kind != "integer"):
        raise BadInput(
            f"`data.column.{printable(name)}` {kind}: {printable(table.name)} has other cells in this column, such as "
            f"{shorten_cell(_example_of_other(present, kind))}; give another kind, or mend the cells"
        )
    return NumberFormat(**{**found.settings()}) if kind == "number" and found.kind == "integer" else found  # type: ignore[arg-type]


def _example_of_other(present: Texts, kind: str) -> str:
    """Return a cell that is not of this kind."""
    if kind in ("number", "integer"):
        number = IntegerFormat() if kind == "integer" else NumberFormat()
        cells = number.parse(present)
        wrong = np.isnan(cells) | ((cells != np.round(cells)) if kind == "integer" else False)
        return str(present[wrong][0]) if wrong.any() else str(present[0])
    return str(present[0]) if len(present) else ""
