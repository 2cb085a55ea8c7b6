"""The format of dates and times: the order of their parts, and whether these have leading zeros."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import product
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zerosum.data.tables.formats import MISSING_MARKS, MISSING_TEXTS, Cells, ColumnFormat, as_texts
from zerosum.data.tables.text_table import Texts
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import Series

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y",
    "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%Y-%b-%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%d-%b-%y", "%Y%m%d", "%a %b %d %Y", "%a, %d %b %Y",
)  # fmt: skip
_TIMES = (
    "", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p",
    ", %H:%M", ", %H:%M:%S",
)  # fmt: skip
NOTATIONS = (
    *(date + time for time, date in product(_TIMES, _DATES)), "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%Y-%m",
    "%m/%Y", "%b %Y", "%B %Y", "%b-%y",
)  # fmt: skip
"""Notations of dates and times that are recognized, in this order; a column has one."""
_FIELDS = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%H": "[0-9]{1,2}",
    "%I": "[0-9]{1,2}", "%M": "[0-9]{2}", "%S": "[0-9]{2}", "%f": "[0-9]{1,6}", "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]+", "%p": "[AaPp][Mm]", "%a": "[A-Za-z]{3}",
}  # fmt: skip
_PADDED = ("%m", "%d", "%H", "%I")
_ZONE = re.compile(r"(?:Z| ?UTC| ?[+-][0-9]{2}:?[0-9]{2})$")
_STEPS = (("%S", 1.0), ("%M", 60.0), ("%d", 86_400.0))
_MONTH = 31 * 86_400.0
_LEAST_STEP = 1e-4  # of the seconds of the year 9999, as float64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDARS = (("%Y", -62_135_596_800.0, 253_402_300_800.0), ("%y", -31_536_000.0, 3_124_224_000.0))
"""The first second of the years that four digits, or two, can say, 1 to 9999 and 1969 to 2068, and the one after."""
_ONE_DAY = ("", -2_208_988_800.0, -2_208_902_400.0)  # 1900-01-01, on which all times without a date are


@dataclass(frozen=True)
class DateFormat(ColumnFormat):
    """Dates and times, as seconds since 1970.

    Example:
        >>> import numpy as np
        >>> known = detect_date_format(np.array(["3/27/2021", "12/5/2020"], object))
        >>> known.texts(np.array([0.0])).tolist()
        ['1/1/1970']
    """

    kind: ClassVar[str] = "date"
    missing_texts: ClassVar[frozenset[str]] = frozenset((*MISSING_TEXTS, *MISSING_MARKS))
    notation: str = "%Y-%m-%d"
    unpadded: tuple[str, ...] = ()
    """The fields without leading zeros, such as "%d"."""
    fraction: int = 0
    """Digits of the fraction of a second."""
    zone: str = ""
    """What stands after every time, such as Z."""
    letters: str = ""
    """How the letters of months and of AM and PM are written: upper or lower; "" as in Jan and PM."""

    @property
    def step(self) -> float:
        """The seconds between two dates next to each other; between months, those of the longest one."""
        if self.fraction:
            return float(10.0**-self.fraction)
        return next((step for mark, step in _STEPS if mark in self.notation), _MONTH)

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last date that can be written."""
        _, first, end = next((known for known in _CALENDARS if known[0] in self.notation), _ONE_DAY)
        return first, end - max(self.step, _LEAST_STEP)

    def parse(self, texts: Texts) -> Cells:
        """Return seconds since 1970."""
        import pandas as pd

        gone = self.find_missing(texts)
        plain = [None if lost else text.strip().removesuffix(self.zone)
                 for text, lost in zip(texts.tolist(), gone, strict=True)]  # fmt: skip
        dates = pd.to_datetime(pd.Series(plain, dtype=object), format=self.notation, errors="coerce", exact=True)
        microseconds = dates.astype("datetime64[us]").astype("int64").to_numpy()
        seconds = microseconds // 1_000_000 + microseconds % 1_000_000 / 1e6  # exact where microseconds / 1e6 is not
        return np.where(dates.isna().to_numpy(), np.nan, seconds)

    def round(self, cells: Cells) -> Cells:
        """Round to the nearest date of the notation: a month, a day, a minute, a second or a fraction of one."""
        bounded = cells.clip(*self.ends)
        if self.fraction:
            seconds = np.floor(bounded)
            rounded: Cells = seconds + np.round(bounded - seconds, self.fraction)
            return rounded
        return _round_months(bounded) if self.step == _MONTH else np.round(bounded / self.step) * self.step

    def round_up(self, cells: Cells) -> Cells:
        """Round to the next date of the notation, never down."""
        rounded = self.round(cells)  # 31 days after the first of a month, the first of the next one is the nearest
        return self.round(np.where(rounded < cells, rounded + self.step, rounded))

    def texts(self, cells: Cells) -> Texts:
        """Return the dates as texts."""
        different, codes = np.unique(cells, return_inverse=True)
        return as_texts([self.missing if np.isnan(cell) else self._text(cell) for cell in different.tolist()])[codes]

    def _text(self, cell: float) -> str:
        seconds, digits = math.floor(cell), self.fraction or 6
        microseconds = round((cell - seconds) * 10**digits) * 10 ** (6 - digits)
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
        notation = self.notation
        for field in self.unpadded:
            notation = notation.replace(field, str(int(moment.strftime(field))))
        if self.fraction:
            notation = notation.replace("%f", moment.strftime("%f")[: self.fraction])
        text = moment.strftime(notation.replace("%Y", f"{moment.year:04d}"))
        return (text.upper() if self.letters == "upper" else text.lower() if self.letters else text) + self.zone

    def typed(self, cells: Cells) -> Series:
        """Return a column of datetime64[us]."""
        import pandas as pd

        gone = np.isnan(cells)
        whole = np.round(np.where(gone, 0, cells) * 1e6).astype("int64").astype("datetime64[us]")
        return pd.Series(np.where(gone, np.datetime64("NaT"), whole))

    def settings(self) -> dict[str, Json]:
        """Return the fields."""
        return {
            "missing": self.missing, "notation": self.notation, "unpadded": list(self.unpadded),
            "fraction": self.fraction, "zone": self.zone, "letters": self.letters,
        }  # fmt: skip

    def describe_wanted(self) -> str:
        """Say how a date is written."""
        return f"give a date in the form of the data, such as {self._text(0.0)} ({self.notation}{self.zone})"

    def swapped(self) -> DateFormat | None:
        """Return the format with days and months swapped; None if there is no such notation."""
        notation = self.notation.replace("%d", "%0").replace("%m", "%d").replace("%0", "%m")
        return replace(self, notation=notation) if notation != self.notation and notation in NOTATIONS else None

    @property
    def resolution(self) -> str:
        """What its dates are."""
        return f"dates and times of the form {self.notation}{self.zone}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """A text of this notation, with a group for each field."""
        return _pattern(self.notation)


def _round_months(cells: Cells) -> Cells:
    """Return the starts (N,) of months nearest to cells (N,)."""
    gone = np.isnan(cells)
    months = np.where(gone, 0, np.floor(cells)).astype("int64").astype("datetime64[s]").astype("datetime64[M]")
    start, end = (each.astype("datetime64[s]").astype(np.int64).astype(np.float64) for each in (months, months + 1))
    return np.where(gone, np.nan, np.where(cells - start < end - cells, start, end))


@cache
def _pattern(notation: str) -> re.Pattern[str]:
    """Return the pattern of a notation, with a group for each field."""
    parts = re.split("(%[A-Za-z])", notation)
    return re.compile("".join(f"({_FIELDS[part]})" if part in _FIELDS else re.escape(part) for part in parts))


def detect_date_format(texts: Texts, missing: str = "") -> DateFormat | None:
    """Return the format of different texts (V,), none of them missing, if all are dates of one notation; else None."""
    values = [text.strip() for text in texts.tolist()]
    if not values or not any(char.isdigit() for char in values[0]):
        return None
    found = _ZONE.search(values[0]) if ":" in values[0] else None
    zone = found[0] if found and all(value.endswith(found[0]) for value in values) else ""
    plain = [value.removesuffix(zone) for value in values]
    for notation in NOTATIONS:
        pattern = _pattern(notation)
        if not pattern.fullmatch(plain[0]) or not all(map(pattern.fullmatch, plain)):
            continue
        known = DateFormat(missing=missing, notation=notation, zone=zone)
        if not np.isnan(known.parse(texts)).any():
            other = known.swapped()
            is_other = other is not None and _fits(other, texts) and _has_fewer_days(other, plain)
            return _measure_fields(other if other is not None and is_other else known, plain)
    return None


def fits_swapped(known: DateFormat, texts: Texts) -> bool:
    """Return whether different texts (V,) of a format are dates also with their days and months swapped."""
    other = known.swapped()
    return other is not None and _fits(other, texts)


def _fits(known: DateFormat, texts: Texts) -> bool:
    return not np.isnan(known.parse(texts)).any()


def _has_fewer_days(known: DateFormat, texts: list[str]) -> bool:
    """Return whether the days of texts have fewer values than the months, as those of monthly data have."""
    fields = re.findall("%[A-Za-z]", known.notation)
    groups = [found.groups() for text in texts if (found := known.pattern.fullmatch(text))]
    days, months = ({group[fields.index(field)] for group in groups} for field in ("%d", "%m"))
    return len(days) < len(months)


def _measure_fields(known: DateFormat, texts: list[str]) -> DateFormat:
    """Return a format with the lengths of the fields of its texts."""
    fields = re.findall("%[A-Za-z]", known.notation)
    groups = [found.groups() for text in texts if (found := known.pattern.fullmatch(text))]
    lengths = {field: {len(group[place]) for group in groups} for place, field in enumerate(fields)}
    unpadded = tuple(field for field in fields if field in _PADDED and 1 in lengths[field])
    joined = "".join(texts)
    letters = "upper" if joined.isupper() else "lower" if joined.islower() else ""
    return replace(known, unpadded=unpadded, fraction=max(lengths.get("%f", {0})), letters=letters)
