"""The real examples and seeds that every probe of a run uses, chosen once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.codec import Codec, Items
from zerosum.data.dataset import Dataset, add_conditions
from zerosum.data.loader import to_device
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.embeddings import EmbeddingSet, mean_pairwise_distance
from zerosum.evaluation.metrics.modes import fit_kmeans
from zerosum.evaluation.metrics.statistics import energy_distance
from zerosum.game import seeded_rng
from zerosum.game.types import Batch

MAX_TRAIN_FEATURES, MAX_FEATURES_PER_SAMPLE = 2_048, 16
"""Maximum number of training examples that are searched for copies, and that for each sample of a probe: few samples
are taken in short runs, which cannot afford the features of many examples."""
PROBE_SEED = 2**31 + 7
"""Base of the probe's seeds; sample grids, `zerosum sample` and evaluations use other seeds."""
EXAMPLES_PER_MODE = 16
"""Samples per mode, so that the absence of a mode is significant."""
FEATURE_BATCH_SIZE = 256


@dataclass
class ReferenceSet:
    """Training and held-out examples with seeds, and their embeddings.

    Args:
        dataset: the dataset of the run.
        num_samples: number of samples and of real examples that a probe uses.
        batch_size: number of them in a batch.
        device: device of the batches; features are on the CPU.
    """

    dataset: Dataset
    num_samples: int
    batch_size: int
    device: torch.device

    def __post_init__(self) -> None:
        """Shuffle both sides of the split and derive the seeds of the samples."""
        rng = np.random.default_rng(PROBE_SEED)
        self._train_indices, self._held_out_indices = (
            rng.permutation(indices) for indices in (self.dataset.train, self.dataset.held_out)
        )
        self._seeds = seeded_rng.derive_seeds(PROBE_SEED, 0, self.num_samples)

    @property
    def codec(self) -> Codec:
        """Encodes and embeds the examples."""
        return self.dataset.codec

    def train_batches(self, count: int | None = None, offset: int = 0) -> list[Batch]:
        """Return batches of training examples with seeds.

        Args:
            count: total number of examples; `num_samples` by default.
            offset: start at this position, with other seeds; positions wrap around at the end of the data.
        """
        return self._split_into_batches(self._train_indices, count or self.num_samples, offset)

    def held_out_batches(self, count: int | None = None) -> list[Batch]:
        """Return batches of held-out examples, which the discriminator never sees in training."""
        return self._split_into_batches(self._held_out_indices, count or self.num_samples, 0)

    def held_out_items(self, count: int) -> Items:
        """Return up to `count` held-out items (n, ...)."""
        return self.dataset.items(self._held_out_indices[:count])

    def _split_into_batches(self, indices: NDArray[np.int64], count: int, offset: int) -> list[Batch]:
        positions = np.arange(offset, offset + count)
        # one example or seed twice in a set would count as a near duplicate
        chosen = indices[positions % len(indices)] if offset or len(indices) < count else indices[:count]
        seeds = self._seeds[:count] if not offset else seeded_rng.derive_seeds(PROBE_SEED + 1, offset, count)
        return [
            self._make_batch(chosen[start : start + self.batch_size], seeds[start : start + self.batch_size])
            for start in range(0, count, self.batch_size)
        ]

    def _make_batch(self, indices: NDArray[np.int64], seeds: Tensor) -> Batch:
        part = to_device(self.dataset.fetch(0, indices), self.device)
        return add_conditions({"real": self.codec.encode(part["raw"]), "seed": seeds.to(self.device)}, part)

    # ------------------------------------------------------------------ embeddings

    def _embed(self, indices: NDArray[np.int64]) -> Tensor:
        chunks = [indices[start : start + FEATURE_BATCH_SIZE] for start in range(0, len(indices), FEATURE_BATCH_SIZE)]
        return torch.cat([self.codec.embed(self.dataset.samples(chunk)) for chunk in chunks])

    @property
    def num_searched(self) -> int:
        """Maximum number of training examples that are searched for copies."""
        return min(MAX_TRAIN_FEATURES, MAX_FEATURES_PER_SAMPLE * self.num_samples)

    @cached_property
    def train_features(self) -> Tensor:
        """(M, D) embeddings of training examples, as many as `num_searched`."""
        return self._embed(self._train_indices[: self.num_searched])

    @cached_property
    def train_embeddings(self) -> EmbeddingSet:
        """Embeddings of up to `num_samples` training examples."""
        return EmbeddingSet.from_features(self.train_features[: self.num_samples])

    @cached_property
    def held_out_embeddings(self) -> EmbeddingSet:
        """Embeddings of up to `num_samples` held-out examples."""
        return EmbeddingSet.from_features(self._embed(self._held_out_indices[: self.num_samples]))

    @cached_property
    def mean_pairwise_distance(self) -> float:
        """The mean distance between two training examples, at least 1e-6; the unit of all distances of a probe."""
        return max(self.train_embeddings.mean_pairwise_distance, 1e-6)

    @cached_property
    def train_mean_pairwise_distance(self) -> float:
        """The mean distance between two rows of `train_features`."""
        return mean_pairwise_distance(self.train_features)

    def energy_distance(self, features: Tensor, within_distance: float) -> float:
        """Return the energy distance of features from those of training examples, in units of the mean distance.

        Args:
            features: (N, D) embeddings.
            within_distance: the mean distance between two of them.

        Returns:
            About 0 where both sets have the same distribution.
        """
        return (
            energy_distance(features, within_distance, self.train_features, self.train_mean_pairwise_distance)
            / self.mean_pairwise_distance
        )

    @cached_property
    def mode_labels(self) -> NDArray[np.int64]:
        """(M,) mode of each row of `train_features`: its class, or its k-means cluster where there are no classes.

        Clusters also replace classes that are too many for `num_samples`.
        """
        if 1 < len(self.dataset.classes) <= max(2, self.num_samples // EXAMPLES_PER_MODE):
            return self.train_labels
        num_clusters = max(2, min(self.num_samples, len(self.train_features)) // EXAMPLES_PER_MODE)
        centers = fit_kmeans(FeatureTable.from_tensor(self.train_features), num_clusters)
        return _nearest_indices(self.train_features, centers.float())

    def nearest_modes(self, features: Tensor) -> NDArray[np.int64]:
        """Return the mode (N,) of the training example nearest to each row of the features (N, D)."""
        modes: NDArray[np.int64] = self.mode_labels[_nearest_indices(features, self.train_features)]
        return modes

    @property
    def sample_labels(self) -> NDArray[np.int64]:
        """(num_samples,) requested class of each sample: the class of the training example in the same position."""
        labels: NDArray[np.int64] = self.dataset.labels[
            self._train_indices[np.arange(self.num_samples) % len(self._train_indices)]
        ]
        return labels

    def nearest_classes(self, features: Tensor) -> NDArray[np.int64]:
        """Return the class (N,) of the training example nearest to each row of the features (N, D)."""
        classes: NDArray[np.int64] = self.train_labels[_nearest_indices(features, self.train_features)]
        return classes

    @property
    def held_out_labels(self) -> NDArray[np.int64]:
        """(M,) classes of the examples in `held_out_embeddings`."""
        labels: NDArray[np.int64] = self.dataset.labels[self._held_out_indices[: self.num_samples]]
        return labels

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """(M,) classes of the examples in `train_features`."""
        labels: NDArray[np.int64] = self.dataset.labels[self._train_indices[: self.num_searched]]
        return labels


def _nearest_indices(features: Tensor, reference: Tensor) -> NDArray[np.int64]:
    """Return the index (N,) of the row of `reference` (M, D) nearest to each row of `features` (N, D)."""
    indices: NDArray[np.int64] = torch.cdist(features, reference).argmin(1).numpy()
    return indices
