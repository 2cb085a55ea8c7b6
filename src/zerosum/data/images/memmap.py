"""Images used where they lie, in one .npy file: nothing is decoded or copied, and their keys are worked out once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.cache import CannotWrite, Decoded, Index
from zerosum.data.images.arrays import as_images
from zerosum.data.images.decode import TARGET_MODES
from zerosum.data.images.duplicates import find_copies
from zerosum.data.images.ingest import Progress
from zerosum.data.images.sources import ArrayFile
from zerosum.data.images.summary import Survey
from zerosum.data.split import content_keys

_BLOCK = 2**23  # bytes read at a time


def fits(source: ArrayFile, size: int, channels: int) -> bool:
    """Whether decoding would change nothing: squares of this size, grey or RGB (alpha hides colours: see `reading`)."""
    return source.mapped and channels in (1, 3) and source.images.shape[1:] == (size, size, channels)


def in_place(source: ArrayFile, fit: str, progress: Progress) -> Decoded:
    """The images as a map of the file, with keys from the cache, else from reading them once.

    Args:
        source: one that `fits`.
        fit: how other shapes would become squares; for the record.
        progress: called now and then from this thread.
    """
    asked = f"{cache.VERSION} {source.stamp} in place"
    entry = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    known = cache.load_keys(entry)
    if known is None:
        keys = keys_of(source, progress)
        survey = survey_of(source, keys)
        try:
            with cache.writing(entry) as folder:
                cache.save_keys(folder, keys, survey)
        except CannotWrite as error:
            survey.notes.append(f"nothing was cached, so the next start reads all images again ({error})")
        known = keys, survey
    keys, survey = known
    count, height, width, _ = source.images.shape
    sizes = np.broadcast_to(np.array([width, height], np.int32), (count, 2))
    return Decoded(source.images, Index(source.labels, keys, np.arange(count), sizes), replace(survey, fit=fit))


def keys_of(source: ArrayFile, progress: Progress) -> NDArray[np.uint64]:
    """The content keys (N,) of a mapped file's images, those that decoding would give."""
    stored, (_, height, width, channels) = source.stored, source.images.shape
    header, each = f"{TARGET_MODES[channels]} {width}x{height}", height * width * channels
    rows = max(1, _BLOCK // each)
    keys = np.empty(len(stored), np.uint64)
    # read, not mapped: pages of a map that were touched count as memory in use until the system wants them
    with Path(str(stored.filename)).open("rb") as file:
        file.seek(stored.offset)
        for first in range(0, len(stored), rows):
            last = min(first + rows, len(stored))
            block = np.fromfile(file, np.uint8, (last - first) * each).reshape(last - first, *stored.shape[1:])
            keys[first:last] = content_keys(header, as_images(block, source.place))
            progress(last, len(stored))
    return keys


def survey_of(source: ArrayFile, keys: NDArray[np.uint64]) -> Survey:
    """What the intake would see of a mapped file's images, but for the fit and the split."""
    count, height, width, channels = source.images.shape
    copies = find_copies(keys, source.labels)
    inside = np.bincount(source.labels, minlength=len(source.classes))
    return Survey(
        source=source.place,
        kind="images",
        images=count,
        duplicates=copies.spare,
        duplicate_groups=[[source.names[index] for index in group] for group in copies.groups],
        sizes={f"{width}x{height}": count},
        distinct_sizes=1,
        short_side=dict.fromkeys(("min", "median", "max"), min(width, height)),
        modes={TARGET_MODES[channels]: count},
        formats={"array": count},
        classes={name: int(number) for name, number in zip(source.classes, inside, strict=False)},
        channels=channels,
        size=height,
        notes=[*source.notes, *copies.notes()],
    )
