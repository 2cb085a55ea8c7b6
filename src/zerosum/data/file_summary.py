"""The summary of a dataset whose items are in files of their own, such as images and sounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from zerosum.data.summary import DatasetSummary
from zerosum.data.text import pluralize
from zerosum.run_folder import Json, Row

MAX_LISTED_FILES = 5
"""Largest number of files listed in a text; the record lists them all."""


@dataclass
class FileSummary(DatasetSummary):
    """Counts of files; `count` is the number of those that were read."""

    other_files: int = 0
    """Number of files without the suffix of an item, which are ignored."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(name, reason) of each file that cannot be used, which is skipped."""
    duplicates: int = 0
    """Number of copies beyond the first of each content; they are kept, all on one side of the split."""
    duplicate_groups: list[list[str]] = field(default_factory=list)
    """Names of the first few groups of equal content."""
    suffix_of: ClassVar[str]
    """What has the suffix of an item, such as "an image"."""

    @property
    def files(self) -> int:
        """The number of all files: read, skipped and ignored."""
        return self.count + len(self.unreadable) + self.other_files

    def as_dict(self) -> dict[str, Json]:
        """Return the summary as a dict that JSON can hold."""
        return {"files": self.files, **super().as_dict()}

    @classmethod
    def from_dict(cls, record: Row) -> Self:
        """Return the summary that `as_dict` wrote.

        Raises:
            KeyError, TypeError: a field is missing or unknown.
        """
        fields = {name: value for name, value in record.items() if name != "files"}
        return cls(**fields | {"unreadable": [(name, reason) for name, reason in record["unreadable"]]})

    def exception_lines(self) -> list[str]:
        """Return the lines about files that were ignored, equal or skipped, with the first of them."""
        text = []
        if self.other_files:
            text.append(f"ignored: {pluralize(self.other_files, 'file')} without the suffix of {self.suffix_of}")
        if self.duplicates:
            groups = [" = ".join(group) for group in self.duplicate_groups[:MAX_LISTED_FILES]]
            text.append(f"duplicates: {self.duplicates:,} exact, such as {'; '.join(groups)}")
        return text + self.skipped_lines()

    def skipped_lines(self) -> list[str]:
        """Return the lines about files that were skipped, with the first of them."""
        if not self.unreadable:
            return []
        text = [f"unreadable: {pluralize(len(self.unreadable), 'file')}, skipped"]
        text += [f"  {name}: {reason}" for name, reason in self.unreadable[:MAX_LISTED_FILES]]
        rest = len(self.unreadable) - MAX_LISTED_FILES
        return text + ([f"  and {rest:,} more"] if rest > 0 else [])
