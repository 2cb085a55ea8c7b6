"""Molecules as a dataset, some properties of which are given in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from zerosum.data.dataset import Dataset, take_rows
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.game import seeded_rng
from zerosum.game.sample_tree import leaves

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zerosum.data.loader import FetchedPart
    from zerosum.game.types import Batch, Sample


@dataclass(frozen=True, eq=False)
class MoleculeDataset(Dataset):
    """Molecules. In training, the networks are told some properties of some of them, so that they can be asked for.

    Its `conditions` are the known properties, standardized; None where there are none, or nothing is trained.
    """

    given_fraction: float = 0.0
    """Fraction of the molecules of which one or more of the known properties are given."""

    @property
    def molecule_codec(self) -> MoleculeCodec:
        """The codec."""
        assert isinstance(self.codec, MoleculeCodec), "molecules have no other codec"
        return self.codec

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the raw molecules at `rows` (n,) with all their known properties; called from several threads."""
        fetched: FetchedPart = {"raw": self.take(rows)}
        if self.conditions is not None:
            fetched["condition"] = take_rows(self.conditions, rows)
        elif self.molecule_codec.properties:
            fetched["condition"] = self.molecule_codec.give_nothing(len(rows))
        return fetched

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return the batch of fetched molecules, with the properties that are given."""
        batch = super().make_batch(parts, seed)
        if "condition" in batch:
            batch["condition"] = choose_given(batch["condition"], seed, self.given_fraction)
        return batch

    def condition(self, indices: NDArray[np.int64]) -> Sample | None:
        """Return the condition of molecules of which nothing is given; None without properties."""
        codec = self.molecule_codec
        return codec.give_nothing(len(indices)) if codec.properties else None


def choose_given(condition: Sample, seed: Tensor, given_fraction: float) -> Sample:
    """Return conditions (n, ...) of which some properties are given, as their seeds (n,) determine it.

    Of a fraction of the molecules, at least one of P properties is given, and every number of them is about equally
    likely; which ones does not depend on what is known of a molecule. See `zerosum.game.given_values`.
    """
    assert isinstance(condition, Mapping), "the condition of molecules is a tree"
    values, labeled = leaves(condition["values"])[0], leaves(condition["known"])[0]
    draws = seeded_rng.uniform(seed.to(labeled.device), labeled.shape[1] + 2, seeded_rng.RandomStream.GIVEN_COLUMNS)
    own = draws[:, 2:]
    is_given = ((own < draws[:, 1:2]) | (own == own.amin(1, keepdim=True))) & (draws[:, :1] < given_fraction)
    return {"values": values, "known": is_given.float(), "labeled": labeled}
