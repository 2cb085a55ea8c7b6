"""The summary of a dataset of sounds, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from zerosum.data.images.summary import MAX_LISTED_FILES
from zerosum.data.summary import DatasetSummary
from zerosum.data.text import format_counts, pluralize
from zerosum.run_folder import Json, Row


@dataclass
class AudioSummary(DatasetSummary):
    """Counts and notes of sounds; `count` is the number of files that were read, without those that are silent."""

    noun: str = "sound"
    other_files: int = 0
    """Number of files without the suffix of a sound, which are ignored."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(name, reason) of each file that cannot be used, which is skipped."""
    silent: list[str] = field(default_factory=list)
    """The names of silent files, which are skipped."""
    duplicates: int = 0
    """Number of copies beyond the first of each content; they are kept, all on one side of the split."""
    duplicate_groups: list[list[str]] = field(default_factory=list)
    """Names of the first few groups of equal content."""
    rates: dict[str, int] = field(default_factory=dict)
    """The most frequent rates, with their counts."""
    channels: dict[str, int] = field(default_factory=dict)
    """The numbers of channels, with their counts."""
    formats: dict[str, int] = field(default_factory=dict)
    """File formats by content, with their counts."""
    seconds: dict[str, float] = field(default_factory=dict)
    """`min`, `median` and `max` of the lengths of the files."""
    clipped: int = 0
    """Number of sounds that are clipped at full scale."""
    cut: int = 0
    """Number of sounds of which the end was cut off."""
    pieces: int = 0
    """Number of pieces that the sounds were cut into; 0 if each sound is one example."""
    form: str = ""
    """How sounds are read, in words."""

    @property
    def files(self) -> int:
        """The number of all files: read, skipped and ignored."""
        return self.count + len(self.unreadable) + len(self.silent) + self.other_files

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

    def item_lines(self) -> list[str]:
        """Return the lines about the sounds."""
        cut = f", cut into {pluralize(self.pieces, 'piece')}" if self.pieces else ""
        text = [
            f"{self.source}: {pluralize(self.count, 'sound')} from {pluralize(self.files, 'file')}{cut}",
            f"rates: {format_counts(self.rates)}; channels: {format_counts(self.channels)}",
            f"lengths: {_format_length(self.seconds['min'])} to {_format_length(self.seconds['max'])}, median "
            f"{_format_length(self.seconds['median'])}",
            f"formats: {format_counts(self.formats)}",
            f"read as: {self.form}",
        ]
        if self.classes:
            text.append(f"classes ({len(self.classes)}): {format_counts(self.classes)}")
        return text + self.exception_lines()

    def exception_lines(self) -> list[str]:
        """Return the lines about files that were ignored, equal, silent or unreadable, with the first of them."""
        text = []
        if self.other_files:
            text.append(f"ignored: {pluralize(self.other_files, 'file')} without the suffix of a sound")
        if self.duplicates:
            groups = [" = ".join(group) for group in self.duplicate_groups[:MAX_LISTED_FILES]]
            text.append(f"duplicates: {self.duplicates:,} exact, such as {'; '.join(groups)}")
        if self.silent:
            text.append(f"silent: {pluralize(len(self.silent), 'file')}, skipped, such as {self.silent[0]}")
        if self.unreadable:
            text.append(f"unreadable: {pluralize(len(self.unreadable), 'file')}, skipped")
            text += [f"  {name}: {reason}" for name, reason in self.unreadable[:MAX_LISTED_FILES]]
            rest = len(self.unreadable) - MAX_LISTED_FILES
            text += [f"  and {rest:,} more"] if rest > 0 else []
        return text


def _format_length(seconds: float) -> str:
    """Return a length as text.

    Example:
        >>> _format_length(0.25), _format_length(90)
        ('0.25 s', '90.0 s')
    """
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
