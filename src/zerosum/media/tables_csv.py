"""Cells as text files write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from zerosum.data.tables.text_file import find_other_format


def format_rows(rows: Iterable[Sequence[str]], separator: str) -> str:
    r"""Return rows as lines of cells, which stand in quotes where a reader needs them.

    Example:
        >>> format_rows([("Linz, Nord", "3")], ",")
        '"Linz, Nord",3\n'
    """
    needs_quotes = _needs_quotes(separator).search
    return "".join(separator.join(_quote(cell) if needs_quotes(cell) else cell for cell in row) + "\n" for row in rows)


def format_names(names: Sequence[str], separator: str) -> str:
    """Return the first line; its first name stands in quotes where the line would not be read as one of a table."""
    line = format_rows([names], separator)
    is_read = not find_other_format(line) and not line.startswith("sep=")
    return line if is_read else _quote(names[0]) + line.removeprefix(names[0])


def format_cell(text: str, separator: str) -> str:
    """Return a cell as it stands in a line."""
    return _quote(text) if _needs_quotes(separator).search(text) else text


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@cache
def _needs_quotes(separator: str) -> re.Pattern[str]:
    """Return what a cell holds that needs quotes; a space at its ends might be taken for no part of it."""
    return re.compile(rf'[{re.escape(separator)}"\r\n]|^\s|\s$')
