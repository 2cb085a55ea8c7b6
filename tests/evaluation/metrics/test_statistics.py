"""Statistics of two samples against values by hand and closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from zerosum.evaluation.metrics.embeddings import mean_pairwise_distance
from zerosum.evaluation.metrics.statistics import auc, cohens_d, energy_distance


def draw(n: int, features: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, features)).astype(np.float32))


def test_auc_by_hand() -> None:
    low = torch.arange(10.0)
    assert auc(low + 10, low) == 1
    assert auc(low - 10, low) == 0
    assert auc(low, low) == 0.5
    assert auc(torch.zeros(4), torch.zeros(7)) == 0.5
    # 3 is above 1 and 2, equal to one 3 and below 4; 0 is above none
    assert auc(torch.tensor([3.0, 0.0]), torch.tensor([4.0, 1.0, 3.0, 2.0])) == (2.5 / 4 + 0) / 2


def test_auc_and_cohens_d_of_two_gaussians() -> None:
    """AUC is Phi(1 / sqrt 2). Its deviation is below sqrt(1 / (4 min(N, M))) = 0.008: 1 false alarm in 10^6 at five."""
    high, low = draw(4_000, 1, seed=1)[:, 0] + 1, draw(4_000, 1, seed=2)[:, 0]
    assert abs(auc(high, low) - NormalDist().cdf(1 / math.sqrt(2))) < 5 * 0.008
    assert auc(high, low) + auc(low, high) == pytest.approx(1, abs=1e-12)
    # the deviation of Cohen's d is about sqrt(2 / N) = 0.022
    assert abs(cohens_d(high, low) - 1) < 5 * 0.025


def test_cohens_d_by_hand() -> None:
    low = torch.tensor([-1.0, 1.0])  # variance 2
    high = torch.tensor([9.0, 11.0])
    assert cohens_d(high, low) == pytest.approx(10 / math.sqrt(2))
    assert cohens_d(low, high) == pytest.approx(-10 / math.sqrt(2))
    # only the mean of the two variances counts: 2 and 8
    assert cohens_d(torch.tensor([3.0, 7.0]), low) == pytest.approx(5 / math.sqrt(5))


def energy_distance_of_draws(a: torch.Tensor, b: torch.Tensor) -> float:
    return energy_distance(a, mean_pairwise_distance(a), b, mean_pairwise_distance(b))


def test_energy_distance_of_two_points_is_twice_their_distance() -> None:
    a, b = torch.zeros(5, 3), torch.zeros(7, 3) + torch.tensor([3.0, 4.0, 0.0])
    assert energy_distance(a, 0.0, b, 0.0) == pytest.approx(10.0)


def test_energy_distance_of_one_distribution_is_zero_on_average() -> None:
    """200 pairs of draws: the mean is within four of its standard errors, with one false alarm in 16,000."""
    distances = [energy_distance_of_draws(draw(40, seed=2 * i), draw(40, seed=2 * i + 1)) for i in range(200)]
    assert abs(np.mean(distances)) < 4 * np.std(distances) / math.sqrt(len(distances))


def test_energy_distance_of_shifted_normals_equals_the_closed_form() -> None:
    """In one dimension E|x - y| of normals with means m apart is sqrt(2) E|z + m / sqrt(2)|, a folded normal's mean."""
    m, normal = 1.5, NormalDist()
    folded = math.sqrt(2 / math.pi) * math.exp(-(m**2) / 4) + m / math.sqrt(2) * (1 - 2 * normal.cdf(-m / math.sqrt(2)))
    expected = 2 * math.sqrt(2) * folded - 2 * 2 / math.sqrt(math.pi)
    assert energy_distance_of_draws(draw(3000, 1), draw(3000, 1, seed=1) + m) == pytest.approx(expected, abs=0.06)
