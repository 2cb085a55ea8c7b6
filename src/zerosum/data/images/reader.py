"""Read the images of a source by decoding them, into an entry of the cache or into memory."""

from __future__ import annotations

import errno
import os
import shutil
import statistics
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.decode import DecodedImage, has_high_bit_depth
from zerosum.data.images.decoding import decode_images
from zerosum.data.images.duplicates import Duplicates, find_duplicates
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.rows import DecodedImages, ExampleMetadata, save_rows
from zerosum.data.images.sources import Source
from zerosum.data.images.summary import ImageSummary
from zerosum.data.images.value_range import format_range
from zerosum.data.images.writers import fill_array, write_npy
from zerosum.data.kind import ProgressFn
from zerosum.data.text import most_common, pluralize
from zerosum.errors import BadInput

_DARK_PEAK = 64  # of 255: high-bit-depth images whose maximum stays below this use too little of their range


@dataclass(frozen=True)
class DecodingReader:
    """Reads the images of a source by decoding them."""

    source: Source
    form: ExampleFormat
    """The format of the examples."""

    def load(self, entry: Path) -> DecodedImages | None:
        """Return the images of an entry of the cache, or None if it is absent or damaged."""
        return DecodedImages.load(entry, max_bytes_in_memory=physical_memory_bytes() // 4)

    def write(self, folder: Path, progress: ProgressFn) -> None:
        """Decode the images into a new entry of the cache.

        Raises:
            BadInput: if no image can be read.
            OSError: if the examples need more space than the disk has, before anything is decoded.
        """
        if len(self.source.names) * self.form.nbytes > shutil.disk_usage(folder).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        rows = ImageRows()
        with closing(self._decode(rows, progress)) as examples:  # ends the threads if the disk is full
            write_npy(folder / "values.npy", len(self.source.names), self.form, examples)
        save_rows(folder, rows.metadata(), self._summarize(rows))

    def load_uncached(self, progress: ProgressFn, cache_error: str) -> DecodedImages:
        """Decode the images into memory, because the cache cannot be written.

        Raises:
            BadInput: if they do not fit in memory, or no image can be read.
        """
        needed = len(self.source.names) * self.form.nbytes
        if needed > physical_memory_bytes() // 2:
            raise BadInput(
                f"the decoded images need {needed / 2**30:.1f} GiB and do not fit in memory, and the cache cannot be "
                f"written ({cache_error}): set ZEROSUM_CACHE to a folder with free space, or give a smaller `data.size`"
            )
        rows = ImageRows()
        values = fill_array(len(self.source.names), self.form, self._decode(rows, progress))
        summary = self._summarize(rows)
        summary.notes.append(
            f"the decoded images were not cached, so the next start decodes them again ({cache_error})"
        )
        return DecodedImages(values, rows.metadata(), summary)

    def _summarize(self, rows: ImageRows) -> ImageSummary:
        """Return the summary of the images, with the range of their values and the number of those outside."""
        value_range = self.form.value_range
        summary = rows.summarize(self.source, self.form)
        summary.clipped = rows.clipped + self.source.clipped
        if value_range and (rows.high_bit_depth or self.source.extremes):
            summary.range = list(value_range)
        if summary.clipped:
            verb = "was" if summary.clipped == 1 else "were"
            images = f" of {pluralize(rows.clipped_images, 'image')}" if rows.clipped_images else ""
            limits = format_range(value_range) if value_range else "of its type"
            summary.notes.append(
                f"{pluralize(summary.clipped, 'value')}{images} outside the range {limits} {verb} clipped; "
                "`data.range` sets it"
            )
        return summary

    def _decode(self, rows: ImageRows, progress: ProgressFn) -> Generator[NDArray[np.generic], None, None]:
        """Decode every image, add it to the rows, and yield its examples (H, W, C)."""
        with closing(decode_images(self.source, self.form, progress)) as results:
            for index, result in results:
                if isinstance(result, DecodedImage):
                    yield from result.examples
                    rows.add(index, self.source.names[index], int(self.source.labels[index]), result, self.form)
                else:
                    rows.unreadable.append((self.source.names[index], result))
        if not rows.names:
            name, reason = rows.unreadable[0]
            raise BadInput(
                f"no image in {self.source.display_name} can be read, for example {name} ({reason}): replace the files"
            )


@dataclass
class ImageRows:
    """A row for each image that was read so far."""

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
    clipped: int = 0
    """The number of values outside the range."""
    truncated: int = 0
    """The number of images of 16 bits of which 8 were read."""
    clipped_images: int = 0
    """The number of images that hold them."""

    def add(self, source_index: int, name: str, label: int, image: DecodedImage, form: ExampleFormat) -> None:
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
        self.clipped += image.clipped
        self.clipped_images += image.clipped > 0
        self.truncated += image.has_truncated_values
        if has_high_bit_depth(image.mode):
            low, high = form.sample_range
            peak = (float(np.asarray(image.examples, np.float64).max()) - low) * 255 / (high - low)
            self.high_bit_depth += 1
            self.high_bit_depth_peak = max(self.high_bit_depth_peak, int(peak))

    def metadata(self) -> ExampleMetadata:
        """Return the metadata of each example made of the images."""
        labels, content_hashes = self._labels_and_hashes()
        source_indices, sizes = np.array(self.source_indices, np.int64), np.array(self.sizes, np.int32)
        counts = self.examples_per_image
        return ExampleMetadata(
            np.repeat(labels, counts),
            np.repeat(content_hashes, counts),
            np.repeat(source_indices, counts),
            np.repeat(sizes, counts, axis=0),
        )

    def _labels_and_hashes(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the labels and the content hashes of the images: (n,) each."""
        return np.array(self.labels, np.int64), np.array(self.content_hashes, np.uint64)

    def summarize(self, source: Source, form: ExampleFormat) -> ImageSummary:
        """Return the summary of the images, without the counts of the split."""
        labels, content_hashes = self._labels_and_hashes()
        class_counts = np.bincount(labels, minlength=len(source.classes))
        duplicates = find_duplicates(content_hashes, labels)
        short_sides = sorted(map(min, self.sizes))
        return ImageSummary(
            source=source.display_name,
            kind="images",
            count=len(self.names),
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
            channels=form.channels,
            dtype=form.dtype,
            size=form.size.setting,
            fit=form.fit,
            notes=[*source.notes, *self._notes(duplicates)],
        )

    def _notes(self, duplicates: Duplicates) -> list[str]:
        notes = duplicates.notes()
        if self.multi_frame:
            notes.append(f"read only the first frame or page of {pluralize(self.multi_frame, 'file')} with several")
        if self.truncated:
            notes.append(
                f"read 8 of the 16 bits of {pluralize(self.truncated, 'color image')}, since PNG and TIFF files of 16 "
                "bits in color cannot be read in full: save each as an .npy file (H, W, C) to keep them"
            )
        if self.high_bit_depth and self.high_bit_depth_peak < _DARK_PEAK:
            notes.append(
                f"the {self.high_bit_depth:,} images with more than 8 bits per value are dark, with a maximum of "
                f"{self.high_bit_depth_peak} of 255: rescale them to the full range of their type before training"
            )
        return notes
