"""Commands killed by SIGKILL before a chosen file operation, in the middle of a file, and at random times."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import REFUSED, SUCCESS_CODES, changed, clean, file_hashes, leftovers, same_run
from benchmarks.faults.file_operations import count_into, kill_at
from benchmarks.faults.fixtures import EXAMPLES, Fixtures, resume_command, train_command
from benchmarks.faults.harness import Case, Outcome, Process, run_command, start_command

Kill = Callable[[Path, Sequence[str]], Outcome]
"""Starts a command in a folder and kills it."""


def own_cache(folder: Path) -> dict[str, str]:
    """Return the environment of a case whose cache begins empty."""
    return {"ZEROSUM_CACHE": str(folder / "cache")}


def continue_run(fixtures: Fixtures, folder: Path, run: Path, reference: Path, examples: int) -> list[str]:
    """Do what a user does after a kill: resume the run, or train it if there is none; return what is wrong."""
    command = resume_command(run, examples) if (run / "recipe.toml").exists() else train_command(fixtures.images, run)
    outcome = run_command(command, folder, environment=own_cache(folder))
    if outcome.code == REFUSED and "is done" in outcome.output:  # killed after its end
        return same_run(run, reference)
    return clean(outcome, SUCCESS_CODES) or same_run(run, reference)


def _train(fixtures: Fixtures, kill: Kill, folder: Path) -> list[str]:
    run = folder / "train"
    outcome = kill(folder, train_command(fixtures.images, run))
    if outcome.code != -signal.SIGKILL and outcome.code not in {0, 3, -signal.SIGXFSZ}:
        return clean(outcome, SUCCESS_CODES)
    return continue_run(fixtures, folder, run, fixtures.plain, EXAMPLES)


def _resume(fixtures: Fixtures, kill: Kill, folder: Path) -> list[str]:
    run = Path(shutil.copytree(fixtures.plain, folder / "resumed"))
    outcome = kill(folder, resume_command(run, 2 * EXAMPLES))
    if outcome.code not in {0, 3, -signal.SIGKILL, -signal.SIGXFSZ}:
        return clean(outcome, SUCCESS_CODES)
    return continue_run(fixtures, folder, run, fixtures.longer, 2 * EXAMPLES)


def _repeat(fixtures: Fixtures, arguments: Sequence[str], kill: Kill, folder: Path) -> list[str]:
    """Kill a command that reads a run, then run it again: it works, and no other file of the run has changed."""
    source = fixtures.pix2pix if arguments[0] == "apply" else fixtures.run
    run = Path(shutil.copytree(source, folder / "run"))
    command = [arguments[0], str(run), *arguments[1:]]
    before = file_hashes(run)
    kill(folder, command)
    outcome = run_command(command, folder, environment=own_cache(folder))
    may_change = ("scores.jsonl", "report.html") if arguments[0] == "evaluate" else ()
    problems = clean(outcome, SUCCESS_CODES) + changed(before, run, may_change)
    if arguments[0] == "evaluate" and not problems and _offline_scores(run)[-1] != _offline_scores(fixtures.run)[-1]:
        problems.append("other scores than those of the undisturbed command")
    return problems + leftovers(run)


def _offline_scores(run: Path) -> list[object]:
    """Return the scores of all evaluations of a run by `zerosum evaluate`."""
    rows = [json.loads(line) for line in (run / "scores.jsonl").read_text("utf8").splitlines()]
    return [row["scores"] for row in rows if row["mode"] == "offline"]


def _kill_at(number: int, folder: Path, command: Sequence[str]) -> Outcome:
    return run_command(command, folder, kill_at(number, folder), own_cache(folder))


def _kill_within_file(size: int, folder: Path, command: Sequence[str]) -> Outcome:
    """Kill a command as soon as it writes more than `size` bytes into a file."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return run_command(command, folder, prepare, own_cache(folder))


def _kill_after(seconds: float, folder: Path, command: Sequence[str]) -> Outcome:
    process: Process = start_command(command, folder, environment=own_cache(folder))
    time.sleep(seconds)
    process.signal(signal.SIGKILL)
    return process.wait()


def _count_operations(run: Callable[[Kill, Path], list[str]], folder: Path) -> int:
    """Return the number of file operations of a command that nothing disturbs."""
    folder.mkdir(parents=True)
    counter = folder.with_suffix(".count")

    def count(folder: Path, command: Sequence[str]) -> Outcome:
        return run_command(command, folder, count_into(counter, folder), own_cache(folder))

    problems = run(count, folder)
    if problems:
        raise RuntimeError(f"an undisturbed command fails: {problems}")
    return int(counter.read_text())


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases: every third operation of training, and a sample of those of other commands."""
    commands: dict[str, Callable[[Kill, Path], list[str]]] = {
        "train": partial(_train, fixtures),
        "resume": partial(_resume, fixtures),
        "evaluate": partial(_repeat, fixtures, ("evaluate", "--features", "pixels", "-n", "64")),
        "sample": partial(_repeat, fixtures, ("sample", "-n", "4", "--seed", "3")),
        "walk": partial(_repeat, fixtures, ("walk", "--keyframes", "2", "--steps", "2")),
        "apply": partial(_repeat, fixtures, ("apply", str(fixtures.pairs / "A" / "000.png"), "--skip-existing")),
    }
    counts = {"train": 110, "resume": 60, "evaluate": 20, "sample": 12, "walk": 12, "apply": 12}
    cases = []
    for name, run in commands.items():
        total = _count_operations(run, scratch / f"count-{name}")
        chosen = sorted(rng.sample(range(1, total + 1), min(total, counts[name])))
        cases += [
            Case("killed at a file operation", f"{name}, operation {number} of {total}",
                 partial(run, partial(_kill_at, number)))
            for number in chosen
        ]  # fmt: skip
    for name in ("train", "resume"):
        for _ in range(20):
            size = round(10 ** rng.uniform(2, 5.5))
            case = partial(commands[name], partial(_kill_within_file, size))
            cases.append(Case("killed in the middle of a file", f"{name}, at {size} bytes", case))
    for name, longest in (("train", 0.8), ("resume", 0.8), ("evaluate", 0.3), ("sample", 0.15)):
        for _ in range(30 if name in {"train", "resume"} else 10):
            seconds = rng.uniform(0.02, longest)
            case = partial(commands[name], partial(_kill_after, seconds))
            cases.append(Case("killed at a random time", f"{name}, after {seconds:.3f} s", case))
    return cases
