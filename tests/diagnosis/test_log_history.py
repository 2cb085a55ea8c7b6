"""The log as series of signals, and transformations of series."""

import math

import numpy as np
import pytest

from zerosum.diagnosis.log_history import MIN_PAST_VALUES, LogHistory, Series
from zerosum.diagnosis.rules import signals


def make_series(values: list[float], examples: list[float] | None = None) -> Series:
    return Series(np.array(examples or range(1, len(values) + 1), float), np.array(values, float))


def to_lists(series: Series) -> tuple[list[float], list[float]]:
    return series.examples.tolist(), series.values.tolist()


def make_history(**columns: list[float | None]) -> LogHistory:
    """A row of the log every 10 examples."""
    rows = zip(*columns.values(), strict=True)
    return LogHistory.from_rows(
        {"examples": 10 * (n + 1)} | dict(zip(columns, row, strict=True)) for n, row in enumerate(rows)
    )


# ---------------------------------------------------------------------- series


def test_ratio_and_difference_use_common_positions() -> None:
    first, second = make_series([2, 4, 6], [10, 20, 30]), make_series([4, 3, 5], [20, 30, 40])
    assert to_lists(first.divided_by(second)) == ([20, 30], [1, 2])
    assert to_lists(first.minus(second)) == ([20, 30], [0, 3])
    assert to_lists(second.minus(first)) == ([20, 30], [0, -3])
    for disjoint in (first.divided_by(make_series([1], [15])), first.minus(Series.empty())):
        assert to_lists(disjoint) == ([], [])


def test_divisors_are_raised_to_the_minimum() -> None:
    numerator, divisor = make_series([1, 1, 1]), make_series([0, 0.1, 4])
    assert numerator.divided_by(divisor, min_divisor=0.5).values.tolist() == [2, 2, 0.25]
    assert np.isfinite(make_series([1]).divided_by(make_series([0])).values).all()


def test_relative_to_past_median() -> None:
    """The median of the sizes of all values before, from the fourth value on."""
    assert MIN_PAST_VALUES == 3
    relative = make_series([1, -3, 2, 10, 4, -5], [1, 2, 3, 4, 5, 6]).relative_to_past_median()
    assert to_lists(relative) == ([4, 5, 6], [10 / 2, 4 / 2.5, -5 / 3])
    assert to_lists(make_series([1, 2, 3]).relative_to_past_median()) == ([], [])
    assert make_series([7] * 6).relative_to_past_median().values.tolist() == [1, 1, 1]


def test_running_median_uses_past_values_only() -> None:
    assert make_series([1, 9, 2, 3, 0]).running_median().values.tolist() == [1, 5, 2, 3, 2]
    assert make_series([1, 9, 2, 3, 0]).running_median(1).values.tolist() == [1, 9, 2, 3, 0]
    assert to_lists(Series.empty().running_median()) == ([], [])


def test_last_value() -> None:
    assert make_series([1, 5]).last == 5
    assert math.isnan(Series.empty().last)


# ---------------------------------------------------------------------- history


def test_signals_by_name_and_prefix() -> None:
    history = make_history(a=[1, 2, 3], ab=[4, 5, 6])
    assert to_lists(history["ab"]) == ([10, 20, 30], [4, 5, 6])
    assert history.examples == 30
    assert history.names_with_prefix("a") == ["a", "ab"]
    assert history.names_with_prefix("ab") == ["ab"]
    assert "ab" in history
    assert "b" not in history
    assert to_lists(history["b"]) == ([], [])


def test_a_signal_may_be_missing_in_some_rows() -> None:
    history = LogHistory.from_rows([{"examples": 1, "a": 1}, {"examples": 2}, {"examples": 3, "a": 0.5}])
    assert to_lists(history["a"]) == ([1, 3], [1, 0.5])
    assert not history.first_nonfinite


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_nonfinite_values_are_dropped_and_their_first_position_is_kept(value: float | None) -> None:
    history = make_history(a=[1, value, 3, value], b=[1, 2, 3, 4], c=[1, 1, 1, value])
    assert history.first_nonfinite == {"a": 20, "c": 40}
    assert to_lists(history["a"]) == ([10, 30], [1, 3])


def test_a_late_row_keeps_its_own_position() -> None:
    history = LogHistory.from_rows([{"examples": 20, "a": 1}, {"examples": 10, "b": 2, "c": None}])
    assert history.examples == 20
    assert to_lists(history["b"]) == ([10], [2])
    assert history.first_nonfinite == {"c": 10}


def test_strings_are_text_values() -> None:
    history = LogHistory.from_rows(
        [
            {"examples": 1, "first_nonfinite_weight": "generator.w"},
            {"examples": 2, "first_nonfinite_weight": "generator.b"},
        ]
    )
    assert history.text_values == {"first_nonfinite_weight": "generator.b"}
    assert "first_nonfinite_weight" not in history
    assert not history.first_nonfinite


# ---------------------------------------------------------------------- signal functions


def test_functions_of_one_signal() -> None:
    history = make_history(a=[1, -9, 2, 4])
    assert signals.signal("a")(history).values.tolist() == [1, -9, 2, 4]
    assert history["a"].running_median().values.tolist() == [1, -4, 1, 2]
    assert signals.magnitude("a")(history).values.tolist() == [1, 9, 2, 4]
    assert to_lists(signals.relative_to_past_median("a")(history)) == ([40], [2])


def test_functions_of_two_signals() -> None:
    history = make_history(a=[1, 5, 2], b=[4, 2, 2])
    assert signals.ratio("a", "b")(history).values.tolist() == [0.25, 2.5, 1]
    assert signals.difference("a", "b")(history).values.tolist() == [-3, 3, 0]
    assert signals.absolute_difference("a", "b")(history).values.tolist() == [3, 3, 0]
    lowest = signals.minimum(signals.signal("a"), signals.signal("missing"), signals.signal("b"))
    assert lowest(history).values.tolist() == [1, 2, 2]
    assert to_lists(signals.minimum(signals.signal("missing"))(history)) == ([], [])


def test_step_distance_and_straightness_of_a_trajectory() -> None:
    """Two coordinates of one point: straight on, then to and fro."""
    history = make_history(**{"point/0": [0, 3, 6, 9, 6, 9, 6], "point/1": [0, 4, 8, 12, 8, 12, 8]})
    step = math.sqrt((9 + 16) / 2)
    assert signals.step_distance("point/")(history).values == pytest.approx(step)
    assert signals.step_distance("point/")(history).examples.tolist() == [20, 30, 40, 50, 60, 70]
    straightness = signals.straightness("point/", window=3)(history)
    assert straightness.examples.tolist() == [40, 50, 60, 70]
    assert straightness.values == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert to_lists(signals.straightness("point/", window=7)(history)) == ([], [])
    assert to_lists(signals.step_distance("missing/")(history)) == ([], [])


def test_facts() -> None:
    history = LogHistory({"settings": {"training": {"batch_size": 64, "name": None}}})
    assert signals.get_fact(history, "settings", "training", "batch_size") == 64
    assert signals.get_fact(history, "settings", "training", "name", default=3) == 3
    assert signals.get_fact(history, "settings", "training", "batch_size", "deeper", default=3) == 3
    assert signals.get_number(history, ["settings", "training", "batch_size"]) == 64
    assert math.isnan(signals.get_number(history, ["settings", "training"]))
    assert to_lists(signals.constant_signal(make_history(round=[1, 2]), 7.0)) == ([10, 20], [7, 7])
