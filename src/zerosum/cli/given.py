"""Parse values that the user gives by name: `--given age=40,species=cat`, and `--want qed=0.9`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zerosum.data.text import QUOTED, unquote
from zerosum.errors import BadInput

_GIVEN = re.compile(rf"""\s*({QUOTED}|[^"',=][^,=]*?)\s*=\s*({QUOTED}|[^"',][^,]*?)\s*(?:,|$)""")
"""A name and its value, each in quotes if it holds other marks: city="Linz, Nord"."""

_EMPTY = re.compile(rf"""\s*({QUOTED}|[^"',=][^,=]*?)\s*=\s*(?:""|'')?\s*(?:,|$)""")
"""A name without a value."""


def parse_given(text: str, flag: str = "--given") -> list[float] | dict[str, str | float]:
    """Return the given values by name, or the numbers, which are separated by commas; [] for an empty text."""
    if "=" not in text:
        try:
            return [float(part) for part in text.split(",")] if text else []
        except ValueError:
            raise BadInput(f"{flag} {text}: give values by name, age=40,species=cat, or numbers: 0.5,-1") from None
    values: dict[str, str | float] = {}
    start = 0
    while start < len(text):
        match = _GIVEN.match(text, start)
        name, value = (unquote(part) for part in match.groups()) if match else ("", "")
        if not value and (empty := _EMPTY.match(text, start)):
            raise BadInput(
                f"{flag} {empty[1]}=: has no value; a missing cell of a table cannot be given, and "
                f"--where '{empty[1]}=' keeps the rows in which it is missing"
            )
        if match is None or not name or not value or name in values:
            raise BadInput(
                f"{flag} {text}: give each name once, with a value: age=40,species=cat; a value with a "
                "comma stands in quotes"
            )
        values[name] = value
        start = match.end()
    return values


def parse_wishes(wishes: Sequence[str]) -> dict[str, str | float]:
    """Return the values of wishes by name, each of which is NAME=VALUE, or several with commas between."""
    values: dict[str, str | float] = {}
    for wish in wishes:
        for name, value in _split_wish(wish).items():
            if not (name and value) or name in values:
                raise BadInput(f"--want {wish}: give each name once, with a value, such as qed=0.9")
            values[name] = value
    return values


def _split_wish(wish: str) -> dict[str, str | float]:
    """Return the values of a wish by name; that of a single one may have a comma, such as that of decimals."""
    if wish.count("=") > 1 and isinstance(several := parse_given(wish, "--want"), dict):
        return several
    name, _, value = (part.strip() for part in wish.partition("="))
    return {name: value}


def add_wishes(
    given: list[float] | dict[str, str | float], wishes: Sequence[str]
) -> list[float] | dict[str, str | float]:
    """Return given values with further ones; given numbers without names exclude them."""
    values = parse_wishes(wishes)
    if not values:
        return given
    if isinstance(given, list):
        if given:
            raise BadInput(f"--want {wishes[0]}: --given has numbers without names; leave one of the flags out")
        return values
    if repeated := next((name for name in values if name in given), ""):
        raise BadInput(f"--want {repeated}={values[repeated]}: --given has it, too; leave one of them out")
    return given | values
