"""The summary at the end of training."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from workflow_helpers import RecordingReporter

from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import RunFolder, RunState
from zerosum.workflows.summary import report_summary


def shipped_recipe(name: str) -> Recipe:
    return check_recipe(RecipeFile(name).settings_tree)


def summarize(run: Path, state: RunState, *, recipe: str = "vanilla", stopped_early: bool = False) -> str:
    trainer = SimpleNamespace(
        folder=RunFolder(run), progress=Progress(32, 2_048), elapsed_seconds=lambda: 90.0, stopped_early=stopped_early
    )
    reporter = RecordingReporter()
    report_summary(trainer, state, shipped_recipe(recipe), reporter)
    return "\n".join(reporter.messages)


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        (RunState.DONE, ["done: 2,048 examples", "zerosum sample", "zerosum evaluate", "00002048.png", "report.html"]),
        (RunState.INTERRUPTED, ["interrupted after 2,048 examples", "zerosum resume"]),
        (RunState.STOPPED_BY_FINDING, ["by a finding", "zerosum diagnose"]),
        (RunState.DIVERGED, ["NaN", "00002048, is kept", "`optimizer.lr`"]),
    ],
)
def test_the_summary_says_how_training_ended(trained_ring: Path, state: RunState, parts: list[str]) -> None:
    text = summarize(trained_ring, state)
    for part in parts:
        assert part in text, part


def test_a_folder_with_spaces_is_quoted_in_commands_as_a_shell_takes_it(trained_ring: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained_ring, tmp_path / "my run")
    text = summarize(run, RunState.INTERRUPTED)
    for command in ("resume", "sample", "evaluate"):
        assert f"zerosum {command} '{run}'" in text, command


def test_a_diverged_run_suggests_no_samples(trained_ring: Path) -> None:
    assert "zerosum sample" not in summarize(trained_ring, RunState.DIVERGED)


@pytest.mark.parametrize(
    ("recipe", "advice"),
    [
        ("vanilla", "a lower `optimizer.lr`"),
        ("r3gan", "a lower `optimizer.lr` or a higher `terms.r1.weight`"),
        ("wgan-gp", "a lower `optimizer.lr` or a higher `terms.PENALTY.weight`"),
    ],
)
def test_a_diverged_run_names_only_settings_of_its_recipe(trained_ring: Path, recipe: str, advice: str) -> None:
    penalty = next(iter(shipped_recipe("wgan-gp").terms))
    assert summarize(trained_ring, RunState.DIVERGED, recipe=recipe).split("train again with ")[1].splitlines()[0] == (
        advice.replace("PENALTY", penalty)
    )


def test_a_translation_run_suggests_apply(trained_ring: Path) -> None:
    text = summarize(trained_ring, RunState.DONE, recipe="pix2pix")
    assert "zerosum apply" in text
    assert "zerosum sample" not in text


def test_the_summary_names_the_best_score_and_early_stopping(trained_ring: Path) -> None:
    best = RunFolder(trained_ring).best_scores()
    text = summarize(trained_ring, RunState.DONE, stopped_early=True)
    assert f"best score after {best['examples']:,} examples: kid_pixels" in text
    assert "`evaluation.patience`" in text
    assert "`evaluation.patience`" not in summarize(trained_ring, RunState.DONE)


def test_a_run_without_checkpoints_says_so(tmp_path: Path) -> None:
    assert "no checkpoint" in summarize(tmp_path, RunState.DIVERGED)
