"""Rows of a table as a dataset, some columns of which are given in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.tables.codec import TableCodec
from zerosum.game import seeded_rng

if TYPE_CHECKING:
    import numpy as np

    from zerosum.data.loader import FetchedPart
    from zerosum.game.types import Batch, Sample


@dataclass(frozen=True, eq=False)
class TableDataset(Dataset):
    """Rows. In training, both players are told some columns of some rows, so that samples can be asked for them."""

    given_fraction: float = 0.0
    """Fraction of the rows of which columns are given; of each such row, every fraction of its columns is equally
    likely."""

    @property
    def table_codec(self) -> TableCodec:
        """The codec."""
        assert isinstance(self.codec, TableCodec), "rows have no other codec"
        return self.codec

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return the batch of fetched rows, with the columns that are given."""
        batch = super().make_batch(parts, seed)
        real = as_tensor(batch["real"])
        batch["condition"] = self._give(real, seed.to(real.device))
        return batch

    def _give(self, real: Tensor, seed: Tensor) -> Sample:
        """Return the condition of samples (n, K), as their seeds (n,) determine it."""
        num_blocks = len(self.table_codec.spec.blocks)
        draws = seeded_rng.uniform(seed, num_blocks + 2, seeded_rng.RandomStream.GIVEN_COLUMNS)
        is_given = (draws[:, 2:] < draws[:, 1:2]) & (draws[:, :1] < self.given_fraction)
        owners = torch.from_numpy(self.table_codec.owners).to(real.device)
        return {"values": real * is_given[:, owners], "known": is_given.float()}

    def condition(self, indices: NDArray[np.int64]) -> Sample:
        """Return the condition of rows of which nothing is given."""
        return self.table_codec.give_nothing(len(indices))
