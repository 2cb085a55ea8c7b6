"""What a run keeps of its data when they change: on which side of the split each content is, and the codec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import Codec
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class FormerSplit:
    """The contents that a run was trained on or held out, so that they stay on their side when its data change."""

    train: NDArray[np.uint64]
    """Distinct content hashes (T,) of training examples, in order."""
    held_out: NDArray[np.uint64]
    """Distinct content hashes (H,) of held-out examples, in order."""
    gone: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Those of the contents (G,) that are no longer in the data; if they come back, it is to their side."""

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return the split of a dataset; of unpaired inputs and targets, that of both together."""
        train, held_out = dataset.split_hashes()
        return cls(np.unique(train), np.setdiff1d(held_out, train))

    @property
    def present(self) -> NDArray[np.uint64]:
        """The contents that are in the data, in order."""
        return np.setdiff1d(np.union1d(self.train, self.held_out), self.gone)

    def merge(self, later: FormerSplit) -> FormerSplit:
        """Return this split with the new contents of a later one, in which every known content is on its side."""
        train, held_out = np.union1d(self.train, later.train), np.union1d(self.held_out, later.held_out)
        return FormerSplit(train, held_out, np.setdiff1d(np.union1d(train, held_out), later.present))

    def keep(
        self,
        content_hashes: NDArray[np.uint64],
        train: NDArray[np.int64],
        held_out: NDArray[np.int64],
        group_hashes: NDArray[np.uint64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return a split in which known contents are on their former side.

        A new content is on the side of its group, if the group has known contents: among the training examples if one
        of them is. Otherwise it stays where the split has it.

        Args:
            content_hashes: (N,).
            train: the training examples of a split by the usual rule, indices (n_train,).
            held_out: its held-out examples, indices (n_held_out,).
            group_hashes: (N,) the hash of each example's group; None without groups.

        Returns:
            Training and held-out indices, each in order of content hash.

        Raises:
            BadInput: one side would be empty.
        """
        rows = np.concatenate([train, held_out])
        hashes = content_hashes[rows]
        rows = rows[np.lexsort((rows, hashes))]
        hashes = content_hashes[rows]
        was_train, was_held_out = np.isin(hashes, self.train), np.isin(hashes, self.held_out)
        is_held_out = np.isin(rows, held_out)
        if group_hashes is not None:
            groups = group_hashes[rows]
            is_held_out[np.isin(groups, groups[was_held_out])] = True
            is_held_out[np.isin(groups, groups[was_train])] = False
        is_held_out = (is_held_out | was_held_out) & ~was_train
        if is_held_out.all() or (len(self.held_out) and not is_held_out.any()):
            side = "training" if is_held_out.all() else "held-out"
            raise BadInput(
                f"`data`: none of the {side} examples of the run is left, and none is new; keep some of the former data"
            )
        return rows[~is_held_out], rows[is_held_out]


@dataclass(frozen=True, eq=False)
class FormerData:
    """What a run keeps of its data when they change."""

    split: FormerSplit
    codec: Codec
    """What it has fitted to the former data is used for the new ones."""
