"""The split into training and held-out examples, by content, so that it is stable when the dataset grows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_HELD_OUT = 64
"""Least number of distinct contents that are held out, if a quarter of the dataset is as many."""
MAX_HELD_OUT = 5_000
"""Largest number of distinct contents that are held out: metrics on more cost time and hardly change."""


def hash_content(header: str, content: bytes) -> int:
    """Return a 64-bit hash of an example: uniform, and the same on every machine and in every version."""
    digest = hashlib.blake2b(header.encode(), digest_size=8)
    digest.update(content)
    return int.from_bytes(digest.digest(), "little")


def hash_contents(header: str, contents: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the content hashes (n,) of examples (n, ...) that share a header, in about a microsecond each."""
    header_digest = hashlib.blake2b(header.encode(), digest_size=8)
    rows = np.ascontiguousarray(contents).data.cast("B")
    example_bytes = rows.nbytes // len(contents)
    digests = bytearray()
    for first in range(0, rows.nbytes, example_bytes):
        digest = header_digest.copy()
        digest.update(rows[first : first + example_bytes])
        digests += digest.digest()
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def run_start_mask(sorted_values: NDArray[Any]) -> NDArray[np.bool_]:
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
