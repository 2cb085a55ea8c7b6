"""The split into training and held-out examples, by content, so that it is stable when the dataset grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_HELD_OUT = 64
"""Least number of distinct contents that are held out, if a quarter of the dataset is as many."""
MAX_HELD_OUT = 5_000
"""Largest number of distinct contents that are held out: metrics on more cost time and hardly change."""


def run_start_mask(sorted_values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return the mask (n,) of the first of each run of equal values in the sorted values (n,)."""
    is_start = np.ones(len(sorted_values), np.bool_)
    np.not_equal(sorted_values[1:], sorted_values[:-1], out=is_start[1:])
    return is_start


def split_by_content(
    content_hashes: NDArray[np.uint64], held_out_fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split examples into training and held-out examples by their content hashes alone.

    With u = hash / 2^64 and n distinct hashes, the k smallest hashes are held out, where k is the number of hashes with
    u < held_out_fraction, but at least min(64, n // 4), at most 5,000, and never all. All copies of one content are on
    the same side, and neither order nor file names matter. While the number of hashes with u < held_out_fraction lies
    between 64 and 5,000 (at a fraction of 0.1: expected from 640 to 50,000 distinct examples, and almost certain from
    900 to 48,000), the held-out set is exactly {u < held_out_fraction}. Then an example never changes sides when
    others are added or removed.

    Args:
        content_hashes: (N,) uint64.
        held_out_fraction: from 0 (nothing is held out) to 0.5.

    Returns:
        Training indices (n_train,) and held-out indices (n_held_out,), int64, each in order of content hash, so that
        renaming a file changes nothing; together they are every index once.
    """
    order = np.argsort(content_hashes, kind="stable").astype(np.int64, copy=False)
    sorted_hashes = content_hashes[order]
    is_start = run_start_mask(sorted_hashes)
    distinct = int(np.count_nonzero(is_start))
    num_below = int(
        np.count_nonzero(
            is_start[: np.searchsorted(sorted_hashes, np.uint64(int(held_out_fraction * 2**64)), side="left")]
        )
    )
    minimum = min(MIN_HELD_OUT, distinct // 4) if held_out_fraction > 0 else 0
    count = min(max(num_below, minimum), MAX_HELD_OUT, max(distinct - 1, 0))
    boundary = int(np.flatnonzero(is_start)[count]) if count < distinct else len(content_hashes)
    return order[boundary:], order[:boundary]
