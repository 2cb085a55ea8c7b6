"""The real samples that every examination of a run holds against its game, chosen once and always the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.dataset import Dataset
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.modes import fit_kmeans
from zerosum.evaluation.metrics.thumbnails import (
    EmbeddingSet,
    energy_distance,
    mean_pairwise_distance,
    thumbnail_features,
)
from zerosum.game import seeded_rng
from zerosum.game.types import Batch

MAX_TRAIN_FEATURES = 2_048
"""Training examples among which copies are looked for, at most."""
PROBE_SEED = 2**31 + 7
"""Of the seeds: none that sheets, `zerosum sample` or judgements show."""
EXAMPLES_PER_MODE = 16
"""Samples there are for each kind of image that is told apart, so that a kind's absence means something."""


@dataclass
class ReferenceSet:
    """What an examination needs of the data."""

    dataset: Dataset
    num_samples: int
    """How many are looked at."""
    batch_size: int
    """How many of them at a time."""
    device: torch.device

    def __post_init__(self) -> None:
        """Choose."""
        dice = np.random.default_rng(PROBE_SEED)
        self._train_indices, self._held_out_indices = (
            dice.permutation(side) for side in (self.dataset.train, self.dataset.held_out)
        )
        self._seeds = seeded_rng.derive_seeds(PROBE_SEED, 0, self.num_samples)

    def train_batches(self, count: int | None = None, offset: int = 0) -> list[Batch]:
        """Training examples with seeds, in parts; `offset` takes others, and begins again at the end."""
        return self._split_into_batches(self._train_indices, count or self.num_samples, offset)

    def held_out_batches(self, count: int | None = None) -> list[Batch]:
        """Examples that the discriminator never sees."""
        return self._split_into_batches(self._held_out_indices, count or self.num_samples, 0)

    def _split_into_batches(self, indices: NDArray[np.int64], count: int, offset: int) -> list[Batch]:
        places = np.arange(offset, offset + count)
        # the same example twice in a set would look like an echo, and the same seed like another
        rows = indices[places % len(indices)] if offset or len(indices) < count else indices[:count]
        seeds = self._seeds[:count] if not offset else seeded_rng.derive_seeds(PROBE_SEED + 1, offset, count)
        return [
            self._make_batch(rows[at : at + self.batch_size], seeds[at : at + self.batch_size])
            for at in range(0, count, self.batch_size)
        ]

    def _make_batch(self, indices: NDArray[np.int64], seeds: Tensor) -> Batch:
        real = self.dataset.scale(self.dataset.take(indices).to(self.device))
        label = self.dataset.label(indices)
        batch = {"real": real, "seed": seeds.to(self.device)}
        return batch if label is None else batch | {"label": label.to(self.device)}

    # ------------------------------------------------------------------ looks

    def _thumbnail_features(self, indices: NDArray[np.int64]) -> Tensor:
        return torch.cat(
            [thumbnail_features(self.dataset.scale(self.dataset.take(part))) for part in _chunk_indices(indices)]
        )

    @cached_property
    def train_features(self) -> Tensor:
        """(M, D) looks of training examples."""
        return self._thumbnail_features(self._train_indices[:MAX_TRAIN_FEATURES])

    @cached_property
    def train_embeddings(self) -> EmbeddingSet:
        """Looks of training examples, as many as are examined where there are."""
        return EmbeddingSet.from_features(self.train_features[: self.num_samples])

    @cached_property
    def held_out_embeddings(self) -> EmbeddingSet:
        """Looks of held-out examples, as many as are examined where there are."""
        return EmbeddingSet.from_features(self._thumbnail_features(self._held_out_indices[: self.num_samples]))

    @cached_property
    def mean_pairwise_distance(self) -> float:
        """The mean distance between two real examples; never 0, so that distances can be put in terms of it."""
        return max(self.train_embeddings.mean_pairwise_distance, 1e-6)

    @cached_property
    def train_mean_pairwise_distance(self) -> float:
        """The mean distance between two of `memory`."""
        return mean_pairwise_distance(self.train_features)

    def energy_distance(self, features: Tensor, within_distance: float) -> float:
        """How far these looks (N, D) are from training examples', in terms of `spread`; 0 where drawn from the same."""
        return (
            energy_distance(features, within_distance, self.train_features, self.train_mean_pairwise_distance)
            / self.mean_pairwise_distance
        )

    @cached_property
    def mode_labels(self) -> NDArray[np.int64]:
        """(M,) which kind each example of `memory` is: its class, or a cluster of looks where there are no classes."""
        if 1 < len(self.dataset.classes) <= max(2, self.num_samples // EXAMPLES_PER_MODE):
            return self.train_labels
        count = max(2, min(self.num_samples, len(self.train_features)) // EXAMPLES_PER_MODE)
        centres = fit_kmeans(FeatureTable.from_tensor(self.train_features), count)
        return _nearest_indices(self.train_features, centres.float())

    def nearest_modes(self, features: Tensor) -> NDArray[np.int64]:
        """(N,) the kind of each of these looks (N, D): that of the nearest training example."""
        kinds: NDArray[np.int64] = self.mode_labels[_nearest_indices(features, self.train_features)]
        return kinds

    @property
    def sample_labels(self) -> NDArray[np.int64]:
        """(samples,) the classes of the examined training examples; their fakes are asked to be of the same."""
        labels: NDArray[np.int64] = self.dataset.labels[
            self._train_indices[np.arange(self.num_samples) % len(self._train_indices)]
        ]
        return labels

    def nearest_classes(self, features: Tensor) -> NDArray[np.int64]:
        """(N,) the class of the training example nearest to each of these looks (N, D)."""
        classes: NDArray[np.int64] = self.train_labels[_nearest_indices(features, self.train_features)]
        return classes

    @property
    def held_out_labels(self) -> NDArray[np.int64]:
        """(M,) the classes of the examples in `unseen`."""
        labels: NDArray[np.int64] = self.dataset.labels[self._held_out_indices[: self.num_samples]]
        return labels

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """(M,) the classes of the examples in `memory`."""
        labels: NDArray[np.int64] = self.dataset.labels[self._train_indices[:MAX_TRAIN_FEATURES]]
        return labels


def _nearest_indices(features: Tensor, reference: Tensor) -> NDArray[np.int64]:
    """(N,) which of `reference` (M, D) is nearest to each of the rows (N, D)."""
    found: NDArray[np.int64] = torch.cdist(features, reference).argmin(1).numpy()
    return found


def _chunk_indices(indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [indices[first : first + 256] for first in range(0, len(indices), 256)]
