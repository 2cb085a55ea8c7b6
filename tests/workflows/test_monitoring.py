"""A monitored run is bit-identical to one without a monitor, and its findings are recorded."""

import os
import signal
from pathlib import Path

import pytest
from workflow_helpers import have_equal_weights, log_rows, train_ring

import zerosum
from zerosum.diagnosis.monitor import Monitor
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.schedule import Progress
from zerosum.recipes import defaults, probe_schedule
from zerosum.recipes.files import RecipeFile
from zerosum.recipes.recipe import Diagnostics, Recipe
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer

PROBED = {"diagnostics.every_examples": 256, "diagnostics.duality_gap_every": 2}
"""Settings with a probe at every second row of the log."""


def test_a_probed_run_is_the_same_run(tmp_path: Path) -> None:
    """Every number of training is the same to the last bit; the log only holds more."""
    plain = train_ring(tmp_path / "plain", {"diagnostics.probe": False}).path
    probed = train_ring(tmp_path / "probed", PROBED).path
    assert have_equal_weights(plain, probed)
    for plain_row, row in zip(log_rows(plain), log_rows(probed), strict=True):
        assert plain_row == {name: value for name, value in row.items() if not name.startswith("monitor/")}
    probes = [row for row in log_rows(probed) if "monitor/finite" in row]
    # 2,048 points of a ring in pairs: the mean is known to about 4%, and the 64 probed points to 13%
    trained = sum(row["signals/real_variance"] for row in log_rows(probed)) / len(log_rows(probed))
    assert trained == pytest.approx(probes[-1]["monitor/real_variance"], rel=0.4)
    assert [row["examples"] for row in probes] == list(range(256, 2_049, 256))
    with_gap = [row["examples"] for row in probes if "monitor/duality_gap/discriminator" in row]
    assert with_gap == [512, 1_024, 1_536, 2_048]


def test_an_interrupted_run_is_probed_and_diagnosed_the_same(tmp_path: Path) -> None:
    settings = PROBED | {"optimizer.lr": 0.02}  # so that there is something to find
    uninterrupted = train_ring(tmp_path / "uninterrupted", settings, examples=6_400).path
    set_progress = Trainer._set_progress

    def interrupting(self: Trainer, progress: Progress) -> None:
        set_progress(self, progress)
        if progress.round in {31, 70}:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_set_progress", interrupting)
        run = train_ring(tmp_path / "run", settings, examples=6_400).path
        assert zerosum.resume(run).state == "interrupted"
    assert zerosum.resume(run).state == "done"
    assert log_rows(run) == log_rows(uninterrupted)
    assert (run / "findings.jsonl").read_text() == (uninterrupted / "findings.jsonl").read_text()
    findings, expected = ([finding.as_dict() for finding in zerosum.diagnose(path)] for path in (run, uninterrupted))
    assert findings == expected


def test_short_runs_are_not_probed_unless_it_is_requested(tmp_path: Path) -> None:
    run = train_ring(tmp_path / "run").path
    assert not any("monitor/finite" in row for row in log_rows(run))


def test_the_probe_interval_becomes_a_multiple_of_the_log_interval(tmp_path: Path) -> None:
    run = train_ring(tmp_path / "run", {"diagnostics.every_examples": 300}).path
    assert [row["examples"] for row in log_rows(run) if "monitor/finite" in row] == list(range(256, 2_049, 256))


def schedule_probes(
    examples: int, seconds_per_round: float, smallest_split: int = 1_000, **diagnostics: object
) -> Diagnostics:
    training = {"examples": examples, "batch_size": 32, "tick_examples": 320}
    recipe = Recipe.model_validate(
        RecipeFile("auto").settings_tree.tree | {"training": training, "diagnostics": diagnostics}
    )
    recipe, decisions = probe_schedule.choose_probe_schedule(recipe, seconds_per_round, smallest_split)
    assert bool(decisions) == (smallest_split < probe_schedule.PROBE_MIN_EXAMPLES)
    return recipe.diagnostics


@pytest.mark.parametrize("budget", [None, 60.0])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("examples", [1_000, 6_432, 10_240, 99_999])
def test_the_last_examination_lies_before_the_end(examples: int, count: int, budget: float | None) -> None:
    training = {"examples": examples, "batch_size": 32, "tick_examples": 320, "budget": budget}
    recipe = Recipe.model_validate(RecipeFile("auto").settings_tree.tree | {"training": training})
    end = -(-examples // 32) * 32
    last = end if budget is None else int(defaults.LAST_EXAMINATION_FRACTION * end)  # a budget may end a run early
    diagnostics = probe_schedule.choose_probe_schedule(recipe, 1.0, 1_000)[0].diagnostics
    assert diagnostics.every_examples <= last
    seconds = (count + defaults.FIRST_EVALUATION_COST + 0.5) / defaults.EVALUATION_TIME_FRACTION
    recipe, decisions = defaults.choose_evaluation_schedule(recipe, seconds, 1.0, "pixels")
    evaluations = last // recipe.evaluation.every_examples
    assert 1 <= evaluations <= count
    assert decisions[0].value.startswith(f"{evaluations} times")


def test_how_often_a_run_is_probed() -> None:
    """A probe of 128 samples in batches of 32 takes some 6 rounds, and the duality gap 15 at every fourth."""
    diagnostics = schedule_probes(640_000, 0.05)
    assert diagnostics.probe
    assert (diagnostics.samples, diagnostics.gradients_every, diagnostics.duality_gap_every) == (128, 1, 4)
    assert diagnostics.every_examples == -(-2_000 // 60) * 320, "at most 60 probes"
    assert schedule_probes(640_000, 0.05, smallest_split=15).probe is False, "too few examples"
    assert schedule_probes(640_000, 0.05, probe=False).probe is False
    assert schedule_probes(12_800, 0.01).probe is False, "4 seconds"
    requested = schedule_probes(12_800, 0.01, every_examples=1_000)
    assert requested.every_examples == 960, "requested, in rows of the log"
    assert (requested.samples, requested.max_time_fraction) == (128, None)
    expected = pytest.approx(100 * 640_000 / 60, rel=0.01)
    assert schedule_probes(100 * 640_000, 0.05).every_examples == expected, "at most 60 probes"


@pytest.mark.parametrize("seconds_per_round", [0.002, 0.03, 0.15, 0.6])
def test_a_run_of_a_minute_is_probed_ten_times_by_cheaper_probes(seconds_per_round: float) -> None:
    rounds = int(60 / seconds_per_round)
    training = {"examples": 32 * rounds, "batch_size": 32, "tick_examples": 32 * max(1, rounds // 30)}
    recipe = Recipe.model_validate(RecipeFile("auto").settings_tree.tree | {"training": training})
    diagnostics = probe_schedule.choose_probe_schedule(recipe, seconds_per_round, 1_000)[0].diagnostics
    count = 32 * rounds // diagnostics.every_examples
    assert count >= 10
    names = ("samples", "gradients_every", "duality_gap_every")
    detail = probe_schedule.ProbeDetail(**diagnostics.model_dump(include=set(names)))
    seconds = count * (probe_schedule.SECONDS_PER_PROBE + detail.rounds(32) * seconds_per_round)
    slow = seconds_per_round > 0.5
    assert seconds / 60 <= (probe_schedule.MAX_TIME_FRACTION if slow else probe_schedule.PROBE_TIME_FRACTION)
    kept = Recipe.model_validate(
        RecipeFile("auto").settings_tree.tree | {"training": training, "diagnostics": {"samples": 256}}
    )
    assert probe_schedule.choose_probe_schedule(kept, seconds_per_round, 1_000)[0].diagnostics.samples == 256


def test_probes_that_take_too_long_are_reduced_and_then_left_out(tmp_path: Path) -> None:
    calls: list[tuple[bool, bool]] = []

    def slow_probe(
        game: AdversarialGame, progress: Progress, with_duality_gap: bool, with_gradients: bool
    ) -> dict[str, float]:
        calls.append((with_gradients, with_duality_gap))
        now[0] += 1.0
        return {"monitor/finite": 1.0}

    now = [0.0]
    monitor = Monitor(slow_probe, 64, 1, RunFolder(tmp_path), max_time_fraction=0.1)
    game = object.__new__(AdversarialGame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zerosum.diagnosis.monitor.time.perf_counter", lambda: now[0])
        monitor.start()
        rows = []
        for number, elapsed in enumerate([1, 5, 8, 15, 60], 1):
            now[0] = max(now[0], float(elapsed))
            rows.append(monitor.run_probe(game, Progress(number, 64 * number)))
    # the first also computes the features of the real examples, so it does not count; later 1 s of 8 s is too much
    assert [bool(row) for row in rows] == [True, True, False, True, True]
    assert calls == [(True, True), (True, True), (False, False), (True, True)]
