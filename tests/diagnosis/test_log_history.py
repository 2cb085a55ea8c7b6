"""A log as signals, and what follows from signals."""

import math

import numpy as np
import pytest

from zerosum.diagnosis.log_history import MIN_PAST_VALUES, LogHistory, Series
from zerosum.diagnosis.rules import signals as readings


def series(values: list[float], images: list[float] | None = None) -> Series:
    return Series(np.array(images or range(1, len(values) + 1), float), np.array(values, float))


def lists(found: Series) -> tuple[list[float], list[float]]:
    return found.examples.tolist(), found.values.tolist()


def history(**signals: list[float | None]) -> LogHistory:
    """A line of the log every 10 images."""
    rows = zip(*signals.values(), strict=True)
    return LogHistory.from_rows(
        {"images": 10 * (n + 1)} | dict(zip(signals, row, strict=True)) for n, row in enumerate(rows)
    )


# ---------------------------------------------------------------------- series


def test_over_and_minus_meet_at_the_moments_of_both() -> None:
    one, other = series([2, 4, 6], [10, 20, 30]), series([4, 3, 5], [20, 30, 40])
    assert lists(one.divided_by(other)) == ([20, 30], [1, 2])
    assert lists(one.minus(other)) == ([20, 30], [0, 3])
    assert lists(other.minus(one)) == ([20, 30], [0, -3])
    for apart in (one.divided_by(series([1], [15])), one.minus(Series.empty())):
        assert lists(apart) == ([], [])


def test_a_divisor_is_never_below_the_least() -> None:
    assert series([1, 1, 1]).divided_by(series([0, 0.1, 4]), min_divisor=0.5).values.tolist() == [2, 2, 0.25]
    assert np.isfinite(series([1]).divided_by(series([0])).values).all()


def test_over_the_usual() -> None:
    """The median of the sizes of all values before, from the fourth on."""
    assert MIN_PAST_VALUES == 3
    found = series([1, -3, 2, 10, 4, -5], [1, 2, 3, 4, 5, 6]).relative_to_past_median()
    assert lists(found) == ([4, 5, 6], [10 / 2, 4 / 2.5, -5 / 3])
    assert lists(series([1, 2, 3]).relative_to_past_median()) == ([], [])
    assert series([7] * 6).relative_to_past_median().values.tolist() == [1, 1, 1]


def test_over_the_highest_so_far() -> None:
    assert series([2, 4, 1, 8, 2]).relative_to_running_max().values.tolist() == [1, 1, 0.25, 1, 0.25]
    assert series([-4, 2]).relative_to_running_max().values.tolist() == [-1, 0.5]
    assert series([0, 0]).relative_to_running_max().values.tolist() == [0, 0]


def test_steadied_is_a_median_of_the_past() -> None:
    assert series([1, 9, 2, 3, 0]).running_median().values.tolist() == [1, 5, 2, 3, 2]
    assert series([1, 9, 2, 3, 0]).running_median(1).values.tolist() == [1, 9, 2, 3, 0]
    assert lists(Series.empty().running_median()) == ([], [])


def test_the_last_value() -> None:
    assert series([1, 5]).last == 5
    assert math.isnan(Series.empty().last)


# ---------------------------------------------------------------------- history


def test_signals_by_name() -> None:
    found = history(a=[1, 2, 3], ab=[4, 5, 6])
    assert lists(found["ab"]) == ([10, 20, 30], [4, 5, 6])
    assert found.examples == 30
    assert found.names_with_prefix("a") == ["a", "ab"]
    assert found.names_with_prefix("ab") == ["ab"]
    assert "ab" in found
    assert "b" not in found
    assert lists(found["b"]) == ([], [])


def test_a_signal_is_there_at_its_own_moments_only() -> None:
    found = LogHistory.from_rows([{"images": 1, "a": 1}, {"images": 2}, {"images": 3, "a": 0.5}])
    assert lists(found["a"]) == ([1, 3], [1, 0.5])
    assert not found.first_nonfinite


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_lost(nothing: float | None) -> None:
    found = history(a=[1, nothing, 3, nothing], b=[1, 2, 3, 4], c=[1, 1, 1, nothing])
    assert found.first_nonfinite == {"a": 20, "c": 40}
    assert lists(found["a"]) == ([10, 30], [1, 3])


def test_a_line_that_comes_late_is_of_its_own_moment() -> None:
    found = LogHistory.from_rows([{"images": 20, "a": 1}, {"images": 10, "b": 2, "c": None}])
    assert found.examples == 20
    assert lists(found["b"]) == ([10], [2])
    assert found.first_nonfinite == {"c": 10}


def test_words_are_notes() -> None:
    found = LogHistory.from_rows(
        [{"images": 1, "not_finite": "generator.w"}, {"images": 2, "not_finite": "generator.b"}]
    )
    assert found.text_values == {"not_finite": "generator.b"}
    assert "not_finite" not in found
    assert not found.first_nonfinite


# ---------------------------------------------------------------------- readings


def test_readings_of_single_signals() -> None:
    found = history(a=[1, -9, 2, 4])
    assert readings.signal("a")(found).values.tolist() == [1, -9, 2, 4]
    assert found["a"].running_median().values.tolist() == [1, -4, 1, 2]
    assert readings.magnitude("a")(found).values.tolist() == [1, 9, 2, 4]
    assert lists(readings.relative_to_past_median("a")(found)) == ([40], [2])


def test_readings_of_two_signals() -> None:
    found = history(a=[1, 5, 2], b=[4, 2, 2])
    assert readings.ratio("a", "b")(found).values.tolist() == [0.25, 2.5, 1]
    assert readings.difference("a", "b")(found).values.tolist() == [-3, 3, 0]
    assert readings.absolute_difference("a", "b")(found).values.tolist() == [3, 3, 0]
    lowest = readings.minimum(readings.signal("a"), readings.signal("nowhere"), readings.signal("b"))
    assert lowest(found).values.tolist() == [1, 2, 2]
    assert lists(readings.minimum(readings.signal("nowhere"))(found)) == ([], [])


def test_steps_and_straightness_of_a_way() -> None:
    """Two numbers that follow one way: straight on, then to and fro."""
    found = history(**{"way/0": [0, 3, 6, 9, 6, 9, 6], "way/1": [0, 4, 8, 12, 8, 12, 8]})
    step = math.sqrt((9 + 16) / 2)
    assert readings.step_distance("way/")(found).values == pytest.approx(step)
    assert readings.step_distance("way/")(found).examples.tolist() == [20, 30, 40, 50, 60, 70]
    straight = readings.straightness("way/", window=3)(found)
    assert straight.examples.tolist() == [40, 50, 60, 70]
    assert straight.values == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert lists(readings.straightness("way/", window=7)(found)) == ([], [])
    assert lists(readings.step_distance("nowhere/")(found)) == ([], [])


def test_facts() -> None:
    found = LogHistory({"settings": {"training": {"batch": 64, "name": None}}})
    assert readings.get_fact(found, "settings", "training", "batch") == 64
    assert readings.get_fact(found, "settings", "training", "name", default=3) == 3
    assert readings.get_fact(found, "settings", "training", "batch", "deeper", default=3) == 3
    assert readings.get_number(found, ["settings", "training", "batch"]) == 64
    assert math.isnan(readings.get_number(found, ["settings", "training"]))
    assert lists(readings.constant_signal(history(round=[1, 2]), 7.0)) == ([10, 20], [7, 7])
