"""Parsing and formatting of durations and counts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNT_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000}
MAX_COUNT = 10**15
"""The largest number of examples, which no run can reach."""
MAX_SECONDS = 1e9
"""The longest duration in seconds, some thirty years."""


def parse_seconds(value: object) -> object:
    """Convert a duration such as "90s", "5m" or "1h30m" to seconds; return anything but a string unchanged.

    Raises:
        ValueError: the string is not a duration.
    """
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd]?)", value.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", value.strip().lower()):
        raise ValueError("is not a duration; write 90s, 5m, 2h or 1h30m")
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)


def parse_count(value: object) -> object:
    """Convert a count such as "200k" or "1.5M" to an integer; return anything but a string unchanged.

    Raises:
        ValueError: the string is not a count.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km]?)", value.strip().lower().replace("_", "").replace(",", ""))
    if not match:
        raise ValueError("is not a count; write 50000, 200k or 1.5M")
    count = float(match[1]) * _COUNT_SUFFIXES[match[2]]
    if count > MAX_COUNT:
        raise ValueError(f"is too large; give at most {MAX_COUNT:,}")
    return round(count)


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, le=MAX_SECONDS)]
"""A setting that is a duration in seconds, above 0."""
Count = Annotated[int, BeforeValidator(parse_count), Field(gt=0, le=MAX_COUNT)]
"""A setting that is a number of training examples, above 0."""


def format_seconds(value: float) -> str:
    """Return a duration in readable units, rounded by at most 6%: 45 s, 4 min 30 s, 15 min, 1 h 30 min."""
    if value < 90:
        return f"{value:.0f} s"
    if value < 600:
        minutes, seconds = divmod(round(value, -1), 60)
        return f"{minutes:.0f} min {seconds:.0f} s" if seconds else f"{minutes:.0f} min"
    minutes = round(value / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_count(value: int) -> str:
    """Return a count with commas between thousands: 1,234,567."""
    return f"{value:,}"
