"""Pairs of columns, in closed form."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from zerosum.evaluation.metrics.tables.columns import ColumnFacts
from zerosum.evaluation.metrics.tables.pairs import (
    MAX_PAIRS,
    choose_pairs,
    contingency_similarity,
    correlation,
    correlation_differences,
    pair_similarities,
)

NUMBERS = (ColumnFacts("a"), ColumnFacts("b"))
NAN = np.nan


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_correlations_equal_those_of_scipy(offset: float) -> None:
    """Also of numbers as large as dates in seconds, and with missing cells."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 30, 500) + offset
    second = first + rng.normal(size=500) * 10
    assert correlation(first, second) == pytest.approx(pearsonr(first, second).statistic, abs=1e-6)
    assert correlation(first, second, by_rank=True) == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)
    first[:50] = NAN
    rest = spearmanr(first[50:], second[50:]).statistic
    assert correlation(first, second, by_rank=True) == pytest.approx(rest, abs=1e-9)
    assert np.isnan(correlation(np.ones(5), second[:5]))
    assert np.isnan(correlation(first[:5], second[:5]))


def test_opposite_and_lost_correlations() -> None:
    up = np.stack([np.arange(9.0), np.arange(9.0)], 1)
    down, constant = up * [1, -1], up * [1, 0]
    assert pair_similarities(up, down, NUMBERS, [(0, 1)]) == pytest.approx([0])
    assert correlation_differences(up, down, NUMBERS, [(0, 1)]) == pytest.approx([2])
    assert pair_similarities(up, constant, NUMBERS, [(0, 1)]) == pytest.approx([0.5]), "it counts as 0, not as missing"
    assert np.isnan(pair_similarities(constant, up, NUMBERS, [(0, 1)])).all()


def test_joint_frequencies() -> None:
    """Two categories that are always equal, against two independent ones: half of the rows are where none should be."""
    equal = (np.array([0, 1] * 8), np.array([0, 1] * 8))
    independent = (np.array([0, 1, 0, 1] * 4), np.array([0, 0, 1, 1] * 4))
    assert contingency_similarity(equal, independent) == pytest.approx(0.5)
    spread = [(codes * 20_000, other * 20_000) for codes, other in (equal, independent)]
    assert contingency_similarity(*spread) == pytest.approx(0.5), "as well where only pairs that occur are counted"


def test_numbers_are_binned_by_the_real_ones() -> None:
    """Ten bins from 0 to 10, the outer ones open; missing numbers have a bin of their own."""
    columns = (ColumnFacts("number"), ColumnFacts("flag", 2))
    real = np.stack([np.append(np.arange(10) + 0.5, [0.0, 10.0]), np.zeros(12)], 1)
    moved = real + np.array([100.0, 0])
    assert pair_similarities(real, real + np.array([0.5, 0]), columns, [(0, 1)]) == pytest.approx([1 - 1 / 12])
    assert pair_similarities(real, moved, columns, [(0, 1)]) == pytest.approx([2 / 12])
    assert pair_similarities(real, np.full_like(real, NAN), columns, [(0, 1)]) == pytest.approx([0])


def test_ranks_with_missing_cells_are_those_of_the_pair() -> None:
    rng = np.random.default_rng(1)
    real = rng.normal(size=(100, 2))
    generated = real + rng.normal(size=(100, 2))
    generated[:30, 0] = NAN
    expected = abs(spearmanr(*real.T).statistic - spearmanr(*generated[30:].T).statistic)
    assert correlation_differences(real, generated, NUMBERS, [(0, 1)]) == pytest.approx([expected])


def test_many_columns_have_a_bounded_number_of_pairs() -> None:
    assert choose_pairs(np.array([1, 4, 6])) == [(1, 4), (1, 6), (4, 6)]
    chosen = choose_pairs(np.arange(1_000))
    assert len(set(chosen)) == MAX_PAIRS
    assert all(first < second for first, second in chosen)
