"""Categories that samples lack and columns in which they do not vary, and the rules about them."""

import numpy as np
import pytest
import torch

from zerosum.diagnosis.block_measures import BlockReference, block_signals, compute_moments
from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.measures import train_nn_distance_ratio
from zerosum.game.sample_spec import Block

BLOCKS = (Block(3), Block(2, has_value=True), Block(0, has_value=True))


def draw_rows(count: int, shares: tuple[float, ...], spread: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Draw rows of a category, a number of which a third is missing, and a number of its own."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, 7), np.float32)
    rows[np.arange(count), rng.choice(3, count, p=shares)] = 1
    is_known = rng.uniform(size=count) > 1 / 3
    rows[np.arange(count), 3 + is_known] = 1
    rows[:, 5] = is_known * rng.standard_normal(count)
    rows[:, 6] = spread * rng.standard_normal(count)
    return torch.from_numpy(rows)


REFERENCE = BlockReference(BLOCKS, compute_moments(draw_rows(4_096, (0.9, 0.08, 0.02)).split(100)), 4_096)


def test_rows_of_the_same_distribution_lack_nothing() -> None:
    same = compute_moments([draw_rows(4_096, (0.9, 0.08, 0.02), seed=1)])
    signals = block_signals(REFERENCE, same, same)
    assert signals["monitor/missing_categories"] == signals["monitor/ema_constant_columns"] == 0
    assert 0.9 < signals["monitor/least_column_variation"] < 1.1


def test_a_missing_category_and_a_constant_column_are_found() -> None:
    assert REFERENCE.missing_categories(compute_moments([draw_rows(4_096, (0.9, 0.1, 0.0))])) == [
        (pytest.approx(0.02, abs=0.005), 0.0, 0, 2)
    ]
    assert REFERENCE.constant_blocks(compute_moments([draw_rows(4_096, (1.0, 0.0, 0.0), spread=0.1)])) == [0, 2]


def test_few_samples_cannot_tell_that_a_category_is_missing() -> None:
    few = BlockReference(BLOCKS, REFERENCE.real, 128)
    assert few.missing_categories(compute_moments([draw_rows(128, (1.0, 0.0, 0.0))])) == []


def find(probes: int = 4, **signals: float | str) -> dict[str, tuple[str, str]]:
    """Return severity and explanation of the findings of a log with these signals in its last probes."""
    history = LogHistory({"data": {"noun": "row"}})
    for index in range(12):
        changed = {f"monitor/{name}": value for name, value in signals.items()} if index >= 12 - probes else {}
        healthy = {f"monitor/{prefix}missing_categories": 0.0 for prefix in ("", "ema_")}
        history.add_row({"examples": 512 * (index + 1), "round": 100 * (index + 1)} | healthy | changed)
    return {found.name: (found.severity.value, found.explanation) for found in diagnose_history(history)}


def test_the_finding_names_the_categories_and_the_item_of_the_data() -> None:
    lost = {"missing_categories": 1.0, "ema_missing_categories": 1.0,
            "names_of_missing_categories": "region = south (12.0% of real, 0.0% of samples)"}  # fmt: skip
    severity, explanation = find(**lost)["missing-categories"]
    assert severity == "mild"
    assert "real rows" in explanation
    assert explanation.endswith("Missing: region = south (12.0% of real, 0.0% of samples).")
    assert find(probes=2, **lost) == {}, "it has to persist"
    assert find(**lost | {"ema_missing_categories": 0.0}) == {}, "samples come from the EMA"


def test_most_categories_or_columns_lost_are_severe() -> None:
    shares = {"missing_category_share": 0.6, "ema_missing_category_share": 0.5}
    assert find(missing_categories=1, ema_missing_categories=1, **shares)["missing-categories"][0] == "severe"
    fractions = {"constant_column_fraction": 0.5, "ema_constant_column_fraction": 0.5}
    found = find(constant_columns=4, ema_constant_columns=4, names_of_constant_columns="age and 3 more", **fractions)
    assert found["constant-columns"][0] == "severe"
    assert found["constant-columns"][1].endswith("They are: age and 3 more.")


def test_samples_near_training_rows_are_found_only_where_the_discriminator_knows_them() -> None:
    near = {"nearest_held_out_ratio": 0.45, "train_nn_distance_ratio": 0.86, "auc_train_vs_held_out": 1.0}
    assert "begins to copy" in find(**near)["early-memorization"][1]
    for healthy in ({"nearest_held_out_ratio": 1.2}, {"train_nn_distance_ratio": 1.01}):
        assert "early-memorization" not in find(**near | healthy)
    assert find(**near | {"auc_train_vs_held_out": 0.55}) == {}
    assert set(find(**near | {"train_nn_distance_ratio": 0.4})) == {"memorization"}, "which says it all"


def test_rows_that_all_occur_are_no_copies() -> None:
    assert train_nn_distance_ratio(0.0, 0.0) == 1
    assert train_nn_distance_ratio(0.0, 0.5) == 0
