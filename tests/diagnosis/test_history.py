"""A log as signals, and what follows from signals."""

import math

import numpy as np
import pytest

from zerosum.diagnosis.log_history import FIRST, History, Series
from zerosum.diagnosis.rules import signals as readings


def series(values: list[float], images: list[float] | None = None) -> Series:
    return Series(np.array(images or range(1, len(values) + 1), float), np.array(values, float))


def lists(found: Series) -> tuple[list[float], list[float]]:
    return found.images.tolist(), found.values.tolist()


def history(**signals: list[float | None]) -> History:
    """A line of the log every 10 images."""
    rows = zip(*signals.values(), strict=True)
    return History.of({"images": 10 * (n + 1)} | dict(zip(signals, row, strict=True)) for n, row in enumerate(rows))


# ---------------------------------------------------------------------- series


def test_over_and_minus_meet_at_the_moments_of_both() -> None:
    one, other = series([2, 4, 6], [10, 20, 30]), series([4, 3, 5], [20, 30, 40])
    assert lists(one.over(other)) == ([20, 30], [1, 2])
    assert lists(one.minus(other)) == ([20, 30], [0, 3])
    assert lists(other.minus(one)) == ([20, 30], [0, -3])
    for apart in (one.over(series([1], [15])), one.minus(Series.empty())):
        assert lists(apart) == ([], [])


def test_a_divisor_is_never_below_the_least() -> None:
    assert series([1, 1, 1]).over(series([0, 0.1, 4]), least=0.5).values.tolist() == [2, 2, 0.25]
    assert np.isfinite(series([1]).over(series([0])).values).all()


def test_over_the_usual() -> None:
    """The median of the sizes of all values before, from the fourth on."""
    assert FIRST == 3
    found = series([1, -3, 2, 10, 4, -5], [1, 2, 3, 4, 5, 6]).over_usual()
    assert lists(found) == ([4, 5, 6], [10 / 2, 4 / 2.5, -5 / 3])
    assert lists(series([1, 2, 3]).over_usual()) == ([], [])
    assert series([7] * 6).over_usual().values.tolist() == [1, 1, 1]


def test_over_the_highest_so_far() -> None:
    assert series([2, 4, 1, 8, 2]).over_highest().values.tolist() == [1, 1, 0.25, 1, 0.25]
    assert series([-4, 2]).over_highest().values.tolist() == [-1, 0.5]
    assert series([0, 0]).over_highest().values.tolist() == [0, 0]


def test_steadied_is_a_median_of_the_past() -> None:
    assert series([1, 9, 2, 3, 0]).steadied().values.tolist() == [1, 5, 2, 3, 2]
    assert series([1, 9, 2, 3, 0]).steadied(1).values.tolist() == [1, 9, 2, 3, 0]
    assert lists(Series.empty().steadied()) == ([], [])


def test_the_last_value() -> None:
    assert series([1, 5]).last == 5
    assert math.isnan(Series.empty().last)


# ---------------------------------------------------------------------- history


def test_signals_by_name() -> None:
    found = history(a=[1, 2, 3], ab=[4, 5, 6])
    assert lists(found["ab"]) == ([10, 20, 30], [4, 5, 6])
    assert found.images == 30
    assert found.names("a") == ["a", "ab"]
    assert found.names("ab") == ["ab"]
    assert "ab" in found
    assert "b" not in found
    assert lists(found["b"]) == ([], [])


def test_a_signal_is_there_at_its_own_moments_only() -> None:
    found = History.of([{"images": 1, "a": 1}, {"images": 2}, {"images": 3, "a": 0.5}])
    assert lists(found["a"]) == ([1, 3], [1, 0.5])
    assert not found.lost


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_lost(nothing: float | None) -> None:
    found = history(a=[1, nothing, 3, nothing], b=[1, 2, 3, 4], c=[1, 1, 1, nothing])
    assert found.lost == {"a": 20, "c": 40}
    assert lists(found["a"]) == ([10, 30], [1, 3])


def test_a_line_that_comes_late_is_of_its_own_moment() -> None:
    found = History.of([{"images": 20, "a": 1}, {"images": 10, "b": 2, "c": None}])
    assert found.images == 20
    assert lists(found["b"]) == ([10], [2])
    assert found.lost == {"c": 10}


def test_words_are_notes() -> None:
    found = History.of([{"images": 1, "not_finite": "generator.w"}, {"images": 2, "not_finite": "generator.b"}])
    assert found.notes == {"not_finite": "generator.b"}
    assert "not_finite" not in found
    assert not found.lost


# ---------------------------------------------------------------------- readings


def test_readings_of_single_signals() -> None:
    found = history(a=[1, -9, 2, 4])
    assert readings.of("a")(found).values.tolist() == [1, -9, 2, 4]
    assert found["a"].steadied().values.tolist() == [1, -4, 1, 2]
    assert readings.size("a")(found).values.tolist() == [1, 9, 2, 4]
    assert lists(readings.usual("a")(found)) == ([40], [2])


def test_readings_of_two_signals() -> None:
    found = history(a=[1, 5, 2], b=[4, 2, 2])
    assert readings.ratio("a", "b")(found).values.tolist() == [0.25, 2.5, 1]
    assert readings.less("a", "b")(found).values.tolist() == [-3, 3, 0]
    assert readings.apart("a", "b")(found).values.tolist() == [3, 3, 0]
    lowest = readings.lower(readings.of("a"), readings.of("nowhere"), readings.of("b"))
    assert lowest(found).values.tolist() == [1, 2, 2]
    assert lists(readings.lower(readings.of("nowhere"))(found)) == ([], [])


def test_steps_and_straightness_of_a_way() -> None:
    """Two numbers that follow one way: straight on, then to and fro."""
    found = history(**{"way/0": [0, 3, 6, 9, 6, 9, 6], "way/1": [0, 4, 8, 12, 8, 12, 8]})
    step = math.sqrt((9 + 16) / 2)
    assert readings.steps("way/")(found).values == pytest.approx(step)
    assert readings.steps("way/")(found).images.tolist() == [20, 30, 40, 50, 60, 70]
    straight = readings.straightness("way/", over=3)(found)
    assert straight.images.tolist() == [40, 50, 60, 70]
    assert straight.values == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert lists(readings.straightness("way/", over=7)(found)) == ([], [])
    assert lists(readings.steps("nowhere/")(found)) == ([], [])


def test_facts() -> None:
    found = History({"settings": {"training": {"batch": 64, "name": None}}})
    assert readings.fact(found, "settings", "training", "batch") == 64
    assert readings.fact(found, "settings", "training", "name", otherwise=3) == 3
    assert readings.fact(found, "settings", "training", "batch", "deeper", otherwise=3) == 3
    assert readings.number(found, ["settings", "training", "batch"]) == 64
    assert math.isnan(readings.number(found, ["settings", "training"]))
    assert lists(readings.always(history(round=[1, 2]), 7.0)) == ([10, 20], [7, 7])
