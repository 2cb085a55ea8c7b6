"""Sets of images to be judged, read a block at a time: real ones, and ones a generator makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.dataset import Dataset, images_to_uint8
from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS

SampleFn = Callable[[int, int], Tensor]
"""From a first number and a count to that many samples: images (n, C, H, W) in [-1, 1], or points (n, F)."""


class SampleSet(Protocol):
    """Images (or points) in a fixed order."""

    @property
    def name(self) -> str:
        """What they are, in the plural: "the held-out images of photos"."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Some of them: uint8 (n, H, W, C), or points float32 (n, F)."""
        ...


@dataclass(frozen=True, eq=False)
class RealSet:
    """Some of the examples of a data set, in the order of their content, whatever their files are called."""

    dataset: Dataset
    indices: NDArray[np.int64]
    """(N,) indices into the examples."""
    name: str

    @classmethod
    def from_dataset(cls, dataset: Dataset, indices: NDArray[np.int64], name: str) -> RealSet:
        """These examples, put in order."""
        return cls(dataset, indices[np.argsort(dataset.keys[indices], kind="stable")], name)

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Some of them, as stored."""
        values: NDArray[Any] = self.dataset.take(self.indices[rows]).numpy()
        return values

    @property
    def content_hashes(self) -> NDArray[np.uint64]:
        """(N,) hashes of their content."""
        return self.dataset.keys[self.indices]

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash of them all, whatever their order."""
        return hashlib.blake2b(np.sort(self.content_hashes).astype("<u8").tobytes(), digest_size=6).hexdigest()

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices."""
        return self.dataset.labels[self.indices]

    def head(self, count: int) -> RealSet:
        """The first `count` of them. Their order is that of a hash, so they are as good as drawn at random."""
        return RealSet(self.dataset, self.indices[:count], self.name)


@dataclass(frozen=True, eq=False)
class GeneratedSet:
    """What a generator makes. Images are brought to bytes, as they would be in a file."""

    sample_fn: SampleFn
    count: int
    name: str
    requested_labels: NDArray[np.int64] | None = None
    """(count,) the classes they were asked to be of; None: none was asked for."""

    def __len__(self) -> int:
        return self.count

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Some of them; neighbours in number are made together.

        Raises:
            BadInput: the generator makes what is no number.
        """
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
        samples = torch.cat([self.sample_fn(int(run[0]), len(run)).float().cpu() for run in runs])
        if not samples.isfinite().all():
            raise BadInput(
                f"{self.name}: some are not finite numbers (NaN or infinite), so there is nothing to judge; go back to "
                f"an earlier checkpoint, or train anew with a lower --optimizer.lr"
            )
        return images_to_uint8(samples) if samples.dim() == 4 else samples.numpy()


def block_row_indices(sample_set: SampleSet, index: int) -> NDArray[np.int64]:
    """The row numbers of a block."""
    return np.arange(index * BLOCK_ROWS, min((index + 1) * BLOCK_ROWS, len(sample_set)), dtype=np.int64)
