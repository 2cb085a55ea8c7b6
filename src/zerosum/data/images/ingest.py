"""Every image of a source, decoded by several threads and taken down in order."""

from __future__ import annotations

import math
import os
import statistics
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore

import numpy as np
from numpy.typing import NDArray

from zerosum.data.cache import Index, Rows
from zerosum.data.images.decode import MOST_SQUARES, Picture, picture, reason
from zerosum.data.images.duplicates import Copies, find_copies
from zerosum.data.images.sources import Source
from zerosum.data.images.summary import Survey, counted, most_frequent
from zerosum.errors import BadInput

Shape = tuple[int, int, int]
"""(H, W, C)"""
Progress = Callable[[int, int], None]
"""Told (images done, images in all) as reading goes on."""

_CHUNK, _CHUNK_BYTES = 32, 2**21  # a task: few enough to bound memory, enough that handing over costs little
_AHEAD_BYTES = 2**28  # of tasks that are done and not yet written
_DARK = 64  # of 255: wide images whose brightest value stays below this use too little of their range


def quiet(done: int, total: int) -> None:
    """Report no progress."""


@dataclass
class Tally:
    """What is known of the images read so far."""

    places: list[int] = field(default_factory=list)
    """Where each stands among the source's."""
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)
    """How many squares each became."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    several_frames: int = 0
    wide: int = 0
    """How many images had more than 8 bits a value."""
    widest_peak: int = 0
    """The brightest value of those, after scaling to 0..255."""

    def add(self, place: int, name: str, label: int, seen: Picture) -> None:
        """Take down an image that was read."""
        self.places.append(place)
        self.names.append(name)
        self.labels.append(label)
        self.keys.append(seen.key)
        self.squares.append(len(seen.squares))
        self.sizes.append((seen.width, seen.height))
        self.modes.append(seen.mode)
        self.formats.append(seen.format)
        self.several_frames += seen.frames > 1
        if seen.mode[0] in "IF":
            self.wide += 1
            self.widest_peak = max(self.widest_peak, int(seen.squares[..., 0].max()))

    def index(self) -> Index:
        """What is known of each square that the images read became."""
        labels, keys = self._columns()
        places, sizes = np.array(self.places, np.int64), np.array(self.sizes, np.int32)
        return Index(labels, keys, places, sizes).at(np.repeat(np.arange(len(keys)), self.squares))

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Labels and keys of the images read: (n,) each."""
        return np.array(self.labels, np.int64), np.array(self.keys, np.uint64)

    def survey(self, source: Source, shape: Shape, fit: str) -> Survey:
        """What the intake saw, but for the split."""
        labels, keys = self._columns()
        counts = np.bincount(labels, minlength=len(source.classes))
        copies = find_copies(keys, labels)
        sides = sorted(map(min, self.sizes))
        return Survey(
            source=source.place,
            kind="images",
            images=len(self.names),
            other_files=source.other_files,
            unreadable=self.unreadable,
            duplicates=copies.spare,
            duplicate_groups=[[self.names[index] for index in group] for group in copies.groups],
            sizes=most_frequent(f"{width}x{height}" for width, height in self.sizes),
            distinct_sizes=len(set(self.sizes)),
            short_side={"min": sides[0], "median": statistics.median_low(sides), "max": sides[-1]},
            modes=most_frequent(self.modes),
            formats=most_frequent(self.formats),
            classes={name: int(count) for name, count in zip(source.classes, counts, strict=False)},
            channels=shape[2],
            size=shape[0],
            fit=fit,
            notes=[*source.notes, *self._notes(copies)],
        )

    def _notes(self, copies: Copies) -> list[str]:
        notes = copies.notes()
        if self.several_frames:
            notes.append(f"of {counted(self.several_frames, 'file')} with several frames or pages, the first was read")
        if self.wide and self.widest_peak < _DARK:
            notes.append(
                f"the {self.wide:,} images of more than 8 bits are dark, reaching {self.widest_peak} of 255, "
                "since they use little of their range: stretch them to the whole of it first"
            )
        return notes


def decode(source: Source, shape: Shape, fit: str, rows: Rows, progress: Progress) -> Tally:
    """Decode every image of the source and append those that can be read to `rows`, in the source's order.

    Raises:
        BadInput: if not one of them can be read.
    """
    tally, total = Tally(), len(source.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files, which are read or refused all the same
        for chunk, pictures in _in_order(source, shape, fit):
            for index, seen in zip(chunk, pictures, strict=True):
                if isinstance(seen, Picture):
                    for square in seen.squares:
                        rows.append(square)
                    tally.add(index, source.names[index], int(source.labels[index]), seen)
                else:
                    tally.unreadable.append((source.names[index], seen))
            progress(chunk.stop, total)
    if not tally.names:
        name, why = tally.unreadable[0]
        raise BadInput(f"no image in {source.place} can be read, {name} for one ({why}): replace the files")
    return tally


def _in_order(source: Source, shape: Shape, fit: str) -> Iterator[tuple[range, list[Picture | str]]]:
    """Chunks of indices, each with its pictures, or the reasons why there are none."""
    # Many threads wait for a slow disk at once, but only a few may hold a whole photograph in memory.
    threads, decoders = 32, BoundedSemaphore((os.cpu_count() or 1) + 2)
    total, largest = len(source.names), math.prod(shape) * MOST_SQUARES[fit]
    each = max(1, min(_CHUNK, _CHUNK_BYTES // largest, total // (2 * threads)))
    most = max(4, min(2 * threads, _AHEAD_BYTES // (each * largest)))
    ahead: deque[tuple[range, Future[list[Picture | str]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for first in range(0, total, each):
                chunk = range(first, min(first + each, total))
                ahead.append((chunk, pool.submit(_several, source, chunk, shape, fit, decoders)))
                if len(ahead) > most:  # so that memory holds a few chunks, however slow the writing
                    done, seen = ahead.popleft()
                    yield done, seen.result()
            while ahead:
                done, seen = ahead.popleft()
                yield done, seen.result()
        finally:
            for _, waiting in ahead:
                waiting.cancel()


def _several(source: Source, chunk: range, shape: Shape, fit: str, decoders: BoundedSemaphore) -> list[Picture | str]:
    return [_one(source, index, shape, fit, decoders) for index in chunk]


def _one(source: Source, index: int, shape: Shape, fit: str, decoders: BoundedSemaphore) -> Picture | str:
    try:
        with source.open(index) as image, decoders:
            return picture(image, shape[0], shape[2], fit)
    except BadInput:
        raise
    except Exception as error:  # whatever damaged bytes make a decoder raise, the other images are worth having
        return reason(error)
