"""Samples as rough looks, cheap enough to compare many: what an examination knows of the distribution it sees.

A look is a picture shrunk to at most 16 pixels a side, or a point as it is. Distances between looks miss texture, which
`zerosum evaluate` sees with a feature network; they do not miss samples that are all alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.manifold import SelfDistances, compute_self_distances

THUMBNAIL_SIZE = 16
NUM_NEIGHBORS = 5
NEAR_DUPLICATE_RATIO = 0.25
"""Of the usual distance between neighbouring reals: two samples nearer than this echo each other."""


def thumbnail_features(samples: Tensor) -> Tensor:
    """Samples (N, C, H, W) or (N, F) as rows (N, D) float32 on the CPU."""
    return make_thumbnails(samples).flatten(1)


def make_thumbnails(samples: Tensor) -> Tensor:
    """Pictures (N, C, H, W) at most 16 pixels a side, points as they are; float32 on the CPU."""
    samples = samples.detach().float()
    if samples.dim() == 4 and samples.shape[-1] > THUMBNAIL_SIZE:
        samples = torch.nn.functional.adaptive_avg_pool2d(samples, THUMBNAIL_SIZE)
    return samples.cpu()


def mean_pairwise_distance(features: Tensor) -> float:
    """The mean distance between two of the rows (N, D)."""
    return float(_pairwise_distances(features).mean())


def nearest_distances(features: Tensor) -> Tensor:
    """(N,) the distance from each of the rows (N, D) to its nearest other."""
    return _pairwise_distances(features).min(1).values


def _pairwise_distances(features: Tensor) -> Tensor:
    """Distances from each of the rows (N, D) to the others: (N, N - 1)."""
    n = len(features)
    # exact: the way by products has an error that equal rows would show
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)  # all but the diagonal


def median_nn_distance(features: Tensor, reference: Tensor) -> float:
    """The median distance from a row (N, D) to the nearest of others (M, D)."""
    # the way by products finds the nearest, best near the origin; measured anew, for its error would show in copies
    middle = reference.mean(0)
    there = reference[torch.cdist(features - middle, reference - middle).argmin(1)]
    return float((features - there).norm(dim=1).median())


def energy_distance(
    features: Tensor, within_distance: float, reference: Tensor, reference_within_distance: float
) -> float:
    """The energy distance of rows (N, D) from others (M, D): 0 on average where both are drawn from the same.

    Twice the mean distance across, less the mean distances within (Székely and Rizzo 2013). It is seen from afar, where
    no sample is anybody's neighbour yet.
    """
    middle = reference.mean(0)
    across = float(torch.cdist(features - middle, reference - middle).mean())
    return 2 * across - within_distance - reference_within_distance


class EmbeddingSet(NamedTuple):
    """A set of looks, compared with itself."""

    features: Tensor
    """(N, D)."""
    mean_pairwise_distance: float
    """The mean distance between two of them."""
    nearest_distances: Tensor
    """(N,) the distance from each to its nearest neighbour."""
    self_distances: SelfDistances
    """For precision, recall and coverage."""

    @classmethod
    def from_features(cls, features: Tensor) -> EmbeddingSet:
        """The crowd of rows (N, D), more than six."""
        return cls(
            features,
            mean_pairwise_distance(features),
            nearest_distances(features),
            compute_self_distances(FeatureTable.from_tensor(features), NUM_NEIGHBORS),
        )


def near_duplicate_rate(fake: EmbeddingSet, real: EmbeddingSet) -> float:
    """The share of fakes that have a near copy among the fakes; between real samples that is rare.

    The birthday test (Arora and Zhang 2017, arXiv:1706.08224) by a machine's eye: near is a quarter of the median
    distance between neighbouring reals.
    """
    return float((fake.nearest_distances < NEAR_DUPLICATE_RATIO * real.nearest_distances.median()).float().mean())


def auc(positives: Tensor, negatives: Tensor) -> float:
    """The chance that a score of `positives` (N,) is above one of `negatives` (M,), equal ones counting half."""
    order = torch.sort(negatives.double()).values
    below = torch.searchsorted(order, positives.double())
    upto = torch.searchsorted(order, positives.double(), right=True)
    return float((below + upto).double().mean() / (2 * len(negatives)))


def cohens_d(positives: Tensor, negatives: Tensor) -> float:
    """How far the mean of `positives` (N,) is above that of `negatives` (M,), in their common standard deviation."""
    pooled = ((positives.double().var() + negatives.double().var()) / 2).sqrt()
    return float((positives.double().mean() - negatives.double().mean()) / pooled.clamp_min(1e-12))
