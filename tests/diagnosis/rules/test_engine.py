"""Signs that come and go, rules that need several of them, and findings that survive being written down."""

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


def high(name: str = "a", hold: int = 2) -> Criterion:
    """Bad from 10 on, well again below 5."""
    return Criterion(f"the {name}", signal(name), 10, 5, "it is {value:.1f}", hold)


def low(name: str = "b", hold: int = 2) -> Criterion:
    """Bad from 1 down, well again above 2."""
    return Criterion(f"the {name}", signal(name), 1, 2, "it is {value:.1f}", hold)


def seen(sign: Criterion, *values: float) -> str:
    """ "." where the sign is not seen, "x" where it is."""
    series = Series(np.arange(len(values), dtype=float), np.array(values, float))
    return "".join(".x"[int(found)] for found in sign.detect(series))


def history(every: int = 100, **signals: list[float | None]) -> LogHistory:
    """A line of the log every so many images; None: not looked at."""
    found = LogHistory()
    for n, row in enumerate(zip(*signals.values(), strict=True)):
        known = {name: value for name, value in zip(signals, row, strict=True) if value is not None}
        found.add_row({"images": every * (n + 1)} | known)
    return found


def rule(*signs: Criterion, **more) -> Rule:
    return Rule("illness", Severity.MILD, "An illness", "It happens.", signs, **more)


WELL, ILL = 0.0, 20.0
"""Of a high sign; the other way about of a low one."""

# ---------------------------------------------------------------------- signs


def test_a_sign_is_seen_after_some_moments_in_a_row() -> None:
    assert seen(high(hold=1), 0, 10, 11, 0) == ".xx."
    assert seen(high(hold=2), 0, 10, 11, 12) == "..xx"
    assert seen(high(hold=3), 11, 11, 0, 11, 11, 11) == ".....x"


def test_a_sign_goes_when_it_has_been_calm_as_often() -> None:
    assert seen(high(hold=2), 11, 11, 4, 11, 4, 4, 4) == ".xxxx.."
    assert seen(high(hold=1), 11, 4) == "x."


def test_between_limit_and_calm_a_sign_stays_as_it_is() -> None:
    assert seen(high(hold=1), 9, 9.9, 10, 9, 5, 4.9, 9) == "..xxx.."
    assert seen(low(hold=1), 1.5, 1.1, 1, 1.5, 2, 2.1, 1.5) == "..xxx.."


def test_the_side_of_the_limit_tells_what_is_bad() -> None:
    assert high().higher_is_worse
    assert not low().higher_is_worse
    assert seen(low(hold=2), 3, 0, 0, 3, 0, 3, 3) == "..xxxx."


def test_with_calm_at_the_limit_there_is_no_hysteresis() -> None:
    assert seen(Criterion("a", signal("a"), 10, 10, "", 1), 9, 10, 9.9, 10) == ".x.x"


def test_a_sign_of_nothing_is_not_seen() -> None:
    assert seen(high()) == ""


@pytest.mark.parametrize(("sign", "further"), [(high(), [10, 11, 13, 20, 60]), (low(), [1, 0.8, 0, -2, -9])])
def test_strength_grows_from_a_half_with_the_distance(sign: Criterion, further: list[float]) -> None:
    strengths = [sign.strength(value) for value in further]
    assert strengths[0] == 0.5
    assert strengths == sorted(set(strengths))
    assert strengths[-1] == pytest.approx(0.95, abs=0.001)
    assert sign.strength(sign.recovery_threshold) == 0.5, "before the limit it is not even less"


def test_strength_is_measured_in_steps_from_calm_to_limit() -> None:
    assert high().strength(15) == low().strength(0) == pytest.approx(0.5 + 0.45 * math.tanh(1))


@pytest.mark.parametrize("length", [1, MAX_PLOT_POINTS, MAX_PLOT_POINTS + 1, 2 * MAX_PLOT_POINTS - 1, 1000])
def test_evidence_is_thinned_and_ends_now(length: int) -> None:
    series = Series(np.arange(length) * 10.0, np.arange(length) / 8)
    found = high().make_evidence(series)
    assert len(found.examples) == len(found.values)
    assert min(length, MAX_PLOT_POINTS / 2) <= len(found.values) <= MAX_PLOT_POINTS
    assert (found.examples[-1], found.values[-1]) == (10.0 * (length - 1), float(f"{(length - 1) / 8:.4g}"))
    assert found.value == (length - 1) / 8
    assert found.message == f"it is {(length - 1) / 8:.1f}"
    assert found.values == pytest.approx([image / 80 for image in found.examples], rel=1e-3)


# ---------------------------------------------------------------------- rules


def test_a_rule_needs_enough_signs() -> None:
    both = rule(high("a"), high("b"))
    assert both(history(a=[ILL] * 3, b=[ILL] * 3))
    assert both(history(a=[ILL] * 3, b=[WELL] * 3)) is None
    either = rule(high("a"), high("b"), needs=1)
    assert either(history(a=[ILL] * 3, b=[WELL] * 3))
    three = rule(high("a"), high("b"), high("c"))
    assert three(history(a=[ILL] * 3, b=[WELL] * 3, c=[ILL] * 3))


def test_a_rule_needs_the_signs_that_must_be_seen() -> None:
    one = rule(high("a"), high("b"), high("c"))
    assert one(history(a=[WELL] * 3, b=[ILL] * 3, c=[ILL] * 3)) is None
    two = rule(high("a"), high("b"), high("c"), must=2)
    assert two(history(a=[ILL] * 3, b=[WELL] * 3, c=[ILL] * 3)) is None
    assert two(history(a=[ILL] * 3, b=[ILL] * 3, c=[WELL] * 3))


def test_what_was_never_looked_at_is_no_sign() -> None:
    assert rule(high("a"), high("b"))(history(b=[ILL] * 3)) is None
    assert rule(high("a"), high("b"), needs=1)(history(a=[ILL] * 3))
    assert rule(high("a"))(LogHistory()) is None


def test_a_rule_is_asked_only_where_it_applies() -> None:
    conditioning = history(a=[ILL] * 3)
    assert rule(high("a"), needs=1)(conditioning)
    assert rule(high("a"), needs=1, applies=lambda history: "b" in history)(conditioning) is None


@pytest.mark.parametrize(("rounds", "found"), [(99, False), (100, True)])
def test_no_game_is_ill_before_it_has_begun(rounds: int, found: bool) -> None:
    conditioning = history(a=[ILL] * 3, round=[1, 50, rounds])
    assert (rule(high("a"), needs=1)(conditioning) is not None) == found
    assert rule(high("a"), needs=1, after=0)(conditioning)


def test_a_sign_is_as_it_was_last_looked_at() -> None:
    """The second signal is looked at every third line of the log."""
    b = [ILL, None, None, ILL, None, None]
    found = rule(high("a"), high("b"))(history(a=[ILL] * 6, b=b))
    assert found
    assert found.since_examples == 400


def test_since_when() -> None:
    found = rule(high("a"), high("b"))(history(a=[WELL, ILL, ILL, ILL, ILL], b=[WELL, WELL, WELL, ILL, ILL]))
    assert found
    assert found.since_examples == 500, "when the second of both was seen, and not before"
    found = rule(high("a", hold=1), needs=1)(history(a=[ILL, ILL]))
    assert found
    assert found.since_examples == 100, "from the beginning"


def test_what_went_and_came_back_is_since_it_came_back() -> None:
    a = [ILL, ILL, ILL, WELL, WELL, WELL, ILL, ILL, ILL]
    conditioning = history(a=a)
    found = rule(high("a"), needs=1)(conditioning)
    assert found
    assert found.since_examples == 800
    assert rule(high("a"), needs=1)(history(a=a[:6])) is None


def test_confidence_grows_with_the_distance_and_with_each_sign() -> None:
    alone = [rule(high("a"), needs=1)(history(a=[value] * 3)).confidence for value in (10, 12, 16, 40)]
    assert alone[0] == 0.5
    assert alone == sorted(set(alone))
    assert alone[-1] < 1
    both = rule(high("a"), low("b"))(history(a=[15] * 3, b=[0] * 3)).confidence
    one = high().strength(15)
    assert both == pytest.approx(1 - (1 - one) ** 2, abs=5e-4)


def test_evidence_is_of_the_signs_that_are_seen_now() -> None:
    found = rule(high("a"), high("b"), high("c"))(history(a=[ILL] * 4, b=[ILL, ILL, WELL, WELL], c=[ILL] * 4))
    assert [each.signal for each in found.evidence] == ["the a", "the c"]
    assert found.evidence[0].values == (ILL,) * 4
    assert found.evidence[0].examples == (100, 200, 300, 400)


def test_a_rule_prescribes_from_the_history() -> None:
    def prescribe(told: LogHistory) -> list[Recommendation]:
        return [Recommendation("optimizer.lr", told["a"].last / 2, "less of it")]

    found = rule(high("a"), needs=1, prescribe=prescribe)(history(a=[ILL] * 3))
    assert found.recommendations == (Recommendation("optimizer.lr", 10.0, "less of it"),)


# ---------------------------------------------------------------------- findings


def test_a_finding_survives_being_written_down() -> None:
    advice = (
        Recommendation("optimizer.lr", {"start": 0.1, "end": 0.0, "share": [0.5, 1.0]}, "slower"),
        Recommendation("game.reuse_fakes", False, "none"),
    )
    evidence = (Evidence("the a", 20.5, 10.0, "it is 20.5", (100.0, 200.0), (3.25, 20.5)), Evidence("b", 1.0, 2.0, "b"))
    one = Finding("illness", Severity.SEVERE, 0.75, 12_345, "An illness", "It happens.", evidence, advice)
    other = Finding.from_dict(json.loads(json.dumps(one.as_dict())))
    assert other == one
    assert other.severity is Severity.SEVERE
    # what a log's line has besides is left alone
    assert Finding.from_dict(one.as_dict() | {"images": 3, "event": "comes"}) == one


def test_a_rules_finding_survives_too() -> None:
    found = rule(high("a"), low("b"))(history(a=[ILL / 3 + 10] * 3, b=[0.1] * 3))
    assert Finding.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_advice_as_it_is_said() -> None:
    assert Recommendation("optimizer.lr", 1e-4, "").as_cli_flag() == "--optimizer.lr 0.0001"
    assert Recommendation("game.reuse_fakes", True, "").as_cli_flag() == "--game.reuse_fakes true"
    assert Recommendation("discriminator.condition", "concat", "").as_cli_flag() == "--discriminator.condition concat"


@pytest.mark.parametrize("value", [{"kind": "cosine", "start": 1e-4, "share": [0.5, 1.0]}, {}, [1, 2.5], True, 3])
def test_what_is_said_is_read_back(value) -> None:
    _, said = shlex.split(Recommendation("some.setting", value, "").as_cli_flag())
    assert tomllib.loads(f"value = {said}")["value"] == value
