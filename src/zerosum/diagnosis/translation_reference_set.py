"""What an examination asks a game that makes pictures from pictures: held-out questions, always the same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.diagnosis.reference_set import PROBE_SEED, ReferenceSet
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.types import Batch

MIN_HELD_OUT = 2
"""Held-out questions that can be compared."""


@dataclass
class TranslationReferenceSet:
    """Batches of what is given and what is wanted, of the data of a bench.

    Where the truth is known a question comes with its answer; elsewhere with some other picture of the wanted kind.
    """

    reference_set: ReferenceSet

    def __post_init__(self) -> None:
        """Choose.

        Raises:
            BadInput: fewer than two are held out.
        """
        dataset, dice = self.reference_set.dataset, np.random.default_rng(PROBE_SEED)
        self.has_targets = dataset.has_targets
        self._train_input_indices, self._held_out_input_indices = (
            dice.permutation(dataset.input_indices(held_out)) for held_out in (False, True)
        )
        self._train_target_indices, self._held_out_target_indices = (
            self._train_input_indices,
            self._held_out_input_indices,
        )
        if not self.has_targets:
            self._train_target_indices, self._held_out_target_indices = (
                dice.permutation(s) for s in (dataset.train, dataset.held_out)
            )
        self.num_held_out = min(
            self.reference_set.num_samples, len(self._held_out_input_indices), len(self._held_out_target_indices)
        )
        if self.num_held_out < MIN_HELD_OUT:
            raise BadInput(
                f"{self.num_held_out} pictures are held out, too few to examine a run by; give more pictures"
            )

    def held_out_batches(self, bidirectional: bool) -> list[Batch]:
        """Held-out questions in parts, none twice: `given`, `real`, `seed`; couples (N, 2, C, H, W) if `bidirectional`."""
        return self._split_into_batches(
            self._held_out_input_indices, self._held_out_target_indices, self.num_held_out, 0, bidirectional
        )

    def train_batches(self, bidirectional: bool, count: int | None = None, offset: int = 0) -> list[Batch]:
        """Training questions in parts; `offset` takes others, and begins again at the end."""
        count = count or min(
            self.reference_set.num_samples, max(len(self._train_input_indices), len(self._train_target_indices))
        )
        return self._split_into_batches(
            self._train_input_indices, self._train_target_indices, count, offset, bidirectional
        )

    def _split_into_batches(
        self,
        input_indices: NDArray[np.int64],
        target_indices: NDArray[np.int64],
        count: int,
        offset: int,
        bidirectional: bool,
    ) -> list[Batch]:
        places, part = np.arange(offset, offset + count), self.reference_set.batch_size
        given, real = input_indices[places % len(input_indices)], target_indices[places % len(target_indices)]
        seed = seeded_rng.derive_seeds(PROBE_SEED, offset, count)
        cuts = [slice(at, at + part) for at in range(0, count, part)]
        return [self._make_batch(given[cut], real[cut], seed[cut], bidirectional) for cut in cuts]

    def _make_batch(
        self,
        input_indices: NDArray[np.int64],
        target_indices: NDArray[np.int64],
        seed: torch.Tensor,
        bidirectional: bool,
    ) -> Batch:
        dataset, device = self.reference_set.dataset, self.reference_set.device
        given = dataset.inputs(input_indices).to(device)
        real = dataset.scale(dataset.take(target_indices).to(device))
        if bidirectional:
            given = torch.stack([given, real], 1)
            real = given.flip(1)
        return {"inputs": given, "real": real, "seed": seed.to(device)}
