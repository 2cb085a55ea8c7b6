"""Build HTML and SVG. All text that is not `Markup` is escaped, since a class may be named `<script>`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from zerosum.data.text import printable

VOID_ELEMENTS = frozenset({"br", "img", "input"})
"""Elements without content, which have no end tag."""
CODE_SPAN_PATTERN = re.compile(r"`([^`]+)`")


class Markup(str):
    """Text that is HTML and is not escaped."""

    __slots__ = ()


def tag(element: str, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        element: name of the element.
        children: `Markup`, inserted unchanged, or other objects, inserted as escaped text.
        attributes: `class_` becomes `class`, `data_x` becomes `data-x`. True gives an attribute without a value, False
            none.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    parts = [element]
    for name, value in attributes.items():
        if value is not False:
            attribute = name.rstrip("_").replace("_", "-")
            parts.append(attribute if value is True else f'{attribute}="{_escape(value, quote=True)}"')
    start_tag = f"<{' '.join(parts)}>"
    return Markup(start_tag if element in VOID_ELEMENTS else f"{start_tag}{join_markup(children)}</{element}>")


def _escape(value: object, quote: bool) -> str:
    return escape(printable(str(value), keep="\n\t"), quote)


def render_code_spans(text: str) -> Markup:
    """Return text with its parts in backticks as <code> elements; an unpaired backtick stays.

    Example:
        >>> render_code_spans("lower `optimizer.lr`, since D > G")
        'lower <code>optimizer.lr</code>, since D &gt; G'
    """
    parts = CODE_SPAN_PATTERN.split(text)  # the odd ones are the content of the pairs
    return join_markup(tag("code", part) if index % 2 else part for index, part in enumerate(parts))


def section(title: str, description: str, *content: object) -> Markup:
    """Return a section of a page.

    Args:
        title: its heading.
        description: the text below the heading; "" for none.
        content: what follows.
    """
    lead = tag("p", render_code_spans(description), class_="description") if description else ""
    return tag("section", tag("h2", title), lead, *content)


def join_markup(parts: Iterable[object]) -> Markup:
    """Concatenate markup and text; text is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else _escape(part, quote=False) for part in parts))
