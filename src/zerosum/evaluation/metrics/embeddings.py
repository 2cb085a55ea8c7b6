"""Statistics of embeddings, cheap enough for the monitor to compute during training.

An embedding is what `Codec.embed` returns: a small image or a few numbers for each sample. Distances between them miss
details such as texture, which `zerosum evaluate` measures with a feature network; they do not miss mode collapse.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.pairwise import SelfDistances, compute_self_distances

NUM_NEIGHBORS = 5
NEAR_DUPLICATE_RATIO = 0.25
"""Samples nearer to each other than this ratio of the median nearest-neighbor distance of reals are near duplicates."""


def mean_pairwise_distance(features: Tensor) -> float:
    """Return the mean distance between two different rows (N, D)."""
    return float(_pairwise_distances(features).mean())


def nearest_distances(features: Tensor) -> Tensor:
    """Return the distance of each row (N, D) to its nearest other row: (N,)."""
    return _pairwise_distances(features).min(1).values


def _pairwise_distances(features: Tensor) -> Tensor:
    """Return the distances of each row (N, D) to all others: (N, N - 1)."""
    n = len(features)
    # exact: matrix products would give equal rows a distance above 0
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)  # all but the diagonal


def median_nn_distance(features: Tensor, reference: Tensor) -> float:
    """Return the median distance of rows (N, D) to their nearest reference rows (M, D)."""
    return float(distances_to(features, reference).median())


def distances_to(features: Tensor, reference: Tensor) -> Tensor:
    """Return the distance (N,) of each row (N, D) to its nearest reference row (M, D)."""
    # Matrix products find the nearest row, best near the origin; its distance is computed again from differences,
    # because their error would show for copies.
    mean = reference.mean(0)
    nearest = reference[torch.cdist(features - mean, reference - mean).argmin(1)]
    distances: Tensor = (features - nearest).norm(dim=1)
    return distances


def nearest_share_ratio(features: Tensor, train: Tensor, held_out: Tensor) -> float:
    """Return how often the nearest real example of a sample is a held-out one, relative to the share of these.

    Args:
        features: (N, D) embeddings of samples.
        train: (M, D) embeddings of training examples.
        held_out: (H, D) embeddings of held-out examples.

    Returns:
        About 1, wherever samples are; 0 if they are copies of training examples. Ties count half.

    Example:
        >>> train, held_out = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
        >>> nearest_share_ratio(torch.tensor([[0.1], [2.1]]), train, held_out)
        1.0
    """
    to_train, to_held_out = distances_to(features, train), distances_to(features, held_out)
    share = ((to_held_out < to_train).double() + (to_held_out == to_train).double() / 2).mean()
    return float(share) * (len(train) + len(held_out)) / len(held_out)


class EmbeddingSet(NamedTuple):
    """A set of embeddings, with its distances to itself."""

    features: Tensor
    """(N, D)"""
    mean_pairwise_distance: float
    """Mean distance between two of them."""
    nearest_distances: Tensor
    """(N,) distance of each to its nearest neighbor."""
    self_distances: SelfDistances
    """For precision, recall and coverage."""

    @classmethod
    def from_features(cls, features: Tensor) -> EmbeddingSet:
        """Create the set from rows (N, D), N at least 7."""
        return cls(
            features,
            mean_pairwise_distance(features),
            nearest_distances(features),
            compute_self_distances(FeatureTable.from_tensor(features), NUM_NEIGHBORS),
        )


def near_duplicate_rate(fake: EmbeddingSet, real: EmbeddingSet) -> float:
    """Return the fraction of fakes that have a near duplicate among the fakes; among real samples these are rare.

    An automatic version of the birthday paradox test (Arora and Zhang 2017, arXiv:1706.08224): two fakes are near
    duplicates if they are nearer than a quarter of the median nearest-neighbor distance of reals.
    """
    return float((fake.nearest_distances < NEAR_DUPLICATE_RATIO * real.nearest_distances.median()).float().mean())
