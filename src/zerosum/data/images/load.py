"""Load a source: decode, hash, cache and split all its images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from zerosum.data import cache
from zerosum.data.cache import CacheWriteError, DecodedSource, MemoryArrayWriter, NpyArrayWriter
from zerosum.data.dataset import Dataset
from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.decode import FITS, MAX_EXAMPLES_PER_IMAGE, PIL_MODES
from zerosum.data.images.ingest import ProgressFn, decode_source, ignore_progress
from zerosum.data.images.memmap import can_memmap, load_memmapped
from zerosum.data.images.sources import NpySource, Source, resolve_source
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.points.mixtures import DATA_SEED, POINT_COUNT, GaussianMixture
from zerosum.data.split import hash_content, split_by_content
from zerosum.errors import BadInput

MIN_IMAGES = 16
"""Least number of distinct images for training."""
MIN_TILED_IMAGES = 4
"""Least number of distinct images for training if images are cut into tiles."""


def load_source(
    source: str | Path | Source | GaussianMixture,
    size: int,
    channels: int,
    fit: str,
    *,
    held_out_fraction: float = 0.1,
    progress: ProgressFn = ignore_progress,
    min_images: int = MIN_IMAGES,
) -> Dataset:
    """Load all images of a source, or read them from the cache.

    Args:
        source: a folder, .zip, .npz or .npy of images, or the name of a built-in dataset; or a resolved source.
        size: side of the square examples in pixels. Points need no size, channels or fit.
        channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha; without alpha, images are composited over white.
        fit: `crop` (the centered square, scaled), `pad` (edge pixels repeated around the image), `resize` (ignoring the
            aspect ratio) or `tiles` (unscaled squares, many per image, all on one side of the split).
        held_out_fraction: fraction that the discriminator never sees, 0 to 0.5, by content: see `split_by_content`.
        progress: called with the number of images done and of all images, from this thread.
        min_images: least number of distinct images; images to evaluate may be copies of one image.

    Returns:
        The dataset, with uint8 values (N, size, size, channels), or float32 points (N, 2).

    Raises:
        BadInput: if the source or a setting cannot be used, or too few distinct images can be read.

    Example:
        >>> dataset = load_source("digits", size=32, channels=1, fit="pad")
        >>> dataset.values.shape
        (10000, 32, 32, 1)
    """
    check_held_out_fraction(held_out_fraction)
    resolved = resolve_source(source) if isinstance(source, str | Path) else source
    if isinstance(resolved, GaussianMixture):
        return _load_points(resolved, held_out_fraction)
    check_image_settings(size, channels, fit)
    decoded = load_or_decode(resolved, size, channels, fit, progress)
    content_hashes = decoded.metadata.content_hashes
    require_enough_images(resolved.display_name, decoded.summary.images - decoded.summary.duplicates, fit, min_images)
    train, held_out = split_by_content(content_hashes, held_out_fraction)
    summary = replace(
        decoded.summary,
        source=resolved.display_name,
        train=len(train),
        held_out=len(held_out),
        tiles=count_tiles(len(content_hashes), fit),
    )
    return Dataset(decoded.values, decoded.metadata.labels, resolved.classes, content_hashes, train, held_out, summary)


def check_held_out_fraction(fraction: float) -> None:
    """Raise if the held-out fraction is out of range.

    Raises:
        BadInput: if it is not from 0 to 0.5.
    """
    if not 0 <= fraction <= 0.5:
        raise BadInput(f"`held_out_fraction` {fraction:g} is out of range: give a number from 0 to 0.5")


def count_tiles(examples: int, fit: str) -> int:
    """Return the number of tiles for the summary: 0 if each example is an image."""
    return examples if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else 0


def require_enough_images(display_name: str, distinct: int, fit: str, min_images: int) -> None:
    """Raise if there are too few distinct images.

    Raises:
        BadInput: if there are fewer than `min_images` distinct images, or fewer than 4 if they are cut into tiles.
    """
    needed = min(min_images, MIN_TILED_IMAGES) if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else min_images
    if distinct < needed:
        raise BadInput(
            f"{display_name} has only {distinct} distinct image{'s' * (distinct != 1)} that can be read: add images; "
            f"at least {needed} are needed, and hundreds for good results"
        )


def check_image_settings(size: int, channels: int, fit: str) -> None:
    """Raise if a setting is out of range or unknown.

    Raises:
        BadInput: if `size`, `channels` or `fit` cannot be used.
    """
    if not 4 <= size <= 4096:
        raise BadInput(f"`data.size` {size} is out of range: give 4 to 4096, preferably a power of two such as 64")
    if channels not in PIL_MODES:
        raise BadInput(
            f"`data.channels` {channels} is not supported: give 1 (gray), 2 (gray with alpha), 3 (RGB) or 4 (RGB with "
            "alpha)"
        )
    if fit not in FITS:
        raise BadInput(f"`data.fit` {fit!r} is unknown: give one of {', '.join(FITS)}")


def _load_points(mixture: GaussianMixture, held_out_fraction: float) -> Dataset:
    values = mixture.sample(POINT_COUNT, DATA_SEED)
    content_hashes = np.array([hash_content("point", point.tobytes()) for point in values], np.uint64)
    train, held_out = split_by_content(content_hashes, held_out_fraction)
    summary = DatasetSummary(mixture.name, "points", images=len(values), train=len(train), held_out=len(held_out))
    return Dataset(values, np.zeros(len(values), np.int64), (), content_hashes, train, held_out, summary)


def load_or_decode(source: Source, size: int, channels: int, fit: str, progress: ProgressFn) -> DecodedSource:
    """Return all images of a source: memory-mapped if possible, else from the cache, else decoded now."""
    if isinstance(source, NpySource) and can_memmap(source, size, channels):
        return load_memmapped(source, fit, progress)
    return _load_cached_or_decode(source, size, channels, fit, progress)


def _load_cached_or_decode(source: Source, size: int, channels: int, fit: str, progress: ProgressFn) -> DecodedSource:
    """Read the decoded source from the cache, else decode it into the cache, else decode it into memory."""
    identity = f"{cache.VERSION} {source.state_hash} {size} {channels} {fit}"
    key = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    memory = physical_memory_bytes()
    if cached := cache.load_decoded(key, max_bytes_in_memory=memory // 4):
        return cached
    shape = (size, size, channels)
    try:
        with cache.write_entry(key) as folder:
            with NpyArrayWriter(folder / "values.npy", len(source.names), shape) as writer:
                stats = decode_source(source, shape, fit, writer, progress)
            cache.save_metadata(folder, stats.metadata(), stats.summarize(source, shape, fit))
        if written := cache.load_decoded(key, max_bytes_in_memory=memory // 4):
            return written
        cache_error = f"{cache.root()}: a new entry could not be read back"
    except CacheWriteError as error:
        cache_error = str(error)
    return _decode_in_memory(source, shape, fit, progress, cache_error)


def _decode_in_memory(
    source: Source, shape: tuple[int, int, int], fit: str, progress: ProgressFn, cache_error: str
) -> DecodedSource:
    needed = len(source.names) * int(np.prod(shape))
    if needed > physical_memory_bytes() // 2:
        raise BadInput(
            f"the decoded images need {needed / 2**30:.1f} GiB and do not fit in memory, and the cache cannot be "
            f"written ({cache_error}): set ZEROSUM_CACHE to a folder with free space, or give a smaller `data.size`"
        )
    writer = MemoryArrayWriter(len(source.names), shape)
    stats = decode_source(source, shape, fit, writer, progress)
    summary = stats.summarize(source, shape, fit)
    summary.notes.append(f"the decoded images were not cached, so the next start decodes them again ({cache_error})")
    return DecodedSource(writer.values(), stats.metadata(), summary)
