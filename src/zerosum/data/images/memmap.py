"""Images memory-mapped from one .npy file: nothing is decoded or copied, and their content hashes are computed once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_contents
from zerosum.data.images.arrays import NpySource
from zerosum.data.images.decode import PIL_MODES
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.images.rows import DAMAGED_FILE_ERRORS, DecodedImages, ExampleMetadata
from zerosum.data.images.size import ImageSize
from zerosum.data.images.summary import ImageSummary
from zerosum.data.kind import ProgressFn

_READ_BLOCK_BYTES = 2**23  # bytes that are read at a time


@dataclass(frozen=True)
class MemmapReader:
    """Memory-maps the images of an .npy file, with content hashes from the cache, else from reading the images once."""

    source: NpySource
    """A source for whose examples `holds_examples` is True."""
    fit: str
    """How images of another shape would get the size; for the summary."""

    def load(self, entry: Path) -> DecodedImages | None:
        """Return the images, or None if the entry of the cache is absent or damaged."""
        try:
            summary = ImageSummary.from_dict(json.loads((entry / "summary.json").read_text(encoding="utf-8")))
            content_hashes: NDArray[np.uint64] = np.load(entry / "content_hashes.npy", allow_pickle=False)
            is_complete = content_hashes.shape == (summary.count,) and content_hashes.dtype == np.uint64
        except DAMAGED_FILE_ERRORS:
            return None
        return self._with_rows(content_hashes, summary) if is_complete else None

    def write(self, folder: Path, progress: ProgressFn) -> None:
        """Compute the content hashes into a new entry of the cache."""
        content_hashes = compute_content_hashes(self.source, progress)
        np.save(folder / "content_hashes.npy", content_hashes)
        summary = summarize(self.source, content_hashes)
        (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")

    def load_uncached(self, progress: ProgressFn, cache_error: str) -> DecodedImages:
        """Return the images with content hashes that are computed now, because the cache cannot be written."""
        content_hashes = compute_content_hashes(self.source, progress)
        summary = summarize(self.source, content_hashes)
        summary.notes.append(
            f"the content hashes were not cached, so the next start reads all images again ({cache_error})"
        )
        return self._with_rows(content_hashes, summary)

    def _with_rows(self, content_hashes: NDArray[np.uint64], summary: ImageSummary) -> DecodedImages:
        count, height, width, _ = self.source.images.shape
        sizes = np.broadcast_to(np.array([width, height], np.int32), (count, 2))
        metadata = ExampleMetadata(self.source.labels, content_hashes, np.arange(count), sizes)
        return DecodedImages(self.source.images, metadata, replace(summary, fit=self.fit))


def compute_content_hashes(source: NpySource, progress: ProgressFn) -> NDArray[np.uint64]:
    """Compute the content hashes (N,) of the images of a memory-mapped file, equal to those of decoded images."""
    count, height, width, channels = source.images.shape
    header = f"{PIL_MODES[channels]} {width}x{height}"
    content_hashes, first = np.empty(count, np.uint64), 0
    for block in source.read_blocks(_READ_BLOCK_BYTES):
        last = first + len(block)
        content_hashes[first:last] = hash_contents(header, block)
        progress(last, count)
        first = last
    return content_hashes


def summarize(source: NpySource, content_hashes: NDArray[np.uint64]) -> ImageSummary:
    """Summarize the images of a memory-mapped file, without the fit and the counts of the split."""
    count, height, width, channels = source.images.shape
    duplicates = find_duplicates(content_hashes, source.labels)
    class_counts = np.bincount(source.labels, minlength=len(source.classes))
    return ImageSummary(
        source=source.display_name,
        kind="images",
        count=count,
        duplicates=duplicates.extra_copies,
        duplicate_groups=[[source.names[index] for index in group] for group in duplicates.groups],
        sizes={f"{width}x{height}": count},
        distinct_sizes=1,
        short_side=dict.fromkeys(("min", "median", "max"), min(width, height)),
        pixel_modes={PIL_MODES[channels]: count},
        formats={"array": count},
        classes={name: int(class_count) for name, class_count in zip(source.classes, class_counts, strict=False)},
        channels=channels,
        size=ImageSize(height, width).setting,
        notes=[*source.notes, *duplicates.notes()],
    )
