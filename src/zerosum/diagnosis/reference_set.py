"""The real samples that every examination of a run holds against its game, chosen once and always the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.dataset import Examples
from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.modes import clusters
from zerosum.evaluation.metrics.thumbnails import Crowd, energy, looks, spread
from zerosum.game import seeded_rng
from zerosum.game.types import Batch

MEMORY = 2_048
"""Training examples among which copies are looked for, at most."""
SERIES = 2**31 + 7
"""Of the seeds: none that sheets, `zerosum sample` or judgements show."""
PER_KIND = 16
"""Samples there are for each kind of image that is told apart, so that a kind's absence means something."""


@dataclass
class Bench:
    """What an examination needs of the data."""

    examples: Examples
    samples: int
    """How many are looked at."""
    part: int
    """How many of them at a time."""
    device: torch.device

    def __post_init__(self) -> None:
        """Choose."""
        dice = np.random.default_rng(SERIES)
        self._train, self._held_out = (dice.permutation(side) for side in (self.examples.train, self.examples.held_out))
        self._seeds = seeded_rng.seeds(SERIES, 0, self.samples)

    def train(self, count: int | None = None, first: int = 0) -> list[Batch]:
        """Training examples with seeds, in parts; `first` takes others, and begins again at the end."""
        return self._parts(self._train, count or self.samples, first)

    def held_out(self, count: int | None = None) -> list[Batch]:
        """Examples that the discriminator never sees."""
        return self._parts(self._held_out, count or self.samples, 0)

    def _parts(self, chosen: NDArray[np.int64], count: int, first: int) -> list[Batch]:
        places = np.arange(first, first + count)
        # the same example twice in a set would look like an echo, and the same seed like another
        rows = chosen[places % len(chosen)] if first or len(chosen) < count else chosen[:count]
        seeds = self._seeds[:count] if not first else seeded_rng.seeds(SERIES + 1, first, count)
        return [self._batch(rows[at : at + self.part], seeds[at : at + self.part]) for at in range(0, count, self.part)]

    def _batch(self, rows: NDArray[np.int64], seeds: Tensor) -> Batch:
        real = self.examples.scale(self.examples.take(rows).to(self.device))
        label = self.examples.label(rows)
        batch = {"real": real, "seed": seeds.to(self.device)}
        return batch if label is None else batch | {"label": label.to(self.device)}

    # ------------------------------------------------------------------ looks

    def _looks(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.cat([looks(self.examples.scale(self.examples.take(part))) for part in _blocks(rows)])

    @cached_property
    def memory(self) -> Tensor:
        """(M, D) looks of training examples."""
        return self._looks(self._train[:MEMORY])

    @cached_property
    def known(self) -> Crowd:
        """Looks of training examples, as many as are examined where there are."""
        return Crowd.of(self.memory[: self.samples])

    @cached_property
    def unseen(self) -> Crowd:
        """Looks of held-out examples, as many as are examined where there are."""
        return Crowd.of(self._looks(self._held_out[: self.samples]))

    @cached_property
    def spread(self) -> float:
        """The mean distance between two real examples; never 0, so that distances can be put in terms of it."""
        return max(self.known.spread, 1e-6)

    @cached_property
    def memory_spread(self) -> float:
        """The mean distance between two of `memory`."""
        return spread(self.memory)

    def energy(self, rows: Tensor, spread_of_rows: float) -> float:
        """How far these looks (N, D) are from training examples', in terms of `spread`; 0 where drawn from the same."""
        return energy(rows, spread_of_rows, self.memory, self.memory_spread) / self.spread

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """(M,) which kind each example of `memory` is: its class, or a cluster of looks where there are no classes."""
        if 1 < len(self.examples.classes) <= max(2, self.samples // PER_KIND):
            return self.memory_labels
        count = max(2, min(self.samples, len(self.memory)) // PER_KIND)
        centres = clusters(Table.of(self.memory), count)
        return _nearest(self.memory, centres.float())

    def kinds_of(self, rows: Tensor) -> NDArray[np.int64]:
        """(N,) the kind of each of these looks (N, D): that of the nearest training example."""
        kinds: NDArray[np.int64] = self.kinds[_nearest(rows, self.memory)]
        return kinds

    @property
    def labels(self) -> NDArray[np.int64]:
        """(samples,) the classes of the examined training examples; their fakes are asked to be of the same."""
        labels: NDArray[np.int64] = self.examples.labels[self._train[np.arange(self.samples) % len(self._train)]]
        return labels

    def class_of(self, rows: Tensor) -> NDArray[np.int64]:
        """(N,) the class of the training example nearest to each of these looks (N, D)."""
        classes: NDArray[np.int64] = self.memory_labels[_nearest(rows, self.memory)]
        return classes

    @property
    def unseen_labels(self) -> NDArray[np.int64]:
        """(M,) the classes of the examples in `unseen`."""
        labels: NDArray[np.int64] = self.examples.labels[self._held_out[: self.samples]]
        return labels

    @property
    def memory_labels(self) -> NDArray[np.int64]:
        """(M,) the classes of the examples in `memory`."""
        labels: NDArray[np.int64] = self.examples.labels[self._train[:MEMORY]]
        return labels


def _nearest(rows: Tensor, among: Tensor) -> NDArray[np.int64]:
    """(N,) which of `among` (M, D) is nearest to each of the rows (N, D)."""
    found: NDArray[np.int64] = torch.cdist(rows, among).argmin(1).numpy()
    return found


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[first : first + 256] for first in range(0, len(rows), 256)]
