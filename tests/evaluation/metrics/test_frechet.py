"""The Fréchet distance against scipy's matrix square root, torchmetrics, closed forms and repeated draws."""

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
from zerosum.evaluation.metrics.score import Score


def draw_features(rows: int, width: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Correlated features whose spectrum falls from 1 to 1/width, like a network's."""
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(99)))[0]
    deviations = scale / torch.arange(1, width + 1).sqrt()
    return torch.randn(rows, width, generator=generator) * deviations @ rotation + shift


def reference_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The formula, with scipy's matrix square root."""
    a, b = a.double().numpy(), b.double().numpy()
    covariances = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sum(covariances)) - 2 * np.trace(root).real)


def low_rank_reference_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """For fewer rows than features, without square roots of rounding errors.

    With S = X^T X, tr (S_a S_b)^(1/2) is the sum of the singular values of X_a X_b^T.
    """
    a, b = a.double().numpy(), b.double().numpy()
    rows = [(x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (a, b)]
    common = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + sum((x**2).sum() for x in rows) - 2 * common)


class Identity(nn.Module):
    num_features = 24

    def forward(self, x):
        return x


def distance(a: torch.Tensor, b: torch.Tensor) -> Score:
    return frechet_distance(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b))


def test_equals_the_formula_with_scipys_square_root() -> None:
    for rows, other_rows, shift in [(700, 1100, 0.0), (1100, 700, 0.2), (60, 90, 3.0)]:
        a, b = draw_features(rows, 24, 1), draw_features(other_rows, 24, 2, scale=1.1, shift=shift)
        assert distance(a, b).value == pytest.approx(reference_distance(a, b), rel=1e-6)


def test_equals_torchmetrics() -> None:
    a, b = draw_features(700, 24, 3), draw_features(1100, 24, 4, scale=0.8, shift=0.1)
    metric = FrechetInceptionDistance(feature=Identity(), normalize=True, input_img_size=(24,)).set_dtype(torch.float64)
    metric.update(a.double(), real=True)
    metric.update(b.double(), real=False)
    assert distance(a, b).value == pytest.approx(float(metric.compute()), rel=1e-6)


def test_equals_the_closed_form_of_gaussians_with_the_same_axes() -> None:
    """|m - n|^2 + sum (s - t)^2 for standard deviations s and t."""
    generator = torch.Generator().manual_seed(0)
    s, t = torch.rand(2, 50, generator=generator, dtype=torch.float64) + 0.1
    m, n = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    value = frechet_distance_from_moments(Moments(100, m, (s**2).diag()), Moments(200, n, (t**2).diag()))
    assert value == pytest.approx(float(((m - n) ** 2).sum() + ((s - t) ** 2).sum()), rel=1e-12)


def test_distance_of_a_set_to_itself_is_zero() -> None:
    for rows in (2, 15, 25, 900):
        table = FeatureTable.from_tensor(draw_features(rows, 24, 5, shift=10))
        assert 0 <= frechet_distance_from_moments(Moments.from_features(table), Moments.from_features(table)) < 1e-6


@pytest.mark.parametrize(("rows", "other_rows"), [(20, 30), (30, 20), (20, 400), (400, 20), (2, 2)])
def test_is_exact_for_fewer_rows_than_features(rows: int, other_rows: int) -> None:
    a, b = draw_features(rows, 64, 6), draw_features(other_rows, 64, 7, shift=0.1)
    assert distance(a, b).value == pytest.approx(low_rank_reference_distance(a, b), rel=1e-9)


@pytest.mark.parametrize(("rows", "other_rows"), [(40, 90), (90, 40), (64, 64)])
def test_computation_by_rows_and_by_moments_agree(rows: int, other_rows: int) -> None:
    """The distance and its replicates, without any D x D matrix and with three."""
    a, b = draw_features(rows, 128, 5), draw_features(other_rows, 128, 6, scale=1.2, shift=0.1)
    by_rows, by_moments = (
        compute(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b), 10)
        for compute in (_frechet_by_rows, _frechet_by_moments)
    )
    assert by_rows[0] == pytest.approx(by_moments[0], rel=1e-9)
    for group in range(10):
        assert by_rows[1](group) == pytest.approx(by_moments[1](group), rel=1e-9)


def test_is_exact_for_constant_features_and_for_collapsed_fakes() -> None:
    a, b = draw_features(400, 24, 8), draw_features(500, 24, 9)
    a[:, 5] = 0.0
    assert distance(a, b).value == pytest.approx(low_rank_reference_distance(a, b), rel=1e-9)
    b[:] = b[0]
    mean = a.double().mean(0)
    expected = float((mean - b[0]).square().sum() + a.double().var(0).sum())
    assert distance(a, b).value == pytest.approx(expected, rel=1e-9)


def test_moments_do_not_cancel_far_from_zero() -> None:
    rows = draw_features(1500, 8, 10) + torch.tensor([1e5, *[0.0] * 7])
    moments, exact = Moments.from_features(FeatureTable.from_tensor(rows)), np.cov(rows.double().numpy().T)
    # the order of float64 sums depends on the processor: about 1e-15 per term
    np.testing.assert_allclose(moments.covariance.numpy(), exact, rtol=0, atol=1e-12 * exact.max())
    np.testing.assert_allclose(moments.mean.numpy(), rows.double().numpy().mean(0), rtol=1e-11, atol=1e-11)


def test_exclude_equals_the_moments_of_the_remaining_rows() -> None:
    rows = draw_features(1500, 8, 11, shift=5)
    rest = Moments.from_features(FeatureTable.from_tensor(rows)).exclude(
        Moments.from_features(FeatureTable.from_tensor(rows[1000:]))
    )
    exact = Moments.from_features(FeatureTable.from_tensor(rows[:1000]))
    assert rest.count == 1000
    # the order of float64 sums depends on the processor: about 1e-15 per term
    torch.testing.assert_close(rest.mean, exact.mean, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(rest.covariance, exact.covariance, rtol=1e-11, atol=1e-12)


def test_order_of_rows_does_not_matter() -> None:
    a, b = draw_features(700, 24, 12), draw_features(1100, 24, 13)
    order = torch.randperm(700, generator=torch.Generator().manual_seed(0))
    assert distance(a[order], b).value == pytest.approx(distance(a, b).value, rel=1e-9)


def test_standard_error_equals_the_deviation_over_repeated_draws() -> None:
    """The root mean square of the jackknife error over 200 draws against the standard deviation of the 200 distances.

    The deviation of 200 is known to 5% and the jackknife's to 2%; it is biased upwards by some per cent. Outside of 0.8
    to 1.3 is more than four standard deviations away.
    """
    scores = [distance(draw_features(300, 5, s), draw_features(400, 5, s + 1000, scale=1.5)) for s in range(200)]
    deviation = np.std([score.value for score in scores], ddof=1)
    error = math.sqrt(np.mean([score.error**2 for score in scores]))
    assert 0.8 < error / deviation < 1.3


def test_standard_error_equals_the_jackknife_by_hand() -> None:
    a, b = draw_features(53, 3, 14), draw_features(41, 3, 15)
    replicates = []
    for group in range(10):
        remaining = [x[torch.arange(len(x)) % 10 != group] for x in (a, b)]
        replicates.append(reference_distance(*remaining))
    assert distance(a, b).error == pytest.approx(math.sqrt(9 / 10 * 10 * np.var(replicates)), rel=1e-6)


def test_standard_error_is_nan_for_too_few_rows() -> None:
    assert math.isnan(distance(draw_features(9, 3, 16), draw_features(50, 3, 17)).error)
    two_rows, rows = (FeatureTable.from_tensor(draw_features(n, 3, seed)) for n, seed in ((2, 16), (50, 17)))
    assert math.isnan(frechet_distance(two_rows, rows, num_groups=2).error)


def test_incomparable_sets_are_refused() -> None:
    features = draw_features(20, 3, 18)
    with pytest.raises(BadInput, match="at least 2"):
        distance(features, draw_features(1, 3, 19))
    with pytest.raises(BadInput, match="one feature network"):
        distance(features, draw_features(20, 4, 19))
    with pytest.raises(BadInput, match="not finite"):
        distance(features, torch.full((20, 3), torch.nan))
