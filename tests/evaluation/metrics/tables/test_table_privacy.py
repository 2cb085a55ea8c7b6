"""Distances to training rows, and exact copies."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zerosum.evaluation.metrics.tables.columns import ColumnFacts, hash_rows
from zerosum.evaluation.metrics.tables.privacy import (
    chance_of_copy,
    copy_share,
    distance_to_closest_record,
    held_out_distance,
    held_out_training_share,
    nearest_rows,
    nearest_training_share,
)

COLUMNS = (ColumnFacts("x"), ColumnFacts("y"))
NAN = np.nan


def normal_rows(seed: int, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, 2))


def test_nearest_rows_are_exact() -> None:
    rng = np.random.default_rng(0)
    queries, reference = rng.normal(size=(1_500, 5)) + 100, rng.normal(size=(300, 5)) + 100
    expected = np.sqrt(((queries[:, None] - reference) ** 2).sum(2).min(1))
    distances, indices = nearest_rows(queries, reference)
    assert distances == pytest.approx(expected, abs=1e-6)
    assert np.sqrt(((queries - reference[indices]) ** 2).sum(1)) == pytest.approx(distances)
    assert (nearest_rows(reference, reference)[0] == 0).all(), "a copy has the distance 0"


def test_the_median_distance_is_in_standard_deviations() -> None:
    train = np.array([[-1.0, 0], [1.0, 0]])
    generated = np.array([[-1.0, 0], [-1.5, 0], [3.0, 0]])
    assert distance_to_closest_record(generated, train, COLUMNS).value == pytest.approx(0.5)


def test_a_copier_is_nearer_than_held_out_rows_and_a_new_draw_is_not() -> None:
    train, held_out, fresh = normal_rows(0, 900), normal_rows(1, 900), normal_rows(2, 900)
    floor = held_out_distance(held_out, train, len(train), COLUMNS).value
    assert distance_to_closest_record(fresh, train, COLUMNS).value == pytest.approx(floor, rel=0.15)
    copies = train[::-1] + 1e-4 * fresh
    assert distance_to_closest_record(copies, train, COLUMNS).value < 0.01 * floor
    share = nearest_training_share(fresh, train, held_out, COLUMNS)
    assert share is not None
    assert share.value == pytest.approx(0.5, abs=4 * share.error)
    of_copies = nearest_training_share(copies, train, held_out, COLUMNS)
    assert of_copies is not None
    assert of_copies.value > 0.99
    floor_share = held_out_training_share(train, held_out, COLUMNS)
    assert floor_share is not None
    assert floor_share.value == pytest.approx(0.5, abs=4 * floor_share.error)
    assert nearest_training_share(fresh, train, held_out[:0], COLUMNS) is None
    assert held_out_training_share(train, held_out[:1], COLUMNS) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_that_repeat_by_chance_are_no_memorization(seed: int) -> None:
    """Rows of few values, of which all of one content are on one side: a perfect generator repeats training rows."""
    rng = np.random.default_rng(seed)
    columns = tuple(ColumnFacts(name, 12) for name in "abc")
    weights = 0.75 ** np.arange(12) / (0.75 ** np.arange(12)).sum()
    rows = rng.choice(12, (6_000, 3), p=weights).astype(float)
    order = rng.permutation(12**3)  # stands for the order of hashes
    place = order[(rows @ [144, 12, 1]).astype(int)]
    known, fresh = rows[:4_000], rows[4_000:]
    known = known[np.argsort(place[:4_000], kind="stable")]
    is_held_out = np.sort(place[:4_000]) < 12**3 * 0.3
    train, held_out = known[~is_held_out], known[is_held_out]
    floor = held_out_distance(held_out, train, len(train), columns).value
    assert distance_to_closest_record(fresh, train, columns).value <= floor * 1.01
    share = nearest_training_share(fresh, train, held_out, columns)
    assert share is not None
    assert share.value == pytest.approx(0.5, abs=0.12)
    hashes = hash_rows(train)
    assert chance_of_copy(hashes, len(known)) == pytest.approx(copy_share(fresh, hashes).value, abs=0.05)


def test_samples_that_share_their_nearest_row_are_not_independent() -> None:
    """Samples far outside, all of which are nearest to one row, tell no more than one sample does."""
    rng = np.random.default_rng(0)
    train, held_out, outside = normal_rows(0, 500), normal_rows(1, 500), np.array([[30.0, 30.0]])
    far = outside + rng.normal(size=(400, 2)) * 0.01
    share = nearest_training_share(np.concatenate([far, normal_rows(2, 100)]), train, held_out, COLUMNS)
    assert share is not None
    assert share.value < 0.2 or share.value > 0.8
    assert share.error > 0.05, "four times that of independent samples"
    near = nearest_training_share(normal_rows(2, 500), train, held_out, COLUMNS)
    assert near is not None
    assert near.error == pytest.approx(0.5 / np.sqrt(500), rel=0.6)


def test_rows_that_are_on_both_sides_count_half() -> None:
    rows = normal_rows(0, 50)
    share = nearest_training_share(rows, rows, rows, COLUMNS)
    assert share is not None
    assert share.value == 0.5


def test_exact_copies_have_equal_cells() -> None:
    train = np.array([[1.0, NAN], [1.0, NAN], [2.0, 3.0], [4.0, 5.0]])
    generated = np.array([[1.0, NAN], [NAN, 1.0], [2.0, 3.0], [2.0, 3.0 + 1e-9]])
    assert copy_share(generated, hash_rows(train)).value == 0.5
    assert chance_of_copy(hash_rows(train), 4) == 0.5
    assert chance_of_copy(hash_rows(train), 8) == 0.25, "as many rows more are on the other side"
