"""The Frechet distance between two sets of features, each taken for a Gaussian.

Heusel et al. 2017, arXiv:1706.08500, equation 6; the formula for Gaussians is Dowson and Landau's (1982).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.metrics.score import Score, jackknife


@dataclass(frozen=True, eq=False)
class Moments:
    """How many rows, their mean and their covariance: all that the Frechet distance sees of a set."""

    count: int
    """N"""
    mean: Tensor
    """(D,) float64"""
    covariance: Tensor
    """(D, D) float64, divided by N - 1."""

    @classmethod
    def from_features(cls, features: FeatureTable) -> Moments:
        """The moments of a table, in one pass and with memory for two D x D matrices.

        Raises:
            BadInput: the table has fewer than 2 rows, or a feature is not finite.
        """
        if len(features) < 2:
            raise BadInput(f"A set of images to compare has {len(features)} images; give at least 2.")
        moments = _compute_moments(features.blocks(), features.num_columns)
        if not (moments.mean.isfinite().all() and moments.covariance.diagonal().isfinite().all()):
            raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")
        return moments

    def exclude(self, subset: Moments) -> Moments:
        """The moments of the rows that are not in `subset`, a part of these rows."""
        rest = self.count - subset.count
        mean = (self.count * self.mean - subset.count * subset.mean) / rest
        apart = subset.mean - mean
        scatter = (self.count - 1) * self.covariance
        scatter.sub_(subset.covariance, alpha=subset.count - 1)
        scatter.addr_(apart, apart, alpha=-subset.count * rest / self.count)
        return Moments(rest, mean, scatter.div_(max(rest - 1, 1)))


def _compute_moments(blocks: Iterable[Tensor], num_columns: int) -> Moments:
    """The moments of rows in blocks (n, width); of one row, the covariance is 0."""
    count, shift = 0, torch.zeros(num_columns, dtype=torch.float64)
    total, products = torch.zeros_like(shift), torch.zeros(num_columns, num_columns, dtype=torch.float64)
    for block in blocks:
        rows = block.double()
        if not count:
            shift = rows.mean(0)  # near the mean of all: the products then add up without cancelling
        rows -= shift
        total += rows.sum(0)
        products.addmm_(rows.T, rows)
        count += len(rows)
    products.addr_(total, total, alpha=-1 / count)
    return Moments(count, shift + total / count, products.div_(max(count - 1, 1)))


def frechet_distance_from_moments(a: Moments, b: Moments) -> float:
    """|mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2), at least 0.

    With S_a = L L^T, the eigenvalues of S_a S_b are those of the symmetric L^T S_b L. Of the two, the covariance of
    lower rank gives L: L^T S_b L is then smaller and has no eigenvalues that are 0 but for rounding, whose square
    roots (1e-16 becomes 1e-8) would add up.

    Raises:
        BadInput: the two were seen by different networks.
    """
    _check_same_num_columns(len(a.mean), len(b.mean))
    factor, other = _lower_rank_factor(a, b)
    inner = factor.T @ other.covariance @ factor
    common = torch.linalg.eigvalsh(inner).clamp_(min=0).sqrt().sum()
    apart = (a.mean - b.mean).square().sum()
    return max(0.0, float(apart + a.covariance.trace() + b.covariance.trace() - 2 * common))


def frechet_distance(a: FeatureTable, b: FeatureTable, num_groups: int = 10) -> Score:
    """The Frechet distance of two sets of images, with its standard error by the delete-a-group jackknife.

    Group g is the rows g, g + groups, ... of each table; both tables' group g are left out together. The error is how
    the distance would vary with other images; the distance's bias, which falls as 1 / N, is not in it. Memory is that
    of about eight D x D matrices (100 MB at D = 1280), whatever N.

    Args:
        a: (N, D) features.
        b: (M, D) features.
        num_groups: how many groups; the error is NaN where fewer rows than groups, or fewer than 2 without one, exist.

    Raises:
        BadInput: fewer than 2 rows, other widths, or features that are not finite.
    """
    _check_same_num_columns(a.num_columns, b.num_columns)
    value, without = (
        _frechet_by_rows(a, b, num_groups)
        if max(len(a), len(b)) < a.num_columns
        else _frechet_by_moments(a, b, num_groups)
    )
    fewest = min(len(a), len(b))
    if num_groups < 2 or fewest < num_groups or fewest - -(-fewest // num_groups) < 2:
        return Score(value)
    return jackknife(value, [without(group) for group in range(num_groups)])


ReplicateFn = Callable[[int], float]
"""The distance with a group of rows left out on both sides."""


def _frechet_by_moments(a: FeatureTable, b: FeatureTable, num_groups: int) -> tuple[float, ReplicateFn]:
    whole_a, whole_b = Moments.from_features(a), Moments.from_features(b)

    def without(group: int) -> float:
        return frechet_distance_from_moments(
            whole_a.exclude(_compute_moments(_group_blocks(a, group, num_groups), a.num_columns)),
            whole_b.exclude(_compute_moments(_group_blocks(b, group, num_groups), b.num_columns)),
        )

    return frechet_distance_from_moments(whole_a, whole_b), without


def _frechet_by_rows(a: FeatureTable, b: FeatureTable, num_groups: int) -> tuple[float, ReplicateFn]:
    """Of fewer rows than features: no D x D matrix is made, which is tens of times as fast for some hundred rows."""
    rows_a, rows_b = (_load_rows(table) for table in (a, b))

    def without(group: int) -> float:
        left = (torch.arange(len(rows)) % num_groups != group for rows in (rows_a, rows_b))
        return frechet_distance_from_rows(*(rows[rest] for rows, rest in zip((rows_a, rows_b), left, strict=True)))

    return frechet_distance_from_rows(rows_a, rows_b), without


def _load_rows(features: FeatureTable) -> Tensor:
    """A table's rows (N, D) in float64.

    Raises:
        BadInput: the table has fewer than 2 rows, or a feature is not finite.
    """
    if len(features) < 2:
        raise BadInput(f"A set of images to compare has {len(features)} images; give at least 2.")
    rows = features.take(np.arange(len(features))).double()
    if not rows.isfinite().all():
        raise BadInput("The features of an image are not finite numbers; look for NaN or infinity in the images.")
    return rows


def frechet_distance_from_rows(a: Tensor, b: Tensor) -> float:
    """`frechet_distance` of rows (N, D) and (M, D) float64, with no matrix larger than N x D, M x D or N x M.

    With centred rows X / sqrt(N - 1) and Y / sqrt(M - 1), S_a = X^T X and S_b = Y^T Y: the eigenvalues of S_a S_b are
    the squared singular values of X Y^T, whose sum is the trace of the root.
    """
    x, y = ((rows - rows.mean(0)) / (len(rows) - 1) ** 0.5 for rows in (a, b))
    common = torch.linalg.svdvals(x @ y.T).sum()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    return max(0.0, float(apart + x.square().sum() + y.square().sum() - 2 * common))


def _group_blocks(features: FeatureTable, group: int, num_groups: int) -> Iterator[Tensor]:
    """The rows of a group, in blocks (n, D)."""
    rows = np.arange(group, len(features), num_groups)
    return (features.take(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS))


def _lower_rank_factor(a: Moments, b: Moments) -> tuple[Tensor, Moments]:
    """A factor (D, r) of the covariance of lower rank, and the other set.

    Of fewer rows than D, the smaller set has the lower rank, and the other's need not be found out.
    """
    small, large = (a, b) if a.count <= b.count else (b, a)
    factor = _covariance_factor(small)
    if factor.shape[1] == len(factor):
        other = _covariance_factor(large)
        if other.shape[1] < len(other):
            return other, small
    return factor, large


def _covariance_factor(moments: Moments) -> Tensor:
    """F (D, r) with F F^T the covariance: Cholesky's, r = D; else without eigenvalues that are 0 but for rounding."""
    covariance = moments.covariance
    if moments.count > len(covariance):
        triangle: Tensor
        triangle, failed = torch.linalg.cholesky_ex(covariance)
        if not failed:
            return triangle
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    factor: Tensor = vectors[:, kept] * values[kept].sqrt()
    return factor


def _check_same_num_columns(a: int, b: int) -> None:
    if a != b:
        raise BadInput(f"Features of {a} and of {b} numbers cannot be compared; use one feature network for both sets.")
