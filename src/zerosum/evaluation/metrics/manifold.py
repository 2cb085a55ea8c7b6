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
from zerosum.evaluation.features.table import BLOCK, Table
from zerosum.evaluation.metrics.class_counts import mean
from zerosum.evaluation.metrics.score import Score

HELD = 4
"""Blocks of the first set kept in float64 while the second set's pass by: 20 MB at D = 1280."""
TIE = 1e-12
"""Squared distances closer than this share of the squared norms are equal: float64 products err by some 1e-15 of them,
and the features, being float32, say nothing about the difference."""


@dataclass(frozen=True, eq=False)
class Side:
    """One set of N images compared with itself."""

    table: Table
    neighbours: int
    """k, by which the balls are made."""
    radii: Tensor
    """(N,) float64: each row's ball, the squared distance to its k-th nearest other row."""
    kernels: Tensor
    """(N,) float64: each row's sum of kernels with all other rows."""


@dataclass(frozen=True, eq=False)
class Pairwise:
    """How N reals and M fakes lie among each other.

    The errors of the four shares are those of a mean over the rows that are judged, with the other set's balls held
    fixed: they say how sure the share is about these balls, not what other balls would give.
    """

    kernel: Score
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
    crowd: NDArray[np.int64]
    """(M,) How many reals' balls each fake lies in."""
    inside: NDArray[np.bool_]
    """(M,) Whether each fake lies in a real's ball."""
    reached: NDArray[np.bool_]
    """(N,) Whether each real lies in a fake's ball."""
    covered: NDArray[np.bool_]
    """(N,) Whether each real has a fake in its ball."""


def pairwise(reals: Table, fakes: Table, neighbours: int = 5) -> Pairwise:
    """All pairwise scores of N reals and M fakes, (N, D) and (M, D); see `side` and `between`."""
    _check_widths(reals, fakes)
    return between(side(reals, neighbours), side(fakes, neighbours))


def side(table: Table, neighbours: int = 5) -> Side:
    """Compare a set with itself: N (N + 1) D multiplications, and memory for some tiles.

    Raises:
        BadInput: fewer than `neighbours` + 2 rows, or features that are not finite.
    """
    if len(table) < neighbours + 2:
        raise BadInput(f"{len(table)} images are too few for {neighbours} neighbours; give at least {neighbours + 2}.")
    radii, kernels = _Radii(len(table), neighbours), _Kernels(len(table), len(table))
    _look(_own_tiles(table), [radii, kernels])
    return Side(table, neighbours, radii.nearest[:, -1].clamp(min=0), kernels.first)


def between(reals: Side, fakes: Side, answers: bool = False) -> Pairwise:
    """Compare two sets, each already compared with itself.

    Distances are Euclidean, and a row lies in a ball if it is nearer than the radius: not if it is as near, so that
    a copy of the k-th neighbour lies outside.

    Args:
        reals: N images.
        fakes: M images.
        answers: fake i was made as an answer to real i (N = M). No score then sees the two together: answers near their
            own real would make all of them too good. The kernel distance's error leaves out both at once.

    Raises:
        BadInput: other widths or other numbers of neighbours, or reals that are all the same.
    """
    _check_widths(reals.table, fakes.table)
    if reals.neighbours != fakes.neighbours:
        raise BadInput(f"Balls of {reals.neighbours} and {fakes.neighbours} neighbours cannot be compared; use one k.")
    _check_vary(reals.table)
    assert not answers or len(reals.table) == len(fakes.table)
    balls = _Balls(reals.radii, fakes.radii, answers)
    kernels = _Kernels(len(reals.table), len(fakes.table), answers)
    _look(_tiles(reals.table, fakes.table, _centre(reals.table)), [balls, kernels])
    return Pairwise(
        kernel=(_answers_score if answers else _kernel_score)(reals.kernels, fakes.kernels, kernels),
        precision=mean(balls.crowd.numpy() > 0),
        recall=mean(balls.reached.numpy()),
        density=mean(balls.crowd.numpy() / reals.neighbours),
        coverage=mean(balls.covered.numpy()),
        crowd=balls.crowd.numpy(),
        inside=balls.crowd.numpy() > 0,
        reached=balls.reached.numpy(),
        covered=balls.covered.numpy(),
    )


def kernel_distance(reals: Table, fakes: Table, *, answers: bool = False) -> Score:
    """The kernel distance alone, as in `Pairwise.kernel`; its error by the jackknife that leaves out each row once.

    `answers`: as in `between`.

    Where both sets are alike the error is about 1.4 times the true one: it errs on the safe side.

    Raises:
        BadInput: fewer than 3 rows, other widths, or features that are not finite.
    """
    _check_widths(reals, fakes)
    if min(len(reals), len(fakes)) < 3:
        raise BadInput("The kernel distance's error needs at least 3 images of either set; give more images.")
    own_reals, own_fakes = _Kernels(len(reals), len(reals)), _Kernels(len(fakes), len(fakes))
    assert not answers or len(reals) == len(fakes)
    cross = _Kernels(len(reals), len(fakes), answers)
    _look(_own_tiles(reals), [own_reals])
    _look(_own_tiles(fakes), [own_fakes])
    _look(_tiles(reals, fakes, _centre(reals)), [cross])
    return (_answers_score if answers else _kernel_score)(own_reals.first, own_fakes.first, cross)


class _Rows(NamedTuple):
    """A block of a table, ready for products."""

    part: int
    place: slice
    """Which rows of the table these are."""
    values: Tensor
    """(n, D) float64, less the centre c."""
    squares: Tensor
    """(n,) |x - c|^2"""
    lifts: Tensor
    """(n,) What makes x.y of (x - c).(y - c): x.y = (x - c).(y - c) + lift of x + lift of y."""


class _Tile(NamedTuple):
    """The products of a block with another."""

    first: _Rows
    """n rows"""
    second: _Rows
    """m rows"""
    products: Tensor
    """(n, m) (x - c).(y - c)"""
    own: bool
    """The two tables are one, and this tile also stands for its mirror image below the diagonal."""

    @property
    def diagonal(self) -> bool:
        return self.own and self.first.part == self.second.part

    @property
    def mirrored(self) -> bool:
        return self.own and self.first.part != self.second.part


class _Observer(Protocol):
    def see(self, tile: _Tile) -> None: ...


def _look(tiles: Iterator[_Tile], observers: Sequence[_Observer]) -> None:
    for tile in tiles:
        for observer in observers:
            observer.see(tile)


def _own_tiles(table: Table) -> Iterator[_Tile]:
    """The tiles of a table with itself, on and above the diagonal."""
    return _tiles(table, table, _centre(table), own=True)


def _tiles(first: Table, second: Table, centre: Tensor, own: bool = False) -> Iterator[_Tile]:
    """The tiles of two tables; of a table with its own self, those on and above the diagonal."""
    for start in range(0, len(first.parts), HELD):
        held = [_rows(first, part, centre) for part in range(start, min(start + HELD, len(first.parts)))]
        for column in range(start if own else 0, len(second.parts)):
            right = _rows(second, column, centre)
            for left in held:
                if not own or left.part <= column:
                    yield _Tile(left, right, left.values @ right.values.T, own)


def _rows(table: Table, part: int, centre: Tensor) -> _Rows:
    values = table.block(part).double()
    values -= centre
    lifts = (values @ centre).add_(centre @ centre / 2)
    place = slice(part * BLOCK, part * BLOCK + len(values))
    return _Rows(part, place, values, torch.linalg.vector_norm(values, dim=1).square_(), lifts)


def _centre(table: Table) -> Tensor:
    """The mean (D,), rounded to float32 so that subtracting it from a float32 is exact unless it is far smaller.

    Distances do not depend on it, but |x|^2 + |y|^2 - 2 x.y then cancels less.
    """
    total = sum((block.double().sum(0) for block in table.blocks()), torch.zeros(table.width, dtype=torch.float64))
    centre = (total / len(table)).float().double()
    if not centre.isfinite().all():
        raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")
    return centre


class _Radii:
    """Each row's k smallest squared distances to other rows of its table, (N, k) in rising order."""

    def __init__(self, rows: int, neighbours: int) -> None:
        self.nearest = torch.full((rows, neighbours), math.inf, dtype=torch.float64)

    def see(self, tile: _Tile) -> None:
        distances = torch.add(tile.first.squares[:, None], tile.products, alpha=-2).add_(tile.second.squares)
        if tile.diagonal:
            distances.fill_diagonal_(math.inf)
        self._keep(tile.first.place, distances)
        if tile.mirrored:
            self._keep(tile.second.place, distances.T.contiguous())

    def _keep(self, place: slice, distances: Tensor) -> None:
        known = self.nearest[place]
        k = known.shape[1]
        closest = distances.topk(min(k, distances.shape[1]), dim=1, largest=False).values
        self.nearest[place] = torch.cat([known, closest], 1).topk(k, dim=1, largest=False).values


class _Kernels:
    """Row and column sums of (x.y / D + 1)^3; of a table with itself, a row and itself make no pair.

    Nor do rows of the same place in two tables, where one is the `answers` to the other.
    """

    def __init__(self, first: int, second: int, answers: bool = False) -> None:
        self.first = torch.zeros(first, dtype=torch.float64)
        self.second = torch.zeros(second, dtype=torch.float64)
        self._answers = answers

    def see(self, tile: _Tile) -> None:
        width = tile.first.values.shape[1]
        kernels = torch.add(tile.products, tile.first.lifts[:, None]).add_(tile.second.lifts + width)
        kernels.div_(width).pow_(3)
        if tile.diagonal or (self._answers and tile.first.part == tile.second.part):
            kernels.fill_diagonal_(0)
        self.first[tile.first.place] += kernels.sum(1)
        (self.first if tile.mirrored else self.second)[tile.second.place] += kernels.sum(0)


class _Balls:
    """Which rows of either table lie in balls around the other's; of `answers`, around others than their own."""

    def __init__(self, reals: Tensor, fakes: Tensor, answers: bool = False) -> None:
        self.radii = reals, fakes
        self._answers = answers
        self.crowd = torch.zeros(len(fakes), dtype=torch.int64)
        self.reached = torch.zeros(len(reals), dtype=torch.bool)
        self.covered = torch.zeros(len(reals), dtype=torch.bool)

    def see(self, tile: _Tile) -> None:
        reals, fakes = tile.first.place, tile.second.place
        # the distance and the tie's width in one: nearer than the radius by more than rounding
        above = torch.add(tile.first.squares[:, None] * (1 + TIE), tile.products, alpha=-2)
        above += tile.second.squares * (1 + TIE)
        if self._answers and tile.first.part == tile.second.part:
            above.fill_diagonal_(math.inf)
        self.reached[reals] |= (above < self.radii[1][fakes]).any(1)
        in_real = above < self.radii[0][reals, None]
        self.covered[reals] |= in_real.any(1)
        self.crowd[fakes] += in_real.sum(0)


def _kernel_score(reals: Tensor, fakes: Tensor, cross: _Kernels) -> Score:
    """MMD^2 and its delete-one jackknife error, from the sums of kernels of each row with its own and the other set.

    Leaving out x_i takes its kernels from the sums: twice from its own set's, as x_i, x_j and as x_j, x_i.
    """
    n, m = len(reals), len(fakes)
    own_reals, own_fakes, mixed = reals.sum(), fakes.sum(), cross.first.sum()
    value = own_reals / (n * (n - 1)) + own_fakes / (m * (m - 1)) - 2 * mixed / (n * m)
    without_real = (own_reals - 2 * reals) / ((n - 1) * (n - 2)) - 2 * (mixed - cross.first) / ((n - 1) * m)
    without_fake = (own_fakes - 2 * fakes) / ((m - 1) * (m - 2)) - 2 * (mixed - cross.second) / (n * (m - 1))
    variance = (n - 1) * without_real.var(correction=0) + (m - 1) * without_fake.var(correction=0)
    return Score(float(value), math.sqrt(float(variance)))


def _answers_score(reals: Tensor, fakes: Tensor, cross: _Kernels) -> Score:
    """The same of two sets whose rows of one place belong together, and make no pair; the jackknife leaves out both."""
    n = len(reals)
    own, mixed = reals + fakes, cross.first + cross.second
    value = (own.sum() - mixed.sum()) / (n * (n - 1))
    without = (own.sum() - 2 * own - mixed.sum() + 2 * mixed) / ((n - 1) * (n - 2))
    return Score(float(value), math.sqrt(float((n - 1) * without.var(correction=0))))


def _check_vary(reals: Table) -> None:
    one = reals.block(0)[0]
    if all(bool((block == one).all()) for block in reals.blocks()):
        raise BadInput("All real images have the same features; look at the images, or give others.")


def _check_widths(reals: Table, fakes: Table) -> None:
    if reals.width != fakes.width:
        raise BadInput(
            f"Features of {reals.width} and of {fakes.width} numbers cannot be compared; "
            "use one feature network for both sets."
        )
