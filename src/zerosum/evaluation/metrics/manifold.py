"""Scores of all pairs of images: kernel distance, precision, recall, density and coverage.

All are computed in one pass over the tiles of three matrix products: reals with reals, fakes with fakes, and reals with
fakes. What is computed of one set alone is a `SelfDistances`, which can be reused for several comparisons.

Kernel distance: Binkowski et al. 2018, arXiv:1801.01401. Precision and recall: Kynkaanniemi et al. 2019,
arXiv:1904.06991. Density and coverage: Naeem et al. 2020, arXiv:2002.09797.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.metrics.class_counts import mean_score
from zerosum.evaluation.metrics.score import Score

BLOCKS_IN_MEMORY = 4
"""Blocks of the first set kept in float64 in a pass over the second set: 20 MB at D = 1280."""
TIE_TOLERANCE = 1e-12
"""Squared distances that differ by less than this fraction of the squared norms are treated as equal: products in
float64 have a relative error of about 1e-15, and float32 features carry no information about such a difference."""


@dataclass(frozen=True, eq=False)
class SelfDistances:
    """Distances and kernels within a set of N images."""

    features: FeatureTable
    neighbors: int
    """k of the k-th nearest neighbor, which defines the radius of each row's ball."""
    squared_radii: Tensor
    """(N,) float64: squared radius of each row's ball, the squared distance to its k-th nearest other row."""
    kernel_sums: Tensor
    """(N,) float64: sum of the kernels of each row with all other rows."""


@dataclass(frozen=True, eq=False)
class PairwiseScores:
    """Pairwise scores of N reals and M fakes.

    The standard errors of precision, recall, density and coverage are those of a mean over rows with the balls of the
    other set held fixed: they do not include the variation of the balls.
    """

    kernel_distance: Score
    """Unbiased MMD^2 with the kernel (x.y / D + 1)^3 over all pairs, without a sample and its own target; around 0,
    and possibly negative, for two sets of the same distribution."""
    precision: Score
    """Fraction of the fakes that lie in the ball of any real."""
    recall: Score
    """Fraction of the reals that lie in the ball of any fake."""
    density: Score
    """Mean number of reals' balls that a fake lies in, divided by k; about 1 for the same distribution."""
    coverage: Score
    """Fraction of the reals with any fake in their ball; about 1 - 2^-k for the same distribution and N = M."""
    density_counts: NDArray[np.int64]
    """(M,) number of reals' balls that each fake lies in."""
    precision_mask: NDArray[np.bool_]
    """(M,) whether each fake lies in the ball of a real."""
    recall_mask: NDArray[np.bool_]
    """(N,) whether each real lies in the ball of a fake."""
    coverage_mask: NDArray[np.bool_]
    """(N,) whether each real has a fake in its ball."""


def compute_pairwise_scores(reals: FeatureTable, fakes: FeatureTable, neighbors: int = 5) -> PairwiseScores:
    """Return all pairwise scores of reals (N, D) and fakes (M, D).

    Raises:
        BadInput: as in `compute_self_distances` and `compute_cross_scores`.

    Example:
        >>> reals, fakes = torch.randn(2, 100, 8, generator=torch.Generator().manual_seed(0))
        >>> scores = compute_pairwise_scores(FeatureTable.from_tensor(reals), FeatureTable.from_tensor(fakes))
        >>> 0.5 < scores.precision.value <= 1
        True
    """
    _check_same_num_columns(reals, fakes)
    return compute_cross_scores(compute_self_distances(reals, neighbors), compute_self_distances(fakes, neighbors))


def compute_self_distances(features: FeatureTable, neighbors: int = 5) -> SelfDistances:
    """Return distances and kernels within a set (N, D): N (N + 1) D multiplications, and memory for some tiles.

    Raises:
        BadInput: there are fewer than `neighbors` + 2 rows, or a feature is not finite.
    """
    if len(features) < neighbors + 2:
        raise BadInput(f"`neighbors` {neighbors}: {len(features)} images are too few; give at least {neighbors + 2}.")
    radii, kernels = _RadiusAccumulator(len(features), neighbors), _KernelSumAccumulator(len(features), len(features))
    _accumulate(_self_tiles(features), [radii, kernels])
    return SelfDistances(features, neighbors, radii.squared_distances[:, -1].clamp(min=0), kernels.row_sums)


def compute_cross_scores(reals: SelfDistances, fakes: SelfDistances, paired: bool = False) -> PairwiseScores:
    """Return the pairwise scores of two sets, given the distances within each.

    Distances are Euclidean, and a row lies in a ball if its distance is below the radius, not if it is equal: a copy
    of the k-th neighbor lies outside.

    Args:
        reals: N images.
        fakes: M images.
        paired: fake i was generated from the input of real i (N = M). No score then compares the two with each other,
            since fakes near their own targets would improve all of them. The jackknife of the kernel distance leaves
            out both at once.

    Raises:
        BadInput: the numbers of features or of neighbors differ, or all reals are the same.
    """
    _check_same_num_columns(reals.features, fakes.features)
    if reals.neighbors != fakes.neighbors:
        raise BadInput(f"Sets with `neighbors` {reals.neighbors} and {fakes.neighbors} cannot be compared; use one k.")
    _check_not_constant(reals.features)
    assert not paired or len(reals.features) == len(fakes.features)
    balls = _BallAccumulator(reals.squared_radii, fakes.squared_radii, paired)
    kernels = _KernelSumAccumulator(len(reals.features), len(fakes.features), paired)
    _accumulate(_cross_tiles(reals.features, fakes.features, _center(reals.features)), [balls, kernels])
    return PairwiseScores(
        kernel_distance=(_paired_kernel_distance_score if paired else _kernel_distance_score)(
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


def kernel_distance(reals: FeatureTable, fakes: FeatureTable, *, paired: bool = False) -> Score:
    """Return the kernel distance alone, as `PairwiseScores.kernel_distance`, with its delete-one jackknife error.

    For two sets of the same distribution the error is about 1.4 times the true one, which is conservative.

    Args:
        reals: (N, D) features.
        fakes: (M, D) features.
        paired: as in `compute_cross_scores`.

    Raises:
        BadInput: a set has fewer than 3 rows or values that are not finite, or the numbers of features differ.
    """
    _check_same_num_columns(reals, fakes)
    if min(len(reals), len(fakes)) < 3:
        raise BadInput("The standard error of the kernel distance needs at least 3 images in each set.")
    real_sums, fake_sums = _KernelSumAccumulator(len(reals), len(reals)), _KernelSumAccumulator(len(fakes), len(fakes))
    assert not paired or len(reals) == len(fakes)
    cross_sums = _KernelSumAccumulator(len(reals), len(fakes), paired)
    _accumulate(_self_tiles(reals), [real_sums])
    _accumulate(_self_tiles(fakes), [fake_sums])
    _accumulate(_cross_tiles(reals, fakes, _center(reals)), [cross_sums])
    return (_paired_kernel_distance_score if paired else _kernel_distance_score)(
        real_sums.row_sums, fake_sums.row_sums, cross_sums
    )


class _CenteredBlock(NamedTuple):
    """A block of a table, prepared for products."""

    block_index: int
    row_slice: slice
    """Its rows in the table."""
    values: Tensor
    """(n, D) float64, minus the center c."""
    squared_norms: Tensor
    """(n,) |x - c|^2"""
    product_offsets: Tensor
    """(n,) terms that turn (x - c).(y - c) into x.y = (x - c).(y - c) + offset of x + offset of y."""


class _Tile(NamedTuple):
    """The products of two blocks."""

    first: _CenteredBlock
    """n rows"""
    second: _CenteredBlock
    """m rows"""
    products: Tensor
    """(n, m) (x - c).(y - c)"""
    is_self: bool
    """Whether the two tables are one, so that this tile also represents its transpose below the diagonal."""

    @property
    def is_diagonal(self) -> bool:
        return self.is_self and self.first.block_index == self.second.block_index

    @property
    def is_mirrored(self) -> bool:
        return self.is_self and self.first.block_index != self.second.block_index


class _TileAccumulator(Protocol):
    def update(self, tile: _Tile) -> None: ...


def _accumulate(tiles: Iterator[_Tile], accumulators: Sequence[_TileAccumulator]) -> None:
    for tile in tiles:
        for accumulator in accumulators:
            accumulator.update(tile)


def _self_tiles(features: FeatureTable) -> Iterator[_Tile]:
    """Yield the tiles of a table with itself, on and above the diagonal."""
    return _cross_tiles(features, features, _center(features), is_self=True)


def _cross_tiles(first: FeatureTable, second: FeatureTable, center: Tensor, is_self: bool = False) -> Iterator[_Tile]:
    """Yield the tiles of two tables; of a table with itself, those on and above the diagonal."""
    for start in range(0, len(first.stored_blocks), BLOCKS_IN_MEMORY):
        rows = [
            _center_block(first, index, center)
            for index in range(start, min(start + BLOCKS_IN_MEMORY, len(first.stored_blocks)))
        ]
        for column_index in range(start if is_self else 0, len(second.stored_blocks)):
            column = _center_block(second, column_index, center)
            for row in rows:
                if not is_self or row.block_index <= column_index:
                    yield _Tile(row, column, row.values @ column.values.T, is_self)


def _center_block(features: FeatureTable, block_index: int, center: Tensor) -> _CenteredBlock:
    values = features.block(block_index).double()
    values -= center
    offsets = (values @ center).add_(center @ center / 2)
    row_slice = slice(block_index * BLOCK_ROWS, block_index * BLOCK_ROWS + len(values))
    return _CenteredBlock(block_index, row_slice, values, torch.linalg.vector_norm(values, dim=1).square_(), offsets)


def _center(features: FeatureTable) -> Tensor:
    """Return the mean (D,), rounded to float32, so that its difference to all but tiny float32 values is exact.

    Distances do not depend on it, but centering reduces the cancellation in |x|^2 + |y|^2 - 2 x.y.
    """
    total = sum(
        (block.double().sum(0) for block in features.blocks()), torch.zeros(features.num_columns, dtype=torch.float64)
    )
    center = (total / len(features)).float().double()
    if not center.isfinite().all():
        raise BadInput("The features of an image are not finite; look for NaN or infinity in the images.")
    return center


class _RadiusAccumulator:
    """Accumulate the k smallest squared distances of each row to other rows of its table, (N, k) in ascending order."""

    def __init__(self, num_rows: int, neighbors: int) -> None:
        self.squared_distances = torch.full((num_rows, neighbors), math.inf, dtype=torch.float64)

    def update(self, tile: _Tile) -> None:
        distances = torch.add(tile.first.squared_norms[:, None], tile.products, alpha=-2).add_(
            tile.second.squared_norms
        )
        if tile.is_diagonal:
            distances.fill_diagonal_(math.inf)
        self._update_rows(tile.first.row_slice, distances)
        if tile.is_mirrored:
            self._update_rows(tile.second.row_slice, distances.T.contiguous())

    def _update_rows(self, row_slice: slice, squared_distances: Tensor) -> None:
        previous = self.squared_distances[row_slice]
        k = previous.shape[1]
        nearest = squared_distances.topk(min(k, squared_distances.shape[1]), dim=1, largest=False).values
        self.squared_distances[row_slice] = torch.cat([previous, nearest], 1).topk(k, dim=1, largest=False).values


class _KernelSumAccumulator:
    """Accumulate row and column sums of (x.y / D + 1)^3.

    The pair of a row with itself is left out, and if `paired`, the pairs of rows with the same index in two tables.
    """

    def __init__(self, num_rows: int, num_columns: int, paired: bool = False) -> None:
        self.row_sums = torch.zeros(num_rows, dtype=torch.float64)
        self.column_sums = torch.zeros(num_columns, dtype=torch.float64)
        self._paired = paired

    def update(self, tile: _Tile) -> None:
        num_features = tile.first.values.shape[1]
        kernels = torch.add(tile.products, tile.first.product_offsets[:, None]).add_(
            tile.second.product_offsets + num_features
        )
        kernels.div_(num_features).pow_(3)
        if tile.is_diagonal or (self._paired and tile.first.block_index == tile.second.block_index):
            kernels.fill_diagonal_(0)
        self.row_sums[tile.first.row_slice] += kernels.sum(1)
        (self.row_sums if tile.is_mirrored else self.column_sums)[tile.second.row_slice] += kernels.sum(0)


class _BallAccumulator:
    """Accumulate which rows of each table lie in balls of the other's rows, if `paired` without those of their pair."""

    def __init__(self, real_squared_radii: Tensor, fake_squared_radii: Tensor, paired: bool = False) -> None:
        self.squared_radii = real_squared_radii, fake_squared_radii
        self._paired = paired
        self.density_counts = torch.zeros(len(fake_squared_radii), dtype=torch.int64)
        self.recall_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)
        self.coverage_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)

    def update(self, tile: _Tile) -> None:
        reals, fakes = tile.first.row_slice, tile.second.row_slice
        # squared distance plus tolerance: below the radius by more than rounding
        distances = torch.add(tile.first.squared_norms[:, None] * (1 + TIE_TOLERANCE), tile.products, alpha=-2)
        distances += tile.second.squared_norms * (1 + TIE_TOLERANCE)
        if self._paired and tile.first.block_index == tile.second.block_index:
            distances.fill_diagonal_(math.inf)
        self.recall_mask[reals] |= (distances < self.squared_radii[1][fakes]).any(1)
        in_real_ball = distances < self.squared_radii[0][reals, None]
        self.coverage_mask[reals] |= in_real_ball.any(1)
        self.density_counts[fakes] += in_real_ball.sum(0)


def _kernel_distance_score(real_sums: Tensor, fake_sums: Tensor, cross_sums: _KernelSumAccumulator) -> Score:
    """Return MMD^2 and its delete-one jackknife error, from the sums of kernels of each row with either set.

    Leaving out x_i subtracts its kernels: twice from the sum of its own set, as (x_i, x_j) and as (x_j, x_i).
    """
    n, m = len(real_sums), len(fake_sums)
    real, fake, cross = real_sums.sum(), fake_sums.sum(), cross_sums.row_sums.sum()
    value = real / (n * (n - 1)) + fake / (m * (m - 1)) - 2 * cross / (n * m)
    without_real = (real - 2 * real_sums) / ((n - 1) * (n - 2)) - 2 * (cross - cross_sums.row_sums) / ((n - 1) * m)
    without_fake = (fake - 2 * fake_sums) / ((m - 1) * (m - 2)) - 2 * (cross - cross_sums.column_sums) / (n * (m - 1))
    variance = (n - 1) * without_real.var(correction=0) + (m - 1) * without_fake.var(correction=0)
    return Score(float(value), math.sqrt(float(variance)))


def _paired_kernel_distance_score(real_sums: Tensor, fake_sums: Tensor, cross_sums: _KernelSumAccumulator) -> Score:
    """Return MMD^2 of paired sets without the kernels of pairs; the jackknife leaves out both rows of a pair."""
    n = len(real_sums)
    within, cross = real_sums + fake_sums, cross_sums.row_sums + cross_sums.column_sums
    value = (within.sum() - cross.sum()) / (n * (n - 1))
    replicates = (within.sum() - 2 * within - cross.sum() + 2 * cross) / ((n - 1) * (n - 2))
    return Score(float(value), math.sqrt(float((n - 1) * replicates.var(correction=0))))


def _check_not_constant(reals: FeatureTable) -> None:
    first = reals.block(0)[0]
    if all(bool((block == first).all()) for block in reals.blocks()):
        raise BadInput("All real images have the same features, so no score can be computed; give other images.")


def _check_same_num_columns(reals: FeatureTable, fakes: FeatureTable) -> None:
    if reals.num_columns != fakes.num_columns:
        raise BadInput(
            f"Size mismatch: {reals.num_columns} and {fakes.num_columns} features per image; "
            "use one feature network for both sets."
        )
