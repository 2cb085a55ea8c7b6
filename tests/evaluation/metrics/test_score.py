"""Means with their standard errors against scipy."""

import math

import numpy as np
import pytest
from scipy.stats import sem

from zerosum.evaluation.metrics.score import mean_score


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
