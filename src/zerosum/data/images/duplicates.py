"""Examples that come more than once, found by their content keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.split import run_start_mask

_MAX_GROUPS, _MAX_GROUP_SIZE = 10, 5  # how many groups of duplicates are named, and how many of each


@dataclass(frozen=True)
class Duplicates:
    """What comes more than once."""

    extra_copies: int
    """Copies beyond the first of each content."""
    groups: Sequence[Sequence[int]]
    """The first few indices of the first few groups of equal content, largest group first, then by first index."""
    cross_class_groups: int
    """Groups whose examples stand in more than one class."""

    def notes(self) -> list[str]:
        """Whole sentences for the user."""
        return (
            [f"{self.cross_class_groups:,} of the duplicated images stand in more than one class"]
            if self.cross_class_groups
            else []
        )


def find_duplicates(keys: NDArray[np.uint64], labels: NDArray[np.int64]) -> Duplicates:
    """The copies among examples with these keys (n,) and labels (n,); takes a sort, and 25 bytes an example."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new = run_start_mask(ordered)
    spare = len(keys) - int(np.count_nonzero(new))
    alone = new & np.append(new[1:], True)
    order, ordered = order[~alone], ordered[~alone]
    starts = np.flatnonzero(run_start_mask(ordered)) if len(ordered) else np.zeros(0, np.int64)
    lengths = np.diff(starts, append=len(ordered))
    largest = np.lexsort((order[starts], -lengths))[:_MAX_GROUPS]
    groups = [order[starts[group] :][: min(lengths[group], _MAX_GROUP_SIZE)].tolist() for group in largest]
    classes = labels[order]
    torn = (ordered[1:] == ordered[:-1]) & (classes[1:] != classes[:-1])
    return Duplicates(spare, groups, len(set(ordered[1:][torn].tolist())))
