"""The ingest of sounds: from a folder to arrays of examples, with a row of metadata for each and a summary."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.array_file import ArrayFile, join_and_empty
from zerosum.data.audio.codec import INT16_SCALE
from zerosum.data.audio.mono import read_mono
from zerosum.data.audio.prepare import Preparation
from zerosum.data.audio.rows import Prepared, SoundFacts, SoundRows
from zerosum.data.audio.sound_file import SoundReader, UnreadableSound
from zerosum.data.audio.sources import AudioFolder
from zerosum.data.audio.summary import AudioSummary
from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.rows import DAMAGED_FILE_ERRORS
from zerosum.data.kind import ProgressFn

_BATCH = 64  # sounds whose spectrograms are computed together
_BYTES_OF_NUMBER = 3 * 4  # a sound, its pieces, and those of them that are not silent, in float32
_MEMORY_SHARE = 8  # so much of the memory, 1/8, is for sounds that are read at once
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
        """Return what an ingest wrote, or None if it is absent or damaged; large arrays are memory-mapped."""
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


@dataclass(frozen=True, eq=False)
class _Examples:
    """What is known of all examples, apart from their sounds."""

    content_hashes: NDArray[np.uint64]
    source_indices: NDArray[np.int64]
    summary: AudioSummary

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        columns = {"content_hashes": self.content_hashes, "source_indices": self.source_indices}
        np.savez(folder / "metadata.npz", allow_pickle=False, **columns)
        (folder / "summary.json").write_text(json.dumps(self.summary.as_dict()), encoding="utf-8")


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
            prepared = self._hold(progress)
            prepared.summary.notes.append(f"the sounds were not cached, so the next start reads them again ({error})")
            return prepared

    def _write(self, folder: Path, progress: ProgressFn) -> None:
        """Write all sounds into a folder as they are read, so that they need not fit in memory."""
        codec = self.preparation.codec
        with (
            ArrayFile(folder / "sound.npy", np.int16, (codec.length,)) as sounds,
            ArrayFile(folder / "spectrogram.npy", np.float16, (codec.bands, codec.frames)) as spectrograms,
        ):
            examples = self._prepare(progress, sounds.add, spectrograms.add)
        examples.save(folder)

    def _hold(self, progress: ProgressFn) -> PreparedSounds:
        """Return all sounds in memory."""
        sounds: list[NDArray[np.int16]] = []
        spectrograms: list[NDArray[np.float16]] = []
        examples = self._prepare(progress, sounds.append, spectrograms.append)
        return PreparedSounds(
            join_and_empty(sounds), join_and_empty(spectrograms), examples.content_hashes, examples.source_indices,
            examples.summary,
        )  # fmt: skip

    def _prepare(
        self,
        progress: ProgressFn,
        add_sounds: Callable[[NDArray[np.int16]], None],
        add_spectrograms: Callable[[NDArray[np.float16]], None],
    ) -> _Examples:
        """Read all sounds, and hand over their examples in batches (n, T) and (n, H, W)."""
        rows = SoundRows(self.source)
        waiting: list[NDArray[np.float32]] = []
        total = len(self.source.names)

        def add_waiting() -> None:
            items = np.concatenate(waiting)
            waiting.clear()
            add_sounds(np.rint(items * INT16_SCALE).astype(np.int16))
            add_spectrograms(self.preparation.codec.encode_sounds(items)[:, 0].half().numpy())

        for index, result in enumerate(self._read_in_order()):
            if rows.add(index, result):
                assert isinstance(result, Prepared), "a file of which examples are made is no reason"
                for start in range(0, len(result.items), _BATCH):
                    waiting.append(result.items[start : start + _BATCH])
                    if sum(map(len, waiting)) >= _BATCH:
                        add_waiting()
            progress(index + 1, total)
        rows.require_any()
        if waiting:
            add_waiting()
        hashes = np.repeat(np.array(rows.content_hashes, np.uint64), rows.counts)
        indices = np.repeat(np.array(rows.indices, np.int64), rows.counts)
        return _Examples(hashes, indices, rows.summarize(self.preparation))

    def _read_in_order(self) -> Iterator[Prepared | str]:
        """Yield what is made of each file, or the reason why it cannot be used, in the order of the source.

        Long files are read one after the other, so that what is read at once, and waits, fits in memory.
        """
        threads = min(16, (os.cpu_count() or 1) + 2)
        available = physical_memory_bytes() // _MEMORY_SHARE
        pending: deque[tuple[int, Future[Prepared | str]]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="sounds") as executor:
            try:
                sizes = _compute_ahead(executor, self._count_bytes, len(self.source.names), 2 * threads)
                for index, size in enumerate(sizes):
                    while pending and (
                        len(pending) > 2 * threads or sum(each for each, _ in pending) + size > available
                    ):
                        yield pending.popleft()[1].result()
                    pending.append((size, executor.submit(self._read, index)))
                while pending:
                    yield pending.popleft()[1].result()
            finally:
                for _, future in pending:
                    future.cancel()

    def _count_bytes(self, index: int) -> int:
        """Return about how much memory it takes to prepare a file; 0 if it cannot be read."""
        try:
            with SoundReader(self.source.path(index)) as file:
                seconds = min(file.seconds, self.preparation.max_seconds)
        except UnreadableSound:
            return 0
        return round(seconds * self.preparation.codec.rate) * _BYTES_OF_NUMBER

    def _read(self, index: int) -> Prepared | str:
        preparation = self.preparation
        try:
            with SoundReader(self.source.path(index)) as file:
                sound = read_mono(file, preparation.codec.rate, preparation.max_seconds)
            items = preparation.keep(sound) if self.are_generated else preparation(sound)
        except UnreadableSound as error:
            return str(error)
        except MemoryError:
            return "it does not fit in memory"
        facts = SoundFacts(
            file.rate, file.channels, file.format, file.seconds, sound.is_clipped, preparation.cuts_off(sound)
        )
        return Prepared(items, sound.content_hash, facts)


def _compute_ahead(
    executor: ThreadPoolExecutor, compute: Callable[[int], int], count: int, ahead: int
) -> Iterator[int]:
    """Yield the results for 0 to `count` - 1, of which so many are computed before they are asked for."""
    pending: deque[Future[int]] = deque()
    for index in range(count):
        pending.append(executor.submit(compute, index))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
