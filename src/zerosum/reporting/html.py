"""HTML and SVG, in which whatever is not markup already is escaped: a class may be named `<script>`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID_ELEMENTS = frozenset({"br", "img", "input"})
"""Elements without a content, which HTML writes without an end."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(element: str, *children: object, **attributes: object) -> Markup:
    """One element.

    Args:
        element: its name.
        children: markup, put in as it is, or anything else, put in as escaped text.
        attributes: `class_` becomes `class`, `data_x` becomes `data-x`; True stands alone, False is left out.
    """
    words = [element]
    for name, value in attributes.items():
        if value is not False:
            written = name.rstrip("_").replace("_", "-")
            words.append(written if value is True else f'{written}="{escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if element in VOID_ELEMENTS else f"{opening}{join_markup(children)}</{element}>")


def join_markup(parts: Iterable[object]) -> Markup:
    """Markup and text, one after another."""
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part), quote=False) for part in parts))
