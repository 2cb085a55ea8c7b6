"""The summary of a dataset of sounds, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zerosum.data.file_summary import FileSummary
from zerosum.data.text import format_counts, pluralize


@dataclass
class AudioSummary(FileSummary):
    """Counts and notes of sounds; `count` is the number of files that were read, without those that are silent."""

    suffix_of: ClassVar[str] = "a sound"
    noun: str = "sound"
    silent: list[str] = field(default_factory=list)
    """The names of silent files, which are skipped."""
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
        return super().files + len(self.silent)

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

    def skipped_lines(self) -> list[str]:
        """Return the lines about files that are silent or unreadable, with the first of them."""
        silent = (
            [f"silent: {pluralize(len(self.silent), 'file')}, skipped, such as {self.silent[0]}"] if self.silent else []
        )
        return silent + super().skipped_lines()


def _format_length(seconds: float) -> str:
    """Return a length as text.

    Example:
        >>> _format_length(0.25), _format_length(90)
        ('0.25 s', '90.0 s')
    """
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
