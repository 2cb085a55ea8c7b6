"""Odd archives and arrays: described and trained on."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from benchmarks.faults.array_files import all_files, was_unpickled
from benchmarks.faults.checks import changed, clean, file_hashes
from benchmarks.faults.fixtures import Fixtures, train_command
from benchmarks.faults.harness import Case, run_command

SECONDS = 60.0


def _try(name: str, content: Path, folder: Path) -> list[str]:
    source = folder / "source" / name
    source.parent.mkdir()
    source.write_bytes(content.read_bytes())
    before = file_hashes(source.parent)
    problems = []
    for command in (["data", str(source)], train_command(source, "new", 96)):
        outcome = run_command(command, folder, seconds=SECONDS)
        problems += [f"{command[0]}: {problem}" for problem in clean(outcome)]
    if was_unpickled(folder):
        problems.append("an object was unpickled")
    if made := {path.name for path in folder.iterdir()} - {"source", "new"}:
        problems.append(f"made {', '.join(sorted(made))}")
    return problems + changed(before, source.parent)


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases."""
    cases = []
    for index, (what, name, content) in enumerate(all_files()):
        file = scratch / f"{index:03d}"
        file.write_bytes(content)
        cases.append(Case("odd archives and arrays", what, partial(_try, name, file)))
    return cases
