"""Kills training runs at random instants and resumes them; run as a script by test_resume.py.

Each run is a forked child of this process, which has imported torch but started none of its threads, so that a run
begins at once. Prints one JSON object.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from zerosum import api
from zerosum.training import step_timer

SETTINGS = {
    "training.tick_examples": 96, "training.preview_examples": 480, "training.checkpoint_examples": 160,
    "training.batch_size": 32, "optimizer.lr": 1e-3, "discriminator.dropout": 0.2, "data.size": 16,
    "generator.widths": [64], "discriminator.widths": [64], "data.fit": "crop", "diagnostics.every_examples": 192,
    "diagnostics.samples": 32, "diagnostics.duality_gap_every": 2,
}  # fmt: skip


def child(work) -> int:
    """Fork; the child does its work and ends. Returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    except BaseException:  # told, and turned into exit code 1: a child must never run the parent's code on
        traceback.print_exc()
    finally:
        os._exit(code)


def finish(pid: int) -> int:
    """Wait for a child; its exit code, or minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def begin(run: Path, source: Path, images: int, workers: int) -> None:
    settings = SETTINGS | {"data.workers": workers}
    api.train(source, recipe="vanilla", run=run, images=images, settings=settings)


def resume(run: Path) -> None:
    if (run / "recipe.toml").exists():
        api.resume(run)


def state(run: Path) -> str:
    status = run / "status.json"
    return json.loads(status.read_text())["state"] if status.exists() else ""


def main(folder: Path, source: Path, images: int, kills: int, workers: int) -> None:
    step_timer.TIMING_BUDGET_SECONDS = 0.0
    whole = folder / "whole"
    for run in (folder / "warm-up", whole):  # the first fills the cache
        began = time.monotonic()
        assert finish(child(lambda run=run: begin(run, source, images, workers))) == 0
        length = time.monotonic() - began
    dice = random.Random(workers)
    report = {"killed": 0, "instants": [], "runs": []}
    for number in range(3 * kills):
        if report["killed"] == kills:
            break
        run = folder / f"run{number}"
        pid = child(lambda run=run: begin(run, source, images, workers))
        instant = dice.uniform(0, length)
        time.sleep(instant)
        os.kill(pid, signal.SIGKILL)
        killed = finish(pid) == -signal.SIGKILL
        report["killed"] += killed
        length *= 1.0 if killed else 0.95  # the machine is quicker than it was: sooner, then
        report["instants"].append(round(instant, 3))
        if not (run / "recipe.toml").exists():
            pid = child(lambda run=run: begin(run, source, images, workers))  # killed before the run was there
        elif state(run) == "done":
            pid = child(lambda: None)  # it had just ended
        else:
            pid = child(lambda run=run: resume(run))
        assert finish(pid) == 0, f"run {number}, killed after {instant:.3f} s, does not resume"
        report["runs"].append(str(run))
    print(json.dumps(report | {"whole": str(whole), "seconds": length}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
