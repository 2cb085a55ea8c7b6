"""Mode coverage: clusters of the reals, and which of them the generator samples too often, too rarely or not at all.

Number of statistically different bins (NDB): Richardson and Weiss 2018, arXiv:1805.12462, section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.metrics.base import MetricInfo

MAX_ROWS = 10_000
"""Maximum number of rows that k-means uses; more cost time and hardly move the centers."""
MAX_ITERATIONS = 20
"""Maximum number of iterations of k-means."""
SIGNIFICANCE_LEVEL = 0.05
"""For two sets of the same distribution, the probability that a mode is called different, and that any is missing."""
MISSING_FRACTION = 0.25
"""A missing mode has less than this fraction of the expected fakes."""


@dataclass(frozen=True)
class MissingMode:
    """A mode with far fewer fakes than expected."""

    mode: int
    """Index of the mode."""
    num_real: int
    """Number of reals in it."""
    expected: float
    """Expected number of fakes, from the fraction of reals."""
    num_generated: int
    """Number of fakes in it."""


@dataclass(frozen=True)
class ModeCounts:
    """How reals and fakes are distributed over modes."""

    num_modes: int
    """Number of modes (the paper's bins)."""
    ndb: int
    """Number of modes whose fractions of reals and fakes differ at the 5% level; for two sets of the same distribution
    5% of the modes are expected."""
    js_divergence: float
    """Jensen-Shannon divergence of the fractions in nats, 0 to log 2."""
    missing: tuple[MissingMode, ...]
    """Modes with far fewer fakes than expected, those that lack the most fakes first."""


def fit_kmeans(features: FeatureTable, num_clusters: int, seed: int = 0) -> Tensor:
    """Return cluster centers (k, D) float64 by k-means: at most 20 iterations after k-means++ initialization.

    At most 10,000 rows, drawn with the seed, are used, in float32. The same table, k and seed give the same centers. If
    there are fewer than k distinct rows, there are fewer centers.

    k-means++: Arthur and Vassilvitskii 2007. Iterations: Lloyd 1982.

    Raises:
        BadInput: there are fewer than k rows.
    """
    if not 1 <= num_clusters <= len(features):
        raise BadInput(
            f"{len(features)} items cannot be divided into {num_clusters} clusters: choose 1 to {len(features)}"
        )
    rng = np.random.default_rng(seed)
    rows = features.take(np.sort(rng.permutation(len(features))[:MAX_ROWS]))
    mean = rows.mean(0, dtype=torch.float64).float()
    rows -= mean  # centering reduces cancellation in float32 products
    squared_norms = rows.square().sum(1)
    centers, labels = _kmeans_plus_plus(rows, squared_norms, num_clusters, rng), torch.empty(0)
    for _ in range(MAX_ITERATIONS):
        previous, (labels, squared_distances) = labels, _nearest_center(rows, squared_norms, centers)
        if torch.equal(previous, labels):
            break
        centers = _update_centers(rows, labels, squared_distances, len(centers))
    return centers.double() + mean


def _kmeans_plus_plus(rows: Tensor, squared_norms: Tensor, num_clusters: int, rng: np.random.Generator) -> Tensor:
    """Return rows (k, D), each drawn with probability proportional to its squared distance to the rows drawn before."""
    chosen, nearest = [int(rng.integers(len(rows)))], torch.full((len(rows),), math.inf)
    while len(chosen) < num_clusters:
        last = chosen[-1]
        squared_distances = squared_norms + squared_norms[last] - 2 * (rows @ rows[last])
        squared_distances[squared_distances < 1e-6 * (squared_norms + squared_norms[last])] = 0  # equal up to rounding
        nearest = torch.minimum(nearest, squared_distances)
        weights = nearest.double().numpy()
        if not weights.any():
            break
        chosen.append(int(rng.choice(len(rows), p=weights / weights.sum())))
    return rows[chosen]


def _nearest_center(rows: Tensor, squared_norms: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest center of each row (N,), and the squared distance to it (N,)."""
    minima = [(centers.square().sum(1) - 2 * part @ centers.T).min(1) for part in torch.split(rows, BLOCK_ROWS)]
    return torch.cat([part.indices for part in minima]), squared_norms + torch.cat([part.values for part in minima])


def _update_centers(rows: Tensor, labels: Tensor, squared_distances: Tensor, num_clusters: int) -> Tensor:
    """Return the mean of each cluster (k, D); an empty cluster moves to the row farthest from its center."""
    sums = torch.zeros(num_clusters, rows.shape[1], dtype=torch.float64)
    for part, part_labels in zip(torch.split(rows, BLOCK_ROWS), torch.split(labels, BLOCK_ROWS), strict=True):
        sums.index_add_(0, part_labels, part.double())
    counts = torch.bincount(labels, minlength=num_clusters)
    empty = torch.nonzero(counts == 0)[:, 0]
    sums[empty] = rows[squared_distances.topk(len(empty)).indices].double()
    return (sums / counts.clamp(min=1)[:, None]).float()


def assign_clusters(features: FeatureTable, centers: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest of `centers` (k, D) for each row: labels (N,), the lower one of ties, and distances (N,).

    Raises:
        BadInput: the centers have another number of features.
    """
    if features.num_columns != centers.shape[1]:
        raise BadInput(
            f"size mismatch: {features.num_columns} features per item and {centers.shape[1]} per center: "
            "use one feature network for both"
        )
    mean = centers.mean(0)
    centered = centers - mean
    labels, distances = [np.empty(0, np.int64)], [np.empty(0)]
    for block in features.blocks():
        rows = block.double() - mean
        squares = torch.addmm(centered.square().sum(1), rows, centered.T, alpha=-2).add_(rows.square().sum(1)[:, None])
        nearest = squares.min(1)
        labels.append(nearest.indices.numpy())
        distances.append(nearest.values.clamp(min=0).sqrt().numpy())
    return np.concatenate(labels), np.concatenate(distances)


def compare_mode_counts(real_counts: NDArray[np.int64], fake_counts: NDArray[np.int64]) -> ModeCounts:
    """Compare how N reals and M fakes are distributed over K modes.

    The fractions p and q of a mode differ by z = (p - q) / sqrt(s (1 - s) (1 / N + 1 / M)), where s is the fraction of
    both sets together; the mode is different if |z| > 1.96. It is missing if z is significant at 5% / K, one-sided, so
    that for two sets of the same distribution any mode is called missing at most once in 20 times, and if it also has
    fewer than a quarter of the expected fakes.

    Count other reals than those that the modes were fitted to: these lie near their own centers, and in many dimensions
    (at 200, a quarter of the modes instead of a twentieth) seem different from any other set.

    Args:
        real_counts: (K,) reals in each mode.
        fake_counts: (K,) fakes in each mode.

    Raises:
        BadInput: the numbers of modes differ, or one of the sets has no items.
    """
    num_reals, num_fakes = int(real_counts.sum()), int(fake_counts.sum())
    if len(real_counts) != len(fake_counts):
        raise BadInput(f"{len(real_counts)} and {len(fake_counts)} modes cannot be compared: use the same modes")
    if not (num_reals and num_fakes):
        raise BadInput("there are no items to count in modes: give at least one real and one generated item")
    p, q = real_counts / num_reals, fake_counts / num_fakes
    pooled = (real_counts + fake_counts) / (num_reals + num_fakes)
    error = np.sqrt(pooled * (1 - pooled) * (1 / num_reals + 1 / num_fakes))
    z = np.divide(p - q, error, out=np.zeros(len(p)), where=error > 0)
    expected = p * num_fakes
    is_rare = fake_counts < MISSING_FRACTION * expected
    is_missing = (z > NormalDist().inv_cdf(1 - SIGNIFICANCE_LEVEL / len(p))) & is_rare
    order = np.flatnonzero(is_missing)[np.argsort((fake_counts - expected)[is_missing], kind="stable")]
    return ModeCounts(
        num_modes=len(p),
        ndb=int((np.abs(z) > NormalDist().inv_cdf(1 - SIGNIFICANCE_LEVEL / 2)).sum()),
        js_divergence=(_kl_divergence(p, (p + q) / 2) + _kl_divergence(q, (p + q) / 2)) / 2,
        missing=tuple(MissingMode(int(i), int(real_counts[i]), float(expected[i]), int(fake_counts[i])) for i in order),
    )


def _kl_divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return KL(p || q) in nats, with 0 log 0 = 0."""
    occurs = p > 0
    return float((p[occurs] * np.log(p[occurs] / q[occurs])).sum())


NDB = MetricInfo(
    "ndb",
    "number of clusters with a significantly wrong fraction of the samples",
    lower_is_better=True,
    depends_on_sample_size=False,  # it is computed on as many samples as the floor has items
    depends_on_training_set=True,
    position=50,
)
DESCRIBED_SCORES = (NDB,)
