"""Means with their standard errors against scipy."""

import math

import numpy as np
import pytest
from scipy.stats import sem

from zerosum.evaluation.metrics.score import grouped_mean_score, mean_score


def test_mean_score_equals_scipy() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert mean_score(values) == pytest.approx((values.mean(), sem(values)))
    assert mean_score(np.array([True, False, False, True])) == (0.5, pytest.approx(math.sqrt(0.25 / 3)))


def test_mean_score_of_few_or_infinite_values() -> None:
    assert math.isnan(mean_score(np.empty(0)).value)
    assert mean_score(np.array([3.0]))[0] == 3.0
    assert math.isnan(mean_score(np.array([3.0])).error)
    assert mean_score(np.array([1.0, np.inf]))[0] == math.inf
    assert math.isnan(mean_score(np.array([1.0, np.inf])).error)


def test_items_of_one_group_count_as_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=12)
    repeated, groups = np.repeat(values, 5), np.repeat(rng.permutation(12), 5)
    assert grouped_mean_score(repeated, groups) == pytest.approx(mean_score(values))
    assert grouped_mean_score(values, rng.permutation(12)) == pytest.approx(mean_score(values))
    assert math.isnan(grouped_mean_score(values, np.zeros(12)).error)
    assert grouped_mean_score(np.array([1.0, np.inf]), np.arange(2))[0] == math.inf


def test_errors_of_groups_of_different_sizes_are_those_of_repeated_draws() -> None:
    """Pieces of recordings that differ by their recordings: the deviation of the mean over new recordings."""
    rng, means, errors = np.random.default_rng(0), [], []
    for _ in range(200):
        groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
        score = grouped_mean_score(rng.normal(size=40)[groups] + 0.2 * rng.normal(size=len(groups)), groups)
        means.append(score.value)
        errors.append(score.error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)
