"""Images memory-mapped from one .npy file: nothing is decoded or copied, and their content hashes are computed once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.cache import CacheWriteError, DecodedSource, ExampleMetadata
from zerosum.data.images.arrays import to_uint8_nhwc
from zerosum.data.images.decode import PIL_MODES
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.images.ingest import ProgressFn
from zerosum.data.images.sources import NpySource
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.split import hash_contents

_READ_BLOCK_BYTES = 2**23  # bytes that are read at a time


def can_memmap(source: NpySource, size: int, channels: int) -> bool:
    """Return True if decoding would change no pixel: squares of this size, gray or RGB.

    Decoding images with alpha changes the colors of transparent pixels: see `convert_channels`.
    """
    return source.is_memmappable and channels in (1, 3) and source.images.shape[1:] == (size, size, channels)


def load_memmapped(source: NpySource, fit: str, progress: ProgressFn) -> DecodedSource:
    """Memory-map the images of the file, with content hashes from the cache, else from reading the images once.

    Args:
        source: a source for which `can_memmap` is True.
        fit: how other shapes would become squares; for the summary.
        progress: called with the number of images done and of all images, from this thread.
    """
    identity = f"{cache.VERSION} {source.state_hash} in place"
    entry = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    cached = cache.load_content_hashes(entry)
    if cached is None:
        content_hashes = compute_content_hashes(source, progress)
        summary = summarize(source, content_hashes)
        try:
            with cache.write_entry(entry) as folder:
                cache.save_content_hashes(folder, content_hashes, summary)
        except CacheWriteError as error:
            summary.notes.append(
                f"the content hashes were not cached, so the next start reads all images again ({error})"
            )
        cached = content_hashes, summary
    content_hashes, summary = cached
    count, height, width, _ = source.images.shape
    sizes = np.broadcast_to(np.array([width, height], np.int32), (count, 2))
    return DecodedSource(
        source.images,
        ExampleMetadata(source.labels, content_hashes, np.arange(count), sizes),
        replace(summary, fit=fit),
    )


def compute_content_hashes(source: NpySource, progress: ProgressFn) -> NDArray[np.uint64]:
    """Compute the content hashes (N,) of the images of a memory-mapped file, equal to those of decoded images."""
    stored, (_, height, width, channels) = source.memmap, source.images.shape
    header, image_bytes = f"{PIL_MODES[channels]} {width}x{height}", height * width * channels
    block_images = max(1, _READ_BLOCK_BYTES // image_bytes)
    content_hashes = np.empty(len(stored), np.uint64)
    # read, not memory-mapped: touched pages of a map count as memory in use until the system reclaims them
    with Path(str(stored.filename)).open("rb") as file:
        file.seek(stored.offset)
        for first in range(0, len(stored), block_images):
            last = min(first + block_images, len(stored))
            block = np.fromfile(file, np.uint8, (last - first) * image_bytes).reshape(last - first, *stored.shape[1:])
            content_hashes[first:last] = hash_contents(header, to_uint8_nhwc(block, source.display_name))
            progress(last, len(stored))
    return content_hashes


def summarize(source: NpySource, content_hashes: NDArray[np.uint64]) -> DatasetSummary:
    """Summarize the images of a memory-mapped file, without the fit and the counts of the split."""
    count, height, width, channels = source.images.shape
    duplicates = find_duplicates(content_hashes, source.labels)
    class_counts = np.bincount(source.labels, minlength=len(source.classes))
    return DatasetSummary(
        source=source.display_name,
        kind="images",
        images=count,
        duplicates=duplicates.extra_copies,
        duplicate_groups=[[source.names[index] for index in group] for group in duplicates.groups],
        sizes={f"{width}x{height}": count},
        distinct_sizes=1,
        short_side=dict.fromkeys(("min", "median", "max"), min(width, height)),
        pixel_modes={PIL_MODES[channels]: count},
        formats={"array": count},
        classes={name: int(class_count) for name, class_count in zip(source.classes, class_counts, strict=False)},
        channels=channels,
        size=height,
        notes=[*source.notes, *duplicates.notes()],
    )
