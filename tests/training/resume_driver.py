"""Kill training runs at random times and resume them; run as a script by test_resume.py.

Each run is a forked child of this process, which has imported torch but started none of its threads, so that a run
starts at once. Prints one JSON object.
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


def fork(function) -> int:
    """Call the function in a forked child process, and return the id of the child."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        torch.set_num_threads(1)
        function()
        code = 0
    except BaseException:  # printed and turned into exit code 1: a child must never continue with the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """Wait for a child, and return its exit code, or minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start(run: Path, source: Path, examples: int, workers: int) -> None:
    settings = SETTINGS | {"data.workers": workers}
    api.train(source, recipe="vanilla", run=run, examples=examples, settings=settings)


def resume(run: Path) -> None:
    if (run / "recipe.toml").exists():
        api.resume(run)


def state(run: Path) -> str:
    status = run / "status.json"
    return json.loads(status.read_text())["state"] if status.exists() else ""


def main(folder: Path, source: Path, examples: int, kills: int, workers: int) -> None:
    step_timer.TIMING_BUDGET_SECONDS = 0.0
    reference = folder / "reference"
    for run in (folder / "warm-up", reference):  # the first fills the cache
        start_time = time.monotonic()
        assert wait(fork(lambda run=run: start(run, source, examples, workers))) == 0
        duration = time.monotonic() - start_time
    rng = random.Random(workers)
    report = {"killed": 0, "kill_times": [], "runs": []}
    for number in range(3 * kills):
        if report["killed"] == kills:
            break
        run = folder / f"run{number}"
        pid = fork(lambda run=run: start(run, source, examples, workers))
        kill_time = rng.uniform(0, duration)
        time.sleep(kill_time)
        os.kill(pid, signal.SIGKILL)
        killed = wait(pid) == -signal.SIGKILL
        report["killed"] += killed
        duration *= 1.0 if killed else 0.95  # the machine has become faster, so kill earlier
        report["kill_times"].append(round(kill_time, 3))
        if not (run / "recipe.toml").exists():
            pid = fork(lambda run=run: start(run, source, examples, workers))  # killed before the run folder existed
        elif state(run) == "done":
            pid = fork(lambda: None)  # it ended before the kill
        else:
            pid = fork(lambda run=run: resume(run))
        assert wait(pid) == 0, f"run {number}, killed after {kill_time:.3f} s, does not resume"
        report["runs"].append(str(run))
    print(json.dumps(report | {"reference": str(reference), "seconds": duration}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
