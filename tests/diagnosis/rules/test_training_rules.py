"""Rules about weights and statistics of samples in every row: what they find without probes, and what they let pass."""

import math
from typing import Any

import pytest

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.training import RULES

ROWS = 20
HEALTHY = {
    "discriminator/objective": 1.2, "generator/objective": 0.8, "signals/real_accuracy": 0.7,
    "signals/fake_accuracy": 0.75, "signals/real_score": 0.4, "signals/fake_score": -0.4, "signals/real_variance": 0.3,
    "signals/fake_variance": 0.25, "signals/real_contrast": 0.6, "signals/fake_contrast": 0.55,
    "signals/fake_saturation": 0.3, "lr/generator": 2e-4, "lr/discriminator": 2e-4, "weights/update/generator": 3e-3,
    "weights/update/discriminator": 4e-3, "weights/norm/discriminator": 5.0, "weights/count/generator": 2e5,
    "weights/count/discriminator": 1e5, "weights/ema_distance/generator": 0.1,
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "training": {"batch_size": 32, "examples": 40_000}, "ema": {"half_life": 500.0},
    "objective": {"kind": "non-saturating", "formula": "log"}, "terms": {"r1": {"kind": "r1", "weight": 1.0}},
    "optimizer": {"kind": "adam", "lr": 2e-4}, "generator": {"kind": "dcgan", "width": 32},
}  # fmt: skip


def find(settings: dict[str, Any] | None = None, translation: bool = False, **changes: float) -> dict[str, str]:
    """Return the findings of a log without probes in which some signals differ from a healthy one."""
    facts = {"settings": SETTINGS | (settings or {}), "defaults": SETTINGS, "data": {"has_inputs": translation}}
    history = LogHistory(facts)
    changed = {name.replace("__", "/"): value for name, value in changes.items()}
    for index in range(ROWS):
        growing = {f"weights/norm/{player}": 5.0 * (1 + 0.02 * index) for player in ("generator", "discriminator")}
        row = HEALTHY | growing | changed
        history.add_row({"examples": 640 * (index + 1), "round": 20 * (index + 1)} | row)
    return {finding.name: finding.severity.value for finding in diagnose_history(history)}


def test_a_healthy_log_has_no_finding() -> None:
    assert find() == {}
    assert find(translation=True) == {}


@pytest.mark.parametrize("translation", [False, True])
def test_samples_of_one_color(translation: bool) -> None:
    white = {"signals__fake_variance": 0.0, "signals__fake_contrast": 0.0, "signals__fake_saturation": 1.0}
    assert find(translation=translation, **white)["constant-output"] == "severe"
    same = {"signals__fake_variance": 1e-4, "signals__fake_contrast": 0.5}
    assert find(translation=translation, **same)["constant-output"] == "severe", "all the same, of many colors"
    assert "constant-output" not in find(signals__fake_variance=0.05, translation=translation)


def test_a_learning_rate_that_is_far_too_low() -> None:
    still = {"weights__norm__generator": 5.0, "weights__norm__discriminator": 5.0}
    slow = {"weights__update__generator": 2e-6, "weights__update__discriminator": 4e-6}
    assert find(**slow, **still)["learning-rate-too-low"] == "severe"
    assert find(weights__update__generator=2e-6) == {}, "the discriminator learns"


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_player_whose_weights_do_not_change(player: str) -> None:
    frozen = {f"weights__update__{player}": 0.0, f"weights__norm__{player}": 5.0}
    assert find(**frozen)[f"{player}-not-updating"] == "severe"
    assert find(**{f"weights__update__{player}": 0.0}) == {}, "single rounds without a step"


def test_an_ema_that_stays_at_the_initial_weights() -> None:
    assert find({"ema": {"half_life": 1e8}}) == {"ema-too-slow": "mild"}
    assert find({"ema": {"half_life": {"start": 0, "end": 1e8, "examples": [0, 1e9]}}}) == {}, "it begins at 0"
    assert find({"ema": {"half_life": {"start": 1e6, "end": 1e8, "fraction": [0, 1]}}}) == {"ema-too-slow": "mild"}
    assert find({"ema": {"half_life": 10_000.0}}) == {}, "4 half-lives"


def test_a_penalty_many_times_the_recipes() -> None:
    strong = {"terms": {"r1": {"kind": "r1", "weight": 1000.0}}}
    flat = {"signals__real_score": 0.01, "signals__fake_score": 0.0}
    assert find(strong, **flat)["over-regularized"] == "severe"
    assert find(strong) == {}, "it does no harm"
    assert find(**flat) == {}, "a flat discriminator of good samples has lost the game"


def test_a_discriminator_that_learns_nothing() -> None:
    flat = {"signals__real_score": 0.01, "signals__fake_score": 0.0, "discriminator__objective": 2 * math.log(2),
            "signals__fake_variance": 0.02}  # fmt: skip
    found = find({"objective": {"kind": "non-saturating"}}, **flat)
    assert found.get("discriminator-too-weak") == "severe"


def test_a_discriminator_much_larger_than_the_generator() -> None:
    tiny = {"weights__count__generator": 5e3, "signals__fake_accuracy": 0.95, "signals__real_accuracy": 0.95}
    assert find(**tiny) == {"discriminator-too-large": "mild"}
    assert find(translation=True, **tiny) == {}
    right = {"signals__fake_accuracy": 1.0, "signals__real_accuracy": 1.0, "signals__fake_variance": 0.02}
    assert find(**right)["discriminator-too-strong"] == "severe"


def test_saturated_samples_and_updates_that_overwrite_what_was_learned() -> None:
    assert find(signals__fake_saturation=0.97, signals__fake_contrast=1.3)["saturated-outputs"] == "mild"
    wild = {"weights__update__discriminator": 0.4, "discriminator__objective": 90.0}
    assert find(**wild)["learning-rate-too-high"] == "severe"
    assert find(weights__update__discriminator=0.09) == {}, "as at the beginning of training"


def test_titles_are_unique() -> None:
    assert len({rule.title for rule in RULES}) == len(RULES)
