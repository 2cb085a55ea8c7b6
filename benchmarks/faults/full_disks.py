"""Disks that fill up: a limit on the size of a file, file operations that fail, and a small file system in memory."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import (
    NO_MESSAGE,
    REFUSED,
    SUCCESS_CODES,
    changed,
    clean,
    file_hashes,
    leftovers,
    state,
)
from benchmarks.faults.file_operations import fail_from
from benchmarks.faults.fixtures import EXAMPLES, Fixtures, resume_command, train_command
from benchmarks.faults.harness import Case, Outcome, run_command
from benchmarks.faults.kills import continue_run, own_cache

Restrict = Callable[[Path], Callable[[], None]]
"""Given the folder of a case, returns what restricts the process of a command."""


def _limit_file_size(size: int, folder: Path) -> Callable[[], None]:
    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return prepare


def _fail_from(number: int, error: int, count: int, folder: Path) -> Callable[[], None]:
    return fail_from(number, folder, error, count)


def _print_to_full_disk(streams: Sequence[int], folder: Path) -> Callable[[], None]:
    def prepare() -> None:
        handle = os.open("/dev/full", os.O_WRONLY)
        for stream in streams:
            os.dup2(handle, stream)

    return prepare


def end_problems(outcome: Outcome, run: Path) -> list[str]:
    """Return what is wrong with a training that met a full disk."""
    problems = clean(outcome) + leftovers(run.parent)
    if outcome.code == REFUSED and (run / "status.json").exists() and state(run) == "running":
        problems.append("the state is still `running`")
    return problems


def _train(fixtures: Fixtures, restrict: Restrict, folder: Path) -> list[str]:
    run = folder / "train"
    outcome = run_command(train_command(fixtures.images, run), folder, restrict(folder), own_cache(folder))
    return end_problems(outcome, run) + continue_run(fixtures, folder, run, fixtures.plain, EXAMPLES)


def _resume(fixtures: Fixtures, restrict: Restrict, folder: Path) -> list[str]:
    run = Path(shutil.copytree(fixtures.plain, folder / "resumed"))
    outcome = run_command(resume_command(run, 2 * EXAMPLES), folder, restrict(folder), own_cache(folder))
    return end_problems(outcome, run) + continue_run(fixtures, folder, run, fixtures.longer, 2 * EXAMPLES)


def _use(fixtures: Fixtures, arguments: Sequence[str], restrict: Restrict, folder: Path) -> list[str]:
    """Run a command that reads a run; nothing that was there has changed, and without the limit it works."""
    run = Path(shutil.copytree(fixtures.pix2pix if arguments[0] == "apply" else fixtures.run, folder / "run"))
    before = file_hashes(run)
    command = [arguments[0], str(run), *arguments[1:]]
    outcome = run_command(command, folder, restrict(folder), own_cache(folder))
    may_change = ("scores.jsonl", "report.html") if arguments[0] == "evaluate" else ()
    problems = clean(outcome) + changed(before, run, may_change) + leftovers(folder)
    return problems + clean(run_command(command, folder, environment=own_cache(folder)), SUCCESS_CODES)


def _unread(run: Callable[[Restrict, Path], list[str]], restrict: Restrict, folder: Path) -> list[str]:
    """Run a case in which messages cannot be printed, and return its other problems."""
    return [problem for problem in run(restrict, folder) if not problem.startswith(NO_MESSAGE)]


class SmallDisk:
    """A file system in memory that holds `kib` KiB, mounted in this context."""

    def __init__(self, path: Path, kib: int) -> None:
        """Refer to a new folder."""
        self.path, self.kib = path, kib

    def __enter__(self) -> SmallDisk:
        """Mount it."""
        self.path.mkdir(parents=True)
        self._mount(f"size={self.kib}k")
        return self

    def grow(self) -> None:
        """Make room for everything."""
        self._mount("remount,size=64m")

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)]
        subprocess.run(command, check=True, capture_output=True)

    def __exit__(self, *error: object) -> None:
        """Unmount it."""
        subprocess.run(["umount", str(self.path)], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Return whether this process may mount file systems."""
    try:
        with SmallDisk(folder, 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _train_on_small_disk(fixtures: Fixtures, kib: int, folder: Path) -> list[str]:
    with SmallDisk(folder / "disk", kib) as disk:
        run = disk.path / "train"
        outcome = run_command(train_command(fixtures.images, run), folder)
        problems = end_problems(outcome, run)
        disk.grow()
        return problems + continue_run(fixtures, folder, run, fixtures.plain, EXAMPLES)


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases."""
    uses = {
        "evaluate": ("evaluate", "--features", "pixels", "-n", "64"),
        "sample": ("sample", "-n", "4", "--seed", "3"),
        "walk": ("walk", "--keyframes", "2", "--steps", "2"),
        "edit": ("edit", "--direction", "pca:0", "--steps", "3"),
        "apply": ("apply", str(fixtures.pairs / "A" / "000.png"), "--skip-existing"),
    }
    trainings = {"train": partial(_train, fixtures), "resume": partial(_resume, fixtures)}
    others = {name: partial(_use, fixtures, arguments) for name, arguments in uses.items()}
    cases = []
    for name, run in (trainings | others).items():
        number_of_limits = 16 if name in trainings else 6
        for step in range(number_of_limits):
            size = round(10 ** (1 + 5 * (step + rng.random()) / number_of_limits))
            cases.append(Case("disk full (limit on file size)", f"{name}, {size} bytes",
                              partial(run, partial(_limit_file_size, size))))  # fmt: skip
        for _ in range(30 if name in trainings else 6):
            number = rng.randint(1, 215 if name in trainings else 16)
            error = rng.choice([errno.ENOSPC, errno.ENOSPC, errno.EDQUOT, errno.EIO])
            count = rng.choice([1, 10_000])
            cases.append(
                Case("disk full (operations fail)",
                     f"{name}, {errno.errorcode[error]} at operation {number}{' only' if count == 1 else ' and on'}",
                     partial(run, partial(_fail_from, number, error, count)))
            )  # fmt: skip
        for streams in ((1,), (2,), (1, 2)):
            restrict = partial(_print_to_full_disk, streams)
            cases.append(Case("disk full (output)", f"{name}, streams {streams}", partial(_unread, run, restrict)))
    if can_mount(scratch / "disk"):
        for step in range(20):
            kib = round(4 * 2 ** (8 * (step + rng.random()) / 20))
            cases.append(Case("disk full (tmpfs)", f"train on {kib} KiB", partial(_train_on_small_disk, fixtures, kib)))
    else:
        print("disk full (tmpfs): skipped, because this process may not mount file systems")
    return cases
