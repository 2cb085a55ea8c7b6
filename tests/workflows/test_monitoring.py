"""A watched run is the same run; what is found stands in its folder; a run that goes wrong can be put back."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import zerosum
from zerosum.game.schedule import Progress
from zerosum.recipes import defaults
from zerosum.recipes.files import RecipeFile
from zerosum.recipes.recipe import Diagnostics, Recipe
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer
from zerosum.workflows.run import Run

CLOCKS = {"seconds", "images_per_second"}
SMALL = {
    "training.batch_size": 64, "training.tick_examples": 128, "training.checkpoint_examples": 256,
    "training.preview_examples": 10_000, "generator.widths": [16], "discriminator.widths": [16], "diagnostics.samples": 64,
}  # fmt: skip
EXAMINED = SMALL | {"diagnostics.every_examples": 256, "diagnostics.duality_gap_every": 2}


def train(run: Path, settings: dict, images: int = 2_048, **more: object) -> Run:
    return zerosum.train("ring", recipe="vanilla", run=run, images=images, settings=settings, **more)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


def log(run: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in RunFolder(run).rows()]


def test_an_examined_run_is_the_same_run(tmp_path: Path) -> None:
    """Every number of training is the same to the last bit; the log only holds more."""
    plain = train(tmp_path / "plain", SMALL | {"diagnostics.probe": False}).path
    watched = train(tmp_path / "watched", EXAMINED).path
    ours, theirs = weights(plain), weights(watched)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for bare, full in zip(log(plain), log(watched), strict=True):
        assert bare == {name: value for name, value in full.items() if not name.startswith("monitor/")}
    looks = [row for row in log(watched) if "monitor/finite" in row]
    # 2,048 points of a ring in pairs: the mean is known to about 4%, and the examined 64 points to 13%
    trained = sum(row["signals/real_variance"] for row in log(watched)) / len(log(watched))
    assert trained == pytest.approx(looks[-1]["monitor/real_variance"], rel=0.4)
    assert [row["images"] for row in looks] == list(range(256, 2_049, 256))
    assert [row["images"] for row in looks if "monitor/duality_gap" in row] == [512, 1_024, 1_536, 2_048]


def test_an_interrupted_run_is_examined_and_diagnosed_the_same(tmp_path: Path) -> None:
    settings = EXAMINED | {"optimizer.lr": 0.02}  # so that there is something to find
    whole = train(tmp_path / "whole", settings, images=6_400).path
    witness = Trainer._set_progress

    def interrupting(self: Trainer, now: Progress) -> None:
        witness(self, now)
        if now.round in {31, 70}:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_remember", interrupting)
        run = train(tmp_path / "run", settings, images=6_400).path
        assert zerosum.resume(run).state == "interrupted"
    assert zerosum.resume(run).state == "done"
    assert log(run) == log(whole)
    assert (run / "findings.jsonl").read_text() == (whole / "findings.jsonl").read_text()
    assert [f.as_dict() for f in zerosum.diagnose(run)] == [f.as_dict() for f in zerosum.diagnose(whole)]


def test_short_runs_are_not_examined_unless_it_is_asked_for(tmp_path: Path) -> None:
    run = train(tmp_path / "run", SMALL).path
    assert not any("monitor/finite" in row for row in log(run))


def test_examinations_stand_in_lines_of_the_log(tmp_path: Path) -> None:
    """Their interval becomes a multiple of the log's."""
    run = train(tmp_path / "run", SMALL | {"diagnostics.every_examples": 300}).path
    assert [row["images"] for row in log(run) if "monitor/finite" in row] == list(range(256, 2_049, 256))


def settled(images: int, seconds_per_round: float, examples: int = 1_000, **doctor: object) -> Diagnostics:
    training = {"images": images, "batch": 32, "tick_images": 320}
    recipe = Recipe.model_validate(RecipeFile("auto").settings_tree.tree | {"training": training, "doctor": doctor})
    return defaults.choose_probe_schedule(recipe, seconds_per_round, examples).diagnostics


def test_how_often_a_run_is_examined() -> None:
    """An examination of 128 samples by batches of 32 takes some 13 rounds; a thirtieth of 20,000 rounds holds 50."""
    monitor = settled(640_000, 0.05)
    assert monitor.probe
    assert monitor.every_examples == 640_000 // 50 // 320 * 320
    assert settled(640_000, 0.05, examples=15).probe is False, "too few to say anything"
    assert settled(640_000, 0.05, examine=False).probe is False
    assert settled(12_800, 0.01).probe is False, "4 seconds"
    assert settled(12_800, 0.01, every_images=1_000).every_examples == 960, "asked for, in lines of the log"
    assert settled(100 * 640_000, 0.05).every_examples == pytest.approx(100 * 640_000 / 60, rel=0.01), "60 at most"


WILD = {"optimizer.lr": 1e30}
"""Overflows within two rounds."""


def test_a_run_that_diverged_says_where(tmp_path: Path) -> None:
    run = train(tmp_path / "run", EXAMINED | WILD, images=64_000)
    assert run.state == "diverged"
    found = {finding.name: finding for finding in run.findings()}
    assert found["nonfinite-values"].severity == "severe"
    assert {advice.setting: advice.value for advice in found["nonfinite-values"].recommendations}[
        "optimizer.lr"
    ] == 2e-4
    assert log(run.path)[-1]["not_finite"].startswith(("generator", "discriminator"))


def test_a_replay_finds_what_overflowed(tmp_path: Path) -> None:
    """The run itself stays as it is."""
    run = train(tmp_path / "run", EXAMINED | WILD, images=64_000).path
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found = zerosum.trace_nan(run)
    assert "round " in found
    assert "discriminator" in found or "generator" in found
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    healthy = train(tmp_path / "healthy", SMALL).path
    assert zerosum.trace_nan(healthy) == ""


def test_a_rescued_run_is_put_back_and_treated(tmp_path: Path) -> None:
    """The settings that were not the recipe's own go; what happened is written down; nothing more is changed."""
    run = train(tmp_path / "run", EXAMINED | WILD, images=12_800, rescue=True)
    assert run.state == "done"
    folder = RunFolder(run.path)
    rescues = list(folder.rows("rescues.jsonl"))
    assert 1 <= len(rescues) <= 3
    assert rescues[0]["settings"]["optimizer.lr"] == 2e-4
    assert rescues[0]["images"] == 0, "there was no checkpoint from before"
    recipe = folder.read_toml("recipe.toml")
    assert recipe["optimizer"]["lr"] == 2e-4
    assert recipe["generator"]["widths"] == [16]
    failed = (run.path / "rescues/1/log.jsonl").read_text().splitlines()
    assert "not_finite" in json.loads(failed[-1])
    assert log(run.path)[-1]["images"] == 12_800
    assert all(value is not None for row in log(run.path) for value in row.values())


def test_without_leave_nothing_is_rescued(tmp_path: Path) -> None:
    run = train(tmp_path / "run", EXAMINED | WILD, images=64_000)
    assert run.state == "diverged"
    assert not (run.path / "rescues.jsonl").exists()
