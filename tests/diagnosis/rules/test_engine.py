"""Criteria with hysteresis, rules that need several criteria, and findings that are written and read again."""

import json
import math
import shlex
import tomllib

import numpy as np
import pytest

from zerosum.diagnosis.finding import Evidence, Finding, Recommendation, Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import MAX_PLOT_POINTS, Criterion, Rule
from zerosum.diagnosis.rules.signals import signal


def high(name: str = "a", consecutive: int = 2) -> Criterion:
    """Bad from 10 on, good again below 5."""
    return Criterion(f"the {name}", signal(name), 10, 5, "it is {value:.1f}", consecutive)


def low(name: str = "b", consecutive: int = 2) -> Criterion:
    """Bad from 1 down, good again above 2."""
    return Criterion(f"the {name}", signal(name), 1, 2, "it is {value:.1f}", consecutive)


def detect(criterion: Criterion, *values: float) -> str:
    """One character per value: "x" where the criterion is met, "." where it is not."""
    series = Series(np.arange(len(values), dtype=float), np.array(values, float))
    return "".join(".x"[int(detected)] for detected in criterion.detect(series))


def make_history(every: int = 100, **columns: list[float | None]) -> LogHistory:
    """A row of the log every so many examples; None for a missing signal."""
    history = LogHistory()
    for n, row in enumerate(zip(*columns.values(), strict=True)):
        signals = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        history.add_row({"examples": every * (n + 1)} | signals)
    return history


def make_rule(*criteria: Criterion, **settings) -> Rule:
    return Rule("problem", Severity.MILD, "A problem", "It happens.", criteria, **settings)


GOOD, BAD = 0.0, 20.0
"""Values of a criterion for which high is bad."""

# ---------------------------------------------------------------------- criteria


def test_a_criterion_is_met_after_consecutive_bad_values() -> None:
    assert detect(high(consecutive=1), 0, 10, 11, 0) == ".xx."
    assert detect(high(consecutive=2), 0, 10, 11, 12) == "..xx"
    assert detect(high(consecutive=3), 11, 11, 0, 11, 11, 11) == ".....x"


def test_a_criterion_ends_after_as_many_good_values() -> None:
    assert detect(high(consecutive=2), 11, 11, 4, 11, 4, 4, 4) == ".xxxx.."
    assert detect(high(consecutive=1), 11, 4) == "x."


def test_between_both_thresholds_a_criterion_does_not_change() -> None:
    assert detect(high(consecutive=1), 9, 9.9, 10, 9, 5, 4.9, 9) == "..xxx.."
    assert detect(low(consecutive=1), 1.5, 1.1, 1, 1.5, 2, 2.1, 1.5) == "..xxx.."


def test_the_recovery_threshold_defines_whether_higher_is_worse() -> None:
    assert high().higher_is_worse
    assert not low().higher_is_worse
    assert detect(low(consecutive=2), 3, 0, 0, 3, 0, 3, 3) == "..xxxx."


def test_equal_thresholds_have_no_hysteresis() -> None:
    assert detect(Criterion("a", signal("a"), 10, 10, "", 1), 9, 10, 9.9, 10) == ".x.x"


def test_a_criterion_without_values_is_not_met() -> None:
    assert detect(high()) == ""


@pytest.mark.parametrize(("criterion", "values"), [(high(), [10, 11, 13, 20, 60]), (low(), [1, 0.8, 0, -2, -9])])
def test_strength_grows_from_one_half_with_the_distance(criterion: Criterion, values: list[float]) -> None:
    strengths = [criterion.strength(value) for value in values]
    assert strengths[0] == 0.5
    assert strengths == sorted(set(strengths))
    assert strengths[-1] == pytest.approx(0.95, abs=0.001)
    assert criterion.strength(criterion.recovery_threshold) == 0.5, "before the threshold it is not smaller"


def test_strength_is_measured_in_units_of_the_hysteresis() -> None:
    assert high().strength(15) == low().strength(0) == pytest.approx(0.5 + 0.45 * math.tanh(1))


@pytest.mark.parametrize("length", [1, MAX_PLOT_POINTS, MAX_PLOT_POINTS + 1, 2 * MAX_PLOT_POINTS - 1, 1000])
def test_evidence_is_subsampled_and_ends_with_the_newest_value(length: int) -> None:
    series = Series(np.arange(length) * 10.0, np.arange(length) / 8)
    evidence = high().make_evidence(series)
    assert len(evidence.examples) == len(evidence.values)
    assert min(length, MAX_PLOT_POINTS / 2) <= len(evidence.values) <= MAX_PLOT_POINTS
    newest = (evidence.examples[-1], evidence.values[-1])
    assert newest == (10.0 * (length - 1), float(f"{(length - 1) / 8:.4g}"))
    assert evidence.value == (length - 1) / 8
    assert evidence.message == f"it is {(length - 1) / 8:.1f}"
    assert evidence.values == pytest.approx([examples / 80 for examples in evidence.examples], rel=1e-3)


# ---------------------------------------------------------------------- rules


def test_a_rule_needs_enough_criteria() -> None:
    two = make_rule(high("a"), high("b"))
    assert two(make_history(a=[BAD] * 3, b=[BAD] * 3))
    assert two(make_history(a=[BAD] * 3, b=[GOOD] * 3)) is None
    one_of_two = make_rule(high("a"), high("b"), min_criteria=1)
    assert one_of_two(make_history(a=[BAD] * 3, b=[GOOD] * 3))
    two_of_three = make_rule(high("a"), high("b"), high("c"))
    assert two_of_three(make_history(a=[BAD] * 3, b=[GOOD] * 3, c=[BAD] * 3))


def test_a_rule_needs_its_mandatory_criteria() -> None:
    one = make_rule(high("a"), high("b"), high("c"))
    assert one(make_history(a=[GOOD] * 3, b=[BAD] * 3, c=[BAD] * 3)) is None
    two = make_rule(high("a"), high("b"), high("c"), num_mandatory=2)
    assert two(make_history(a=[BAD] * 3, b=[GOOD] * 3, c=[BAD] * 3)) is None
    assert two(make_history(a=[BAD] * 3, b=[BAD] * 3, c=[GOOD] * 3))


def test_a_signal_that_was_never_measured_meets_no_criterion() -> None:
    assert make_rule(high("a"), high("b"))(make_history(b=[BAD] * 3)) is None
    assert make_rule(high("a"), high("b"), min_criteria=1)(make_history(a=[BAD] * 3))
    assert make_rule(high("a"))(LogHistory()) is None


def test_a_rule_is_used_only_where_it_applies() -> None:
    history = make_history(a=[BAD] * 3)
    assert make_rule(high("a"), min_criteria=1)(history)
    rule = make_rule(high("a"), min_criteria=1, applies_to=lambda history: "b" in history)
    assert rule(history) is None


@pytest.mark.parametrize(("rounds", "expected"), [(99, False), (100, True)])
def test_there_is_no_finding_before_the_minimum_number_of_rounds(rounds: int, expected: bool) -> None:
    history = make_history(a=[BAD] * 3, round=[1, 50, rounds])
    assert (make_rule(high("a"), min_criteria=1)(history) is not None) == expected
    assert make_rule(high("a"), min_criteria=1, min_rounds=0)(history)


def test_a_criterion_keeps_its_state_between_measurements() -> None:
    """The second signal is in every third row of the log."""
    b = [BAD, None, None, BAD, None, None]
    finding = make_rule(high("a"), high("b"))(make_history(a=[BAD] * 6, b=b))
    assert finding
    assert finding.since_examples == 400


def test_a_finding_begins_when_enough_criteria_are_met() -> None:
    history = make_history(a=[GOOD, BAD, BAD, BAD, BAD], b=[GOOD, GOOD, GOOD, BAD, BAD])
    finding = make_rule(high("a"), high("b"))(history)
    assert finding
    assert finding.since_examples == 500, "when the second of two criteria is met"
    finding = make_rule(high("a", consecutive=1), min_criteria=1)(make_history(a=[BAD, BAD]))
    assert finding
    assert finding.since_examples == 100, "from the first row on"


def test_a_finding_that_reappears_begins_again() -> None:
    values = [BAD, BAD, BAD, GOOD, GOOD, GOOD, BAD, BAD, BAD]
    finding = make_rule(high("a"), min_criteria=1)(make_history(a=values))
    assert finding
    assert finding.since_examples == 800
    assert make_rule(high("a"), min_criteria=1)(make_history(a=values[:6])) is None


def test_confidence_grows_with_the_distance_and_with_each_criterion() -> None:
    rule = make_rule(high("a"), min_criteria=1)
    confidences = [rule(make_history(a=[value] * 3)).confidence for value in (10, 12, 16, 40)]
    assert confidences[0] == 0.5
    assert confidences == sorted(set(confidences))
    assert confidences[-1] < 1
    two = make_rule(high("a"), low("b"))(make_history(a=[15] * 3, b=[0] * 3)).confidence
    one = high().strength(15)
    assert two == pytest.approx(1 - (1 - one) ** 2, abs=5e-4)


def test_evidence_comes_from_the_criteria_that_are_met_now() -> None:
    history = make_history(a=[BAD] * 4, b=[BAD, BAD, GOOD, GOOD], c=[BAD] * 4)
    finding = make_rule(high("a"), high("b"), high("c"))(history)
    assert [evidence.signal for evidence in finding.evidence] == ["the a", "the c"]
    assert finding.evidence[0].values == (BAD,) * 4
    assert finding.evidence[0].examples == (100, 200, 300, 400)


def test_the_remedy_is_computed_from_the_history() -> None:
    def recommend(history: LogHistory) -> list[Recommendation]:
        return [Recommendation("optimizer.lr", history["a"].last / 2, "smaller")]

    finding = make_rule(high("a"), min_criteria=1, remedy=recommend)(make_history(a=[BAD] * 3))
    assert finding.recommendations == (Recommendation("optimizer.lr", 10.0, "smaller"),)


# ---------------------------------------------------------------------- findings


def test_a_finding_is_read_back_as_written() -> None:
    recommendations = (
        Recommendation("optimizer.lr", {"start": 0.1, "end": 0.0, "fraction": [0.5, 1.0]}, "slower"),
        Recommendation("game.reuse_fakes", False, "none"),
    )
    evidence = (Evidence("the a", 20.5, 10.0, "it is 20.5", (100.0, 200.0), (3.25, 20.5)), Evidence("b", 1.0, 2.0, "b"))
    finding = Finding("problem", Severity.SEVERE, 0.75, 12_345, "A problem", "It happens.", evidence, recommendations)
    read_back = Finding.from_dict(json.loads(json.dumps(finding.as_dict())))
    assert read_back == finding
    assert read_back.severity is Severity.SEVERE
    # other keys of a row are ignored
    assert Finding.from_dict(finding.as_dict() | {"round": 3, "event": "appeared"}) == finding


def test_the_finding_of_a_rule_is_read_back_as_written() -> None:
    finding = make_rule(high("a"), low("b"))(make_history(a=[BAD / 3 + 10] * 3, b=[0.1] * 3))
    assert Finding.from_dict(json.loads(json.dumps(finding.as_dict()))) == finding


def test_recommended_values_as_text() -> None:
    assert Recommendation("optimizer.lr", 1e-4, "").format_value() == "0.0001"
    assert Recommendation("game.reuse_fakes", True, "").format_value() == "true"
    assert Recommendation("discriminator.condition", "concat", "").format_value() == "concat"


@pytest.mark.parametrize("value", [{"kind": "cosine", "start": 1e-4, "fraction": [0.5, 1.0]}, {}, [1, 2.5], True, 3])
def test_recommended_values_are_valid_toml_for_a_shell(value) -> None:
    (text,) = shlex.split(Recommendation("some.setting", value, "").format_value())
    assert tomllib.loads(f"value = {text}")["value"] == value
