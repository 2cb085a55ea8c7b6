"""The start of a run: its plan, its folder, and its trainer."""

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from workflow_helpers import CLOCK_KEYS, RecordingReporter, newest_weights, train_ring

from zerosum.errors import BadInput
from zerosum.game.schedule import Progress
from zerosum.inference.load import read_recipe
from zerosum.recipes import defaults
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.settings import Decision
from zerosum.workflows import run_training
from zerosum.workflows.setup import TrainingSetup


def test_decisions_are_reported_in_columns() -> None:
    reporter = RecordingReporter()
    run_training.report_decisions(reporter, [Decision("size", "32 px", "they are"), Decision("precision", "a", "b")])
    assert reporter.messages == ["  size       32 px: they are", "  precision  a: b"]
    run_training.report_decisions(reporter, [])
    assert len(reporter.messages) == 2


def test_the_plan_holds_decisions_and_the_settings_of_the_recipe(trained_ring: Path) -> None:
    plan = RunFolder(trained_ring).read_json("plan.json")
    decisions = {decision["name"]: decision["value"] for decision in plan["decisions"]}
    assert decisions["recipe"] == "vanilla"
    assert {"networks", "batch size", "duration", "evaluation"} <= decisions.keys()
    own = plan["recipe_settings"]
    assert own["training"]["batch_size"] == 128, "not the batch size of this run"
    assert own["generator"]["widths"] == [128, 128, 128]


def test_the_user_is_told_the_data_the_decisions_and_the_end(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    train_ring(tmp_path / "run", examples=128, reporter=reporter)
    text = "\n".join(reporter.messages)
    for part in ("50,000 points", "vanilla", "zerosum resume", "done: 128 examples", "report.html"):
        assert part in text, part


def test_a_folder_that_appears_meanwhile_is_not_overwritten(trained_ring: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("mine")
    recipe = read_recipe(RunFolder(trained_ring))
    with pytest.raises(BadInput):
        run_training.start_run(recipe, tmp_path / "run", [], torch.device("cpu"), (), SilentReporter(), {}, {})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_more_checkpoints_are_kept_where_a_run_may_be_recovered(trained_ring: Path, tmp_path: Path) -> None:
    recipe = read_recipe(RunFolder(trained_ring))
    kept = []
    for max_recoveries in (0, 3):
        diagnostics = recipe.diagnostics.model_copy(update={"max_recoveries": max_recoveries})
        setup = TrainingSetup.create(
            recipe.model_copy(update={"diagnostics": diagnostics}), torch.device("cpu"), (), SilentReporter()
        )
        trainer = run_training.build_trainer(setup, setup.load_dataset_on_ranks(recipe.data), RunFolder(tmp_path))
        trainer.loader.close()
        kept.append(trainer.keep_checkpoints)
    assert kept == [2, 8]


def test_loggers_receive_every_row_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict] = []
    monkeypatch.setitem(run_training.LOGGERS, "tensorboard", lambda folder, examples: rows.append)
    run = train_ring(tmp_path / "run", examples=512, loggers=["tensorboard"])
    assert rows == run.log()


def budget_recipe(run: Path, examples: int, budget: float, every_examples: int = 0) -> defaults.Recipe:
    recipe = read_recipe(RunFolder(run))
    training = recipe.training.model_copy(update={"examples": examples, "budget": budget})
    evaluation = recipe.evaluation.model_copy(update={"every_examples": every_examples or None})
    return recipe.model_copy(update={"training": training, "evaluation": evaluation})


def test_a_budget_is_planned_again_at_the_speed_of_now(trained_ring: Path) -> None:
    recipe = budget_recipe(trained_ring, examples=6_400, budget=100)
    batch_size = recipe.training.batch_size
    for seconds, speed in ((5, 100.0), (20, 30.0)):
        planned = defaults.replan_training(recipe, recipe, 640, seconds, speed).training.examples
        rest = speed * (100 - seconds) * (1 - defaults.OVERHEAD_TIME_FRACTION)
        assert planned == pytest.approx(640 + rest, abs=batch_size)
        assert planned % batch_size == 0
    late = defaults.replan_training(recipe, recipe, 640, 1_000, 30.0)
    assert late.training.examples == 640 + batch_size, "time is over"


def test_probes_and_the_last_evaluation_move_with_the_end_unless_they_were_given(trained_ring: Path) -> None:
    recipe = budget_recipe(trained_ring, examples=6_400, budget=100, every_examples=6_080)
    tick = recipe.training.tick_examples
    diagnostics = recipe.diagnostics.model_copy(update={"every_examples": tick})
    recipe = recipe.model_copy(update={"diagnostics": diagnostics})
    requested = budget_recipe(trained_ring, 6_400, 100)
    open_probes = requested.diagnostics.model_copy(update={"every_examples": None})
    requested = requested.model_copy(update={"diagnostics": open_probes})
    chosen = defaults.replan_training(recipe, requested, 640, 5, 128.0)
    last, batch_size = defaults.last_examination(chosen), chosen.training.batch_size
    assert last - batch_size < chosen.evaluation.every_examples <= last + batch_size
    assert chosen.diagnostics.every_examples % tick == 0
    count = defaults.last_examination(recipe) // tick
    assert 0.6 * count < last // chosen.diagnostics.every_examples <= count, "as many probes as planned, in whole ticks"
    kept = defaults.replan_training(recipe, recipe, 640, 5, 128.0)
    assert (kept.evaluation.every_examples, kept.diagnostics.every_examples) == (6_080, tick)


def test_one_stall_does_not_change_the_speed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert run_training._current_speed(folder) == 0
    for speed in (50, 1, 52, 51, 54):
        folder.append("log.jsonl", {"examples": 1, "examples_per_second": speed})
    assert run_training._current_speed(folder) == 52


def test_games_with_stages_are_planned_once(trained_ring: Path) -> None:
    plan = run_training.BudgetPlan(read_recipe(RunFolder(trained_ring)))
    trainer = SimpleNamespace(game=SimpleNamespace(timing_points=lambda total: [0]), progress=Progress(1, 50))
    assert plan.pause_at(trainer, 100) == pytest.approx(55)
    assert plan.pause_at(trainer, 1_000) == pytest.approx(100)
    assert plan.pause_at(trainer, 60) == float("inf"), "no pause lies ahead"
    trainer.game.timing_points = lambda total: [0, 1]
    assert plan.pause_at(trainer, 1_000) == float("inf")


def test_a_run_that_is_planned_again_is_that_of_its_new_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It pauses four times, holds one game at a time, and ends as a run that was planned so from the beginning."""
    monkeypatch.setattr(run_training, "REPLAN_MIN_SECONDS", 0.0)
    monkeypatch.setattr(defaults, "choose_training_length", fixed_length)
    lengths, games = iter((1_280, 1_152, 1_152, 1_152)), []

    def build_trainer(*arguments: object) -> run_training.Trainer:
        gc.collect()
        assert [game() for game in games] == [None] * len(games)
        trainer = real_build_trainer(*arguments)
        games.append(weakref.ref(trainer.game))
        return trainer

    real_build_trainer = run_training.build_trainer
    monkeypatch.setattr(run_training, "build_trainer", build_trainer)
    monkeypatch.setattr(defaults, "replan_training", lambda recipe, *_: fixed_length(recipe, examples=next(lengths))[0])
    reporter = RecordingReporter()
    run = train_ring(tmp_path / "planned", examples=None, budget=1_000, reporter=reporter)
    assert sum("planned again" in message for message in reporter.messages) == 4
    assert len(games) == 5
    decisions = RunFolder(run.path).read_json("plan.json")["decisions"]
    assert [decision["value"] for decision in decisions if decision["name"] == "planned again"] == [
        "1,280 examples", "1,152 examples", "1,152 examples", "1,152 examples",
    ]  # fmt: skip
    monkeypatch.setattr(run_training, "REPLAN_MIN_SECONDS", float("inf"))
    monkeypatch.setattr(defaults, "choose_training_length", lambda recipe, *_: fixed_length(recipe, examples=1_152))
    reference = train_ring(tmp_path / "reference", examples=None, budget=1_000)
    for name, tensor in newest_weights(run.path).items():
        assert torch.equal(tensor, newest_weights(reference.path)[name]), name
    logs = [[{k: v for k, v in row.items() if k not in CLOCK_KEYS} for row in r.log()] for r in (run, reference)]
    assert logs[0] == logs[1]
    assert run.state == "done"


def fixed_length(recipe: defaults.Recipe, *_: object, examples: int = 640) -> tuple[defaults.Recipe, list]:
    training = recipe.training.model_copy(update={"examples": examples})
    return recipe.model_copy(update={"training": training}), []
