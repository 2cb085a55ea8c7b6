"""Distributions of single columns, in closed form."""

import numpy as np
import pytest

from zerosum.evaluation.metrics.tables.columns import ColumnFacts, RowVectors, choose_indices, hash_rows
from zerosum.evaluation.metrics.tables.shape import (
    category_coverage,
    column_similarities,
    ks_similarity,
    missing_similarities,
    tv_similarity,
)

NAN = np.nan
COLUMNS = (ColumnFacts("age"), ColumnFacts("city", 3))


def test_the_statistic_of_two_uniform_distributions() -> None:
    """Of U(0, 1) and U(s, 1 + s) the largest difference of the distribution functions is s."""
    levels = (np.arange(1_000) + 0.5) / 1_000
    for shift in (0.0, 0.25, 2.0):
        assert ks_similarity(levels, levels + shift) == pytest.approx(1 - min(shift, 1.0), abs=0.002)
    assert ks_similarity(np.array([0.0, 0, 0, 1]), np.array([0.0, 1, 1, NAN])) == pytest.approx(1 - (3 / 4 - 1 / 3))


def test_columns_without_cells() -> None:
    empty, full = np.array([NAN, NAN]), np.array([1.0, 2.0])
    assert np.isnan(ks_similarity(empty, empty))
    assert ks_similarity(full, empty) == ks_similarity(empty, full) == 0
    assert np.isnan(tv_similarity(np.zeros(2, int), np.zeros(2, int)))
    assert tv_similarity(np.array([1, 1]), np.zeros(2, int)) == 0


def test_columns_of_both_kinds() -> None:
    real = np.array([[0.0, 0], [1, 0], [2, 1], [3, NAN]])
    generated = np.array([[2.0, 0], [3, 2], [4, NAN], [NAN, NAN]])
    # numbers: at 1 the functions are 1/2 and 0, at 3 they are 1 and 2/3; categories: 2/3, 1/3, 0 and 1/2, 0, 1/2
    assert column_similarities(real, generated, COLUMNS) == pytest.approx([1 - 1 / 2, 1 - 1 / 2])
    assert missing_similarities(real, generated) == pytest.approx([1 - 1 / 4, 1 - 1 / 4])
    assert np.isnan(missing_similarities(real[:2], generated[:1])).all()
    coverage = category_coverage(real, generated, COLUMNS)
    assert np.isnan(coverage[0])
    assert coverage[1] == 1 / 2, "samples have a, but not b; c is no real one"
    assert np.isnan(category_coverage(real[3:], generated, COLUMNS)[1])


def test_distances_of_rows_add_up_the_differences_of_cells() -> None:
    rows = np.array([[0.0, 0], [4, 0], [4, 2], [NAN, 2], [NAN, NAN]])
    vectors = RowVectors.fit(rows, COLUMNS)(rows)
    std = np.std([0, 4, 4])
    squares = [float(((vectors[a] - vectors[b]) ** 2).sum()) for a, b in ((0, 1), (1, 2), (0, 2), (3, 4))]
    assert squares == pytest.approx([(4 / std) ** 2, 2, (4 / std) ** 2 + 2, 2])
    assert (vectors[2] - vectors[3])[1] ** 2 == pytest.approx(2), "a missing number and another one"


def test_columns_of_many_values_have_vectors_of_bounded_length() -> None:
    wide = (ColumnFacts("zip", 50_000),)
    rows = np.arange(2_000.0)[:, None]
    vectors = RowVectors.fit(rows, wide)(rows)
    assert vectors.shape == (2_000, 32)
    squares = ((vectors[:1_000] - vectors[1_000:]) ** 2).sum(1)
    assert squares.mean() == pytest.approx(2, abs=0.05), "sqrt(2) apart in expectation"
    many = RowVectors.fit(np.zeros((3, 1_000)), tuple(ColumnFacts(f"c{i}", 400) for i in range(1_000)))
    assert many(np.zeros((3, 1_000))).shape == (3, 100 * 10)


def test_equal_rows_have_equal_hashes() -> None:
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), np.float64)[0]
    first, second, third = hash_rows(np.array([[0.0, NAN], [-0.0, other_nan], [1.0, NAN]]))
    assert first == second != third


def test_chosen_indices_are_the_same_each_time() -> None:
    assert choose_indices(5, 5).tolist() == [0, 1, 2, 3, 4]
    chosen = choose_indices(1_000, 10)
    assert len(set(chosen.tolist())) == 10
    assert (chosen == choose_indices(1_000, 10)).all()
