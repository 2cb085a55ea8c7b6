"""Python source that reads and writes items of a kind of data without Zerosum, for scripts next to exported models.

A script is a text of which some lines depend on what the model takes and gives: such a line ends with `#:` and
conditions, all of which must hold, such as `#: label not styles`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from zerosum.run_folder import Json

_MARKED = re.compile(r"^(.*?)\s*#: ([\w ]+)$")


@dataclass(frozen=True)
class ScriptPart:
    """The functions of a script that read or write items of a kind of data."""

    source: str
    """Python source that defines `write(outputs, first, folder)` for samples, with the word "rows" in `words`
    `write(outputs, first, folder, seeds, given)`, and with "decoded_by_seed" `write(outputs, first, folder, seeds)`;
    or, for a translation, `read(path)`, `name_file(stem)` and `write(outputs, path, alpha)`; or, for one of signals,
    `read(path)`, `compute(network, inputs)`, `name_file(stem)` and `write(pieces, path, form)`."""
    imports: tuple[str, ...] = ()
    """Lines that import further packages than numpy."""
    packages: tuple[str, ...] = ()
    """The names of these packages at the package index."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What the functions need of config.json, such as the range of values."""
    words: frozenset[str] = frozenset()
    """Further conditions of lines of the script that uses the functions, such as "mask"."""
    given_source: str = ""
    """Further source, for generators of which parts of a sample can be given: it defines `parse_given(text)`,
    `give(row, seeds)` and `encode_given(given)`."""
    given_example: str = ""
    """What a user may give, such as cut=Ideal."""
    notes: tuple[str, ...] = ()
    """Paragraphs about the samples for the README."""
    given_notes: tuple[str, ...] = ()
    """Further ones, for generators of which parts of a sample can be given."""


def load_script(path: Path) -> str:
    """Return the text of a script that is part of the package."""
    return path.read_text("utf8")


def render(text: str, conditions: Collection[str], values: Mapping[str, str] | None = None) -> str:
    r"""Return a script with the lines whose conditions hold, and with `{name}` replaced by values.

    Example:
        >>> render("a = 1\nb = {two}  #: more\nc = 3  #: not more", {"more"}, {"two": "2"})
        'a = 1\nb = 2'
    """
    lines = []
    for line in text.split("\n"):
        marked = _MARKED.match(line)
        if marked and not _hold(marked[2].split(), conditions):
            continue
        lines.append(marked[1] if marked else line)
    rendered = "\n".join(lines)
    for name, value in (values or {}).items():
        rendered = rendered.replace(f"{{{name}}}", value)
    return rendered


def _hold(words: list[str], conditions: Collection[str]) -> bool:
    """Return whether all conditions hold; the word after "not" is one that must not."""
    negated = {word for before, word in pairwise(words) if before == "not"}
    return all((word in conditions) != (word in negated) for word in words if word != "not")
