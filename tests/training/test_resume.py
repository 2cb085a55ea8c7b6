"""An interrupted run goes on as if nothing had happened, to the last bit."""

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
CLOCKS = {"seconds", "images_per_second"}
SMALL = {
    "training.tick_examples": 48, "training.preview_examples": 96, "training.checkpoint_examples": 64,
    "training.batch_size": 16, "discriminator.dropout": 0.2, "generator.widths": [16], "discriminator.widths": [16],
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    dice = np.random.default_rng(0)
    for number in range(90):
        Image.fromarray(dice.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def log(run: Path) -> list[dict]:
    """The log without the clock's readings."""
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in RunFolder(run).rows()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


def findings(run: Path) -> str:
    return (run / "findings.jsonl").read_text() if (run / "findings.jsonl").exists() else ""


def same(one: Path, other: Path) -> None:
    assert log(one) == log(other)
    assert findings(one) == findings(other)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
    sheets = sorted(p.name for p in (one / "samples").iterdir())
    assert sheets == sorted(p.name for p in (other / "samples").iterdir())
    for sheet in sheets:
        assert (one / "samples" / sheet).read_bytes() == (other / "samples" / sheet).read_bytes(), sheet


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_12_random_instants(tmp_path: Path, pictures: Path, workers: int) -> None:
    arguments = [
        sys.executable,
        str(HERE / "resume_driver.py"),
        str(tmp_path),
        str(pictures),
        "1600",
        "12",
        str(workers),
    ]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout.splitlines()[-1])
    assert report["killed"] == 12, "too many of the runs had ended before they were killed"
    for run in report["runs"]:
        same(Path(report["whole"]), Path(run))


@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted_after_any_round(tmp_path: Path, pictures: Path, workers: int, monkeypatch) -> None:
    settings = SMALL | {"data.workers": workers}
    whole = api.train(pictures, recipe="vanilla", run=tmp_path / "whole", images=160, settings=settings)
    assert whole.state == "done"
    from zerosum.training.trainer import Trainer

    witness = Trainer._set_progress
    for stop in range(1, 10):

        def interrupting(self: Trainer, now, stop=stop) -> None:
            witness(self, now)
            if now.round == stop:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Trainer, "_remember", interrupting)
        run = tmp_path / f"stopped{stop}"
        stopped = api.train(pictures, recipe="vanilla", run=run, images=160, settings=settings)
        assert stopped.state == "interrupted"
        assert RunFolder(run).read_json("status.json")["round"] == stop
        monkeypatch.setattr(Trainer, "_remember", witness)
        assert api.resume(run).state == "done"
        same(whole.path, run)


def test_ctrl_c_on_the_command_line(tmp_path: Path, pictures: Path) -> None:
    arguments = [sys.executable, "-m", "zerosum", "train", str(pictures), "--recipe", "vanilla", "--examples", "10M"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run = tmp_path / "runs" / pictures.name
    for _ in range(600):
        if (run / "samples/00000000.png").exists():
            break
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"`zerosum resume runs/{pictures.name}` goes on" in out
    assert "Traceback" not in err
    assert RunFolder(run).checkpoints()


def test_killed_after_the_last_checkpoint(tmp_path: Path, pictures: Path) -> None:
    """Nothing is left to train, but the last sheet and the report are still to be written."""
    whole = api.train(pictures, recipe="vanilla", run=tmp_path / "whole", images=160, settings=SMALL).path
    run = api.train(pictures, recipe="vanilla", run=tmp_path / "run", images=160, settings=SMALL).path
    (run / "samples/00000160.png").unlink()
    (run / "report.html").unlink()
    status = RunFolder(run).read_json("status.json")
    RunFolder(run).write_json("status.json", status | {"state": "running"})
    assert api.resume(run).state == "done"
    same(whole, run)
    assert (run / "report.html").exists()


def test_torn_files_are_survived(tmp_path: Path, pictures: Path) -> None:
    whole = api.train(pictures, recipe="vanilla", run=tmp_path / "whole", images=160, settings=SMALL)
    run = api.train(pictures, recipe="vanilla", run=tmp_path / "torn", images=160, settings=SMALL).path
    last = RunFolder(run).checkpoints()[-1]
    (last / "state.json").unlink()  # a checkpoint that never became whole
    with (run / "log.jsonl").open("a") as file:
        file.write('{"round": 11, "ima')
    (run / "checkpoints/.part-left").mkdir()
    api.resume(run)
    same(whole.path, run)
    newest = RunFolder(run).checkpoints()[-1]
    (newest / "networks.safetensors").write_bytes(b"garbage")
    with pytest.raises(BadInput, match="cannot be read"):
        api.load(run)


def test_a_run_that_is_over_says_so_and_can_be_prolonged(tmp_path: Path, pictures: Path) -> None:
    whole = api.train(pictures, recipe="vanilla", run=tmp_path / "whole", images=320, settings=SMALL)
    half = api.train(pictures, recipe="vanilla", run=tmp_path / "half", images=160, settings=SMALL)
    with pytest.raises(BadInput, match="is done"):
        api.resume(half.path)
    api.resume(half.path, examples=320)
    assert log(half.path) == log(whole.path)
    ours, theirs = weights(half.path), weights(whole.path)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_prolonging_stretches_the_schedules(tmp_path: Path, pictures: Path) -> None:
    """A rate that has fallen to 0 rises again when the run is given a later end."""
    settings = {name: value for name, value in SMALL.items() if name.startswith("training")}
    narrow = {"generator.width": 2, "discriminator.width": 2}
    run = api.train(pictures, run=tmp_path / "run", images=160, settings=settings | narrow).path
    assert log(run)[-1]["rate/generator"] < 2e-3
    api.resume(run, examples=480)
    assert log(run)[4]["rate/generator"] == pytest.approx(2e-3)
    assert log(run)[-1]["rate/generator"] < 1e-3
    api.resume(run, budget=log_seconds(run) + 0.4)
    assert RunFolder(run).read_json("status.json")["images"] > 480


def log_seconds(run: Path) -> float:
    return RunFolder(run).read_json("status.json")["seconds"]


def test_the_default_recipe_resumes_exactly(tmp_path: Path) -> None:
    """Batch norm's statistics, lazy R1, ramps, mirrored colour pictures, micro-batches, from another folder."""
    folder = tmp_path / "colour"
    folder.mkdir()
    dice = np.random.default_rng(1)
    for number in range(90):
        Image.fromarray(dice.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    settings = {name: value for name, value in SMALL.items() if name.startswith("training")}
    settings |= {"generator.width": 4, "discriminator.width": 4, "training.accumulate": 2, "data.hflip": True}
    settings |= {"training.precision": "float32"}  # a trial might choose differently for two runs
    whole = api.train(folder, run=tmp_path / "whole", images=640, settings=settings).path
    from zerosum.training.trainer import Trainer

    witness = Trainer._set_progress

    def interrupting(self: Trainer, now) -> None:
        witness(self, now)
        if now.round in {7, 23}:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_remember", interrupting)
        patch.chdir(tmp_path)
        run = api.train("colour", run=tmp_path / "run", images=640, settings=settings).path
        assert api.resume(run).state == "interrupted"
    (folder / "0.png").rename(folder / "zero.png")  # names do not matter: content does
    assert api.resume(run).state == "done"
    same(whole, run)


def test_a_bad_weight_is_never_saved(tmp_path: Path, pictures: Path) -> None:
    """Checkpoints far more often than ticks: the good ones stay."""
    from zerosum.training.trainer import Trainer

    settings = SMALL | {"training.tick_examples": 10_000, "training.checkpoint_examples": 16}
    witness = Trainer._set_progress

    def spoiling(self: Trainer, now) -> None:
        witness(self, now)
        if now.round == 5:
            with torch.no_grad():
                next(self.game.parameters()).fill_(float("nan"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_remember", spoiling)
        run = api.train(pictures, recipe="vanilla", run=tmp_path / "run", images=320, settings=settings)
    assert run.state == "diverged"
    assert [path.name for path in run.folder.checkpoints()] == ["00000048", "00000064"]
    assert all(t.isfinite().all() for t in weights(run.path).values() if t.is_floating_point())


@pytest.mark.parametrize("name", ["networks.safetensors", "training.pt", "state.json"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"[]"])
def test_damaged_checkpoints_get_a_sentence(tmp_path: Path, pictures: Path, name: str, content: bytes) -> None:
    run = api.train(pictures, recipe="vanilla", run=tmp_path / "run", images=160, settings=SMALL).path
    (RunFolder(run).checkpoints()[-1] / name).write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        api.resume(run, examples=320)


def test_changed_data_is_noticed(tmp_path: Path, pictures: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(pictures, copy)
    run = api.train(copy, recipe="vanilla", run=tmp_path / "run", images=160, settings=SMALL).path
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(copy / "new.png")
    with pytest.raises(BadInput, match="has changed since"):
        api.resume(run, examples=320)


def test_nothing_is_trained_over(tmp_path: Path, pictures: Path) -> None:
    run = api.train(pictures, recipe="vanilla", run=tmp_path / "run", images=160, settings=SMALL).path
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(BadInput, match="never trained over"):
        api.train(pictures, recipe="vanilla", run=run, images=160, settings=SMALL)
    assert before == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
