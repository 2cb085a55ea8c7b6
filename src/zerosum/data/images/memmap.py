"""Images used where they lie, in one .npy file: nothing is decoded or copied, and their keys are worked out once."""

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
from zerosum.data.split import content_keys

_READ_BLOCK_BYTES = 2**23  # bytes read at a time


def can_memmap(source: NpySource, size: int, channels: int) -> bool:
    """Whether decoding would change nothing: squares of this size, grey or RGB (alpha hides colours: see `reading`)."""
    return source.is_memmappable and channels in (1, 3) and source.images.shape[1:] == (size, size, channels)


def load_memmapped(source: NpySource, fit: str, progress: ProgressFn) -> DecodedSource:
    """The images as a map of the file, with keys from the cache, else from reading them once.

    Args:
        source: one that `fits`.
        fit: how other shapes would become squares; for the record.
        progress: called now and then from this thread.
    """
    asked = f"{cache.VERSION} {source.state_hash} in place"
    entry = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    known = cache.load_keys(entry)
    if known is None:
        keys = compute_content_keys(source, progress)
        summary = summarize(source, keys)
        try:
            with cache.write_entry(entry) as folder:
                cache.save_keys(folder, keys, summary)
        except CacheWriteError as error:
            summary.notes.append(f"nothing was cached, so the next start reads all images again ({error})")
        known = keys, summary
    keys, summary = known
    count, height, width, _ = source.images.shape
    sizes = np.broadcast_to(np.array([width, height], np.int32), (count, 2))
    return DecodedSource(
        source.images, ExampleMetadata(source.labels, keys, np.arange(count), sizes), replace(summary, fit=fit)
    )


def compute_content_keys(source: NpySource, progress: ProgressFn) -> NDArray[np.uint64]:
    """The content keys (N,) of a mapped file's images, those that decoding would give."""
    stored, (_, height, width, channels) = source.memmap, source.images.shape
    header, each = f"{PIL_MODES[channels]} {width}x{height}", height * width * channels
    rows = max(1, _READ_BLOCK_BYTES // each)
    keys = np.empty(len(stored), np.uint64)
    # read, not mapped: pages of a map that were touched count as memory in use until the system wants them
    with Path(str(stored.filename)).open("rb") as file:
        file.seek(stored.offset)
        for first in range(0, len(stored), rows):
            last = min(first + rows, len(stored))
            block = np.fromfile(file, np.uint8, (last - first) * each).reshape(last - first, *stored.shape[1:])
            keys[first:last] = content_keys(header, to_uint8_nhwc(block, source.display_name))
            progress(last, len(stored))
    return keys


def summarize(source: NpySource, keys: NDArray[np.uint64]) -> DatasetSummary:
    """What the intake would see of a mapped file's images, but for the fit and the split."""
    count, height, width, channels = source.images.shape
    copies = find_duplicates(keys, source.labels)
    inside = np.bincount(source.labels, minlength=len(source.classes))
    return DatasetSummary(
        source=source.display_name,
        kind="images",
        images=count,
        duplicates=copies.extra_copies,
        duplicate_groups=[[source.names[index] for index in group] for group in copies.groups],
        sizes={f"{width}x{height}": count},
        distinct_sizes=1,
        short_side=dict.fromkeys(("min", "median", "max"), min(width, height)),
        pixel_modes={PIL_MODES[channels]: count},
        formats={"array": count},
        classes={name: int(number) for name, number in zip(source.classes, inside, strict=False)},
        channels=channels,
        size=height,
        notes=[*source.notes, *copies.notes()],
    )
