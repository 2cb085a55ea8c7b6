"""Exact duplicates among examples, found by their content hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.split import run_start_mask

_MAX_GROUPS, _MAX_GROUP_SIZE = 10, 5  # how many groups of duplicates are listed, and how many examples of each


@dataclass(frozen=True)
class Duplicates:
    """The duplicates in a dataset."""

    extra_copies: int
    """Number of copies beyond the first of each content."""
    groups: Sequence[Sequence[int]]
    """The first few indices of the first few groups of equal content, largest group first, then by first index."""
    cross_class_groups: int
    """Number of groups whose examples have more than one class."""

    def notes(self, noun: str = "image") -> list[str]:
        """Return sentences for the user; `noun` is one of the examples in words."""
        return (
            [f"{self.cross_class_groups:,} of the duplicated {noun}s are in more than one class"]
            if self.cross_class_groups
            else []
        )


def find_duplicates(content_hashes: NDArray[np.uint64], labels: NDArray[np.int64]) -> Duplicates:
    """Find duplicate examples by their content hashes (n,) and labels (n,), with one sort and 25 bytes an example."""
    order = np.argsort(content_hashes, kind="stable")
    sorted_hashes = content_hashes[order]
    is_start = run_start_mask(sorted_hashes)
    extra_copies = len(content_hashes) - int(np.count_nonzero(is_start))
    is_unique = is_start & np.append(is_start[1:], True)
    order, sorted_hashes = order[~is_unique], sorted_hashes[~is_unique]
    starts = np.flatnonzero(run_start_mask(sorted_hashes)) if len(sorted_hashes) else np.zeros(0, np.int64)
    lengths = np.diff(starts, append=len(sorted_hashes))
    largest = np.lexsort((order[starts], -lengths))[:_MAX_GROUPS]
    groups = [order[starts[group] :][: min(lengths[group], _MAX_GROUP_SIZE)].tolist() for group in largest]
    classes = labels[order]
    crosses_classes = (sorted_hashes[1:] == sorted_hashes[:-1]) & (classes[1:] != classes[:-1])
    return Duplicates(extra_copies, groups, len(set(sorted_hashes[1:][crosses_classes].tolist())))
