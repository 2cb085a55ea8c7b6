"""Sets of items to evaluate, read in blocks: real ones, and ones that a generator makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_leaves

from zerosum.data.codec import Codec, Items
from zerosum.data.dataset import Dataset
from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS
from zerosum.game.types import Sample

ItemFn = Callable[[int, int], Items]
"""`(start, count)` to generated items number `start` to `start + count - 1`."""


class SampleSet(Protocol):
    """Items in a fixed order."""

    @property
    def name(self) -> str:
        """What they are, in the plural: "the held-out images of photos"."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Items:
        """Return rows (n, ...), such as images uint8 (n, H, W, C)."""
        ...


@dataclass(frozen=True, eq=False)
class RealSet:
    """Items of a dataset, ordered by the hash of their content, so that file names do not matter."""

    dataset: Dataset
    indices: NDArray[np.int64]
    """(N,) indices into the dataset."""
    name: str

    @classmethod
    def from_dataset(cls, dataset: Dataset, indices: NDArray[np.int64], name: str) -> RealSet:
        """Return the items at these indices, ordered by content."""
        return cls(dataset, indices[np.argsort(dataset.content_hashes[indices], kind="stable")], name)

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, rows: NDArray[np.int64]) -> Items:
        """Return rows (n, ...)."""
        return self.dataset.items(self.indices[rows])

    @property
    def content_hashes(self) -> NDArray[np.uint64]:
        """(N,) hashes of the items' content."""
        return self.dataset.content_hashes[self.indices]

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash of all items, independent of their order."""
        return hashlib.blake2b(np.sort(self.content_hashes).astype("<u8").tobytes(), digest_size=6).hexdigest()

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices."""
        return self.dataset.labels[self.indices]

    def head(self, count: int) -> RealSet:
        """Return the first `count` items. Their order is that of a hash, so they are as good as drawn at random."""
        return RealSet(self.dataset, self.indices[:count], self.name)


@dataclass(frozen=True, eq=False)
class GeneratedSet:
    """Samples of a generator, decoded to items; images are rounded to bytes, as they would be in a file."""

    item_fn: ItemFn
    count: int
    name: str
    requested_labels: NDArray[np.int64] | None = None
    """(count,) class labels the samples were conditioned on; None: unconditional."""

    def __len__(self) -> int:
        return self.count

    def take(self, rows: NDArray[np.int64]) -> Items:
        """Generate rows; consecutive rows are generated in one call.

        Raises:
            BadInput: a sample is not finite.
        """
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
        return np.concatenate([self.item_fn(int(run[0]), len(run)) for run in runs])


def decode_finite(codec: Codec, sample: Sample, seed: Tensor) -> Items:
    """Decode samples (N, ...) of these seeds (N,) to items.

    Raises:
        BadInput: a sample is not finite.
    """
    require_finite(sample)
    return codec.decode(sample, seed)


def require_finite(sample: Sample) -> None:
    """Raise if a value of samples (N, ...) is not finite.

    Raises:
        BadInput: one is not.
    """
    if not all(bool(leaf.isfinite().all()) for leaf in tree_leaves(sample)):
        raise BadInput(
            "some samples are not finite (NaN or infinity), so they cannot be evaluated; use an earlier checkpoint, or "
            "train again with a lower `optimizer.lr`"
        )


def block_row_indices(sample_set: SampleSet, index: int) -> NDArray[np.int64]:
    """Return the row numbers of block `index`."""
    return np.arange(index * BLOCK_ROWS, min((index + 1) * BLOCK_ROWS, len(sample_set)), dtype=np.int64)
