"""The summary of a dataset, as data and as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_LISTED_FILES = 5
"""Largest number of files listed in a text; the record lists them all."""


def natural_sort_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts `class 2` before `class 10`.

    Names that differ only in case or in leading zeros are ordered by their text.
    """
    parts = _DIGITS.split(name)  # text and digits alternate, text first
    return [(int(part), "") if index % 2 else (-1, part.lower()) for index, part in enumerate(parts)], name


_DIGITS = re.compile(r"([0-9]+)")


@dataclass
class DatasetSummary:
    """Counts and notes of a dataset: the content of `data.json` and the output of `zerosum data PATH`."""

    source: str
    """The source as the user named it."""
    kind: str
    """`images` or `points`."""
    images: int = 0
    """Number of images that were read, or of points."""
    other_files: int = 0
    """Number of files without the suffix of an image, which are ignored."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(name, reason) of each unreadable file, which is skipped."""
    duplicates: int = 0
    """Number of copies beyond the first of each content; they are kept, all on one side of the split."""
    duplicate_groups: list[list[str]] = field(default_factory=list)
    """Names of the first few groups of equal content."""
    sizes: dict[str, int] = field(default_factory=dict)
    """The ten most frequent sizes `WIDTHxHEIGHT` of the upright images, with their counts."""
    distinct_sizes: int = 0
    """Number of distinct sizes."""
    short_side: dict[str, int] = field(default_factory=dict)
    """`min`, `median` and `max` of the shorter sides of the images in pixels."""
    pixel_modes: dict[str, int] = field(default_factory=dict)
    """Pillow modes of the stored images, with their counts."""
    formats: dict[str, int] = field(default_factory=dict)
    """File formats by content, with their counts."""
    classes: dict[str, int] = field(default_factory=dict)
    """Number of images in each class; empty if there are no classes."""
    train: int = 0
    held_out: int = 0
    channels: int = 0
    size: int = 0
    fit: str = ""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user about decisions of the ingest."""
    tiles: int = 0
    """Number of tiles that the images were cut into; 0 if each image is one example."""

    @property
    def files(self) -> int:
        """The number of all files: read, unreadable and ignored."""
        return self.images + len(self.unreadable) + self.other_files

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as a dict that JSON can hold."""
        return {"files": self.files, **asdict(self), "unreadable": [list(pair) for pair in self.unreadable]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> DatasetSummary:
        """Return the summary that `as_dict` wrote.

        Raises:
            TypeError: if a field is missing or unknown.
        """
        fields = {name: value for name, value in record.items() if name != "files"}
        fields["unreadable"] = [(name, reason) for name, reason in fields["unreadable"]]
        return cls(**fields)

    def lines(self) -> list[str]:
        """Return the output of `zerosum data PATH`, one string a line."""
        if self.kind == "points":
            text = [f"{self.source}: {self.images:,} points"]
        else:
            cut = f", cut into {pluralize(self.tiles, 'tile')}" if self.tiles else ""
            text = [f"{self.source}: {self.images:,} images from {pluralize(self.files, 'file')}{cut}"]
            text += self._image_lines()
        text.append(f"split: {self.train:,} to train on, {self.held_out:,} held out")
        return text + [f"note: {note}" for note in self.notes]

    def _image_lines(self) -> list[str]:
        text = [
            f"sizes: {_format_counts(self.sizes, self.distinct_sizes)}; shorter side {self.short_side['min']} to "
            f"{self.short_side['max']}, median {self.short_side['median']}",
            f"modes: {_format_counts(self.pixel_modes)}",
            f"formats: {_format_counts(self.formats)}",
            f"read as: {self.size}x{self.size}, {CHANNEL_NAMES[self.channels]}, fit by {self.fit}",
        ]
        if self.classes:
            text.append(f"classes ({len(self.classes)}): {_format_counts(self.classes)}")
        if self.other_files:
            text.append(f"ignored: {pluralize(self.other_files, 'file')} without the suffix of an image")
        if self.duplicates:
            groups = [" = ".join(group) for group in self.duplicate_groups[:MAX_LISTED_FILES]]
            text.append(f"duplicates: {self.duplicates:,} exact, such as {'; '.join(groups)}")
        if self.unreadable:
            text.append(f"unreadable: {pluralize(len(self.unreadable), 'file')}, skipped")
            text += [f"  {name}: {reason}" for name, reason in self.unreadable[:MAX_LISTED_FILES]]
            rest = len(self.unreadable) - MAX_LISTED_FILES
            text += [f"  and {rest:,} more"] if rest > 0 else []
        return text


CHANNEL_NAMES = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGB with alpha"}
"""Names of images with 1 to 4 channels."""


def most_common(values: Iterable[str], max_count: int = 10) -> dict[str, int]:
    """Return the counts of the most frequent values, largest first, ties in natural order."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], natural_sort_key(pair[0])))[:max_count])


def _format_counts(counts: Mapping[str, int], distinct: int = 0, max_count: int = 10) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:max_count]]
    rest = max(len(counts), distinct) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun: `1 file`, `2 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
