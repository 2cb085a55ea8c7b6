"""Text about data: natural order, counts and plurals, and names that may hold any characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_DIGITS = re.compile(r"([0-9]+)")
QUOTED = r"""\"[^"]*\"|'[^']*'"""
"""A text in quotes, as part of a regular expression."""


def natural_sort_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts `class 2` before `class 10`.

    Names that differ only in case or in leading zeros are ordered by their text.
    """
    parts = _DIGITS.split(name)  # text and digits alternate, text first
    return [_number_key(part) if index % 2 else (-1, part.lower()) for index, part in enumerate(parts)], name


def _number_key(digits: str) -> tuple[int, str]:
    """Return a key in the order of the numbers; `int` refuses more than 4,300 digits, and an archive holds any name."""
    significant = digits.lstrip("0")
    return len(significant), significant


def printable(text: str, keep: str = "") -> str:
    r"""Return text with escapes in place of what no terminal, JSON or HTML should get.

    A file or a class may have any name. Escaped are control characters such as ESC and newline, marks that change the
    direction of text, invisible characters, and bytes that are no UTF-8.

    Args:
        text: any text.
        keep: characters that are not escaped, such as the newlines between lines.

    Example:
        >>> print(printable("caf\udce9 \x1b[31m\n"))
        caf\xe9 \x1b[31m\n
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep or unicodedata.category(char) == "Zs" else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    """Return the escape of a character, as in Python; of a byte that is no UTF-8, which Python reads as a surrogate."""
    code = ord(char)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else char.encode("unicode_escape").decode("ascii")


def unquote(text: str) -> str:
    """Return a text without the quotes around it, if there are any.

    Example:
        >>> unquote("'Linz, Nord'"), unquote("Wien")
        ('Linz, Nord', 'Wien')
    """
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun: `1 file`, `2 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def enumerate_names(names: Sequence[str]) -> str:
    """Return names as text: `a`, `a and b`, `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def most_common(values: Iterable[str], max_count: int = 10) -> dict[str, int]:
    """Return the counts of the most frequent values, largest first, ties in natural order."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], natural_sort_key(pair[0])))[:max_count])


def format_counts(counts: Mapping[str, int], distinct: int = 0, max_count: int = 10) -> str:
    """Return counts as text, such as `a 3, b 2 and 7 more`; `distinct` is the number of all values."""
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:max_count]]
    rest = max(len(counts), distinct) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")
