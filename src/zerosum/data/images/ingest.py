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

from zerosum.data.cache import ArrayWriter, ExampleMetadata
from zerosum.data.images.decode import MAX_EXAMPLES_PER_IMAGE, DecodedImage, decode_image, error_reason
from zerosum.data.images.duplicates import Duplicates, find_duplicates
from zerosum.data.images.sources import Source
from zerosum.data.images.summary import DatasetSummary, most_common, pluralize
from zerosum.errors import BadInput

Shape = tuple[int, int, int]
"""(H, W, C)"""
ProgressFn = Callable[[int, int], None]
"""Told (images done, images in all) as reading goes on."""

_CHUNK_IMAGES, _CHUNK_BYTES = 32, 2**21  # a task: few enough to bound memory, enough that handing over costs little
_PREFETCH_BYTES = 2**28  # of tasks that are done and not yet written
_DARK_PEAK = 64  # of 255: wide images whose brightest value stays below this use too little of their range


def ignore_progress(done: int, total: int) -> None:
    """Report no progress."""


@dataclass
class IngestStats:
    """What is known of the images read so far."""

    source_indices: list[int] = field(default_factory=list)
    """Where each stands among the source's."""
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    examples_per_image: list[int] = field(default_factory=list)
    """How many squares each became."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    pixel_modes: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    multi_frame: int = 0
    high_bit_depth: int = 0
    """How many images had more than 8 bits a value."""
    high_bit_depth_peak: int = 0
    """The brightest value of those, after scaling to 0..255."""

    def add(self, source_index: int, name: str, label: int, image: DecodedImage) -> None:
        """Take down an image that was read."""
        self.source_indices.append(source_index)
        self.names.append(name)
        self.labels.append(label)
        self.keys.append(image.key)
        self.examples_per_image.append(len(image.examples))
        self.sizes.append((image.width, image.height))
        self.pixel_modes.append(image.mode)
        self.formats.append(image.format)
        self.multi_frame += image.frames > 1
        if image.mode[0] in "IF":
            self.high_bit_depth += 1
            self.high_bit_depth_peak = max(self.high_bit_depth_peak, int(image.examples[..., 0].max()))

    def metadata(self) -> ExampleMetadata:
        """What is known of each square that the images read became."""
        labels, keys = self._labels_and_keys()
        places, sizes = np.array(self.source_indices, np.int64), np.array(self.sizes, np.int32)
        return ExampleMetadata(labels, keys, places, sizes).select(
            np.repeat(np.arange(len(keys)), self.examples_per_image)
        )

    def _labels_and_keys(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Labels and keys of the images read: (n,) each."""
        return np.array(self.labels, np.int64), np.array(self.keys, np.uint64)

    def summarize(self, source: Source, shape: Shape, fit: str) -> DatasetSummary:
        """What the intake saw, but for the split."""
        labels, keys = self._labels_and_keys()
        counts = np.bincount(labels, minlength=len(source.classes))
        copies = find_duplicates(keys, labels)
        sides = sorted(map(min, self.sizes))
        return DatasetSummary(
            source=source.display_name,
            kind="images",
            images=len(self.names),
            other_files=source.other_files,
            unreadable=self.unreadable,
            duplicates=copies.extra_copies,
            duplicate_groups=[[self.names[index] for index in group] for group in copies.groups],
            sizes=most_common(f"{width}x{height}" for width, height in self.sizes),
            distinct_sizes=len(set(self.sizes)),
            short_side={"min": sides[0], "median": statistics.median_low(sides), "max": sides[-1]},
            pixel_modes=most_common(self.pixel_modes),
            formats=most_common(self.formats),
            classes={name: int(count) for name, count in zip(source.classes, counts, strict=False)},
            channels=shape[2],
            size=shape[0],
            fit=fit,
            notes=[*source.notes, *self._notes(copies)],
        )

    def _notes(self, duplicates: Duplicates) -> list[str]:
        notes = duplicates.notes()
        if self.multi_frame:
            notes.append(f"of {pluralize(self.multi_frame, 'file')} with several frames or pages, the first was read")
        if self.high_bit_depth and self.high_bit_depth_peak < _DARK_PEAK:
            notes.append(
                f"the {self.high_bit_depth:,} images of more than 8 bits are dark, reaching {self.high_bit_depth_peak} of 255, "
                "since they use little of their range: stretch them to the whole of it first"
            )
        return notes


def decode_source(source: Source, shape: Shape, fit: str, writer: ArrayWriter, progress: ProgressFn) -> IngestStats:
    """Decode every image of the source and append those that can be read to `writer`, in the source's order.

    Raises:
        BadInput: if not one of them can be read.
    """
    tally, total = IngestStats(), len(source.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files, which are read or refused all the same
        for chunk, images in _decode_in_order(source, shape, fit):
            for index, seen in zip(chunk, images, strict=True):
                if isinstance(seen, DecodedImage):
                    for square in seen.examples:
                        writer.append(square)
                    tally.add(index, source.names[index], int(source.labels[index]), seen)
                else:
                    tally.unreadable.append((source.names[index], seen))
            progress(chunk.stop, total)
    if not tally.names:
        name, why = tally.unreadable[0]
        raise BadInput(f"no image in {source.display_name} can be read, {name} for one ({why}): replace the files")
    return tally


def _decode_in_order(source: Source, shape: Shape, fit: str) -> Iterator[tuple[range, list[DecodedImage | str]]]:
    """Chunks of indices, each with its pictures, or the reasons why there are none."""
    # Many threads wait for a slow disk at once, but only a few may hold a whole photograph in memory.
    threads, decoders = 32, BoundedSemaphore((os.cpu_count() or 1) + 2)
    total, largest = len(source.names), math.prod(shape) * MAX_EXAMPLES_PER_IMAGE[fit]
    each = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // largest, total // (2 * threads)))
    most = max(4, min(2 * threads, _PREFETCH_BYTES // (each * largest)))
    ahead: deque[tuple[range, Future[list[DecodedImage | str]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for first in range(0, total, each):
                chunk = range(first, min(first + each, total))
                ahead.append((chunk, pool.submit(_decode_chunk, source, chunk, shape, fit, decoders)))
                if len(ahead) > most:  # so that memory holds a few chunks, however slow the writing
                    done, seen = ahead.popleft()
                    yield done, seen.result()
            while ahead:
                done, seen = ahead.popleft()
                yield done, seen.result()
        finally:
            for _, waiting in ahead:
                waiting.cancel()


def _decode_chunk(
    source: Source, chunk: range, shape: Shape, fit: str, semaphore: BoundedSemaphore
) -> list[DecodedImage | str]:
    return [_decode_one(source, index, shape, fit, semaphore) for index in chunk]


def _decode_one(source: Source, index: int, shape: Shape, fit: str, semaphore: BoundedSemaphore) -> DecodedImage | str:
    try:
        with source.open(index) as image, semaphore:
            return decode_image(image, shape[0], shape[2], fit)
    except BadInput:
        raise
    except Exception as error:  # whatever damaged bytes make a decoder raise, the other images are worth having
        return error_reason(error)
