"""A full disk ends a run with one sentence, leaves no temporary files, and the run is resumed to the last bit."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_resume import HANG_SECONDS, HERE, assert_equal_runs

from zerosum import BadInput, api
from zerosum.run_folder import RunFolder
from zerosum.training.disk_full import explain_disk_full


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index in range(90):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_runs_on_a_full_disk_end_with_a_sentence_and_resume_exactly(tmp_path: Path, images: Path) -> None:
    arguments = [sys.executable, str(HERE / "disk_full_driver.py"), str(tmp_path), str(images), "800"]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    failed = [run for run in report["results"] if run["state"] != "done"]
    assert len(failed) >= 3
    for run in failed:
        assert "\n" not in run["message"], run["message"]
        assert ("zerosum resume" in run["message"]) == run["exists"], run["message"]
        assert run["leftovers"] == []
        assert not run["exists"] or run["state"] in {"interrupted", ""}
    assert sum(run["exists"] for run in failed) >= 2
    for run in report["results"]:
        assert_equal_runs(Path(report["reference"]), Path(run["run"]))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("name", ["append", "save_best", "sample_grid_path"])
def test_a_full_disk_ends_training_wherever_it_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, "No space")

    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 64, "evaluation.samples": 64}
    settings |= {"generator.widths": [8], "discriminator.widths": [8], "training.tick_examples": 64}
    run = tmp_path / "run"
    monkeypatch.setattr(RunFolder, name, fail)
    with pytest.raises(BadInput, match=r"\(No space\); free disk space, .*resume"):
        api.train("ring", recipe="vanilla", run=run, examples=256, batch_size=32, settings=settings)
    assert RunFolder(run).read_json("status.json")["state"] == "interrupted"
    monkeypatch.undo()
    assert api.resume(run).state == "done"


def test_the_state_is_written_even_where_no_other_file_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space")

    def fill_disk(*arguments: object) -> None:
        monkeypatch.setattr(RunFolder, "write_json", fail)
        fail()

    settings = {"generator.widths": [8], "discriminator.widths": [8], "training.tick_examples": 64}
    monkeypatch.setattr(RunFolder, "append", fill_disk)
    with pytest.raises(BadInput, match="No space"):
        api.train("ring", recipe="vanilla", run=tmp_path / "run", examples=256, batch_size=32, settings=settings)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "interrupted"
    monkeypatch.undo()
    assert api.resume(tmp_path / "run").state == "done"


def test_the_sentence_says_whether_there_is_a_checkpoint_to_continue_from(tmp_path: Path) -> None:
    def fill_disk() -> str:
        with pytest.raises(BadInput) as caught, explain_disk_full(tmp_path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return str(caught.value)

    assert "starts again: there is no checkpoint yet" in fill_disk()
    checkpoint = tmp_path / "checkpoints" / "00000032"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}")
    assert "continues from the last checkpoint" in fill_disk()


def test_a_row_that_does_not_fit_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from zerosum.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.append("log.jsonl", {"examples": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (30, resource.RLIM_INFINITY))
try:
    folder.append("log.jsonl", {"examples": 2, "text": "x" * 100})
except OSError:
    print("full")
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout == "full\n"
    assert (tmp_path / "log.jsonl").read_text() == '{"examples": 1}\n'
