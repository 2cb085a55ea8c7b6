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

from zerosum.data.dataset import Examples, unscaled
from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK

Make = Callable[[int, int], Tensor]
"""From a first number and a count to that many samples: images (n, C, H, W) in [-1, 1], or points (n, F)."""


class Items(Protocol):
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
class Real:
    """Some of the examples of a data set, in the order of their content, whatever their files are called."""

    examples: Examples
    chosen: NDArray[np.int64]
    """(N,) indices into the examples."""
    name: str

    @classmethod
    def of(cls, examples: Examples, chosen: NDArray[np.int64], name: str) -> Real:
        """These examples, put in order."""
        return cls(examples, chosen[np.argsort(examples.keys[chosen], kind="stable")], name)

    def __len__(self) -> int:
        return len(self.chosen)

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Some of them, as stored."""
        values: NDArray[Any] = self.examples.take(self.chosen[rows]).numpy()
        return values

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(N,) hashes of their content."""
        return self.examples.keys[self.chosen]

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash of them all, whatever their order."""
        return hashlib.blake2b(np.sort(self.keys).astype("<u8").tobytes(), digest_size=6).hexdigest()

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices."""
        return self.examples.labels[self.chosen]

    def head(self, count: int) -> Real:
        """The first `count` of them. Their order is that of a hash, so they are as good as drawn at random."""
        return Real(self.examples, self.chosen[:count], self.name)


@dataclass(frozen=True, eq=False)
class Made:
    """What a generator makes. Images are brought to bytes, as they would be in a file."""

    make: Make
    count: int
    name: str
    asked: NDArray[np.int64] | None = None
    """(count,) the classes they were asked to be of; None: none was asked for."""

    def __len__(self) -> int:
        return self.count

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Some of them; neighbours in number are made together.

        Raises:
            BadInput: the generator makes what is no number.
        """
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
        samples = torch.cat([self.make(int(run[0]), len(run)).float().cpu() for run in runs])
        if not samples.isfinite().all():
            raise BadInput(
                f"{self.name}: some are not finite numbers (NaN or infinite), so there is nothing to judge; go back to "
                f"an earlier checkpoint, or train anew with a lower --optimizer.lr"
            )
        return unscaled(samples) if samples.dim() == 4 else samples.numpy()


def block_rows(items: Items, index: int) -> NDArray[np.int64]:
    """The row numbers of a block."""
    return np.arange(index * BLOCK, min((index + 1) * BLOCK, len(items)), dtype=np.int64)
