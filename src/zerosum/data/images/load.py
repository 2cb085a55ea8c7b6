"""Reading a whole source: every image decoded, counted, hashed, split, and cached."""

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
from zerosum.data.split import content_key, split_by_content
from zerosum.errors import BadInput

MIN_IMAGES = 16
"""Distinct images without which there is nothing to learn from."""
MIN_TILED_IMAGES = 4
"""The same where images are cut into tiles."""


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
    """Read all of a source, or what the cache kept of it.

    Args:
        source: a folder, .zip, .npz or .npy of images, or the name of a data set; or what a glance has found.
        size: the side in pixels of the squares that come out. Points need no size, channels or fit.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; without alpha, transparency is laid over white.
        fit: `crop` (the centred square, scaled), `pad` (all, its edge repeated around it), `resize` (stretched) or
            `tiles` (squares cut out at the images' own resolution, many of each, which stay on one side of the split).
        held_out_fraction: the share never shown to the discriminator, 0 to 0.5, chosen by content: see `split`.
        progress: called now and then from this thread.
        min_images: distinct images that are asked for: what is to be judged may be one image many times.

    Raises:
        BadInput: if the source or a setting cannot be used, or too few distinct images can be read.
    """
    check_held_out_fraction(held_out_fraction)
    found = resolve_source(source) if isinstance(source, str | Path) else source
    if isinstance(found, GaussianMixture):
        return _load_points(found, held_out_fraction)
    check_image_settings(size, channels, fit)
    decoded = load_or_decode(found, size, channels, fit, progress)
    keys = decoded.metadata.keys
    require_enough_images(found.display_name, decoded.summary.images - decoded.summary.duplicates, fit, min_images)
    train, held = split_by_content(keys, held_out_fraction)
    summary = replace(
        decoded.summary,
        source=found.display_name,
        train=len(train),
        held_out=len(held),
        tiles=count_tiles(len(keys), fit),
    )
    return Dataset(decoded.values, decoded.metadata.labels, found.classes, keys, train, held, summary)


def check_held_out_fraction(fraction: float) -> None:
    """Refuse a held-out share that cannot be.

    Raises:
        BadInput: if it is not from 0 to 0.5.
    """
    if not 0 <= fraction <= 0.5:
        raise BadInput(f"the held-out share {fraction:g} is out of range: choose 0 to 0.5, such as 0.1")


def count_tiles(examples: int, fit: str) -> int:
    """How many tiles so many squares are, for the survey: 0 where each is an image."""
    return examples if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else 0


def require_enough_images(display_name: str, distinct: int, fit: str, min_images: int) -> None:
    """Refuse to learn from hardly anything.

    Raises:
        BadInput: if there are fewer than `min_images` different images, or than 4 where each gives many tiles.
    """
    needed = min(min_images, MIN_TILED_IMAGES) if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else min_images
    if distinct < needed:
        raise BadInput(
            f"{display_name} holds only {distinct} different image{'s' * (distinct != 1)} that can be read; a "
            f"GAN needs at least {needed}, and some hundreds to be any good: add images"
        )


def check_image_settings(size: int, channels: int, fit: str) -> None:
    """Refuse settings that nothing can be read with.

    Raises:
        BadInput: if one is out of range or unknown.
    """
    if not 4 <= size <= 4096:
        raise BadInput(f"the image size {size} is out of range: choose 4 to 4096, best a power of two such as 64")
    if channels not in PIL_MODES:
        raise BadInput(f"{channels} channels are not possible: choose 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA)")
    if fit not in FITS:
        raise BadInput(f"there is no fit {fit!r}: choose {', '.join(FITS)}")


def _load_points(mixture: GaussianMixture, held_out_fraction: float) -> Dataset:
    values = mixture.sample(POINT_COUNT, DATA_SEED)
    keys = np.array([content_key("point", point.tobytes()) for point in values], np.uint64)
    train, held = split_by_content(keys, held_out_fraction)
    summary = DatasetSummary(mixture.name, "points", images=len(values), train=len(train), held_out=len(held))
    return Dataset(values, np.zeros(len(values), np.int64), (), keys, train, held, summary)


def load_or_decode(source: Source, size: int, channels: int, fit: str, progress: ProgressFn) -> DecodedSource:
    """All of a source's images, used where they lie if they can be, else decoded, now or before."""
    if isinstance(source, NpySource) and can_memmap(source, size, channels):
        return load_memmapped(source, fit, progress)
    return _load_cached_or_decode(source, size, channels, fit, progress)


def _load_cached_or_decode(source: Source, size: int, channels: int, fit: str, progress: ProgressFn) -> DecodedSource:
    """The decoded source from the cache, else decoded into the cache, else decoded into memory."""
    asked = f"{cache.VERSION} {source.state_hash} {size} {channels} {fit}"
    key = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    memory = physical_memory_bytes()
    if kept := cache.load_decoded(key, max_bytes_in_memory=memory // 4):
        return kept
    shape = (size, size, channels)
    try:
        with cache.write_entry(key) as folder:
            with NpyArrayWriter(folder / "values.npy", len(source.names), shape) as rows:
                tally = decode_source(source, shape, fit, rows, progress)
            cache.save_metadata(folder, tally.metadata(), tally.summarize(source, shape, fit))
        if fresh := cache.load_decoded(key, max_bytes_in_memory=memory // 4):
            return fresh
        trouble = f"{cache.root()}: what was written could not be read back"
    except CacheWriteError as error:
        trouble = str(error)
    return _decode_in_memory(source, shape, fit, progress, trouble)


def _decode_in_memory(
    source: Source, shape: tuple[int, int, int], fit: str, progress: ProgressFn, cache_error: str
) -> DecodedSource:
    needed = len(source.names) * int(np.prod(shape))
    if needed > physical_memory_bytes() // 2:
        raise BadInput(
            f"the {needed / 2**30:.1f} GiB of decoded images do not fit in memory, and the cache cannot be "
            f"written ({cache_error}): set ZEROSUM_CACHE to a folder with room, or choose a smaller size"
        )
    held = MemoryArrayWriter(len(source.names), shape)
    tally = decode_source(source, shape, fit, held, progress)
    summary = tally.summarize(source, shape, fit)
    summary.notes.append(f"nothing was cached, so the next start decodes again ({cache_error})")
    return DecodedSource(held.values(), tally.metadata(), summary)
