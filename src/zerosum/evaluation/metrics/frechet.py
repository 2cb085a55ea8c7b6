"""The Fréchet distance between two sets of features, each approximated by a Gaussian.

Heusel et al. 2017, arXiv:1706.08500, equation 6; the formula for Gaussians is that of Dowson and Landau (1982).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.metrics.base import Metric, MetricInfo
from zerosum.evaluation.metrics.score import Score, jackknife


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and covariance of rows: all that the Fréchet distance uses of a set."""

    count: int
    """N"""
    mean: Tensor
    """(D,) float64"""
    covariance: Tensor
    """(D, D) float64, divided by N - 1."""

    @classmethod
    def from_features(cls, features: FeatureTable) -> Moments:
        """Return the moments of a table, in one pass and with memory for two D x D matrices.

        Raises:
            BadInput: the table has fewer than 2 rows, or a feature is not finite.
        """
        _check_num_rows(features)
        moments = _compute_moments(features.blocks(), features.num_columns)
        if not (moments.mean.isfinite().all() and moments.covariance.diagonal().isfinite().all()):
            raise BadInput("the features of an item are not finite: look for NaN or infinity in the items")
        return moments

    def exclude(self, subset: Moments) -> Moments:
        """Return the moments of the rows without `subset`, which must be some of these rows."""
        count = self.count - subset.count
        mean = (self.count * self.mean - subset.count * subset.mean) / count
        difference = subset.mean - mean
        scatter = (self.count - 1) * self.covariance
        scatter.sub_(subset.covariance, alpha=subset.count - 1)
        scatter.addr_(difference, difference, alpha=-subset.count * count / self.count)
        return Moments(count, mean, scatter.div_(max(count - 1, 1)))


def _compute_moments(blocks: Iterable[Tensor], num_columns: int) -> Moments:
    """Return the moments of rows in blocks (n, D); the covariance of a single row is 0."""
    count, shift = 0, torch.zeros(num_columns, dtype=torch.float64)
    total, products = torch.zeros_like(shift), torch.zeros(num_columns, num_columns, dtype=torch.float64)
    for block in blocks:
        rows = block.double()
        if not count:
            shift = rows.mean(0)  # near the mean of all rows, which avoids cancellation in the sums of products
        rows -= shift
        total += rows.sum(0)
        products.addmm_(rows.T, rows)
        count += len(rows)
    products.addr_(total, total, alpha=-1 / count)
    return Moments(count, shift + total / count, products.div_(max(count - 1, 1)))


def frechet_distance_from_moments(a: Moments, b: Moments) -> float:
    """Return |mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2), at least 0.

    With S_a = L L^T, the eigenvalues of S_a S_b are those of the symmetric L^T S_b L. L is a factor of the covariance
    of lower rank: L^T S_b L is then smaller and has no eigenvalues that are 0 up to rounding, whose square roots (1e-16
    becomes 1e-8) would add up.

    Raises:
        BadInput: the numbers of features differ.
    """
    _check_same_num_columns(len(a.mean), len(b.mean))
    factor, other = _lower_rank_factor(a, b)
    inner = factor.T @ other.covariance @ factor
    common = torch.linalg.eigvalsh(inner).clamp_(min=0).sqrt().sum()
    mean_term = (a.mean - b.mean).square().sum()
    return max(0.0, float(mean_term + a.covariance.trace() + b.covariance.trace() - 2 * common))


def frechet_distance(a: FeatureTable, b: FeatureTable, num_groups: int = 10) -> Score:
    """Return the Fréchet distance of two sets of items, with its standard error by the delete-a-group jackknife.

    Group g consists of the rows g, g + num_groups, ... of each table; group g of both tables is left out together. The
    error estimates the variation over other items; it does not include the bias, which falls as 1 / N. It needs the
    memory of about eight D x D matrices (100 MB at D = 1280), whatever N.

    Args:
        a: (N, D) features.
        b: (M, D) features.
        num_groups: number of groups; the error is NaN if there are fewer rows, or fewer than 2 rows without a group.

    Raises:
        BadInput: a table has fewer than 2 rows or values that are not finite, or the numbers of features differ.

    Example:
        >>> x, y = torch.randn(2, 100, 8, generator=torch.Generator().manual_seed(0))
        >>> same = frechet_distance(FeatureTable.from_tensor(x), FeatureTable.from_tensor(y))
        >>> shifted = frechet_distance(FeatureTable.from_tensor(x), FeatureTable.from_tensor(y + 1))
        >>> same.value < 1 < shifted.value
        True
    """
    _check_same_num_columns(a.num_columns, b.num_columns)
    value, replicate = (
        _frechet_by_rows(a, b, num_groups)
        if max(len(a), len(b)) < a.num_columns
        else _frechet_by_moments(a, b, num_groups)
    )
    min_rows = min(len(a), len(b))
    if num_groups < 2 or min_rows < num_groups or min_rows - -(-min_rows // num_groups) < 2:
        return Score(value)
    return jackknife(value, [replicate(group) for group in range(num_groups)])


ReplicateFn = Callable[[int], float]
"""Return the distance with the rows of one group left out of both sets."""


def _frechet_by_moments(a: FeatureTable, b: FeatureTable, num_groups: int) -> tuple[float, ReplicateFn]:
    moments_a, moments_b = Moments.from_features(a), Moments.from_features(b)

    def replicate(group: int) -> float:
        return frechet_distance_from_moments(
            moments_a.exclude(_compute_moments(_group_blocks(a, group, num_groups), a.num_columns)),
            moments_b.exclude(_compute_moments(_group_blocks(b, group, num_groups), b.num_columns)),
        )

    return frechet_distance_from_moments(moments_a, moments_b), replicate


def _frechet_by_rows(a: FeatureTable, b: FeatureTable, num_groups: int) -> tuple[float, ReplicateFn]:
    """Compute the distance without a D x D matrix; for fewer rows than features.

    For some hundred rows it is tens of times as fast.
    """
    rows_a, rows_b = (_load_rows(table) for table in (a, b))

    def replicate(group: int) -> float:
        masks = (torch.arange(len(rows)) % num_groups != group for rows in (rows_a, rows_b))
        return frechet_distance_from_rows(*(rows[mask] for rows, mask in zip((rows_a, rows_b), masks, strict=True)))

    return frechet_distance_from_rows(rows_a, rows_b), replicate


def _check_num_rows(features: FeatureTable) -> None:
    if len(features) < 2:
        raise BadInput(f"the Fréchet distance needs at least 2 items in each set; one has {len(features)}: add items")


def _load_rows(features: FeatureTable) -> Tensor:
    """Return the rows of a table (N, D) in float64.

    Raises:
        BadInput: the table has fewer than 2 rows, or a feature is not finite.
    """
    _check_num_rows(features)
    rows = features.take(np.arange(len(features))).double()
    if not rows.isfinite().all():
        raise BadInput("the features of an item are not finite: look for NaN or infinity in the items")
    return rows


def frechet_distance_from_rows(a: Tensor, b: Tensor) -> float:
    """Return the Fréchet distance of rows (N, D) and (M, D) float64.

    No matrix is larger than N x D, M x D or N x M. With centered rows X / sqrt(N - 1) and Y / sqrt(M - 1), S_a = X^T X
    and S_b = Y^T Y: the eigenvalues of S_a S_b are the squared singular values of X Y^T, whose sum is the trace of the
    square root.
    """
    x, y = ((rows - rows.mean(0)) / (len(rows) - 1) ** 0.5 for rows in (a, b))
    common = torch.linalg.svdvals(x @ y.T).sum()
    mean_term = (a.mean(0) - b.mean(0)).square().sum()
    return max(0.0, float(mean_term + x.square().sum() + y.square().sum() - 2 * common))


def _group_blocks(features: FeatureTable, group: int, num_groups: int) -> Iterator[Tensor]:
    """Return the rows of a group, in blocks (n, D)."""
    rows = np.arange(group, len(features), num_groups)
    return (features.take(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS))


def _lower_rank_factor(a: Moments, b: Moments) -> tuple[Tensor, Moments]:
    """Return a factor (D, r) of the covariance of lower rank, and the other set.

    If the smaller set has fewer rows than D, its rank is the lower one, and the other's is not computed.
    """
    small, large = (a, b) if a.count <= b.count else (b, a)
    factor = _covariance_factor(small)
    if factor.shape[1] == len(factor):
        other = _covariance_factor(large)
        if other.shape[1] < len(other):
            return other, small
    return factor, large


def _covariance_factor(moments: Moments) -> Tensor:
    """Return F (D, r) with F F^T = covariance.

    It is the Cholesky factor, r = D, if that exists; else an eigendecomposition without the eigenvalues that are 0 up
    to rounding.
    """
    covariance = moments.covariance
    if moments.count > len(covariance):
        cholesky: Tensor
        cholesky, failed = torch.linalg.cholesky_ex(covariance)
        if not failed:
            return cholesky
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    factor: Tensor = vectors[:, kept] * values[kept].sqrt()
    return factor


def _check_same_num_columns(a: int, b: int) -> None:
    if a != b:
        raise BadInput(f"size mismatch: {a} and {b} features per item: use one feature network for both sets")


METRICS = (
    Metric(
        "fd",
        "Fréchet distance between features",
        lambda comparison: frechet_distance(comparison.real.features, comparison.generated.features),
        lower_is_better=True,
        has_paired_floor=False,
        is_named_by_features=True,
        position=20,
    ),
)
DESCRIBED_SCORES = (
    MetricInfo("fid", "Fréchet inception distance, by the standard protocol", lower_is_better=True, position=20),
    MetricInfo("fcd", "Fréchet ChemNet distance", lower_is_better=True, position=20),
)
"""The names of `fd` by the standard protocol, and of molecules."""
