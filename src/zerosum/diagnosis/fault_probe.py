"""The part of a probe that counts samples with faults that their kind of data knows, such as silence.

It decodes a few samples of the EMA generator, and as many real ones twice, in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.reference_set import PROBE_SEED, ReferenceSet
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.sample_tree import concat_samples, leaves

MAX_SAMPLES = 32
"""Maximum number of samples that are decoded, which takes 1.6 s of sounds."""
REAL_PER_SAMPLE = 2
MAX_CHANCE = 1e-3
"""Probability up to which as many faulty samples are more than chance: how often a probe errs on real examples."""


@dataclass
class FaultProbe:
    """Probe of samples of a kind of data that knows faults; it measures nothing of other kinds.

    Args:
        reference_set: real examples.
    """

    reference_set: ReferenceSet

    @torch.no_grad()
    def __call__(self, game: AdversarialGame) -> Signals:
        """Return the fraction of the samples of the EMA generator of a game that have a fault, by its name."""
        codec = self.reference_set.codec
        if not codec.fault_names:
            return {}
        seeds = seeded_rng.derive_seeds(PROBE_SEED + 3, 0, self._num_samples)
        values = codec.measure_faults(codec.decode(game.sample(seeds), seeds))
        columns = zip(codec.fault_names, values.T, self._real_values.T, strict=True)
        return {f"monitor/faulty/{name}": faulty_fraction(own, real) for name, own, real in columns}

    @property
    def _num_samples(self) -> int:
        return min(MAX_SAMPLES, self.reference_set.num_samples)

    @cached_property
    def _real_values(self) -> NDArray[np.float64]:
        """(M, F) faults of training examples that were decoded as samples are."""
        codec, count = self.reference_set.codec, REAL_PER_SAMPLE * self._num_samples
        batches = self.reference_set.train_batches(min(count, len(self.reference_set.dataset.train)))
        samples = concat_samples([batch["real"] for batch in batches])
        seeds = seeded_rng.derive_seeds(PROBE_SEED + 4, 0, len(leaves(samples)[0]))
        return codec.measure_faults(codec.decode(samples, seeds))


def faulty_fraction(values: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Return the fraction of samples that have a fault; 0 if real examples would have as many by chance.

    A sample has it if its value is above 1, and above those of all real examples but one.

    Args:
        values: (N,) values of samples; see `Codec.measure_faults`.
        real: (M,) values of real examples, M at least 2.

    Example:
        >>> faulty_fraction(np.full(32, 5.0), np.zeros(64)), faulty_fraction(np.zeros(32), np.zeros(64))
        (1.0, 0.0)
    """
    count = int((values > max(1.0, float(np.sort(real)[-2]))).sum())
    return count / len(values) if chance_of(count, len(values), len(real)) <= MAX_CHANCE else 0.0


def chance_of(count: int, num_samples: int, num_real: int) -> float:
    """Return the probability that so many samples or more are above the second largest real example by chance.

    It is that of at most one real example among the `count` + 1 largest values, if samples and real examples are draws
    from one distribution: then all orders of them are equally likely.

    Example:
        >>> chance_of(0, 32, 64), round(chance_of(8, 32, 64), 4)
        (1.0, 0.0005)
    """
    if count == 0:
        return 1.0
    favorable = math.comb(num_samples, count + 1) + num_real * math.comb(num_samples, count)
    return favorable / math.comb(num_samples + num_real, count + 1)
