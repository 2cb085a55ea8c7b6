"""The ingest of sounds: from a folder to arrays of examples, with a row of metadata for each and a summary."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.audio.codec import INT16_SCALE
from zerosum.data.audio.prepare import Preparation
from zerosum.data.audio.sound_file import Sound, UnreadableSound, read_sound
from zerosum.data.audio.sources import AudioFolder
from zerosum.data.audio.summary import AudioSummary
from zerosum.data.content_hash import hash_content
from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.images.rows import DAMAGED_FILE_ERRORS
from zerosum.data.kind import ProgressFn
from zerosum.data.text import most_common, pluralize
from zerosum.errors import BadInput

_BATCH = 64  # sounds whose spectrograms are computed together
_HASHED_SECONDS = 60  # whatever the settings, so much of a file is read
_ARRAYS = ("sound", "spectrogram")


@dataclass(frozen=True, eq=False)
class PreparedSounds:
    """All sounds of a folder, before the split."""

    sound: NDArray[np.int16]
    """(N, T)"""
    spectrogram: NDArray[np.float16]
    """(N, H, W)"""
    content_hashes: NDArray[np.uint64]
    """(N,) hashes of the files' sounds; all pieces of a sound share one."""
    source_indices: NDArray[np.int64]
    """(N,) the file of each example."""
    summary: AudioSummary

    @classmethod
    def load(cls, folder: Path) -> PreparedSounds | None:
        """Return what `save` wrote, or None if it is absent or damaged; large arrays are memory-mapped."""
        try:
            summary = AudioSummary.from_dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))
            with np.load(folder / "metadata.npz", allow_pickle=False) as file:
                hashes, indices = file["content_hashes"], file["source_indices"]
            sizes = sum((folder / f"{name}.npy").stat().st_size for name in _ARRAYS)
            mode: Literal["r"] | None = "r" if sizes > physical_memory_bytes() // 4 else None
            sound, spectrogram = (np.load(folder / f"{name}.npy", mode, allow_pickle=False) for name in _ARRAYS)
            is_complete = len(sound) == len(spectrogram) == len(hashes) == len(indices)
        except DAMAGED_FILE_ERRORS:
            return None
        return cls(sound, spectrogram, hashes, indices, summary) if is_complete else None

    def save(self, folder: Path) -> None:
        """Write the sounds into a folder."""
        np.save(folder / "sound.npy", self.sound)
        np.save(folder / "spectrogram.npy", self.spectrogram)
        columns = {"content_hashes": self.content_hashes, "source_indices": self.source_indices}
        np.savez(folder / "metadata.npz", allow_pickle=False, **columns)
        (folder / "summary.json").write_text(json.dumps(self.summary.as_dict()), encoding="utf-8")


class SoundFacts(NamedTuple):
    """What the summary says of a file."""

    rate: int
    channels: int
    format: str
    seconds: float
    is_clipped: bool


class Prepared(NamedTuple):
    """What is made of a file."""

    items: NDArray[np.float32]
    """(k, T); k is 0 for a silent file."""
    content_hash: int
    facts: SoundFacts


@dataclass(frozen=True)
class AudioIngest:
    """Reads and prepares all sounds of a folder."""

    source: AudioFolder
    preparation: Preparation
    are_generated: bool = False
    """Whether a generator made the sounds: they are kept as they are."""

    @property
    def key(self) -> str:
        """The name of the entry of the cache: it changes with the files and with each setting."""
        identity = f"{cache.VERSION} {self.source.state_hash} {self.preparation.key} generated {self.are_generated}"
        return "audio-" + hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    def load(self, progress: ProgressFn) -> PreparedSounds:
        """Return all sounds, from the cache or read now.

        Args:
            progress: called with the number of files done and of all files, from this thread.

        Raises:
            BadInput: no file can be used.
        """
        try:
            return cache.load_or_write(self.key, PreparedSounds.load, partial(self._write, progress=progress))
        except cache.CacheWriteError as error:
            prepared = self._prepare(progress)
            prepared.summary.notes.append(f"the sounds were not cached, so the next start reads them again ({error})")
            return prepared

    def _write(self, folder: Path, progress: ProgressFn) -> None:
        self._prepare(progress).save(folder)

    def _prepare(self, progress: ProgressFn) -> PreparedSounds:
        rows = _Rows(self.source)
        sounds, spectrograms = [], []
        waiting: list[NDArray[np.float32]] = []
        total = len(self.source.names)
        for index, result in enumerate(self._read_in_order()):
            if (made := rows.add(index, result)) is not None:
                waiting.append(made)
            if waiting and (sum(map(len, waiting)) >= _BATCH or index == total - 1):
                items, waiting = np.concatenate(waiting), []
                sounds.append(np.rint(items * INT16_SCALE).astype(np.int16))
                spectrograms.append(self.preparation.codec.encode_sounds(items)[:, 0].half().numpy())
            progress(index + 1, total)
        rows.require_any()
        hashes = np.repeat(np.array(rows.content_hashes, np.uint64), rows.counts)
        indices = np.repeat(np.array(rows.indices, np.int64), rows.counts)
        summary = rows.summarize(self.preparation)
        return PreparedSounds(np.concatenate(sounds), np.concatenate(spectrograms), hashes, indices, summary)

    def _read_in_order(self) -> Iterator[Prepared | str]:
        """Yield what is made of each file, or the reason why it cannot be used, in the order of the source."""
        threads = min(16, (os.cpu_count() or 1) + 2)
        pending: deque[Future[Prepared | str]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="sounds") as executor:
            try:
                for index in range(len(self.source.names)):
                    pending.append(executor.submit(self._read, index))
                    if len(pending) > 2 * threads:  # bounds the memory
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _read(self, index: int) -> Prepared | str:
        try:
            sound = read_sound(self.source.path(index), self.preparation.max_seconds)
            content_hash = hash_sound(sound)
            items = self.preparation.keep(sound) if self.are_generated else self.preparation(sound)
        except UnreadableSound as error:
            return str(error)
        except MemoryError:
            return "it does not fit in memory"
        facts = SoundFacts(sound.rate, sound.channels, sound.format, sound.seconds, sound.is_clipped)
        return Prepared(items, content_hash, facts)


def hash_sound(sound: Sound) -> int:
    """Return the content hash of a sound as it is in its file, whatever the format of the file: of its first minute."""
    header = f"sound {sound.rate} {sound.channels} {sound.total}"  # part of every split, so it never changes
    return hash_content(header, np.ascontiguousarray(sound.values[: _HASHED_SECONDS * sound.rate], "<f4").tobytes())


@dataclass
class _Rows:
    """A row for each file that was read so far."""

    source: AudioFolder
    indices: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """The number of examples made of each file."""
    content_hashes: list[int] = field(default_factory=list)
    facts: list[SoundFacts] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def add(self, index: int, result: Prepared | str) -> NDArray[np.float32] | None:
        """Add a file, and return its examples (k, T), if there are any."""
        name = self.source.names[index]
        if isinstance(result, str):
            self.unreadable.append((name, result))
            return None
        if not len(result.items):
            self.silent.append(name)
            return None
        self.indices.append(index)
        self.counts.append(len(result.items))
        self.content_hashes.append(result.content_hash)
        self.facts.append(result.facts)
        return result.items

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
        raise BadInput(f"all {pluralize(len(self.silent), 'sound')} in {name} are silent: replace the files")

    def summarize(self, preparation: Preparation) -> AudioSummary:
        """Return the summary of the sounds, without the counts of the split."""
        labels = self.source.labels[np.array(self.indices, np.int64)]
        class_counts = np.bincount(labels, minlength=len(self.source.classes))
        duplicates = find_duplicates(np.array(self.content_hashes, np.uint64), labels)
        seconds = sorted(fact.seconds for fact in self.facts)
        names = [self.source.names[index] for index in self.indices]
        length = preparation.codec.seconds
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
            cut=0 if preparation.pieces else sum(fact.seconds > 1.02 * length for fact in self.facts),
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
