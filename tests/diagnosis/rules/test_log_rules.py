"""Rules that need only the log: what they find in logs without probes, and what they let pass."""

import math

import numpy as np
import pytest

from zerosum.diagnosis.diagnose import can_tell, describe_no_findings, diagnose_history
from zerosum.diagnosis.log_history import LogHistory

ROWS = 40
RNG = np.random.default_rng(0)


def find(**columns: np.ndarray | float) -> dict[str, str]:
    """Return the findings of a log of `ROWS` rows without probes: severity by name."""
    names = {"d": "discriminator/objective", "g": "generator/objective", "real": "signals/real_accuracy",
             "fake": "signals/fake_accuracy"}  # fmt: skip
    history = LogHistory()
    for index in range(ROWS):
        values = {names[name]: float(np.broadcast_to(column, ROWS)[index]) for name, column in columns.items()}
        history.add_row({"examples": 640 * (index + 1), "round": 10 * (index + 1)} | values)
    return {finding.name: finding.severity.value for finding in diagnose_history(history)}


def test_a_balanced_game_has_no_finding() -> None:
    noise = 0.05 * RNG.standard_normal(ROWS)
    assert find(d=2 * math.log(2) + noise, g=math.log(2) + noise, real=0.6, fake=0.6) == {}
    assert find(d=noise / 10, g=noise, real=0.5, fake=0.5) == {}, "0 is the equilibrium of the Wasserstein objective"


@pytest.mark.parametrize("player", ["d", "g"])
def test_a_loss_beyond_ten_thousand_is_severe(player: str) -> None:
    losses = {"d": 1.4, "g": 0.7} | {player: np.concatenate([np.full(ROWS - 5, 1.0), np.full(5, -3e4)])}
    assert find(**losses, real=0.6, fake=0.6)["loss-explosion"] == "severe"
    single = {"d": 1.4, "g": 0.7} | {player: np.concatenate([np.full(ROWS - 1, 1.0), [3e4]])}
    assert "loss-explosion" not in find(**single, real=0.6, fake=0.6), "one row is no explosion"


def test_a_discriminator_that_is_right_about_all_for_long() -> None:
    assert find(d=0.0004, g=8.0, real=1.0, fake=1.0) == {"discriminator-loss-zero": "mild"}
    recent = np.concatenate([np.full(ROWS - 3, 1.0), np.full(3, 0.0)])
    assert find(d=recent, g=2.0, real=1.0, fake=1.0) == {}, "three rows are not long"


def test_a_generator_loss_that_only_rises() -> None:
    rising = np.linspace(0.7, 9.0, ROWS) + 0.1 * RNG.standard_normal(ROWS)
    assert find(d=0.3, g=rising, real=0.99, fake=0.99) == {"generator-loss-rising": "mild"}
    assert find(d=0.3, g=rising, real=0.8, fake=0.8) == {}, "the discriminator still errs"
    assert find(d=0.3, g=np.roll(rising, ROWS // 2), real=0.99, fake=0.99) == {}, "it fell again"


@pytest.mark.parametrize(
    ("probes", "coverage", "start"),
    [(0, 0.5, "cannot tell whether"), (1, 0.5, "cannot tell whether"), (7, 0.5, "cannot tell whether"),
     (8, 0.5, "no problem"), (9, 0.02, "cannot tell yet")],
)  # fmt: skip
def test_what_is_said_of_a_run_without_findings(probes: int, coverage: float, start: str) -> None:
    signals = {"monitor/finite": 1.0, "monitor/coverage": coverage, "monitor/coverage_floor": 0.9}
    history = LogHistory.from_rows({"examples": 64 * (n + 1)} | signals for n in range(probes))
    text = describe_no_findings(history)
    assert text.startswith(start)
    assert ("most findings need" in text) == (probes < 8)
    assert can_tell(history) == text.startswith("no problem")
