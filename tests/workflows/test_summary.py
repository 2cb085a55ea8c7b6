"""The summary at the end of training."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from workflow_helpers import RecordingReporter

from zerosum.game.schedule import Progress
from zerosum.run_folder import RunFolder
from zerosum.workflows.summary import print_summary


def summarize(run: Path, state: str, *, is_translation: bool = False, stopped_early: bool = False) -> str:
    trainer = SimpleNamespace(
        folder=RunFolder(run), progress=Progress(32, 2_048), elapsed_seconds=lambda: 90.0, stopped_early=stopped_early
    )
    reporter = RecordingReporter()
    print_summary(trainer, state, is_translation, reporter)
    return "\n".join(reporter.messages)


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ("done", ["done: 2,048 examples", "zerosum sample", "zerosum evaluate", "00002048.png", "report.html"]),
        ("interrupted", ["interrupted after 2,048 examples", "zerosum resume"]),
        ("stopped_by_finding", ["severe finding", "zerosum diagnose"]),
        ("diverged", ["NaN", "00002048, is kept", "`optimizer.lr`"]),
    ],
)
def test_the_summary_says_how_training_ended(trained_ring: Path, state: str, parts: list[str]) -> None:
    text = summarize(trained_ring, state)
    for part in parts:
        assert part in text, part


def test_a_diverged_run_suggests_no_samples(trained_ring: Path) -> None:
    assert "zerosum sample" not in summarize(trained_ring, "diverged")


def test_a_translation_run_suggests_apply(trained_ring: Path) -> None:
    text = summarize(trained_ring, "done", is_translation=True)
    assert "zerosum apply" in text
    assert "zerosum sample" not in text


def test_the_summary_names_the_best_score_and_early_stopping(trained_ring: Path) -> None:
    best = RunFolder(trained_ring).best_scores()
    text = summarize(trained_ring, "done", stopped_early=True)
    assert f"best score after {best['examples']:,} examples: kid_pixels" in text
    assert "`evaluation.patience`" in text
    assert "`evaluation.patience`" not in summarize(trained_ring, "done")


def test_a_run_without_checkpoints_says_so(tmp_path: Path) -> None:
    assert "no checkpoint" in summarize(tmp_path, "diverged")
