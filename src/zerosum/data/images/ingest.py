"""Decode every image of a source in several threads, and collect statistics in the order of the source."""

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
"""Called with (images done, images in all) while reading."""

_CHUNK_IMAGES, _CHUNK_BYTES = 32, 2**21  # of a task: small enough to bound memory, large enough to make it cheap
_PREFETCH_BYTES = 2**28  # of tasks that are done and not yet written
_DARK_PEAK = 64  # of 255: high-bit-depth images whose maximum stays below this use too little of their range


def ignore_progress(done: int, total: int) -> None:
    """Report no progress."""


@dataclass
class IngestStats:
    """Statistics of the images read so far."""

    source_indices: list[int] = field(default_factory=list)
    """The index of each image in the source."""
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    content_hashes: list[int] = field(default_factory=list)
    examples_per_image: list[int] = field(default_factory=list)
    """The number of examples made of each image."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    pixel_modes: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    multi_frame: int = 0
    high_bit_depth: int = 0
    """The number of images with more than 8 bits per value."""
    high_bit_depth_peak: int = 0
    """Their largest value, after scaling to 0..255."""

    def add(self, source_index: int, name: str, label: int, image: DecodedImage) -> None:
        """Add an image that was read."""
        self.source_indices.append(source_index)
        self.names.append(name)
        self.labels.append(label)
        self.content_hashes.append(image.content_hash)
        self.examples_per_image.append(len(image.examples))
        self.sizes.append((image.width, image.height))
        self.pixel_modes.append(image.mode)
        self.formats.append(image.format)
        self.multi_frame += image.frames > 1
        if image.mode[0] in "IF":
            self.high_bit_depth += 1
            self.high_bit_depth_peak = max(self.high_bit_depth_peak, int(image.examples[..., 0].max()))

    def metadata(self) -> ExampleMetadata:
        """Return the metadata of each example made of the images."""
        labels, content_hashes = self._labels_and_hashes()
        source_indices, sizes = np.array(self.source_indices, np.int64), np.array(self.sizes, np.int32)
        return ExampleMetadata(labels, content_hashes, source_indices, sizes).select(
            np.repeat(np.arange(len(content_hashes)), self.examples_per_image)
        )

    def _labels_and_hashes(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the labels and the content hashes of the images: (n,) each."""
        return np.array(self.labels, np.int64), np.array(self.content_hashes, np.uint64)

    def summarize(self, source: Source, shape: Shape, fit: str) -> DatasetSummary:
        """Return the summary of the images, without the counts of the split."""
        labels, content_hashes = self._labels_and_hashes()
        class_counts = np.bincount(labels, minlength=len(source.classes))
        duplicates = find_duplicates(content_hashes, labels)
        short_sides = sorted(map(min, self.sizes))
        return DatasetSummary(
            source=source.display_name,
            kind="images",
            images=len(self.names),
            other_files=source.other_files,
            unreadable=self.unreadable,
            duplicates=duplicates.extra_copies,
            duplicate_groups=[[self.names[index] for index in group] for group in duplicates.groups],
            sizes=most_common(f"{width}x{height}" for width, height in self.sizes),
            distinct_sizes=len(set(self.sizes)),
            short_side={"min": short_sides[0], "median": statistics.median_low(short_sides), "max": short_sides[-1]},
            pixel_modes=most_common(self.pixel_modes),
            formats=most_common(self.formats),
            classes={name: int(count) for name, count in zip(source.classes, class_counts, strict=False)},
            channels=shape[2],
            size=shape[0],
            fit=fit,
            notes=[*source.notes, *self._notes(duplicates)],
        )

    def _notes(self, duplicates: Duplicates) -> list[str]:
        notes = duplicates.notes()
        if self.multi_frame:
            notes.append(f"read only the first frame or page of {pluralize(self.multi_frame, 'file')} with several")
        if self.high_bit_depth and self.high_bit_depth_peak < _DARK_PEAK:
            notes.append(
                f"the {self.high_bit_depth:,} images with more than 8 bits per value are dark, with a maximum of "
                f"{self.high_bit_depth_peak} of 255: rescale them to the full range of their type before training"
            )
        return notes


def decode_source(source: Source, shape: Shape, fit: str, writer: ArrayWriter, progress: ProgressFn) -> IngestStats:
    """Decode every image of the source, and append the readable ones to `writer` in the order of the source.

    Args:
        source: the source.
        shape: (H, W, C) of the examples, with H equal to W.
        fit: a name in `FITS`.
        writer: takes the examples.
        progress: called after each chunk of images.

    Raises:
        BadInput: if no image can be read.
    """
    stats, total = IngestStats(), len(source.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd files, which are read or reported as unreadable anyway
        for chunk, results in _decode_in_order(source, shape, fit):
            for index, result in zip(chunk, results, strict=True):
                if isinstance(result, DecodedImage):
                    for pixels in result.examples:
                        writer.append(pixels)
                    stats.add(index, source.names[index], int(source.labels[index]), result)
                else:
                    stats.unreadable.append((source.names[index], result))
            progress(chunk.stop, total)
    if not stats.names:
        name, reason = stats.unreadable[0]
        raise BadInput(
            f"no image in {source.display_name} can be read, for example {name} ({reason}): replace the files"
        )
    return stats


def _decode_in_order(source: Source, shape: Shape, fit: str) -> Iterator[tuple[range, list[DecodedImage | str]]]:
    """Yield chunks of indices, each with its decoded images, or the reason why an image is unreadable."""
    # Many threads may wait for a slow disk at once, but only a few may hold a full-size photograph in memory.
    threads, semaphore = 32, BoundedSemaphore((os.cpu_count() or 1) + 2)
    total, image_bytes = len(source.names), math.prod(shape) * MAX_EXAMPLES_PER_IMAGE[fit]
    chunk_size = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // image_bytes, total // (2 * threads)))
    max_pending = max(4, min(2 * threads, _PREFETCH_BYTES // (chunk_size * image_bytes)))
    pending: deque[tuple[range, Future[list[DecodedImage | str]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as executor:
        try:
            for first in range(0, total, chunk_size):
                chunk = range(first, min(first + chunk_size, total))
                pending.append((chunk, executor.submit(_decode_chunk, source, chunk, shape, fit, semaphore)))
                if len(pending) > max_pending:  # bounds the memory, however slow the writer is
                    done_chunk, future = pending.popleft()
                    yield done_chunk, future.result()
            while pending:
                done_chunk, future = pending.popleft()
                yield done_chunk, future.result()
        finally:
            for _, future in pending:
                future.cancel()


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
    except Exception as error:  # decoders raise any exception at damaged bytes; the other images are still usable
        return error_reason(error)
