"""Near-copies across the split: held-out images that hardly differ from a training image, such as frames of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import pluralize

NEAR_COPY_DISTANCE = 0.12
"""Two images are near-copies if their thumbnails differ by less than this ratio of the contrast of the stronger one.

Of 4,000 digits, which look more alike than most images do, one is taken for a near-copy of one of 6,000 others, and of
512 drawings of three shapes none of one of 4,000. At least 19 in 20 copies are found that were saved as JPEG of quality
75, brightened by 8 of 255 levels, lowered in contrast by 5%, or given noise of 3 levels.
"""
_THUMBNAIL_SIDE = 16
_MAX_SEARCHED, _MAX_COMPARED = 512, 50_000  # held-out and training examples, evenly spaced by content
_MAX_BYTES = 2**30  # of values that are read
_MAX_EXAMPLES_SHOWN = 3
_BLOCK, _BLOCK_VALUES = 1024, 2**24  # examples, and values of theirs, whose thumbnails are made at a time


@dataclass(frozen=True)
class NearCopies:
    """The near-copies that were found."""

    searched: int
    """Number of held-out examples that were looked at."""
    compared: int
    """Number of training examples that they were compared with."""
    pairs: Sequence[tuple[int, int]]
    """(row of a held-out example, row of its nearest training example) of each near-copy."""


def find_near_copies(values: NDArray[np.generic], train: NDArray[np.int64], held_out: NDArray[np.int64]) -> NearCopies:
    """Compare held-out examples with training examples by thumbnails of 16 pixels a side, in gray.

    Of many examples, 512 held-out ones are compared with up to 50,000 training ones, of at most 1 GiB.

    Args:
        values: (N, H, W, C) examples.
        train: rows of training examples.
        held_out: rows of held-out examples.
    """
    example_bytes = max(1, values[:1].nbytes)
    held_out = _evenly_spaced(held_out, _MAX_SEARCHED)
    train = _evenly_spaced(train, min(_MAX_COMPARED, max(_MAX_SEARCHED, _MAX_BYTES // example_bytes)))
    if not len(held_out) or not len(train):
        return NearCopies(len(held_out), len(train), ())
    wanted = _centered_thumbnails(values, held_out)
    energy = (wanted**2).sum(1)
    nearest = np.zeros(len(held_out), np.int64)
    least = np.full(len(held_out), np.inf)
    for first in range(0, len(train), _BLOCK):
        rows = train[first : first + _BLOCK]
        others = _centered_thumbnails(values, rows)
        other_energy = (others**2).sum(1)
        squared = energy[:, None] + other_energy - 2 * wanted @ others.T
        ratio = squared / np.maximum(np.maximum(energy[:, None], other_energy), 1e-9)
        best = ratio.argmin(1)
        distance = ratio[np.arange(len(wanted)), best]
        nearest = np.where(distance < least, rows[best], nearest)
        least = np.minimum(least, distance)
    found = np.flatnonzero((least < NEAR_COPY_DISTANCE**2) & (energy > 0))
    return NearCopies(len(held_out), len(train), [(int(held_out[row]), int(nearest[row])) for row in found])


def describe_near_copies(found: NearCopies, names: Sequence[str], source_indices: NDArray[np.int64]) -> list[str]:
    """Return a sentence about the near-copies with examples; none if there are none.

    Args:
        found: the near-copies.
        names: the names of the images of the source.
        source_indices: (N,) the index of each example's image.
    """
    if not found.pairs:
        return []
    shown = [
        f"{names[int(source_indices[row])]} and {names[int(source_indices[other])]}"
        for row, other in found.pairs[:_MAX_EXAMPLES_SHOWN]
    ]
    verb = "is" if len(found.pairs) == 1 else "are"
    return [
        f"{len(found.pairs):,} of {pluralize(found.searched, 'held-out example')} {verb} nearly equal to a training "
        f"example, such as {', '.join(shown)}: scores are then too good; keep such images on one side by `data.groups`"
    ]


def _evenly_spaced(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` of the rows; they are in the order of content hashes, so that these are random ones."""
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _gray_weights(channels: int) -> NDArray[np.float32]:
    """Return the weights of channels in gray: those of luma for RGB, since JPEG changes colors more than it."""
    luma = {2: [1, 0], 3: [0.299, 0.587, 0.114], 4: [0.299, 0.587, 0.114, 0]}
    return np.array(luma.get(channels, [1 / channels] * channels), np.float32)


def _centered_thumbnails(values: NDArray[np.generic], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return gray thumbnails (n, D) float32 of examples, each less its mean, so that brightness alone is no change."""
    blocks, weights = [], _gray_weights(values.shape[3])
    block = max(1, min(_BLOCK, _BLOCK_VALUES // math.prod(values.shape[1:])))
    for first in range(0, len(rows), block):
        gray = values[rows[first : first + block]].astype(np.float32) @ weights
        tops, lefts = (
            np.unique(np.linspace(0, side, min(side, _THUMBNAIL_SIDE), endpoint=False).astype(int))
            for side in gray.shape[1:]
        )
        sums = np.add.reduceat(np.add.reduceat(gray, tops, axis=1), lefts, axis=2)
        counts = np.diff(tops, append=gray.shape[1])[:, None] * np.diff(lefts, append=gray.shape[2])
        blocks.append((sums / counts).reshape(len(gray), -1))
    thumbnails = np.concatenate(blocks)
    centered: NDArray[np.float32] = thumbnails - thumbnails.mean(1, keepdims=True)
    return centered
