"""Which kinds of images are made too often, too rarely or not at all: clusters of the reals, and counts in them.

Number of statistically different bins: Richardson and Weiss 2018, arXiv:1805.12462, section 3.
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

MAX_ROWS = 10_000
"""Rows that clusters are found among; more cost time and hardly move the centres."""
MAX_ITERATIONS = 20
"""Times that the centres move at most."""
SIGNIFICANCE_LEVEL = 0.05
"""How often a bin of two alike sets is called different, and how often any of its bins is called missing."""
MISSING_FRACTION = 0.25
"""Of a missing bin's expected fakes, the share below which they must be found."""


@dataclass(frozen=True)
class MissingMode:
    """A bin that fakes hardly reach."""

    mode: int
    num_real: int
    """Reals in the bin."""
    expected: float
    """Fakes there would be, had they the reals' share."""
    num_generated: int
    """Fakes there are."""


@dataclass(frozen=True)
class ModeCounts:
    """How fakes spread over bins in which reals were counted."""

    num_modes: int
    """Bins."""
    ndb: int
    """NDB: bins in whose shares reals and fakes differ at 5%; 5% of the bins are expected of alike sets."""
    js_divergence: float
    """The Jensen-Shannon divergence of the shares in nats, 0 to log 2."""
    missing: tuple[MissingMode, ...]
    """Bins that fakes hardly reach, the most fakes missing first."""


def fit_kmeans(features: FeatureTable, num_clusters: int, seed: int = 0) -> Tensor:
    """The centres (k, D) float64 of clusters, by k-means: at most 20 rounds from a k-means++ start.

    At most 10,000 rows, drawn by the seed, are looked at and held in float32. The same table, k and seed give the same
    centres. Of fewer than k distinct rows there are fewer centres.

    k-means++: Arthur and Vassilvitskii 2007. Rounds: Lloyd 1982.

    Raises:
        BadInput: fewer than k rows.
    """
    if not 1 <= num_clusters <= len(features):
        raise BadInput(
            f"{len(features)} images cannot be divided into {num_clusters} clusters; ask for 1 to {len(features)}."
        )
    random = np.random.default_rng(seed)
    rows = features.take(np.sort(random.permutation(len(features))[:MAX_ROWS]))
    middle = rows.mean(0, dtype=torch.float64).float()
    rows -= middle  # near zero, products in float32 cancel less
    squares = rows.square().sum(1)
    centres, labels = _kmeans_plus_plus(rows, squares, num_clusters, random), torch.empty(0)
    for _ in range(MAX_ITERATIONS):
        before, (labels, apart) = labels, _nearest_center(rows, squares, centres)
        if torch.equal(before, labels):
            break
        centres = _update_centers(rows, labels, apart, len(centres))
    return centres.double() + middle


def _kmeans_plus_plus(rows: Tensor, squared_norms: Tensor, num_clusters: int, rng: np.random.Generator) -> Tensor:
    """Rows (k, D), each drawn by its squared distance to the nearest drawn before it."""
    chosen, apart = [int(rng.integers(len(rows)))], torch.full((len(rows),), math.inf)
    while len(chosen) < num_clusters:
        newest = chosen[-1]
        new = squared_norms + squared_norms[newest] - 2 * (rows @ rows[newest])
        new[new < 1e-6 * (squared_norms + squared_norms[newest])] = 0  # a copy, but for rounding
        apart = torch.minimum(apart, new)
        chances = apart.double().numpy()
        if not chances.any():
            break
        chosen.append(int(rng.choice(len(rows), p=chances / chances.sum())))
    return rows[chosen]


def _nearest_center(rows: Tensor, squared_norms: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each row (N,), and the squared distance to it (N,)."""
    found = [(centers.square().sum(1) - 2 * part @ centers.T).min(1) for part in torch.split(rows, BLOCK_ROWS)]
    return torch.cat([part.indices for part in found]), squared_norms + torch.cat([part.values for part in found])


def _update_centers(rows: Tensor, labels: Tensor, squared_distances: Tensor, num_clusters: int) -> Tensor:
    """The mean of each cluster (k, D); an empty one moves to the row that is farthest from its centre."""
    sums = torch.zeros(num_clusters, rows.shape[1], dtype=torch.float64)
    for part, label in zip(torch.split(rows, BLOCK_ROWS), torch.split(labels, BLOCK_ROWS), strict=True):
        sums.index_add_(0, label, part.double())
    counts = torch.bincount(labels, minlength=num_clusters)
    empty = torch.nonzero(counts == 0)[:, 0]
    sums[empty] = rows[squared_distances.topk(len(empty)).indices].double()
    return (sums / counts.clamp(min=1)[:, None]).float()


def assign_clusters(features: FeatureTable, centers: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest of `centers` (k, D) for each row, the lower one of equals: labels (N,) and distances (N,).

    Raises:
        BadInput: the centres are of another width.
    """
    if features.num_columns != centers.shape[1]:
        raise BadInput(
            f"Features of {features.num_columns} and centres of {centers.shape[1]} numbers cannot be compared; "
            "use one feature network for both."
        )
    middle = centers.mean(0)
    offsets = centers - middle
    labels, distances = [np.empty(0, np.int64)], [np.empty(0)]
    for block in features.blocks():
        rows = block.double() - middle
        squares = torch.addmm(offsets.square().sum(1), rows, offsets.T, alpha=-2).add_(rows.square().sum(1)[:, None])
        nearest = squares.min(1)
        labels.append(nearest.indices.numpy())
        distances.append(nearest.values.clamp(min=0).sqrt().numpy())
    return np.concatenate(labels), np.concatenate(distances)


def compare_mode_counts(real_counts: NDArray[np.int64], fake_counts: NDArray[np.int64]) -> ModeCounts:
    """Compare how N reals and M fakes spread over bins, by their counts (K,).

    A bin's shares p and q differ by z = (p - q) / sqrt(s (1 - s) (1 / N + 1 / M)), s being the share of both
    together; the bin is different where |z| > 1.96. It is missing where z is significant at 5% / K, one-sided, so
    that of two alike sets any bin is called missing at most once in 20 times, and where besides fewer than a quarter
    of its expected fakes are found.

    Count other reals than those by which the bins were made: these crowd around their own centres, and in many
    dimensions (at 200, a quarter of the bins instead of a twentieth) seem different from anything else.

    Raises:
        BadInput: other numbers of bins, or no images on a side.
    """
    reals, fakes = int(real_counts.sum()), int(fake_counts.sum())
    if len(real_counts) != len(fake_counts):
        raise BadInput(f"{len(real_counts)} and {len(fake_counts)} bins cannot be compared; use the same bins.")
    if not (reals and fakes):
        raise BadInput("There are no images to count in bins; give some on either side.")
    p, q = real_counts / reals, fake_counts / fakes
    both = (real_counts + fake_counts) / (reals + fakes)
    error = np.sqrt(both * (1 - both) * (1 / reals + 1 / fakes))
    z = np.divide(p - q, error, out=np.zeros(len(p)), where=error > 0)
    expected = p * fakes
    lost = (z > NormalDist().inv_cdf(1 - SIGNIFICANCE_LEVEL / len(p))) & (fake_counts < MISSING_FRACTION * expected)
    order = np.flatnonzero(lost)[np.argsort((fake_counts - expected)[lost], kind="stable")]
    return ModeCounts(
        num_modes=len(p),
        ndb=int((np.abs(z) > NormalDist().inv_cdf(1 - SIGNIFICANCE_LEVEL / 2)).sum()),
        js_divergence=(_kl_divergence(p, (p + q) / 2) + _kl_divergence(q, (p + q) / 2)) / 2,
        missing=tuple(MissingMode(int(i), int(real_counts[i]), float(expected[i]), int(fake_counts[i])) for i in order),
    )


def _kl_divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """KL in nats; 0 log 0 is 0."""
    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())
