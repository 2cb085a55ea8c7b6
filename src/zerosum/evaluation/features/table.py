"""Features of a sample set in blocks of rows, in memory or on disk, so that metrics hold only some blocks at a time."""

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
"""Rows per block; the last block may have fewer."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """(N, D) float32 features in blocks of `BLOCK_ROWS` rows, each an array or an .npy file."""

    stored_blocks: Sequence[NDArray[np.float32] | Path]
    num_rows: int
    """N"""
    num_columns: int
    """D"""

    @classmethod
    def from_tensor(cls, features: Tensor) -> FeatureTable:
        """Create a table in memory from features (N, D)."""
        parts = [part.numpy() for part in torch.split(features.detach().cpu().float(), BLOCK_ROWS)]
        return cls(parts, len(features), features.shape[1])

    def __len__(self) -> int:
        return self.num_rows

    @cached_property
    def block_starts(self) -> range:
        """The first row of each block."""
        return range(0, self.num_rows, BLOCK_ROWS)

    def block(self, index: int) -> Tensor:
        """Return the rows of block `index`: (n, D) float32 on the CPU, n at most `BLOCK_ROWS`; do not write to it."""
        part = self.stored_blocks[index]
        return torch.from_numpy(np.load(part, allow_pickle=False) if isinstance(part, Path) else part)

    def blocks(self) -> Iterator[Tensor]:
        """Return all blocks in order: (n, D) float32 each."""
        return (self.block(index) for index in range(len(self.stored_blocks)))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the rows at these indices, in that order: (n, D) float32."""
        values = torch.empty(len(rows), self.num_columns)
        for index in np.unique(rows // BLOCK_ROWS):
            positions = np.flatnonzero(rows // BLOCK_ROWS == index)
            values[torch.from_numpy(positions)] = self.block(int(index))[torch.from_numpy(rows[positions] % BLOCK_ROWS)]
        return values

    def head(self, count: int) -> FeatureTable:
        """Return the first `count` rows; full blocks are not copied."""
        full_blocks, rest = divmod(min(count, self.num_rows), BLOCK_ROWS)
        parts = list(self.stored_blocks[:full_blocks])
        if rest:
            parts.append(self.block(full_blocks)[:rest].numpy())
        return FeatureTable(parts, min(count, self.num_rows), self.num_columns)
