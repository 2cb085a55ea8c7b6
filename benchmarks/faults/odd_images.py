"""Odd image files among good ones, and alone: trained on, described, encoded and translated."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import changed, clean, file_hashes
from benchmarks.faults.fixtures import Fixtures, make_images, train_command
from benchmarks.faults.harness import MEMORY_LIMIT_MIB, Case, run_command
from benchmarks.faults.image_files import all_files

from zerosum.data.host_memory import physical_memory_bytes

SECONDS = 60.0
DECODED_ALONE = ("1-bit image of 900 megapixels",)
"""Images so large that they may take half of the memory; docs/data.md says so."""
STEPS = ("apply", "encode", "data", "alone", "evaluate")


def try_source(fixtures: Fixtures, odd: Path, step: str, memory_mib: float, folder: Path) -> list[str]:
    """Use an odd file in a training set of good images and in one other way, and check that it is unchanged."""
    source = odd.parent
    before = file_hashes(source)
    commands = [[*train_command(source, "new", 96)]]
    if step == "alone":
        commands.append(["data", str(source), "--json"])
        for image in source.glob("[0-9]*.png"):
            image.unlink()
        before = file_hashes(source)
        commands = [*commands[1:], *commands[:1]]
    elif step == "data":
        commands.append(["data", str(source)])
    elif step == "evaluate":
        commands.append(["evaluate", "--fake", str(source), "--real", str(fixtures.images), "--features", "pixels"])
    else:
        run = fixtures.copy(fixtures.pix2pix if step == "apply" else fixtures.run, folder)
        commands.append(
            ["apply", str(run), str(odd)] if step == "apply" else ["encode", str(run), str(odd), "--steps", "2"]
        )
    problems = []
    for command in commands:
        outcome = run_command(command, folder, seconds=SECONDS)
        problems += [f"{command[0]}: {problem}" for problem in clean(outcome, memory_mib=memory_mib)]
    started = Path(os.environ["HOME"]).parent / "programs" / "started"
    if started.exists():
        problems.append(f"started a program: {started.read_text()}")
        started.unlink()
    return problems + changed(before, source)


def _try_file(fixtures: Fixtures, name: str, content: Path, step: str, memory_mib: float, folder: Path) -> list[str]:
    odd = make_images(folder / "source", 20) / name
    odd.write_bytes(content.read_bytes())
    return try_source(fixtures, odd, step, memory_mib, folder)


def _try_special(fixtures: Fixtures, make: Callable[[Path], None], step: str, folder: Path) -> list[str]:
    odd = make_images(folder / "source", 20) / "odd.png"
    make(odd)
    return try_source(fixtures, odd, step, MEMORY_LIMIT_MIB, folder)


def _link_up(path: Path) -> None:
    path.symlink_to(path.parent)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "folder": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path),
    "dangling link": lambda path: path.symlink_to("nowhere.png"),
    "link to its folder": _link_up,
    "link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "link to /proc/self/mem": lambda path: path.symlink_to("/proc/self/mem"),
    "unreadable file": lambda path: path.touch(0o000),
    "deep folders": lambda path: (path / "/".join(["d"] * 150)).mkdir(parents=True),
}


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases."""
    family, cases = "odd image files", []
    for index, (what, name, content) in enumerate(all_files(rng)):
        file, step = scratch / f"{index:03d}", STEPS[index % len(STEPS)]
        file.write_bytes(content)
        memory_mib = physical_memory_bytes() / 2**21 if what in DECODED_ALONE else MEMORY_LIMIT_MIB
        cases.append(Case(family, f"{step}: {what}", partial(_try_file, fixtures, name, file, step, memory_mib)))
    for index, (what, make) in enumerate(SPECIAL.items()):
        for step in (STEPS[index % len(STEPS)], STEPS[(index + 1) % len(STEPS)]):
            cases.append(Case(family, f"{step}: {what} named png", partial(_try_special, fixtures, make, step)))
    return cases
