"""Runs on sounds: resumed exactly, and drawn and evaluated during training without making sounds."""

import os
import shutil
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from workflow_helpers import have_equal_weights, log_rows

from sounds import write_hits
from zerosum import api
from zerosum.data.audio.codec import SpectrogramCodec
from zerosum.reporting.scores_section import describe_result
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer

SETTINGS = {
    "data.size": 16, "data.rate": 8_000, "data.seconds": 0.128, "data.held_out": 0.25, "generator.width": 8,
    "discriminator.width": 8, "generator.max_width": 16, "discriminator.max_width": 16, "diagnostics.probe": False,
    "evaluation.every_examples": 128, "evaluation.samples": 64, "training.precision": "float32",
}  # fmt: skip
TRANSLATION: dict[str, object] = {
    "data.size": 16, "data.rate": 8_000, "data.seconds": 0.128, "data.held_out": 0.25, "data.crop": 8,
    "generator.width": 8, "generator.blocks": 1, "discriminator.periods": [2], "discriminator.period_widths": [4, 4],
    "discriminator.windows": [64], "discriminator.window_width": 4, "terms.log_mel.windows": [128],
    "diagnostics.probe": False, "evaluation.every_examples": 32, "evaluation.samples": 64,
    "training.precision": "float32",
}  # fmt: skip
RUNS: dict[str, dict[str, object]] = {
    "cgan": {"examples": 256, "batch_size": 32, "settings": SETTINGS},
    "vocoder": {"examples": 64, "batch_size": 8, "settings": TRANSLATION | {"generator.fitting_steps": 6}},
    "enhance": {"examples": 64, "batch_size": 8, "settings": TRANSLATION | {"generator.hop": 64}},
}
"""The settings of tiny runs, of 8 rounds each, by recipe."""


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hits(tmp_path_factory.mktemp("hits"), per_class=24)


@pytest.fixture(scope="module")
def whole_run(hits: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the run of a recipe that was not interrupted, and searched no phases of spectrograms."""

    @cache
    def train(recipe: str) -> Path:
        made = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SpectrogramCodec, "decode", lambda self, sample, seed: made.append(len(seed)))
            run = api.train(hits, recipe=recipe, run=tmp_path_factory.mktemp("runs") / recipe, **RUNS[recipe]).path
        assert list((run / "samples").glob("*.png"))
        assert made == []
        return run

    return train


@pytest.mark.parametrize("recipe", RUNS)
def test_an_interrupted_run_is_resumed_exactly(
    recipe: str, whole_run: Callable[[str], Path], hits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the randomness of the examples: symmetries in time and level, degradations, and the parts trained on."""
    set_progress = Trainer._set_progress

    def interrupt(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round == 5:
            os.kill(os.getpid(), signal.SIGINT)

    whole = whole_run(recipe)
    monkeypatch.setattr(Trainer, "_set_progress", interrupt)
    assert api.train(hits, recipe=recipe, run=tmp_path / "parts", **RUNS[recipe]).state == "interrupted"
    monkeypatch.setattr(Trainer, "_set_progress", set_progress)
    parts = api.resume(tmp_path / "parts").path
    assert have_equal_weights(whole, parts)
    assert log_rows(parts) == log_rows(whole)
    scores = [[row["distance"] for row in RunFolder(run).rows("scores.jsonl")] for run in (whole, parts)]
    assert len(scores[0]) == 2
    assert scores[0] == scores[1]


def test_an_evaluation_says_what_a_probe_hears(whole_run: Callable[[str], Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole_run("cgan"), tmp_path / "run"))
    row = api.evaluate(run, features="log_mel", num_samples=64)
    probe = row["per_class"]["probe"]
    assert 0 <= probe["accuracy"] <= 1
    assert probe["accuracy_real"] > 0.8, "a kick is no tick"
    assert row["memorization"]["nearest_ratio"] > 0
    assert any("class by a linear probe" in line for line in describe_result(row, "sound"))
