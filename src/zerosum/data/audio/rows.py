"""What is made of each sound file, and the summary of all."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.audio.prepare import MAX_SECONDS_OF_PIECES, Preparation
from zerosum.data.audio.sources import AudioFolder
from zerosum.data.audio.summary import AudioSummary
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.text import most_common, pluralize
from zerosum.errors import BadInput


class SoundFacts(NamedTuple):
    """What the summary says of a file."""

    rate: int
    channels: int
    format: str
    seconds: float
    is_clipped: bool
    is_cut: bool


class Prepared(NamedTuple):
    """What is made of a file."""

    items: NDArray[np.float32]
    """(k, T); k is 0 for a silent file."""
    content_hash: int
    facts: SoundFacts


@dataclass
class SoundRows:
    """A row for each file that was read so far."""

    source: AudioFolder
    indices: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """The number of examples made of each file."""
    content_hashes: list[int] = field(default_factory=list)
    facts: list[SoundFacts] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def add(self, index: int, result: Prepared | str) -> bool:
        """Add a file, and return whether examples were made of it."""
        name = self.source.names[index]
        if isinstance(result, str):
            self.unreadable.append((name, result))
            return False
        if not len(result.items):
            self.silent.append(name)
            return False
        self.indices.append(index)
        self.counts.append(len(result.items))
        self.content_hashes.append(result.content_hash)
        self.facts.append(result.facts)
        return True

    def require_any(self) -> None:
        """Raise if no file can be used.

        Raises:
            BadInput: there is none.
        """
        if self.indices:
            return
        name = self.source.display_name
        if self.unreadable:
            example, reason = self.unreadable[0]
            raise BadInput(f"no sound in {name} can be read, for example {example} ({reason}): replace the files")
        raise BadInput(
            f"all {pluralize(len(self.silent), 'sound')} in {name} are silent where they are used, or the mean of "
            "their channels is: replace the files"
        )

    def summarize(self, preparation: Preparation) -> AudioSummary:
        """Return the summary of the sounds, without the counts of the split."""
        labels = self.source.labels[np.array(self.indices, np.int64)]
        class_counts = np.bincount(labels, minlength=len(self.source.classes))
        duplicates = find_duplicates(np.array(self.content_hashes, np.uint64), labels)
        seconds = sorted(fact.seconds for fact in self.facts)
        names = [self.source.names[index] for index in self.indices]
        summary = AudioSummary(
            source=self.source.display_name,
            kind="audio",
            count=len(self.indices),
            other_files=self.source.other_files,
            unreadable=self.unreadable,
            silent=self.silent,
            duplicates=duplicates.extra_copies,
            duplicate_groups=[[names[index] for index in group] for group in duplicates.groups],
            rates=most_common(f"{fact.rate} Hz" for fact in self.facts),
            channels=most_common(_describe_channels(fact.channels) for fact in self.facts),
            formats=most_common(fact.format for fact in self.facts),
            seconds={"min": seconds[0], "median": statistics.median_low(seconds), "max": seconds[-1]},
            clipped=sum(fact.is_clipped for fact in self.facts),
            cut=sum(fact.is_cut for fact in self.facts),
            pieces=sum(self.counts) if preparation.pieces else 0,
            form=preparation.describe(),
            classes={name: int(count) for name, count in zip(self.source.classes, class_counts, strict=False)},
        )
        summary.notes = [*self.source.notes, *duplicates.notes("sound"), *self._notes(summary, preparation)]
        return summary

    def _notes(self, summary: AudioSummary, preparation: Preparation) -> list[str]:
        """Return sentences about what was done with the sounds."""
        notes, rate = [], preparation.codec.rate
        if summary.cut:
            notes.append(
                f"{summary.cut:,} of {summary.count:,} sounds are longer than {preparation.codec.seconds:.2f} s and "
                "are cut there: `data.seconds` sets the length, and `data.pieces` keeps the rest"
            )
        long = sum(fact.seconds > MAX_SECONDS_OF_PIECES for fact in self.facts) if preparation.pieces else 0
        if long:
            notes.append(
                f"of {pluralize(long, 'sound')} only the first hour is used: cut such files to use all of them"
            )
        if summary.clipped:
            verb = "is" if summary.clipped == 1 else "are"
            notes.append(f"{pluralize(summary.clipped, 'sound')} {verb} clipped at full scale, and sounds distorted")
        lower = sum(fact.rate < rate for fact in self.facts)
        if lower:
            notes.append(
                f"{pluralize(lower, 'sound')} of less than {rate} Hz were resampled to it, so that they lack high "
                "frequencies: `data.rate` sets the rate"
            )
        return notes


def _describe_channels(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
