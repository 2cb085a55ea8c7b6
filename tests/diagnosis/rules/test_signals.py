"""Whether samples still come nearer to the data; and what that makes of a game that looks lost."""

from collections.abc import Callable

import numpy as np
import pytest

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.signals import MIN_RECENT_PROBES, stall_ratio

LOOKS = 16


def history(distance: Callable[[int], float], **signals: float) -> LogHistory:
    """An examination every 100 rounds."""
    return LogHistory.from_rows(
        {
            "round": 100 * number, "images": 3200 * number, "monitor/energy_distance": distance(number),
            **{f"monitor/{name}": value for name, value in signals.items()},
        }
        for number in range(1, LOOKS + 1)
    )  # fmt: skip


def test_what_halves_at_every_look_has_not_stalled() -> None:
    values = stall_ratio("monitor/energy_distance")(history(lambda number: 0.5**number)).values
    assert len(values) == LOOKS - 2 * MIN_RECENT_PROBES + 1
    # the least of the last three, or of the last quarter where that is more, over the least before
    np.testing.assert_allclose(values[0], 0.5**MIN_RECENT_PROBES, rtol=0.2)  # beyond 0.005 nothing counts as nearer
    assert (values < 0.85).all(), "as near as can be told is not stuck"


def test_what_stands_still_has_stalled() -> None:
    np.testing.assert_allclose(stall_ratio("monitor/energy_distance")(history(lambda number: 0.7)).values, 1.0)


def test_what_was_near_and_is_far_again_need_not_wait_for_a_quarter() -> None:
    """Three looks are the median's; then it stands at 0.8 / 2 over the least before, 0.1."""
    fell = stall_ratio("monitor/energy_distance")(
        history(lambda number: max(0.1, 1 - 0.09 * number) if number < 13 else 0.8)
    )
    at = dict(zip(fell.examples / 3200, fell.values, strict=True))
    assert at[13] <= 1.0  # one look is not yet the median of three
    assert at[14] == pytest.approx(4.0)


def test_few_looks_say_nothing() -> None:
    found = stall_ratio("monitor/energy_distance")(
        LogHistory.from_rows([{"round": 1, "images": 1, "monitor/energy_distance": 0.5}])
    )
    assert len(found.values) == 0


LOST = {
    "auc_unseen": 1.0, "auc": 1.0, "separation": 9.0, "coverage": 0.0, "coverage_average": 0.0, "coverage_floor": 0.98,
    "spread": 0.1, "spread_average": 0.1, "inner_spread": 0.3, "echo": 1.0, "steep": 20.0,
}  # fmt: skip
"""D tells everything, samples are all alike and nobody's neighbour: so a game begins, and so it may end."""


TURNED = LOST | {"auc_unseen": 0.0, "auc": 0.0, "separation": -9.0, "steep": 0.01}
"""D calls samples real, and is flat."""


def names(found: list[Finding]) -> set[str]:
    return {finding.name for finding in found}


@pytest.mark.parametrize("signals", [LOST, TURNED])
def test_a_slow_beginner_is_not_ill(signals: dict[str, float]) -> None:
    found = diagnose_history(history(lambda number: 2.0 * 0.9**number, **signals))
    assert not [finding.name for finding in found if finding.severity is Severity.SEVERE]


def test_the_same_standing_still_is() -> None:
    assert {"discriminator-too-strong", "mode-collapse"} <= names(diagnose_history(history(lambda number: 2.0, **LOST)))
    assert {"discriminator-too-weak", "wrong-loss-sign"} <= names(
        diagnose_history(history(lambda number: 2.0, **TURNED))
    )
