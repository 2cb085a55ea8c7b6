"""Features of a set of images: rows in blocks, in memory or on disk, so that scores need memory for a block only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_ROWS = 512
"""Rows of a block; the last one may have fewer."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """(N, D) float32 features in blocks of `BLOCK` rows, each an array or an .npy file of one."""

    stored_blocks: Sequence[NDArray[np.float32] | Path]
    num_rows: int
    """N"""
    num_columns: int
    """D"""

    @classmethod
    def from_tensor(cls, features: Tensor) -> FeatureTable:
        """A table in memory, of features (N, D)."""
        parts = [part.numpy() for part in torch.split(features.detach().cpu().float(), BLOCK_ROWS)]
        return cls(parts, len(features), features.shape[1])

    def __len__(self) -> int:
        return self.num_rows

    @cached_property
    def block_starts(self) -> range:
        """The row that each block begins with."""
        return range(0, self.num_rows, BLOCK_ROWS)

    def block(self, index: int) -> Tensor:
        """Rows `index * BLOCK` and following: (n, D) float32 on the CPU, n at most `BLOCK`; not to be written to."""
        part = self.stored_blocks[index]
        return torch.from_numpy(np.load(part, allow_pickle=False) if isinstance(part, Path) else part)

    def blocks(self) -> Iterator[Tensor]:
        """All blocks in order: (n, D) float32 each."""
        return (self.block(index) for index in range(len(self.stored_blocks)))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Some rows, in the order asked for: (n, D) float32."""
        found = torch.empty(len(rows), self.num_columns)
        for index in np.unique(rows // BLOCK_ROWS):
            wanted = np.flatnonzero(rows // BLOCK_ROWS == index)
            found[torch.from_numpy(wanted)] = self.block(int(index))[torch.from_numpy(rows[wanted] % BLOCK_ROWS)]
        return found

    def head(self, count: int) -> FeatureTable:
        """The first `count` rows, copying none of the whole blocks."""
        whole, rest = divmod(min(count, self.num_rows), BLOCK_ROWS)
        parts = list(self.stored_blocks[:whole])
        if rest:
            parts.append(self.block(whole)[:rest].numpy())
        return FeatureTable(parts, min(count, self.num_rows), self.num_columns)
