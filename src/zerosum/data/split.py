"""The split into training and held-out examples, by content, so that it is stable when the dataset grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput

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
    content_hashes: NDArray[np.uint64], held_out_fraction: float, *, bounded: bool = True
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
        bounded: without it, k is at least 1 (at a fraction above 0) and has no upper bound: the user set the fraction.

    Returns:
        Training indices (n_train,) and held-out indices (n_held_out,), int64, each in order of content hash, so that
        renaming a file changes nothing; together they are every index once.

    Raises:
        BadInput: the fraction is out of range.
    """
    check_held_out_fraction(held_out_fraction)
    order = np.argsort(content_hashes, kind="stable").astype(np.int64, copy=False)
    sorted_hashes = content_hashes[order]
    is_start = run_start_mask(sorted_hashes)
    distinct = int(np.count_nonzero(is_start))
    num_below = int(
        np.count_nonzero(
            is_start[: np.searchsorted(sorted_hashes, np.uint64(int(held_out_fraction * 2**64)), side="left")]
        )
    )
    minimum, maximum = _bounds(distinct, held_out_fraction, bounded)
    count = min(max(num_below, minimum), maximum, max(distinct - 1, 0))
    boundary = int(np.flatnonzero(is_start)[count]) if count < distinct else len(content_hashes)
    return order[boundary:], order[:boundary]


def _bounds(distinct: int, fraction: float, bounded: bool) -> tuple[int, int]:
    """Return the least and the largest number of distinct contents that are held out."""
    if fraction == 0:
        return 0, distinct
    return (min(MIN_HELD_OUT, distinct // 4), MAX_HELD_OUT) if bounded else (min(1, distinct // 2), distinct)


def split_by_group(
    content_hashes: NDArray[np.uint64],
    group_hashes: NDArray[np.uint64],
    held_out_fraction: float,
    setting: str,
    *,
    bounded: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split examples so that all examples of a group are on one side, and so are all copies of one content.

    Groups that share a content count as one. Those with hash / 2^64 < held_out_fraction are held out, and then the next
    ones by their hash until at least min(64, n // 4) of the n distinct contents are, but no group that would bring them
    to more than 5,000 or n // 2. So a group never changes sides when others are added, while these limits do not bind.

    Args:
        content_hashes: (N,) uint64.
        group_hashes: (N,) uint64, the hash of the name of each example's group.
        held_out_fraction: from 0 (nothing is held out) to 0.5.
        setting: the setting that names the groups, for the message.
        bounded: see `split_by_content`.

    Returns:
        Training indices and held-out indices, as `split_by_content` returns them.

    Raises:
        BadInput: the fraction is out of range, or there is only one group, or one after groups that share contents
            are joined, so that nothing can be held out.
    """
    check_held_out_fraction(held_out_fraction)
    order = np.argsort(content_hashes, kind="stable").astype(np.int64, copy=False)
    if held_out_fraction == 0 or not len(order):
        return order, order[:0]
    keys = _join_groups_of_copies(content_hashes, group_hashes)
    distinct_keys = keys[np.unique(content_hashes, return_index=True)[1]]
    names, sizes = np.unique(distinct_keys, return_counts=True)
    if len(names) < 2:
        count = len(np.unique(group_hashes))
        what = "all examples are in one group" if count == 1 else f"{count:,} groups share equal examples and are one"
        raise BadInput(f"`{setting}`: {what}, so none can be held out; choose other groups, or leave `{setting}` out")
    total, threshold = int(sizes.sum()), int(held_out_fraction * 2**64)
    held_out: list[int] = []
    minimum, maximum = _bounds(total, held_out_fraction, bounded)
    count, limit = 0, min(maximum, total // 2)
    for name, size in zip(names.tolist(), sizes.tolist(), strict=True):
        if name >= threshold and count >= minimum:
            break
        if count + size <= limit:
            held_out.append(name)
            count += size
    held_out = held_out or [int(names[np.argmin(sizes)])]
    is_held_out = np.isin(keys[order], np.array(held_out, np.uint64))
    return order[~is_held_out], order[is_held_out]


def _join_groups_of_copies(content_hashes: NDArray[np.uint64], group_hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the least group hash (N,) among all groups that are connected to each example's by equal contents."""
    contents = np.unique(content_hashes, return_inverse=True)[1].ravel()
    groups = np.unique(group_hashes, return_inverse=True)[1].ravel()
    keys = group_hashes.copy()
    while True:
        before = keys
        for members in (contents, groups):
            least = np.full(int(members.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
            np.minimum.at(least, members, keys)
            keys = least[members]
        if np.array_equal(keys, before):
            return keys


def check_held_out_fraction(fraction: float) -> None:
    """Raise if the held-out fraction is out of range.

    Raises:
        BadInput: if it is not from 0 to 0.5.
    """
    if not 0 <= fraction <= 0.5:
        raise BadInput(f"`held_out_fraction` {fraction:g} is out of range: give a number from 0 to 0.5")
