"""The part of a probe that counts samples with faults that their kind of data knows, such as silence.

It decodes a few samples of the EMA generator, and as many real ones twice, in the same way. Outputs of a translation
are compared with their own targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.codec import Codec
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.reference_set import PROBE_SEED, ReferenceSet
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.sample_tree import concat_samples, leaves
from zerosum.game.types import Sample

MAX_SAMPLES = 32
"""Maximum number of samples that are decoded, which takes 1.6 s of sounds."""
REAL_PER_SAMPLE = 2
MAX_CHANCE = 1e-3
"""Probability up to which as many faulty samples are more than chance: how often a probe errs on real examples."""
MAX_PAIRS = 64
"""Maximum number of outputs of a translation that are compared with their targets.

At least 10 of them must have a fault to be more than chance, about the fraction from which there is a finding."""
PAIR_MARGIN = 2.0
"""A fault of an output counts from so many times that of its target on: a piece of a sound starts abruptly in both."""


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


def pair_fault_signals(codec: Codec, outputs: Sample, targets: Sample, seed: Tensor) -> Signals:
    """Return the fraction of the outputs of a translation that have a fault which their targets have not, by its name.

    Args:
        codec: decodes both; there are no signals if it knows no faults.
        outputs: (N, ...) samples.
        targets: (N, ...) samples: the target of each output.
        seed: (N,) int64 on the CPU, from which all randomness of the decoding derives.
    """
    if not codec.fault_names:
        return {}
    values, own = (codec.measure_faults(codec.decode(samples, seed)) for samples in (outputs, targets))
    columns = zip(codec.fault_names, values.T, own.T, strict=True)
    return {f"monitor/faulty/{name}": faulty_pair_fraction(*pair) for name, *pair in columns}


def faulty_pair_fraction(values: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return the fraction of outputs that have a fault which their targets have not; 0 if it could be chance.

    An output has it if its value is above 1, and above `PAIR_MARGIN` times that of its target.

    Args:
        values: (N,) values of outputs; see `Codec.measure_faults`.
        targets: (N,) values of their targets.

    Example:
        >>> values = np.full(32, 5.0)
        >>> faulty_pair_fraction(values, np.zeros(32)), faulty_pair_fraction(values, np.full(32, 4.0))
        (1.0, 0.0)
    """
    num_worse, num_better = (
        int((first > np.maximum(1.0, PAIR_MARGIN * second)).sum())
        for first, second in ((values, targets), (targets, values))
    )
    return num_worse / len(values) if chance_of_pairs(num_worse, num_better) <= MAX_CHANCE else 0.0


def chance_of_pairs(num_worse: int, num_better: int) -> float:
    """Return the probability that so many outputs or more are the worse ones of their pairs by chance: the sign test.

    Args:
        num_worse: number of pairs whose output has a fault that its target has not.
        num_better: number of pairs whose target has a fault that its output has not.

    Example:
        >>> chance_of_pairs(0, 0), round(chance_of_pairs(10, 0), 4), chance_of_pairs(1, 1)
        (1.0, 0.001, 0.75)
    """
    num_pairs = num_worse + num_better
    return sum(math.comb(num_pairs, count) for count in range(num_worse, num_pairs + 1)) * 0.5**num_pairs


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
