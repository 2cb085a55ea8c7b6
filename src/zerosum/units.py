"""Amounts as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNT_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_seconds(value: Any) -> Any:
    """Seconds: 90, or written as "5m", "1h30m", "90s"."""
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd]?)", value.strip().lower())
    if not parts or "".join(n + u for n, u in parts) != re.sub(r"\s", "", value.strip().lower()):
        raise ValueError("is not a time; write 90s, 5m, 2h or 1h30m")
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)


def parse_count(value: Any) -> Any:
    """A whole number: 200000, or written as "200k", "1.5M"."""
    if not isinstance(value, str):
        return value
    part = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km]?)", value.strip().lower().replace("_", "").replace(",", ""))
    if not part:
        raise ValueError("is not a count; write 50000, 200k or 1.5M")
    return round(float(part[1]) * _COUNT_SUFFIXES[part[2]])


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0)]
Count = Annotated[int, BeforeValidator(parse_count), Field(gt=0)]


def format_seconds(value: float) -> str:
    """Seconds as people say them, to a tenth or better: 45 s, 4 min 30 s, 15 min, 1 h 30 min."""
    if value < 90:
        return f"{value:.0f} s"
    if value < 600:
        minutes, left = divmod(round(value, -1), 60)
        return f"{minutes:.0f} min {left:.0f} s" if left else f"{minutes:.0f} min"
    minutes = round(value / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_count(value: int) -> str:
    """A count with its thousands apart: 1,234,567."""
    return f"{value:,}"
