"""Find out what each column of a table holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.config import ColumnKind
from zerosum.data.tables.date_format import detect_date_format, fits_swapped
from zerosum.data.tables.formats import (
    BooleanFormat,
    CategoryFormat,
    ColumnFormat,
    as_texts,
    detect_boolean_format,
    is_missing,
    is_missing_mark,
    most_frequent,
)
from zerosum.data.tables.keys import UNNUMBERED, KeyFormat
from zerosum.data.tables.number_format import IntegerFormat, NumberFormat, are_long_integers, detect_number_format
from zerosum.data.tables.text_table import TextColumn, Texts, TextTable, shorten_cell
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

UNIQUE_FRACTION, MIN_UNIQUE_ROWS = 0.95, 20
"""A column of texts of which more than this fraction differ is a key or text, in a table of at least so many rows."""
TEXT_WORDS, TEXT_CHARS, TEXT_FRACTION = 3.0, 200, 0.3
"""Mean number of words, or characters, from which on a column of which this fraction differs is free text."""
MIXED_FRACTION, MIN_MIXED_NUMBERS = 0.5, 20
"""Fraction of numbers or dates, and different ones, above which a column that has other cells is an error of the
data."""
MIN_NOTED_NUMBERS = 3
"""Number of different numbers or dates from which on such a column is noted, where it is no error."""
MAX_LISTED, NUM_CLOSE = 20, 5
"""Number of columns up to which a message lists all, and number of those that it lists otherwise."""
_TRIED_DATES = 5
_KEY_NAME = re.compile(r"(?:^|[^A-Za-z])(?:[Ii][Dd]|[Kk]ey|KEY|uuid|UUID|guid|GUID)$|[a-z](?:Id|ID)$")
_LEADING_ZERO = re.compile("0[0-9]+")


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


@dataclass(frozen=True)
class _Cells:
    """A column whose kind is to be found out."""

    table: TextTable
    name: str
    column: TextColumn

    @cached_property
    def present(self) -> Texts:
        """The different texts (V,) that are not missing in any column."""
        present: Texts = self.column.values[~is_missing(self.column.values)]
        return present

    @cached_property
    def numeric(self) -> Texts:
        """The different texts (V,) that are not missing in a column of numbers or dates."""
        present = self.present
        rest: Texts = present[~is_missing_mark(present)]
        return rest if len(rest) else present

    def missing_text(self, is_numeric: bool = False) -> str:
        """Return the text that stands for most missing cells; "" if there are none."""
        values = self.column.values
        return most_frequent(self.column, is_missing(values) | (is_missing_mark(values) & is_numeric))

    def count_rows(self, texts: Texts) -> int:
        """Return how many rows have one of these different texts."""
        chosen = frozenset(texts.tolist())
        return int(sum(count for text, count in zip(self.column.values, self.column.counts, strict=True)
                       if text in chosen))  # fmt: skip

    def detect_number(self) -> NumberFormat | None:
        """Return the format if all cells are numbers, of which floats hold every one; None if not."""
        if are_long_integers(self.numeric):
            return None
        return detect_number_format(self.numeric, self.missing_text(True), self.table.dialect.separator)


def detect_columns(table: TextTable, given: Mapping[str, ColumnKind]) -> tuple[DetectedColumn, ...]:
    """Find out what the columns of a table hold.

    Args:
        table: the table.
        given: what the user says of some columns.

    Raises:
        BadInput: there is no such column, a column is not what the user says, or it mixes numbers with texts.
    """
    if unknown := next((name for name in given if name not in table.columns), ""):
        raise table.error(f"`data.column` {printable(unknown)}: there is no such column; choose one of "
                          f"{list_names(list(table.columns), unknown)}")  # fmt: skip
    found = (_Cells(table, name, column) for name, column in table.columns.items())
    return tuple(_detect_typed(cells, given.get(cells.name)) for cells in found)


def list_names(names: list[str], wanted: str) -> str:
    """Return names for a message: of more than 20, those that are most like a wanted one, and how many more there are.

    Example:
        >>> list_names([f"x{number}" for number in range(1000)], "x_77")
        'x77, x977, x877, x797, x787 and 995 more'
    """
    if len(names) <= MAX_LISTED:
        return printable(", ".join(names))
    lower = {name.lower(): name for name in names}
    close = [lower[found] for found in get_close_matches(wanted.lower(), lower, NUM_CLOSE, 0.4)]
    shown = close or names[:NUM_CLOSE]
    return f"{printable(', '.join(shown))} and {len(names) - len(shown):,} more"


def _detect_typed(cells: _Cells, given: ColumnKind | None) -> DetectedColumn:
    """Return what a column holds, by what the user or its type says, if they do, or else by its cells.

    Raises:
        BadInput: it is not what the user says, or mixes numbers with texts.
    """
    known = cells.table.dtypes.get(cells.name)
    if known is not None and known.left_out:
        if given not in (None, "text"):
            raise BadInput(f"`data.column.{printable(cells.name)}` {given}: {known.left_out}; convert the column")
        return DetectedColumn(cells.name, None, known.left_out)
    if given is not None:
        return _format_as(cells, given, "as `data.column` says")
    if known is not None and known.is_category:
        return _format_as(cells, "category", f"{len(cells.present):,} different, as its type says")
    return _detect(cells)


def _detect(cells: _Cells) -> DetectedColumn:
    present = cells.present
    if len(present) <= 1:
        reason = "one value" if len(present) else "all cells are missing"
        return DetectedColumn(cells.name, CategoryFormat.fit(cells.column), reason)
    if any(map(_LEADING_ZERO.fullmatch, present.tolist())):
        return _detect_text(cells, "the zeros at the beginning are part of it")  # such as postal codes
    if are_long_integers(cells.numeric):
        return _detect_text(cells, "integers with too many digits to be numbers")
    if (known := _detect_values(cells)) is not None:
        return known
    _require_no_mixture(cells)
    return _detect_text(cells, _describe_mixture(cells))


def _detect_values(cells: _Cells) -> DetectedColumn | None:
    """Return a column of truth values, numbers or dates; None if it is none of these."""
    if (boolean := detect_boolean_format(cells.present, cells.missing_text())) is not None:
        return DetectedColumn(cells.name, boolean, "boolean")
    if (number := cells.detect_number()) is not None:
        if reason := _explain_key(cells, number):
            return DetectedColumn(cells.name, KeyFormat.fit(cells.present), reason)
        return DetectedColumn(cells.name, number, f"{number.kind}: {len(cells.numeric):,} different")
    if (date := detect_date_format(cells.numeric, cells.missing_text(True))) is not None:
        doubt = ""
        if fits_swapped(date, cells.numeric):
            doubt = "; days and months may be the other way around: if so, write them as year-month-day"
        return DetectedColumn(cells.name, date, f"date: {date.notation}{date.zone}{doubt}")
    return None


def _explain_key(cells: _Cells, number: NumberFormat) -> str:
    """Return why integers are keys: all differ, and the column is named so, or they count the rows; "" if not."""
    num_rows = cells.table.num_rows
    if number.kind != "integer" or number.has_parentheses or len(cells.present) < max(num_rows, MIN_UNIQUE_ROWS):
        return ""
    if _KEY_NAME.search(cells.name):
        return "key: all differ, and its name is that of one; new ones are made"
    values = number.parse(cells.present)
    is_count = len(np.unique(values)) == num_rows and values.min() in (0, 1) and np.ptp(values) == num_rows - 1
    return "key: row numbers; new ones are made" if is_count else ""


def _require_no_mixture(cells: _Cells) -> None:
    """Raise if most cells are numbers, or dates, and some are not.

    Raises:
        BadInput: it is so.
    """
    present = cells.numeric
    is_number = ~np.isnan(NumberFormat().parse(present))
    is_infinite = np.zeros(len(present), bool)
    is_infinite[~is_number] = [_is_infinite(text) for text in present[~is_number].tolist()]
    if is_infinite.any() and (is_number.sum() > MIN_MIXED_NUMBERS or _are_numbers(cells, present[~is_infinite])):
        _raise_mixture(cells, "numbers", present[is_infinite], "infinite")
    if _are_most(cells, present, is_number):
        _raise_mixture(cells, "numbers", present[~is_number], "none")
    for example in present[:_TRIED_DATES]:
        if (known := detect_date_format(as_texts([example]))) is not None:
            is_date = ~np.isnan(known.parse(present))
            if _are_most(cells, present, is_date):
                _raise_mixture(cells, f"dates ({known.notation})", present[~is_date], "none")


def _describe_mixture(cells: _Cells) -> str:
    """Return why a column that is mostly numbers, or dates, is none, where few of them differ; "" if it is not so."""
    present, name = cells.numeric, printable(cells.name)
    is_number = ~np.isnan(NumberFormat().parse(present))
    if _are_most(cells, present, is_number, MIN_NOTED_NUMBERS):
        return (f"mostly numbers, but {shorten_cell(str(present[~is_number][0]))} is none: correct such cells and set "
                f"`data.column.{name}` to number if it holds numbers")  # fmt: skip
    notations = dict.fromkeys(
        known for example in present[:_TRIED_DATES] if (known := detect_date_format(as_texts([example]))) is not None
    )
    dates = [~np.isnan(known.parse(present)) for known in notations]
    is_date = np.any(dates, 0) if dates else np.zeros(len(present), bool)
    shown = " and ".join(known.notation for known in list(notations)[:2])
    if is_date.all() and len(present) >= MIN_NOTED_NUMBERS:
        return f"dates of several forms ({shown}): write all in one and set `data.column.{name}` to date"
    if _are_most(cells, present, is_date, MIN_NOTED_NUMBERS):
        return (f"mostly dates ({shown}), but {shorten_cell(str(present[~is_date][0]))} is none: correct such cells "
                f"and set `data.column.{name}` to date if it holds dates")  # fmt: skip
    return ""


def _are_numbers(cells: _Cells, texts: Texts) -> bool:
    """Return whether different texts (V,) are all numbers, in any notation, however few they are."""
    return detect_number_format(texts, "", cells.table.dialect.separator) is not None


def _are_most(cells: _Cells, present: Texts, chosen: NDArray[np.bool_], least: int = MIN_MIXED_NUMBERS + 1) -> bool:
    """Return whether chosen ones of different texts (V,), at least so many, are those of most rows, but not all."""
    num_rows = cells.count_rows(present)
    is_most = cells.count_rows(present[chosen]) >= MIXED_FRACTION * num_rows
    return bool(least <= chosen.sum() < len(present)) and is_most


def _raise_mixture(cells: _Cells, what: str, wrong: Texts, are: str) -> None:
    """Raise an error about cells that do not fit.

    Raises:
        BadInput: always.
    """
    count = cells.count_rows(wrong)
    row = min(cells.column.first_row(str(text)) for text in wrong[:100])
    example = shorten_cell(str(cells.column.values[cells.column.codes[row]]))
    raise cells.table.error(
        f"column {shorten_cell(cells.name)} holds {what}, but {pluralize(count, 'cell')} such as {example} "
        f"{'is' if count == 1 else 'are'} {are}; mend them, leave them empty if they are missing, or set "
        f"`data.column.{printable(cells.name)}` to category", row,
    )  # fmt: skip


def _is_infinite(text: str) -> bool:
    try:
        return bool(np.isinf(float(text)))
    except ValueError:
        return False


def _detect_text(cells: _Cells, why: str = "") -> DetectedColumn:
    """Return whether a column of texts is a category, a key or free text."""
    present, num_present = cells.present, cells.count_rows(cells.present)
    sample = present[:2_000].tolist()
    words = sum(len(text.split()) for text in sample) / len(sample)
    chars = sum(map(len, sample)) / len(sample)
    extra = f", {why}" if why else ""
    is_long = words >= TEXT_WORDS or chars >= TEXT_CHARS
    if is_long and len(present) > max(TEXT_FRACTION * num_present, MIN_UNIQUE_ROWS):
        reason = f"text of {words:.0f} words on average, left out, since language models write texts better than GANs"
        return DetectedColumn(cells.name, None, reason)
    if len(present) > UNIQUE_FRACTION * num_present and num_present >= MIN_UNIQUE_ROWS:
        return _make_key(cells, f"{len(present):,} of {num_present:,} differ{extra}")
    return DetectedColumn(cells.name, CategoryFormat.fit(cells.column), f"category: {len(present):,} different{extra}")


def _make_key(cells: _Cells, why: str) -> DetectedColumn:
    """Return a column of texts that nearly all differ: a key, if every row has one, and there are more to be made."""
    name, found = printable(cells.name), KeyFormat.fit(cells.present)
    num_missing = cells.table.num_rows - cells.count_rows(cells.present)
    if num_missing > (1 - UNIQUE_FRACTION) * cells.table.num_rows:
        reason = f"text: {why}, and {pluralize(num_missing, 'row')} have none; left out"
        return DetectedColumn(cells.name, None, f"{reason} (`data.column.{name}` category learns it)")
    if found == UNNUMBERED and not _KEY_NAME.search(cells.name):
        reason = f"text: {why}, and they have no numbers; left out"
        return DetectedColumn(cells.name, None, f"{reason} (`data.column.{name}` key makes {found.texts(0, 1)[0]})")
    return DetectedColumn(cells.name, found, f"key: {why}; new ones are made")


def _format_as(cells: _Cells, kind: ColumnKind, why: str) -> DetectedColumn:
    """Return a column of which it is known what it holds, and why.

    Raises:
        BadInput: it does not hold that.
    """
    reason = f"{kind}, {why}" if why.startswith("as ") else f"{kind}: {why}"
    if kind == "text":
        return DetectedColumn(cells.name, None, f"{reason}, left out")
    if kind == "key":
        return DetectedColumn(cells.name, KeyFormat.fit(cells.present), reason)
    if kind == "category" or not len(cells.present):
        return DetectedColumn(cells.name, CategoryFormat.fit(cells.column, is_literal=kind == "category"), reason)
    found = _find_format(cells, kind)
    if found is None:
        more = "; integers of so many digits are keys or categories" if are_long_integers(cells.numeric) else ""
        raise BadInput(
            f"`data.column.{printable(cells.name)}` {kind}: {printable(cells.table.name)} has other cells in this "
            f"column, such as {shorten_cell(_example_of_other(cells.numeric, kind))}{more}; give another kind, or mend "
            "the cells"
        )
    return DetectedColumn(cells.name, found, reason)


def _find_format(cells: _Cells, kind: ColumnKind) -> ColumnFormat | None:
    """Return the format of this kind: boolean, date, integer or number; None if a cell is of another."""
    if kind == "boolean":
        values = tuple(sorted(cells.present.tolist()))
        missing = cells.missing_text()
        pair = BooleanFormat(missing=missing, values=values) if len(values) == 2 else None
        return detect_boolean_format(cells.present, missing) or pair
    if kind == "date":
        return detect_date_format(cells.numeric, cells.missing_text(True))
    number = cells.detect_number()
    if number is None or kind == number.kind:
        return number
    return NumberFormat(**number.settings()) if kind == "number" else None  # type: ignore[arg-type]


def _example_of_other(present: Texts, kind: str) -> str:
    """Return a cell that is not of this kind."""
    if kind == "date":
        return next((str(text) for text in present if detect_date_format(present[:1]) is None
                     or detect_date_format(np.array([present[0], text], object)) is None), str(present[0]))  # fmt: skip
    if kind in ("number", "integer"):
        numbers = (IntegerFormat if kind == "integer" else NumberFormat)().parse(present)
        wrong = np.isnan(numbers) | ((numbers != np.round(numbers)) & (kind == "integer"))
        return str(present[wrong][0]) if wrong.any() else str(present[0])
    return str(present[0])
