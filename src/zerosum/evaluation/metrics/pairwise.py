"""KID, precision, recall, density and coverage, computed together in one pass over all pairs of items.

The tiles of three matrix products are visited: reals with reals, fakes with fakes, and reals with fakes. What is
computed of one set alone is a `SelfDistances`, which can be reused for several comparisons. The formulas are in
`kid.py` and `precision_recall_density_coverage.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.base import PairwiseScores
from zerosum.evaluation.metrics.kid import (
    KernelSumAccumulator,
    kernel_distance_score,
    paired_kernel_distance_score,
)
from zerosum.evaluation.metrics.precision_recall_density_coverage import BallAccumulator, RadiusAccumulator
from zerosum.evaluation.metrics.score import mean_score
from zerosum.evaluation.metrics.tiles import accumulate, center, check_same_num_columns, cross_tiles, self_tiles


@dataclass(frozen=True, eq=False)
class SelfDistances:
    """Distances and kernels within a set of N items."""

    features: FeatureTable
    neighbors: int
    """k of the k-th nearest neighbor, which defines the radius of each row's ball."""
    squared_radii: Tensor
    """(N,) float64: squared radius of each row's ball, the squared distance to its k-th nearest other row."""
    kernel_sums: Tensor
    """(N,) float64: sum of the kernels of each row with all other rows."""


def compute_pairwise_scores(reals: FeatureTable, fakes: FeatureTable, neighbors: int = 5) -> PairwiseScores:
    """Return all pairwise scores of reals (N, D) and fakes (M, D).

    Raises:
        BadInput: as in `compute_self_distances` and `compute_cross_scores`.

    Example:
        >>> import torch
        >>> reals, fakes = torch.randn(2, 100, 8, generator=torch.Generator().manual_seed(0))
        >>> scores = compute_pairwise_scores(FeatureTable.from_tensor(reals), FeatureTable.from_tensor(fakes))
        >>> 0.5 < scores.precision.value <= 1
        True
    """
    check_same_num_columns(reals, fakes)
    return compute_cross_scores(compute_self_distances(reals, neighbors), compute_self_distances(fakes, neighbors))


def compute_self_distances(features: FeatureTable, neighbors: int = 5) -> SelfDistances:
    """Return distances and kernels within a set (N, D): N (N + 1) D multiplications, and memory for some tiles.

    Raises:
        BadInput: there are fewer than `neighbors` + 2 rows, or a feature is not finite.
    """
    if len(features) < neighbors + 2:
        raise BadInput(f"`neighbors` {neighbors}: {len(features)} items are too few; give at least {neighbors + 2}")
    radii, kernels = RadiusAccumulator(len(features), neighbors), KernelSumAccumulator(len(features), len(features))
    accumulate(self_tiles(features), [radii, kernels])
    return SelfDistances(features, neighbors, radii.squared_distances[:, -1].clamp(min=0), kernels.row_sums)


def compute_cross_scores(reals: SelfDistances, fakes: SelfDistances, paired: bool = False) -> PairwiseScores:
    """Return the pairwise scores of two sets, given the distances within each.

    Distances are Euclidean, and a row lies in a ball if its distance is below the radius, not if it is equal: a copy
    of the k-th neighbor lies outside.

    Args:
        reals: N items.
        fakes: M items.
        paired: fake i was generated from the input of real i (N = M). No score then compares the two with each other,
            since fakes near their own targets would improve all of them. The jackknife of the kernel distance leaves
            out both at once.

    Raises:
        BadInput: the numbers of features or of neighbors differ, or all reals are the same.
    """
    check_same_num_columns(reals.features, fakes.features)
    if reals.neighbors != fakes.neighbors:
        raise BadInput(
            f"sets with `neighbors` {reals.neighbors} and {fakes.neighbors} cannot be compared: use one number for both"
        )
    _check_not_constant(reals.features)
    assert not paired or len(reals.features) == len(fakes.features)
    balls = BallAccumulator(reals.squared_radii, fakes.squared_radii, paired)
    kernels = KernelSumAccumulator(len(reals.features), len(fakes.features), paired)
    accumulate(cross_tiles(reals.features, fakes.features, center(reals.features)), [balls, kernels])
    return PairwiseScores(
        kernel_distance=(paired_kernel_distance_score if paired else kernel_distance_score)(
            reals.kernel_sums, fakes.kernel_sums, kernels
        ),
        precision=mean_score(balls.density_counts.numpy() > 0),
        recall=mean_score(balls.recall_mask.numpy()),
        density=mean_score(balls.density_counts.numpy() / reals.neighbors),
        coverage=mean_score(balls.coverage_mask.numpy()),
        density_counts=balls.density_counts.numpy(),
        precision_mask=balls.density_counts.numpy() > 0,
        recall_mask=balls.recall_mask.numpy(),
        coverage_mask=balls.coverage_mask.numpy(),
    )


def _check_not_constant(reals: FeatureTable) -> None:
    first = reals.block(0)[0]
    if all(bool((block == first).all()) for block in reals.blocks()):
        raise BadInput("all real items have the same features, so no score can be computed: give other items")
