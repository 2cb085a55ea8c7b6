"""An interrupted run resumes to the last bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from zerosum import BadInput, api
from zerosum.run_folder import RunFolder

HERE = Path(__file__).parent
HANG_SECONDS = 7200
"""Far above the seconds that a process needs, so that only hanging ends it."""
TIME_KEYS = {"seconds", "examples_per_second"}
SMALL = {
    "training.tick_examples": 48, "training.preview_examples": 96, "training.checkpoint_examples": 64,
    "training.batch_size": 16, "discriminator.dropout": 0.2, "generator.widths": [16], "discriminator.widths": [16],
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index in range(90):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def log(run: Path) -> list[dict]:
    """Return the log without the measured times."""
    return [{k: v for k, v in row.items() if k not in TIME_KEYS} for row in RunFolder(run).rows()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


def findings(run: Path) -> str:
    return (run / "findings.jsonl").read_text() if (run / "findings.jsonl").exists() else ""


def assert_equal_runs(first: Path, second: Path) -> None:
    assert log(first) == log(second)
    assert findings(first) == findings(second)
    first_weights, second_weights = weights(first), weights(second)
    assert first_weights.keys() == second_weights.keys()
    for name, tensor in first_weights.items():
        assert torch.equal(tensor, second_weights[name]), name
    grids = sorted(path.name for path in (first / "samples").iterdir())
    assert grids == sorted(path.name for path in (second / "samples").iterdir())
    for grid in grids:
        assert (first / "samples" / grid).read_bytes() == (second / "samples" / grid).read_bytes(), grid


@pytest.mark.parametrize("workers", [0, 2])
def test_runs_killed_at_12_random_times_resume_exactly(tmp_path: Path, images: Path, workers: int) -> None:
    arguments = [
        sys.executable,
        str(HERE / "resume_driver.py"),
        str(tmp_path),
        str(images),
        "1600",
        "12",
        str(workers),
    ]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["killed"] == 12, "too many runs ended before they were killed"
    for run in report["runs"]:
        assert_equal_runs(Path(report["reference"]), Path(run))


@pytest.mark.parametrize("workers", [0, 2])
def test_runs_interrupted_after_any_round_resume_exactly(
    tmp_path: Path, images: Path, workers: int, monkeypatch
) -> None:
    settings = SMALL | {"data.workers": workers}
    reference = api.train(images, recipe="vanilla", run=tmp_path / "reference", examples=160, settings=settings)
    assert reference.state == "done"
    from zerosum.training.trainer import Trainer

    set_progress = Trainer._set_progress
    for stop in range(1, 10):

        def interrupt_at_stop(self: Trainer, progress, stop=stop) -> None:
            set_progress(self, progress)
            if progress.round == stop:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Trainer, "_set_progress", interrupt_at_stop)
        run = tmp_path / f"interrupted{stop}"
        interrupted = api.train(images, recipe="vanilla", run=run, examples=160, settings=settings)
        assert interrupted.state == "interrupted"
        assert RunFolder(run).read_json("status.json")["round"] == stop
        monkeypatch.setattr(Trainer, "_set_progress", set_progress)
        assert api.resume(run).state == "done"
        assert_equal_runs(reference.path, run)


def test_ctrl_c_saves_a_checkpoint_and_prints_the_resume_command(tmp_path: Path, images: Path) -> None:
    arguments = [sys.executable, "-m", "zerosum", "train", str(images), "--recipe", "vanilla", "--examples", "10M"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run = tmp_path / "runs" / images.name
    start_time = time.monotonic()
    # the grid of the first samples is drawn after the signal handlers are installed
    while not (run / "samples/00000000.png").exists() and process.poll() is None:
        assert time.monotonic() - start_time < HANG_SECONDS
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130, err
    assert f"zerosum resume runs/{images.name}" in out
    assert "Traceback" not in err
    assert RunFolder(run).checkpoints()


def test_a_run_killed_after_its_last_checkpoint_is_completed(tmp_path: Path, images: Path) -> None:
    """Nothing is left to train, but the last sample grid and the report are still written."""
    reference = api.train(images, recipe="vanilla", run=tmp_path / "reference", examples=160, settings=SMALL).path
    run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    (run / "samples/00000160.png").unlink()
    (run / "report.html").unlink()
    status = RunFolder(run).read_json("status.json")
    RunFolder(run).write_json("status.json", status | {"state": "running"})
    assert api.resume(run).state == "done"
    assert_equal_runs(reference, run)
    assert (run / "report.html").exists()


def test_a_run_killed_between_its_end_and_its_report_gets_the_report(tmp_path: Path, images: Path) -> None:
    run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    (run / "report.html").unlink()
    assert api.resume(run).state == "done"
    assert (run / "report.html").exists()
    with pytest.raises(BadInput, match="is done"):
        api.resume(run)


def test_incomplete_files_are_ignored(tmp_path: Path, images: Path) -> None:
    reference = api.train(images, recipe="vanilla", run=tmp_path / "reference", examples=160, settings=SMALL)
    run = api.train(images, recipe="vanilla", run=tmp_path / "incomplete", examples=160, settings=SMALL).path
    last = RunFolder(run).checkpoints()[-1]
    (last / "state.json").unlink()  # an incomplete checkpoint
    with (run / "log.jsonl").open("a") as file:
        file.write('{"round": 11, "exa')
    (run / "checkpoints/.part-left").mkdir()
    api.resume(run)
    assert_equal_runs(reference.path, run)
    newest = RunFolder(run).checkpoints()[-1]
    (newest / "networks.safetensors").write_bytes(b"garbage")
    with pytest.raises(BadInput):
        api.load(run)


def test_a_run_that_is_done_can_be_extended(tmp_path: Path, images: Path) -> None:
    reference = api.train(images, recipe="vanilla", run=tmp_path / "reference", examples=320, settings=SMALL)
    half = api.train(images, recipe="vanilla", run=tmp_path / "half", examples=160, settings=SMALL)
    with pytest.raises(BadInput, match="is done"):
        api.resume(half.path)
    api.resume(half.path, examples=320)
    assert log(half.path) == log(reference.path)
    extended, expected = weights(half.path), weights(reference.path)
    assert all(torch.equal(extended[name], expected[name]) for name in expected)


def test_extending_a_run_stretches_its_schedules(tmp_path: Path, images: Path) -> None:
    """A learning rate that has fallen to 0 rises again when the run gets a later end."""
    settings = {name: value for name, value in SMALL.items() if name.startswith("training")}
    widths = {"generator.width": 2, "discriminator.width": 2}
    run = api.train(images, run=tmp_path / "run", examples=160, settings=settings | widths).path
    assert log(run)[-1]["lr/generator"] < 2e-3
    api.resume(run, examples=480)
    assert log(run)[4]["lr/generator"] == pytest.approx(2e-3)
    assert log(run)[-1]["lr/generator"] < 1e-3


def test_a_run_is_extended_by_a_budget(tmp_path: Path, images: Path, monkeypatch) -> None:
    """With a clock on which each example takes a second, so that the end does not depend on the machine."""
    from zerosum.training.trainer import Trainer

    monkeypatch.setattr(Trainer, "elapsed_seconds", lambda self: float(self.progress.examples))
    run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    assert api.resume(run, budget=400).state == "done"
    assert RunFolder(run).read_json("status.json")["examples"] == 400


def test_the_default_recipe_resumes_exactly_from_another_folder(tmp_path: Path) -> None:
    """Batch norm statistics, lazy R1, schedules, flipped RGB images and micro-batches."""
    folder = tmp_path / "rgb"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(90):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    settings = {name: value for name, value in SMALL.items() if name.startswith("training")}
    settings |= {"generator.width": 4, "discriminator.width": 4, "training.accumulate": 2, "data.hflip": True}
    settings |= {"training.precision": "float32"}  # a measurement could choose different precisions for two runs
    reference = api.train(folder, run=tmp_path / "reference", examples=640, settings=settings).path
    from zerosum.training.trainer import Trainer

    set_progress = Trainer._set_progress

    def interrupt(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round in {7, 23}:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_set_progress", interrupt)
        patch.chdir(tmp_path)
        run = api.train("rgb", run=tmp_path / "run", examples=640, settings=settings).path
        assert api.resume(run).state == "interrupted"
    (folder / "0.png").rename(folder / "zero.png")  # file names do not matter, only contents
    assert api.resume(run).state == "done"
    assert_equal_runs(reference, run)


def test_non_finite_weights_are_never_saved(tmp_path: Path, images: Path) -> None:
    """Checkpoints are far more frequent than ticks, and the finite ones are kept."""
    from zerosum.training.trainer import Trainer

    settings = SMALL | {"training.tick_examples": 10_000, "training.checkpoint_examples": 16}
    set_progress = Trainer._set_progress

    def set_nan_weight(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round == 5:
            with torch.no_grad():
                next(self.game.parameters()).fill_(float("nan"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_set_progress", set_nan_weight)
        run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=320, settings=settings)
    assert run.state == "diverged"
    assert [path.name for path in run.folder.checkpoints()] == ["00000048", "00000064"]
    assert all(t.isfinite().all() for t in weights(run.path).values() if t.is_floating_point())


@pytest.mark.parametrize("name", ["networks.safetensors", "training.pt", "state.json"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"[]"])
def test_damaged_checkpoints_are_refused(tmp_path: Path, images: Path, name: str, content: bytes) -> None:
    run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    (RunFolder(run).checkpoints()[-1] / name).write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        api.resume(run, examples=320)


def test_changed_data_are_refused(tmp_path: Path, images: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(images, copy)
    run = api.train(copy, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(copy / "new.png")
    with pytest.raises(BadInput, match="changed"):
        api.resume(run, examples=320)


def test_existing_runs_are_not_overwritten(tmp_path: Path, images: Path) -> None:
    run = api.train(images, recipe="vanilla", run=tmp_path / "run", examples=160, settings=SMALL).path
    former_files = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(BadInput, match="run"):
        api.train(images, recipe="vanilla", run=run, examples=160, settings=SMALL)
    assert former_files == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
