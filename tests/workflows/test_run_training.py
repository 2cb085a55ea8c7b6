"""The start of a run: its plan, its folder, and its trainer."""

from pathlib import Path

import pytest
import torch
from workflow_helpers import CLOCK_KEYS, RecordingReporter, newest_weights, train_ring

from zerosum.errors import BadInput
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


def test_a_budget_is_planned_again_at_the_speed_so_far(trained_ring: Path) -> None:
    recipe = budget_recipe(trained_ring, examples=6_400, budget=100)
    batch_size = recipe.training.batch_size
    end = (1 - defaults.EVALUATION_TIME_FRACTION) * 100
    for seconds in (5, 20):
        planned = defaults.replan_training(recipe, recipe, 640, seconds).training.examples
        assert planned == pytest.approx(640 / seconds * end, abs=batch_size)
        assert planned % batch_size == 0
    assert defaults.replan_training(recipe, recipe, 640, 1_000).training.examples == 640 + batch_size, "time is over"


def test_the_last_evaluation_moves_with_the_end_unless_its_interval_was_given(trained_ring: Path) -> None:
    recipe = budget_recipe(trained_ring, examples=6_400, budget=100, every_examples=6_080)
    chosen = defaults.replan_training(recipe, budget_recipe(trained_ring, 6_400, 100), 640, 5)
    last = defaults.last_examination(chosen)
    assert last - chosen.training.batch_size < chosen.evaluation.every_examples <= last + chosen.training.batch_size
    assert defaults.replan_training(recipe, recipe, 640, 5).evaluation.every_examples == 6_080


def test_a_run_that_is_planned_again_is_that_of_its_new_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It pauses three times, and ends as a run that was planned so from the beginning."""
    monkeypatch.setattr(run_training, "REPLAN_MIN_SECONDS", 0.0)
    monkeypatch.setattr(defaults, "choose_training_length", fixed_length)
    lengths = iter((1_280, 1_024, 1_152))
    monkeypatch.setattr(defaults, "replan_training", lambda recipe, *_: fixed_length(recipe, examples=next(lengths))[0])
    reporter = RecordingReporter()
    run = train_ring(tmp_path / "planned", examples=None, budget=1_000, reporter=reporter)
    assert sum("planned again" in message for message in reporter.messages) == 3
    decisions = RunFolder(run.path).read_json("plan.json")["decisions"]
    assert [decision["value"] for decision in decisions if decision["name"] == "planned again"] == [
        "1,280 examples", "1,024 examples", "1,152 examples",
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
