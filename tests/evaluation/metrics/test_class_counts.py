"""Means per class and class counts against values by hand and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.class_counts import (
    accuracy,
    class_kl_divergence,
    confident_fraction,
    count_classes,
    mean_per_class,
)
from zerosum.evaluation.metrics.score import Score


def test_mean_per_class_averages_the_rows_of_each_class() -> None:
    values, labels = np.array([True, True, False, True]), np.array([2, 0, 2, 0])
    scores = mean_per_class(values, labels, 3)
    assert scores[0] == Score(1.0, 0.0)
    assert math.isnan(scores[1].value)
    assert scores[2] == (0.5, pytest.approx(0.5))


def test_count_classes() -> None:
    counts = count_classes(np.array([3, 0, 3]), 5)
    np.testing.assert_array_equal(counts, [1, 0, 0, 2, 0])
    assert counts.dtype == np.int64


def test_class_kl_divergence_equals_scipy() -> None:
    fakes, reals = np.array([5, 0, 95, 3]), np.array([20, 30, 40, 1])
    assert class_kl_divergence(fakes, reals) == pytest.approx(entropy(fakes, reals), rel=1e-12)
    assert class_kl_divergence(reals, 7 * reals) == 0


def test_class_kl_divergence_of_missing_and_of_additional_classes() -> None:
    """Half of the classes missing: log 2. A class that only the fakes have: infinite."""
    assert class_kl_divergence(np.array([5, 5, 0, 0]), np.array([9, 9, 9, 9])) == pytest.approx(math.log(2))
    assert class_kl_divergence(np.array([5, 1]), np.array([9, 0])) == math.inf


def test_class_kl_divergence_by_chance_is_as_documented() -> None:
    """(K - 1) (1 / N + 1 / M) / 2 on average; 400 draws know it to sqrt(2 / 9 / 400) = 2.4%; 10% is four times that."""
    rng, probabilities = np.random.default_rng(1), np.full(10, 0.1)
    divergences = [
        class_kl_divergence(rng.multinomial(2000, probabilities), rng.multinomial(3000, probabilities))
        for _ in range(400)
    ]
    assert np.mean(divergences) == pytest.approx(9 * (1 / 2000 + 1 / 3000) / 2, rel=0.1)


def test_accuracy_and_confident_fraction() -> None:
    assert accuracy(np.array([1, 2, 3, 3]), np.array([1, 2, 3, 0])).value == 0.75
    probabilities = FeatureTable.from_tensor(torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.08, 0.92]]).repeat(400, 1))
    assert confident_fraction(probabilities).value == pytest.approx(2 / 3)
    assert confident_fraction(probabilities, threshold=0.93).value == pytest.approx(1 / 3)
    assert confident_fraction(probabilities, threshold=0.93).error == pytest.approx(math.sqrt(2 / 9 / 1199))


def test_invalid_labels_and_counts_are_refused() -> None:
    with pytest.raises(BadInput, match="label 5 is not one of 5"):
        count_classes(np.array([1, 5]), 5)
    with pytest.raises(BadInput, match="label -1"):
        mean_per_class(np.array([1.0]), np.array([-1]), 5)
    with pytest.raises(BadInput, match="2 labels for 1 items"):
        mean_per_class(np.array([1.0]), np.array([0, 1]), 5)
    with pytest.raises(BadInput, match="1 target labels for 2"):
        accuracy(np.array([1, 0]), np.array([0]))
    with pytest.raises(BadInput, match="no items"):
        class_kl_divergence(np.array([0, 0]), np.array([0, 1]))
    with pytest.raises(BadInput, match="one classifier"):
        class_kl_divergence(np.array([0, 1, 0]), np.array([0, 1]))
