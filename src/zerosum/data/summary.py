"""The summary of a dataset of any kind, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from zerosum.data.text import format_counts, printable
from zerosum.run_folder import Json, Row


@dataclass
class DatasetSummary:
    """Counts and notes of a dataset: the content of `data.json` and the output of `zerosum data PATH`.

    A kind of data may add fields and lines of its own.
    """

    source: str
    """The source as the user named it."""
    kind: str
    """The name of the kind of data, such as `images`."""
    count: int = 0
    """Number of items that were read."""
    classes: dict[str, int] = field(default_factory=dict)
    """Number of items in each class; empty if there are no classes."""
    train: int = 0
    """Number of training examples."""
    held_out: int = 0
    """Number of held-out examples."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user about decisions of the ingest."""
    noun: str = "example"
    """An item in words; the plural has an s."""

    def as_dict(self) -> dict[str, Json]:
        """Return the summary as a dict that JSON can hold, with names that are printable."""
        return {name: _printable_json(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: Row) -> Self:
        """Return the summary that `as_dict` wrote.

        Raises:
            TypeError: if a field is missing or unknown.
        """
        return cls(**record)

    def lines(self) -> list[str]:
        """Return the output of `zerosum data PATH`, one string a line."""
        text = [*self.item_lines(), f"split: {self.train:,} to train on, {self.held_out:,} held out"]
        return [printable(line) for line in (*text, *(f"note: {note}" for note in self.notes))]

    def exception_lines(self) -> list[str]:
        """Return the lines about files that were ignored, equal or unreadable; none where there are none."""
        return []

    def intake_lines(self) -> list[str]:
        """Return what a user who did not see the whole summary has to know: the exceptions and the notes."""
        return [*self.exception_lines(), *self.notes]

    def item_lines(self) -> list[str]:
        """Return the lines about the items, which come before the split and the notes."""
        text = [f"{self.source}: {self.count:,} {self.noun}s"]
        if self.classes:
            text.append(f"classes ({len(self.classes)}): {format_counts(self.classes)}")
        return text


def _printable_json(value: Json) -> Json:
    """Return a JSON value with printable texts."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(name): _printable_json(inner) for name, inner in value.items()}
    return [_printable_json(inner) for inner in value] if isinstance(value, Sequence) else value
