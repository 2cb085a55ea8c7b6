"""Scores that look at all pairs of images: kernel distance, precision, recall, density and coverage.

All come from one pass over the tiles of three products: reals with reals, fakes with fakes, reals with fakes. What one
set says of itself is a `Side`, which is worth keeping where the set is compared more than once.

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
"""Blocks of the first set kept in float64 while the second set's pass by: 20 MB at D = 1280."""
TIE_TOLERANCE = 1e-12
"""Squared distances closer than this share of the squared norms are equal: float64 products err by some 1e-15 of them,
and the features, being float32, say nothing about the difference."""


@dataclass(frozen=True, eq=False)
class SelfDistances:
    """One set of N images compared with itself."""

    features: FeatureTable
    neighbors: int
    """k, by which the balls are made."""
    squared_radii: Tensor
    """(N,) float64: each row's ball, the squared distance to its k-th nearest other row."""
    kernel_sums: Tensor
    """(N,) float64: each row's sum of kernels with all other rows."""


@dataclass(frozen=True, eq=False)
class PairwiseScores:
    """How N reals and M fakes lie among each other.

    The errors of the four shares are those of a mean over the rows that are judged, with the other set's balls held
    fixed: they say how sure the share is about these balls, not what other balls would give.
    """

    kernel_distance: Score
    """Unbiased MMD^2 with (x.y / D + 1)^3, over all pairs, but for own answers; around 0, also below, where
    both sets are alike."""
    precision: Score
    """Share of the fakes within any real's ball."""
    recall: Score
    """Share of the reals within any fake's ball."""
    density: Score
    """Reals' balls around a fake, over k, on average; about 1 where both sets are alike, and may be more."""
    coverage: Score
    """Share of the reals with any fake in their ball; about 1 - 2^-k where both sets are alike and N = M."""
    density_counts: NDArray[np.int64]
    """(M,) How many reals' balls each fake lies in."""
    precision_mask: NDArray[np.bool_]
    """(M,) Whether each fake lies in a real's ball."""
    recall_mask: NDArray[np.bool_]
    """(N,) Whether each real lies in a fake's ball."""
    coverage_mask: NDArray[np.bool_]
    """(N,) Whether each real has a fake in its ball."""


def compute_pairwise_scores(reals: FeatureTable, fakes: FeatureTable, neighbors: int = 5) -> PairwiseScores:
    """All pairwise scores of N reals and M fakes, (N, D) and (M, D); see `side` and `between`."""
    _check_same_num_columns(reals, fakes)
    return compute_cross_scores(compute_self_distances(reals, neighbors), compute_self_distances(fakes, neighbors))


def compute_self_distances(features: FeatureTable, neighbors: int = 5) -> SelfDistances:
    """Compare a set with itself: N (N + 1) D multiplications, and memory for some tiles.

    Raises:
        BadInput: fewer than `neighbors` + 2 rows, or features that are not finite.
    """
    if len(features) < neighbors + 2:
        raise BadInput(f"{len(features)} images are too few for {neighbors} neighbours; give at least {neighbors + 2}.")
    radii, kernels = _RadiusAccumulator(len(features), neighbors), _KernelSumAccumulator(len(features), len(features))
    _accumulate(_self_tiles(features), [radii, kernels])
    return SelfDistances(features, neighbors, radii.squared_distances[:, -1].clamp(min=0), kernels.row_sums)


def compute_cross_scores(reals: SelfDistances, fakes: SelfDistances, paired: bool = False) -> PairwiseScores:
    """Compare two sets, each already compared with itself.

    Distances are Euclidean, and a row lies in a ball if it is nearer than the radius: not if it is as near, so that
    a copy of the k-th neighbour lies outside.

    Args:
        reals: N images.
        fakes: M images.
        paired: fake i was made as an answer to real i (N = M). No score then sees the two together: answers near their
            own real would make all of them too good. The kernel distance's error leaves out both at once.

    Raises:
        BadInput: other widths or other numbers of neighbours, or reals that are all the same.
    """
    _check_same_num_columns(reals.features, fakes.features)
    if reals.neighbors != fakes.neighbors:
        raise BadInput(f"Balls of {reals.neighbors} and {fakes.neighbors} neighbours cannot be compared; use one k.")
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
    """The kernel distance alone, as in `Pairwise.kernel`; its error by the jackknife that leaves out each row once.

    `paired`: as in `between`.

    Where both sets are alike the error is about 1.4 times the true one: it errs on the safe side.

    Raises:
        BadInput: fewer than 3 rows, other widths, or features that are not finite.
    """
    _check_same_num_columns(reals, fakes)
    if min(len(reals), len(fakes)) < 3:
        raise BadInput("The kernel distance's error needs at least 3 images of either set; give more images.")
    own_reals, own_fakes = _KernelSumAccumulator(len(reals), len(reals)), _KernelSumAccumulator(len(fakes), len(fakes))
    assert not paired or len(reals) == len(fakes)
    cross = _KernelSumAccumulator(len(reals), len(fakes), paired)
    _accumulate(_self_tiles(reals), [own_reals])
    _accumulate(_self_tiles(fakes), [own_fakes])
    _accumulate(_cross_tiles(reals, fakes, _center(reals)), [cross])
    return (_paired_kernel_distance_score if paired else _kernel_distance_score)(
        own_reals.row_sums, own_fakes.row_sums, cross
    )


class _CenteredBlock(NamedTuple):
    """A block of a table, ready for products."""

    block_index: int
    row_slice: slice
    """Which rows of the table these are."""
    values: Tensor
    """(n, D) float64, less the centre c."""
    squared_norms: Tensor
    """(n,) |x - c|^2"""
    product_offsets: Tensor
    """(n,) What makes x.y of (x - c).(y - c): x.y = (x - c).(y - c) + lift of x + lift of y."""


class _Tile(NamedTuple):
    """The products of a block with another."""

    first: _CenteredBlock
    """n rows"""
    second: _CenteredBlock
    """m rows"""
    products: Tensor
    """(n, m) (x - c).(y - c)"""
    is_self: bool
    """The two tables are one, and this tile also stands for its mirror image below the diagonal."""

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
        for observer in accumulators:
            observer.update(tile)


def _self_tiles(features: FeatureTable) -> Iterator[_Tile]:
    """The tiles of a table with itself, on and above the diagonal."""
    return _cross_tiles(features, features, _center(features), is_self=True)


def _cross_tiles(first: FeatureTable, second: FeatureTable, center: Tensor, is_self: bool = False) -> Iterator[_Tile]:
    """The tiles of two tables; of a table with its own self, those on and above the diagonal."""
    for start in range(0, len(first.stored_blocks), BLOCKS_IN_MEMORY):
        held = [
            _center_block(first, part, center)
            for part in range(start, min(start + BLOCKS_IN_MEMORY, len(first.stored_blocks)))
        ]
        for column in range(start if is_self else 0, len(second.stored_blocks)):
            right = _center_block(second, column, center)
            for left in held:
                if not is_self or left.block_index <= column:
                    yield _Tile(left, right, left.values @ right.values.T, is_self)


def _center_block(features: FeatureTable, block_index: int, center: Tensor) -> _CenteredBlock:
    values = features.block(block_index).double()
    values -= center
    lifts = (values @ center).add_(center @ center / 2)
    place = slice(block_index * BLOCK_ROWS, block_index * BLOCK_ROWS + len(values))
    return _CenteredBlock(block_index, place, values, torch.linalg.vector_norm(values, dim=1).square_(), lifts)


def _center(features: FeatureTable) -> Tensor:
    """The mean (D,), rounded to float32 so that subtracting it from a float32 is exact unless it is far smaller.

    Distances do not depend on it, but |x|^2 + |y|^2 - 2 x.y then cancels less.
    """
    total = sum(
        (block.double().sum(0) for block in features.blocks()), torch.zeros(features.num_columns, dtype=torch.float64)
    )
    centre = (total / len(features)).float().double()
    if not centre.isfinite().all():
        raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")
    return centre


class _RadiusAccumulator:
    """Each row's k smallest squared distances to other rows of its table, (N, k) in rising order."""

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
        known = self.squared_distances[row_slice]
        k = known.shape[1]
        closest = squared_distances.topk(min(k, squared_distances.shape[1]), dim=1, largest=False).values
        self.squared_distances[row_slice] = torch.cat([known, closest], 1).topk(k, dim=1, largest=False).values


class _KernelSumAccumulator:
    """Row and column sums of (x.y / D + 1)^3; of a table with itself, a row and itself make no pair.

    Nor do rows of the same place in two tables, where one is the `paired` to the other.
    """

    def __init__(self, num_rows: int, num_columns: int, paired: bool = False) -> None:
        self.row_sums = torch.zeros(num_rows, dtype=torch.float64)
        self.column_sums = torch.zeros(num_columns, dtype=torch.float64)
        self._paired = paired

    def update(self, tile: _Tile) -> None:
        width = tile.first.values.shape[1]
        kernels = torch.add(tile.products, tile.first.product_offsets[:, None]).add_(
            tile.second.product_offsets + width
        )
        kernels.div_(width).pow_(3)
        if tile.is_diagonal or (self._paired and tile.first.block_index == tile.second.block_index):
            kernels.fill_diagonal_(0)
        self.row_sums[tile.first.row_slice] += kernels.sum(1)
        (self.row_sums if tile.is_mirrored else self.column_sums)[tile.second.row_slice] += kernels.sum(0)


class _BallAccumulator:
    """Which rows of either table lie in balls around the other's; of `paired`, around others than their own."""

    def __init__(self, real_squared_radii: Tensor, fake_squared_radii: Tensor, paired: bool = False) -> None:
        self.squared_radii = real_squared_radii, fake_squared_radii
        self._paired = paired
        self.density_counts = torch.zeros(len(fake_squared_radii), dtype=torch.int64)
        self.recall_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)
        self.coverage_mask = torch.zeros(len(real_squared_radii), dtype=torch.bool)

    def update(self, tile: _Tile) -> None:
        reals, fakes = tile.first.row_slice, tile.second.row_slice
        # the distance and the tie's width in one: nearer than the radius by more than rounding
        above = torch.add(tile.first.squared_norms[:, None] * (1 + TIE_TOLERANCE), tile.products, alpha=-2)
        above += tile.second.squared_norms * (1 + TIE_TOLERANCE)
        if self._paired and tile.first.block_index == tile.second.block_index:
            above.fill_diagonal_(math.inf)
        self.recall_mask[reals] |= (above < self.squared_radii[1][fakes]).any(1)
        in_real = above < self.squared_radii[0][reals, None]
        self.coverage_mask[reals] |= in_real.any(1)
        self.density_counts[fakes] += in_real.sum(0)


def _kernel_distance_score(real_sums: Tensor, fake_sums: Tensor, cross_sums: _KernelSumAccumulator) -> Score:
    """MMD^2 and its delete-one jackknife error, from the sums of kernels of each row with its own and the other set.

    Leaving out x_i takes its kernels from the sums: twice from its own set's, as x_i, x_j and as x_j, x_i.
    """
    n, m = len(real_sums), len(fake_sums)
    own_reals, own_fakes, mixed = real_sums.sum(), fake_sums.sum(), cross_sums.row_sums.sum()
    value = own_reals / (n * (n - 1)) + own_fakes / (m * (m - 1)) - 2 * mixed / (n * m)
    without_real = (own_reals - 2 * real_sums) / ((n - 1) * (n - 2)) - 2 * (mixed - cross_sums.row_sums) / ((n - 1) * m)
    without_fake = (own_fakes - 2 * fake_sums) / ((m - 1) * (m - 2)) - 2 * (mixed - cross_sums.column_sums) / (
        n * (m - 1)
    )
    variance = (n - 1) * without_real.var(correction=0) + (m - 1) * without_fake.var(correction=0)
    return Score(float(value), math.sqrt(float(variance)))


def _paired_kernel_distance_score(real_sums: Tensor, fake_sums: Tensor, cross_sums: _KernelSumAccumulator) -> Score:
    """The same of two sets whose rows of one place belong together, and make no pair; the jackknife leaves out both."""
    n = len(real_sums)
    own, mixed = real_sums + fake_sums, cross_sums.row_sums + cross_sums.column_sums
    value = (own.sum() - mixed.sum()) / (n * (n - 1))
    without = (own.sum() - 2 * own - mixed.sum() + 2 * mixed) / ((n - 1) * (n - 2))
    return Score(float(value), math.sqrt(float((n - 1) * without.var(correction=0))))


def _check_not_constant(reals: FeatureTable) -> None:
    one = reals.block(0)[0]
    if all(bool((block == one).all()) for block in reals.blocks()):
        raise BadInput("All real images have the same features; look at the images, or give others.")


def _check_same_num_columns(reals: FeatureTable, fakes: FeatureTable) -> None:
    if reals.num_columns != fakes.num_columns:
        raise BadInput(
            f"Features of {reals.num_columns} and of {fakes.num_columns} numbers cannot be compared; "
            "use one feature network for both sets."
        )
