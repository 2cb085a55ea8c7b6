"""The Frechet distance against scipy's matrix square root, torchmetrics, closed forms and redraws."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.frechet import (
    Moments,
    _frechet_by_moments,
    _frechet_by_rows,
    frechet_distance,
    frechet_distance_from_moments,
)


def draw(rows: int, width: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Correlated features, their spectrum falling from 1 to 1/width, like a network's."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(99)))[0]
    spread = scale / torch.arange(1, width + 1).sqrt()
    return torch.randn(rows, width, generator=random) * spread @ mix + shift


def textbook(a: torch.Tensor, b: torch.Tensor) -> float:
    """The formula, with scipy's square root of the product."""
    a, b = a.double().numpy(), b.double().numpy()
    covariances = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sum(covariances)) - 2 * np.trace(root).real)


def low_rank(a: torch.Tensor, b: torch.Tensor) -> float:
    """For fewer rows than features, free of square roots of rounding: with S = X^T X, tr (S_a S_b)^(1/2) is the sum of
    the singular values of X_a X_b^T."""
    a, b = a.double().numpy(), b.double().numpy()
    rows = [(x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (a, b)]
    common = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + sum((x**2).sum() for x in rows) - 2 * common)


class Same(nn.Module):
    num_features = 24

    def forward(self, x):
        return x


def test_is_the_formula_with_scipys_square_root() -> None:
    for rows, other, shift in [(700, 1100, 0.0), (1100, 700, 0.2), (60, 90, 3.0)]:
        a, b = draw(rows, 24, 1), draw(other, 24, 2, scale=1.1, shift=shift)
        assert frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value == pytest.approx(
            textbook(a, b), rel=1e-6
        )


def test_is_torchmetrics() -> None:
    a, b = draw(700, 24, 3), draw(1100, 24, 4, scale=0.8, shift=0.1)
    theirs = FrechetInceptionDistance(feature=Same(), normalize=True, input_img_size=(24,)).set_dtype(torch.float64)
    theirs.update(a.double(), real=True)
    theirs.update(b.double(), real=False)
    assert frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value == pytest.approx(
        float(theirs.compute()), rel=1e-6
    )


def test_is_the_closed_form_of_gaussians_that_share_their_axes() -> None:
    """|m - n|^2 + sum (s - t)^2 for standard deviations s and t."""
    random = torch.Generator().manual_seed(0)
    s, t = torch.rand(2, 50, generator=random, dtype=torch.float64) + 0.1
    m, n = torch.randn(2, 50, generator=random, dtype=torch.float64)
    found = frechet_distance_from_moments(Moments(100, m, (s**2).diag()), Moments(200, n, (t**2).diag()))
    assert found == pytest.approx(float(((m - n) ** 2).sum() + ((s - t) ** 2).sum()), rel=1e-12)


def test_of_a_set_and_itself_is_zero() -> None:
    for rows in (2, 15, 25, 900):
        table = FeatureTable.from_tensor(draw(rows, 24, 5, shift=10))
        assert 0 <= frechet_distance_from_moments(Moments.from_features(table), Moments.from_features(table)) < 1e-6


@pytest.mark.parametrize(("rows", "other"), [(20, 30), (30, 20), (20, 400), (400, 20), (2, 2)])
def test_holds_where_rows_are_fewer_than_features(rows: int, other: int) -> None:
    a, b = draw(rows, 64, 6), draw(other, 64, 7, shift=0.1)
    assert frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value == pytest.approx(
        low_rank(a, b), rel=1e-9
    )


@pytest.mark.parametrize(("rows", "other"), [(40, 90), (90, 40), (64, 64)])
def test_rows_and_moments_agree_where_rows_are_few(rows: int, other: int) -> None:
    """The distance and its error, with no D x D matrix made and with three."""
    a, b = draw(rows, 128, 5), draw(other, 128, 6, scale=1.2, shift=0.1)
    by_rows, by_moments = (
        way(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b), 10)
        for way in (_frechet_by_rows, _frechet_by_moments)
    )
    assert by_rows[0] == pytest.approx(by_moments[0], rel=1e-9)
    for group in range(10):
        assert by_rows[1](group) == pytest.approx(by_moments[1](group), rel=1e-9)


def test_holds_where_features_are_dead_and_where_fakes_are_all_one() -> None:
    a, b = draw(400, 24, 8), draw(500, 24, 9)
    a[:, 5] = 0.0
    assert frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value == pytest.approx(
        low_rank(a, b), rel=1e-9
    )
    b[:] = b[0]
    mean = a.double().mean(0)
    gap = float((mean - b[0]).square().sum() + a.double().var(0).sum())
    assert frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value == pytest.approx(
        gap, rel=1e-9
    )


def test_moments_do_not_cancel_far_from_zero() -> None:
    rows = draw(1500, 8, 10) + torch.tensor([1e5, *[0.0] * 7])
    found, exact = Moments.from_features(FeatureTable.from_tensor(rows)), np.cov(rows.double().numpy().T)
    # float64 sums, whose order is the processor's: some 1e-15 a term
    np.testing.assert_allclose(found.covariance.numpy(), exact, rtol=0, atol=1e-12 * exact.max())
    np.testing.assert_allclose(found.mean.numpy(), rows.double().numpy().mean(0), rtol=1e-11, atol=1e-11)


def test_leaving_rows_out_by_subtraction() -> None:
    rows = draw(1500, 8, 11, shift=5)
    rest = Moments.from_features(FeatureTable.from_tensor(rows)).exclude(
        Moments.from_features(FeatureTable.from_tensor(rows[1000:]))
    )
    exact = Moments.from_features(FeatureTable.from_tensor(rows[:1000]))
    assert rest.count == 1000
    # float64 sums, whose order is the processor's: some 1e-15 a term
    torch.testing.assert_close(rest.mean, exact.mean, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(rest.covariance, exact.covariance, rtol=1e-11, atol=1e-12)


def test_rows_order_does_not_matter() -> None:
    a, b = draw(700, 24, 12), draw(1100, 24, 13)
    order = torch.randperm(700, generator=torch.Generator().manual_seed(0))
    exact = frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b)).value
    assert frechet_distance(FeatureTable.from_tensor(a[order]), FeatureTable.from_tensor(b)).value == pytest.approx(
        exact, rel=1e-9
    )


def test_the_error_is_that_of_redraws() -> None:
    """The jackknife's root mean square error over 200 redraws against the spread of the 200 distances.

    The spread of 200 is known to 5% and the jackknife's to 2%; it is biased upwards by some per cent. Outside of
    0.8 to 1.3 is more than four standard deviations away.
    """
    scores = [
        frechet_distance(
            FeatureTable.from_tensor(draw(300, 5, s)), FeatureTable.from_tensor(draw(400, 5, s + 1000, scale=1.5))
        )
        for s in range(200)
    ]
    spread = np.std([score.value for score in scores], ddof=1)
    stated = math.sqrt(np.mean([score.error**2 for score in scores]))
    assert 0.8 < stated / spread < 1.3


def test_the_error_is_the_jackknife_by_hand() -> None:
    a, b = draw(53, 3, 14), draw(41, 3, 15)
    without = []
    for group in range(10):
        kept = [x[torch.arange(len(x)) % 10 != group] for x in (a, b)]
        without.append(textbook(*kept))
    found = frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b))
    assert found.error == pytest.approx(math.sqrt(9 / 10 * 10 * np.var(without)), rel=1e-6)


def test_has_no_error_where_rows_are_too_few_for_groups() -> None:
    assert math.isnan(
        frechet_distance(FeatureTable.from_tensor(draw(9, 3, 16)), FeatureTable.from_tensor(draw(50, 3, 17))).error
    )
    assert math.isnan(
        frechet_distance(
            FeatureTable.from_tensor(draw(2, 3, 16)), FeatureTable.from_tensor(draw(50, 3, 17)), num_groups=2
        ).error
    )


def test_refuses_what_cannot_be_compared() -> None:
    good = FeatureTable.from_tensor(draw(20, 3, 18))
    with pytest.raises(BadInput, match="at least 2"):
        frechet_distance(good, FeatureTable.from_tensor(draw(1, 3, 19)))
    with pytest.raises(BadInput, match="one feature network"):
        frechet_distance(good, FeatureTable.from_tensor(draw(20, 4, 19)))
    with pytest.raises(BadInput, match="not finite"):
        frechet_distance(good, FeatureTable.from_tensor(torch.full((20, 3), torch.nan)))
