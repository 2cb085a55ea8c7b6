"""Whether samples still approach the data, the findings that depend on it, and the names of the signals of rules."""

from collections.abc import Callable

import numpy as np
import pytest

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.rules.signals import MIN_RECENT_PROBES, stall_ratio
from zerosum.diagnosis.signal_catalog import describe_signal

NUM_PROBES = 16


def make_history(distance: Callable[[int], float], **signals: float) -> LogHistory:
    """A probe every 100 rounds; `distance` is the energy distance at each probe."""
    return LogHistory.from_rows(
        {
            "round": 100 * number, "examples": 3200 * number, "monitor/energy_distance": distance(number),
            **{f"monitor/{name}": value for name, value in signals.items()},
        }
        for number in range(1, NUM_PROBES + 1)
    )  # fmt: skip


def test_a_distance_that_halves_at_every_probe_is_not_stalled() -> None:
    values = stall_ratio("monitor/energy_distance")(make_history(lambda number: 0.5**number)).values
    assert len(values) == NUM_PROBES - 2 * MIN_RECENT_PROBES + 1
    # the minimum of the last three, or of the last quarter if that is more, over the minimum before
    np.testing.assert_allclose(values[0], 0.5**MIN_RECENT_PROBES, rtol=0.2)  # below 0.005 nothing counts as nearer
    assert (values < 0.85).all(), "a distance that is as small as can be measured is not stalled"


def test_a_constant_distance_is_stalled() -> None:
    np.testing.assert_allclose(stall_ratio("monitor/energy_distance")(make_history(lambda number: 0.7)).values, 1.0)


def test_a_distance_that_rises_again_is_stalled_without_delay() -> None:
    """From the median of three probes on: 0.8 / 2 over the minimum before, 0.1."""
    ratios = stall_ratio("monitor/energy_distance")(
        make_history(lambda number: max(0.1, 1 - 0.09 * number) if number < 13 else 0.8)
    )
    by_probe = dict(zip(ratios.examples / 3200, ratios.values, strict=True))
    assert by_probe[13] <= 1.0  # one probe does not change the median of three
    assert by_probe[14] == pytest.approx(4.0)


def test_few_probes_have_no_stall_ratio() -> None:
    ratios = stall_ratio("monitor/energy_distance")(
        LogHistory.from_rows([{"round": 1, "examples": 1, "monitor/energy_distance": 0.5}])
    )
    assert len(ratios.values) == 0


COLLAPSED = {
    "auc_held_out": 1.0, "auc_train": 1.0, "score_separation_train": 9.0, "coverage": 0.0, "ema_coverage": 0.0,
    "coverage_floor": 0.98, "diversity": 0.1, "ema_diversity": 0.1, "feature_diversity": 0.3, "near_duplicates": 1.0,
    "score_input_gradient": 20.0,
}  # fmt: skip
"""The discriminator separates everything and samples are all alike: at the start of training, or after a collapse."""


WRONG_SIGN = COLLAPSED | {
    "auc_held_out": 0.0, "auc_train": 0.0, "score_separation_train": -9.0, "score_input_gradient": 0.01,
}  # fmt: skip
"""The discriminator scores samples above real examples, and has hardly any gradient."""


def names(findings: list[Finding]) -> set[str]:
    return {finding.name for finding in findings}


@pytest.mark.parametrize("signals", [COLLAPSED, WRONG_SIGN])
def test_a_slow_start_is_no_severe_finding(signals: dict[str, float]) -> None:
    findings = diagnose_history(make_history(lambda number: 2.0 * 0.9**number, **signals))
    assert not [finding.name for finding in findings if finding.severity is Severity.SEVERE]


def test_the_same_signals_without_progress_are_severe_findings() -> None:
    collapsed = diagnose_history(make_history(lambda number: 2.0, **COLLAPSED))
    assert {"discriminator-too-strong", "mode-collapse"} <= names(collapsed)
    wrong_sign = diagnose_history(make_history(lambda number: 2.0, **WRONG_SIGN))
    assert {"discriminator-too-weak", "wrong-loss-sign"} <= names(wrong_sign)


class RecordingHistory(LogHistory):
    """A history that records which signals are read."""

    def __getitem__(self, name: str) -> Series:
        self.__dict__.setdefault("names_read", set()).add(name)
        return super().__getitem__(name)


LOGGED = {
    "round", "lr/generator", "lr/discriminator", "generator/objective", "discriminator/objective",
    "signals/real_score", "signals/fake_score", "signals/real_mean", "signals/real_variance",
    "signals/real_accuracy", "signals/fake_accuracy", "signals/fake_variance", "signals/real_contrast",
    "signals/fake_contrast", "signals/fake_saturation",
}  # fmt: skip
"""Names that the trainer logs itself."""


def test_rules_read_only_signals_that_are_logged() -> None:
    """A misspelled name is an empty series, so its criterion would never be met."""
    history = RecordingHistory({"settings": {"objective": {"kind": "non-saturating"}}})
    for criterion in [criterion for rule in RULES for criterion in (*rule.criteria, rule.severe_if) if criterion]:
        criterion.signal_fn(history)
    unknown = {name for name in history.names_read if name not in LOGGED and not describe_signal(name)}
    assert not unknown
    assert len(history.names_read) > 40
