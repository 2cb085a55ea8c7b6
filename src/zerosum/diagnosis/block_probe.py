"""The part of a probe that looks at the blocks of samples, such as the columns of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zerosum.data.dataset import as_tensor
from zerosum.diagnosis.block_measures import (
    BlockReference,
    block_signals,
    compute_moments,
    name_constant_blocks,
    name_missing_categories,
    num_block_samples,
)
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, Sample


@dataclass
class BlockProbe:
    """Probe of the blocks of samples; it measures nothing of samples without blocks.

    Args:
        reference_set: real examples and seeds.
    """

    reference_set: ReferenceSet

    @torch.no_grad()
    def __call__(self, game: AdversarialGame, progress: Progress) -> dict[str, float | str]:
        """Return signals, and the names of what is missing, of a copy of a game."""
        if not self._num_samples:
            return {}
        reference, codec = self._reference, self.reference_set.codec
        samples = compute_moments(self._generate(lambda batch: game.decode(game.generate(batch, progress), batch)))
        ema_samples = compute_moments(
            self._generate(lambda batch: game.sample(batch["seed"].cpu(), condition=batch.get("condition")))
        )
        return {
            **block_signals(reference, samples, ema_samples),
            "monitor/names_of_missing_categories": name_missing_categories(reference, ema_samples, codec),
            "monitor/names_of_constant_columns": name_constant_blocks(reference, ema_samples, codec),
        }

    @cached_property
    def _num_samples(self) -> int:
        """The number of samples, a multiple of the size of a batch; 0 where they have no blocks."""
        spec, size = self.reference_set.codec.spec, self.reference_set.batch_size
        if not isinstance(spec, TensorSpec) or not spec.blocks:
            return 0
        return max(1, num_block_samples(spec) // size) * size

    @cached_property
    def _reference(self) -> BlockReference:
        spec = self.reference_set.codec.spec
        assert isinstance(spec, TensorSpec), "blocks are of one tensor"
        return BlockReference(
            spec.blocks, compute_moments(as_tensor(batch["real"]) for batch in self._batches()), self._num_samples
        )

    def _batches(self) -> list[Batch]:
        """Return the batches, whose seeds are those of no other part of a probe."""
        return self.reference_set.train_batches(self._num_samples, offset=self._num_samples)

    def _generate(self, generate: Callable[[Batch], Sample]) -> Iterator[Tensor]:
        """Yield the samples (n, K) of each batch as they are after writing and reading.

        So a number that is a category counts as that, also where it was generated as any other number.
        """
        for batch in self._batches():
            yield as_tensor(self.reference_set.codec.round(generate(batch)))
