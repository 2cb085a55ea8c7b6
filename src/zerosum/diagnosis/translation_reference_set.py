"""The inputs and targets that every probe of a translation uses, chosen once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.text import pluralize
from zerosum.diagnosis.reference_set import PROBE_SEED, ReferenceSet
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_tree import map_tensors
from zerosum.game.types import Batch

MIN_HELD_OUT = 2
"""Minimum number of held-out inputs; signals compare outputs with each other."""


@dataclass
class TranslationReferenceSet:
    """Batches of inputs and targets. Without pairs, the target of an input is some example of the target domain."""

    reference_set: ReferenceSet

    def __post_init__(self) -> None:
        """Shuffle inputs and targets on both sides of the split.

        Raises:
            BadInput: if fewer than `MIN_HELD_OUT` examples are held out.
        """
        dataset, rng = self.reference_set.dataset, np.random.default_rng(PROBE_SEED)
        self.has_targets = dataset.has_targets
        self._train_input_indices, self._held_out_input_indices = (
            rng.permutation(dataset.input_indices(held_out)) for held_out in (False, True)
        )
        self._train_target_indices, self._held_out_target_indices = (
            self._train_input_indices,
            self._held_out_input_indices,
        )
        if not self.has_targets:
            self._train_target_indices, self._held_out_target_indices = (
                rng.permutation(indices) for indices in (dataset.train, dataset.held_out)
            )
        self.num_held_out = min(
            self.reference_set.num_samples, len(self._held_out_input_indices), len(self._held_out_target_indices)
        )
        if self.num_held_out < MIN_HELD_OUT:
            noun = dataset.summary.noun
            raise BadInput(
                f"{pluralize(self.num_held_out, f'held-out {noun}')}: the monitor needs at least {MIN_HELD_OUT}; add "
                f"{noun}s to the dataset"
            )

    def held_out_batches(self) -> list[Batch]:
        """Return each held-out input once, with its target.

        Returns:
            Batches with "inputs" (n, ...), "real" (n, ...) and "seed" (n,).
        """
        return self._split_into_batches(
            self._held_out_input_indices, self._held_out_target_indices, self.num_held_out, 0
        )

    def train_batches(self, count: int | None = None, offset: int = 0) -> list[Batch]:
        """Return training inputs with their targets, as `held_out_batches` does.

        Args:
            count: total number of inputs; by default all, up to the number of samples of a probe.
            offset: start at this position; positions wrap around at the end of the data.
        """
        count = count or min(
            self.reference_set.num_samples, max(len(self._train_input_indices), len(self._train_target_indices))
        )
        return self._split_into_batches(self._train_input_indices, self._train_target_indices, count, offset)

    def _split_into_batches(
        self, input_indices: NDArray[np.int64], target_indices: NDArray[np.int64], count: int, offset: int
    ) -> list[Batch]:
        positions, batch_size = np.arange(offset, offset + count), self.reference_set.batch_size
        inputs = input_indices[positions % len(input_indices)]
        targets = target_indices[positions % len(target_indices)]
        seeds = seeded_rng.derive_seeds(PROBE_SEED, offset, count)
        parts = [slice(start, start + batch_size) for start in range(0, count, batch_size)]
        return [self._make_batch(inputs[part], targets[part], seeds[part]) for part in parts]

    def _make_batch(
        self, input_indices: NDArray[np.int64], target_indices: NDArray[np.int64], seed: torch.Tensor
    ) -> Batch:
        dataset, device = self.reference_set.dataset, self.reference_set.device
        inputs = map_tensors(lambda tensor: tensor.to(device), dataset.inputs(input_indices))
        raw = map_tensors(lambda tensor: tensor.to(device), dataset.take(target_indices))
        return {"inputs": inputs, "real": dataset.codec.encode(raw), "seed": seed.to(device)}
