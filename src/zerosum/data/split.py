"""Which examples training never sees: a split by content that stays put when the data grow."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

FEWEST = 64
"""Distinct contents held out at least, where a quarter of the data is as many."""
MOST = 5_000
"""Distinct contents held out at most: scores on more cost time and say little more."""


def content_key(header: str, content: bytes) -> int:
    """A 64-bit hash of an example: uniform, and the same on every machine and in every version."""
    digest = hashlib.blake2b(header.encode(), digest_size=8)
    digest.update(content)
    return int.from_bytes(digest.digest(), "little")


def split(keys: NDArray[np.uint64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide examples into those to train on and those held out, by content alone.

    With u = key / 2^64 and n distinct keys, the k smallest keys are held out, where k is the number with
    u < share, but at least min(64, n // 4) and at most 5,000. All copies of one content fall on one side, and
    neither order nor names matter. While the number with u < share lies between 64 and 5,000 (at the share
    0.1: expected from 640 to 50,000 distinct examples, and as good as certain from 900 to 48,000) the
    held-out set is exactly {u < share}: an example's side then never changes when others are added or
    removed.

    Args:
        keys: (N,) uint64 content hashes.
        share: from 0 (nothing is held out) to 0.5.

    Returns:
        Indices (n_train,) and (n_held,) int64, each in order of content, so that renaming a file changes nothing;
        together they are every index once.
    """
    distinct = np.unique(keys)
    below = int(np.searchsorted(distinct, np.uint64(int(share * 2**64)), side="left"))
    fewest = min(FEWEST, len(distinct) // 4) if share > 0 else 0
    count = min(max(below, fewest), MOST)
    held = np.isin(keys, distinct[:count])
    order = np.argsort(keys, kind="stable").astype(np.int64)
    return order[~held[order]], order[held[order]]
