"""Format the values of JSON and TOML files for reading."""

from __future__ import annotations

from collections.abc import Mapping

from zerosum.units import format_count


def format_value(value: object) -> str:
    """Format a value of a JSON or TOML file for reading.

    Example:
        >>> format_value({"RGB": 12000, "shared": True})
        'RGB: 12,000, shared: yes'
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return format_count(value)
        case Mapping():
            return ", ".join(f"{name}: {format_value(inner)}" for name, inner in value.items())
        case list():
            return ", ".join(map(format_value, value))
        case _:
            return str(value)
