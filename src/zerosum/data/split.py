"""Which examples training never sees: a split by content that stays put when the data grow."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_HELD_OUT = 64
"""Distinct contents held out at least, where a quarter of the data is as many."""
MAX_HELD_OUT = 5_000
"""Distinct contents held out at most: scores on more cost time and say little more."""


def content_key(header: str, content: bytes) -> int:
    """A 64-bit hash of an example: uniform, and the same on every machine and in every version."""
    digest = hashlib.blake2b(header.encode(), digest_size=8)
    digest.update(content)
    return int.from_bytes(digest.digest(), "little")


def content_keys(header: str, contents: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The content keys (n,) of examples (n, ...) of one header, at about a microsecond each."""
    start = hashlib.blake2b(header.encode(), digest_size=8)
    rows = np.ascontiguousarray(contents).data.cast("B")
    each = rows.nbytes // len(contents)
    digests = bytearray()
    for first in range(0, rows.nbytes, each):
        digest = start.copy()
        digest.update(rows[first : first + each])
        digests += digest.digest()
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def run_start_mask(sorted_values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where in (n,) sorted values a new one begins, the first included: (n,)."""
    new = np.ones(len(sorted_values), np.bool_)
    np.not_equal(sorted_values[1:], sorted_values[:-1], out=new[1:])
    return new


def split_by_content(keys: NDArray[np.uint64], held_out_fraction: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide examples into those to train on and those held out, by content alone.

    With u = key / 2^64 and n distinct keys, the k smallest keys are held out, where k is the number with u < share,
    but at least min(64, n // 4), at most 5,000, and never all. All copies of one content fall on one side, and
    neither order nor names matter. While the number with u < share lies between 64 and 5,000 (at the share 0.1:
    expected from 640 to 50,000 distinct examples, and as good as certain from 900 to 48,000) the held-out set is
    exactly {u < share}: an example's side then never changes when others are added or removed.

    Args:
        keys: (N,) uint64 content hashes.
        held_out_fraction: from 0 (nothing is held out) to 0.5.

    Returns:
        Indices (n_train,) and (n_held,) int64, each in order of content, so that renaming a file changes nothing;
        together they are every index once.
    """
    order = np.argsort(keys, kind="stable").astype(np.int64, copy=False)
    ordered = keys[order]
    new = run_start_mask(ordered)
    distinct = int(np.count_nonzero(new))
    below = int(
        np.count_nonzero(new[: np.searchsorted(ordered, np.uint64(int(held_out_fraction * 2**64)), side="left")])
    )
    fewest = min(MIN_HELD_OUT, distinct // 4) if held_out_fraction > 0 else 0
    count = min(max(below, fewest), MAX_HELD_OUT, max(distinct - 1, 0))
    middle = int(np.flatnonzero(new)[count]) if count < distinct else len(keys)
    return order[middle:], order[:middle]
