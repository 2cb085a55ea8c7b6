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

BLOCK = 512
"""Rows of a block; the last one may have fewer."""


@dataclass(frozen=True, eq=False)
class Table:
    """(N, D) float32 features in blocks of `BLOCK` rows, each an array or an .npy file of one."""

    parts: Sequence[NDArray[np.float32] | Path]
    rows: int
    """N"""
    width: int
    """D"""

    @classmethod
    def of(cls, features: Tensor) -> Table:
        """A table in memory, of features (N, D)."""
        parts = [part.numpy() for part in torch.split(features.detach().cpu().float(), BLOCK)]
        return cls(parts, len(features), features.shape[1])

    def __len__(self) -> int:
        return self.rows

    @cached_property
    def starts(self) -> range:
        """The row that each block begins with."""
        return range(0, self.rows, BLOCK)

    def block(self, index: int) -> Tensor:
        """Rows `index * BLOCK` and following: (n, D) float32 on the CPU, n at most `BLOCK`; not to be written to."""
        part = self.parts[index]
        return torch.from_numpy(np.load(part, allow_pickle=False) if isinstance(part, Path) else part)

    def blocks(self) -> Iterator[Tensor]:
        """All blocks in order: (n, D) float32 each."""
        return (self.block(index) for index in range(len(self.parts)))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Some rows, in the order asked for: (n, D) float32."""
        found = torch.empty(len(rows), self.width)
        for index in np.unique(rows // BLOCK):
            wanted = np.flatnonzero(rows // BLOCK == index)
            found[torch.from_numpy(wanted)] = self.block(int(index))[torch.from_numpy(rows[wanted] % BLOCK)]
        return found

    def head(self, rows: int) -> Table:
        """The first `rows` rows, copying none of the whole blocks."""
        whole, rest = divmod(min(rows, self.rows), BLOCK)
        parts = list(self.parts[:whole])
        if rest:
            parts.append(self.block(whole)[:rest].numpy())
        return Table(parts, min(rows, self.rows), self.width)
