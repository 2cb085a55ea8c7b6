"""Reading a whole source: every image decoded, counted, hashed, split, and cached."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from zerosum.data import cache
from zerosum.data.cache import CannotWrite, Decoded, FileRows, MemoryRows
from zerosum.data.dataset import Examples
from zerosum.data.host_memory import physical_memory
from zerosum.data.images.decode import FITS, MOST_SQUARES, TARGET_MODES
from zerosum.data.images.ingest import Progress, decode, quiet
from zerosum.data.images.memmap import fits, in_place
from zerosum.data.images.sources import ArrayFile, Source, find
from zerosum.data.images.summary import Survey
from zerosum.data.points.mixtures import POINTS, SEED, Toy
from zerosum.data.split import content_key, split
from zerosum.errors import BadInput

FEWEST = 16
"""Distinct images without which there is nothing to learn from."""
FEWEST_CUT = 4
"""The same where images are cut into tiles."""


def read(
    source: str | Path | Source | Toy,
    size: int,
    channels: int,
    fit: str,
    *,
    held_out: float = 0.1,
    progress: Progress = quiet,
    fewest: int = FEWEST,
) -> Examples:
    """Read all of a source, or what the cache kept of it.

    Args:
        source: a folder, .zip, .npz or .npy of images, or the name of a data set; or what a glance has found.
        size: the side in pixels of the squares that come out. Points need no size, channels or fit.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; without alpha, transparency is laid over white.
        fit: `crop` (the centred square, scaled), `pad` (all, its edge repeated around it), `resize` (stretched) or
            `tiles` (squares cut out at the images' own resolution, many of each, which stay on one side of the split).
        held_out: the share never shown to the discriminator, 0 to 0.5, chosen by content: see `split`.
        progress: called now and then from this thread.
        fewest: distinct images that are asked for: what is to be judged may be one image many times.

    Raises:
        BadInput: if the source or a setting cannot be used, or too few distinct images can be read.
    """
    check_share(held_out)
    found = find(source) if isinstance(source, str | Path) else source
    if isinstance(found, Toy):
        return _points(found, held_out)
    check(size, channels, fit)
    decoded = decoded_source(found, size, channels, fit, progress)
    keys = decoded.index.keys
    refuse_few(found.place, decoded.survey.images - decoded.survey.duplicates, fit, fewest)
    train, held = split(keys, held_out)
    survey = replace(
        decoded.survey, source=found.place, train=len(train), held_out=len(held), tiles=tiles_of(len(keys), fit)
    )
    return Examples(decoded.values, decoded.index.labels, found.classes, keys, train, held, survey)


def check_share(held_out: float) -> None:
    """Refuse a held-out share that cannot be.

    Raises:
        BadInput: if it is not from 0 to 0.5.
    """
    if not 0 <= held_out <= 0.5:
        raise BadInput(f"the held-out share {held_out:g} is out of range: choose 0 to 0.5, such as 0.1")


def tiles_of(squares: int, fit: str) -> int:
    """How many tiles so many squares are, for the survey: 0 where each is an image."""
    return squares if MOST_SQUARES[fit] > 1 else 0


def refuse_few(place: str, distinct: int, fit: str, fewest: int) -> None:
    """Refuse to learn from hardly anything.

    Raises:
        BadInput: if there are fewer than `fewest` different images, or than 4 where each gives many tiles.
    """
    needed = min(fewest, FEWEST_CUT) if MOST_SQUARES[fit] > 1 else fewest
    if distinct < needed:
        raise BadInput(
            f"{place} holds only {distinct} different image{'s' * (distinct != 1)} that can be read; a "
            f"GAN needs at least {needed}, and some hundreds to be any good: add images"
        )


def check(size: int, channels: int, fit: str) -> None:
    """Refuse settings that nothing can be read with.

    Raises:
        BadInput: if one is out of range or unknown.
    """
    if not 4 <= size <= 4096:
        raise BadInput(f"the image size {size} is out of range: choose 4 to 4096, best a power of two such as 64")
    if channels not in TARGET_MODES:
        raise BadInput(f"{channels} channels are not possible: choose 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA)")
    if fit not in FITS:
        raise BadInput(f"there is no fit {fit!r}: choose {', '.join(FITS)}")


def _points(toy: Toy, held_out: float) -> Examples:
    values = toy.draw(POINTS, SEED)
    keys = np.array([content_key("point", point.tobytes()) for point in values], np.uint64)
    train, held = split(keys, held_out)
    survey = Survey(toy.name, "points", images=len(values), train=len(train), held_out=len(held))
    return Examples(values, np.zeros(len(values), np.int64), (), keys, train, held, survey)


def decoded_source(source: Source, size: int, channels: int, fit: str, progress: Progress) -> Decoded:
    """All of a source's images, used where they lie if they can be, else decoded, now or before."""
    if isinstance(source, ArrayFile) and fits(source, size, channels):
        return in_place(source, fit, progress)
    return _decoded(source, size, channels, fit, progress)


def _decoded(source: Source, size: int, channels: int, fit: str, progress: Progress) -> Decoded:
    """The decoded source from the cache, else decoded into the cache, else decoded into memory."""
    asked = f"{cache.VERSION} {source.stamp} {size} {channels} {fit}"
    key = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    memory = physical_memory()
    if kept := cache.load(key, in_memory=memory // 4):
        return kept
    shape = (size, size, channels)
    try:
        with cache.writing(key) as folder:
            with FileRows(folder / "values.npy", len(source.names), shape) as rows:
                tally = decode(source, shape, fit, rows, progress)
            cache.save_index(folder, tally.index(), tally.survey(source, shape, fit))
        if fresh := cache.load(key, in_memory=memory // 4):
            return fresh
        trouble = f"{cache.root()}: what was written could not be read back"
    except CannotWrite as error:
        trouble = str(error)
    return _in_memory(source, shape, fit, progress, trouble)


def _in_memory(source: Source, shape: tuple[int, int, int], fit: str, progress: Progress, trouble: str) -> Decoded:
    needed = len(source.names) * int(np.prod(shape))
    if needed > physical_memory() // 2:
        raise BadInput(
            f"the {needed / 2**30:.1f} GiB of decoded images do not fit in memory, and the cache cannot be "
            f"written ({trouble}): set ZEROSUM_CACHE to a folder with room, or choose a smaller size"
        )
    held = MemoryRows(len(source.names), shape)
    tally = decode(source, shape, fit, held, progress)
    survey = tally.survey(source, shape, fit)
    survey.notes.append(f"nothing was cached, so the next start decodes again ({trouble})")
    return Decoded(held.values(), tally.index(), survey)
