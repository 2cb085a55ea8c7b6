"""Only one process trains a run."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from zerosum import BadInput, api
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator
from zerosum.training.run_lock import LOCK_FILE, training_lock
from zerosum.training.trainer import Trainer

SETTINGS = {
    "training.tick_examples": 128, "training.checkpoint_examples": 64, "generator.widths": [8],
    "discriminator.widths": [8], "diagnostics.samples": 64,
}  # fmt: skip
HOLDER = """
import sys
from pathlib import Path
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator
from zerosum.training.run_lock import training_lock

with training_lock(RunFolder(Path(sys.argv[1])), Accelerator()):
    print("locked", flush=True)
    sys.stdin.read()
"""


def train_ring(run: Path) -> Path:
    return api.train("ring", recipe="vanilla", run=run, examples=256, batch_size=32, settings=SETTINGS).path


def contents(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != LOCK_FILE}


def test_a_run_that_another_process_trains_is_read_but_not_resumed(tmp_path: Path) -> None:
    run = train_ring(tmp_path / "run")
    before = contents(run)
    arguments = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(
            BadInput, match=rf"trained by process {holder.pid} on {socket.gethostname()} since \d{{4}}-.*stop it first"
        ):
            api.resume(run, examples=512)
        assert contents(run) == before
        assert api.load(run).sample(2, seed=0).shape == (2, 2)
        holder.kill()  # the lock of a killed process is released
    assert api.resume(run, examples=512).state == "done"


def test_a_run_is_locked_while_it_trains_and_not_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_progress = Trainer._set_progress
    refused = []

    def resume_in_between(self: Trainer, progress) -> None:
        set_progress(self, progress)
        with pytest.raises(BadInput, match=f"trained by process {os.getpid()} "):
            api.resume(self.folder.path)
        refused.append(progress.round)

    monkeypatch.setattr(Trainer, "_set_progress", resume_in_between)
    run = train_ring(tmp_path / "run")
    assert len(refused) == 8
    rows = [row["examples"] for row in RunFolder(run).rows()]
    assert rows == sorted(set(rows)), "no tick is logged twice"
    with training_lock(RunFolder(run), Accelerator()):
        pass


def test_an_unreadable_lock_is_still_a_lock(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with training_lock(folder, Accelerator()):
        (tmp_path / LOCK_FILE).write_text("")
        with (
            pytest.raises(BadInput, match="trained by another process"),
            training_lock(folder, Accelerator()),
        ):
            pass
