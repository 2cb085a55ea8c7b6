"""The start of a run: its plan, its folder, and its trainer."""

from pathlib import Path

import pytest
import torch
from workflow_helpers import RecordingReporter, train_ring

from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
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
