"""Flipped bits in every file of a run folder and of the cache: noticed, or without any effect."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import REFUSED, SUCCESS_CODES, clean, file_hashes, same_run, weights_hash
from benchmarks.faults.fixtures import EXAMPLES, Fixtures, resume_command, train_command
from benchmarks.faults.harness import Case, Outcome, run_command
from benchmarks.faults.kills import own_cache

FLIPS_PER_FILE = 9
COMMANDS = ("resume", "sample", "evaluate", "diagnose", "compare")


def _flip(path: Path, position: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def _truncate(path: Path, position: int) -> None:
    path.write_bytes(path.read_bytes()[:position])


def _remove(path: Path) -> None:
    path.unlink()


def _try(
    fixtures: Fixtures, command: str, file: str, damage: Callable[[Path], None], expected: str, folder: Path
) -> list[str]:
    """Damage a file of a run, and run a command: it is refused in one sentence, or gives the same result."""
    run = Path(shutil.copytree(fixtures.run, folder / "run"))
    damage(run / file)
    outcome, result = use(command, run, folder)
    problems = clean(outcome)
    if not problems and outcome.code != REFUSED and result != expected:
        problems.append("another result, and no word about the damage")
    return problems


def use(command: str, run: Path, folder: Path) -> tuple[Outcome, str]:
    """Run a command on a run; return how it ended, and a digest of its result."""
    arguments = {
        "resume": resume_command(run, 2 * EXAMPLES),
        "sample": ["sample", str(run), "-n", "3", "--seed", "5", "--into", "samples"],
        "evaluate": ["evaluate", str(run), "--features", "pixels", "-n", "64", "--json"],
        "diagnose": ["diagnose", str(run)],
        "compare": ["compare", str(run)],
    }[command]
    outcome = run_command(arguments, folder)
    if command == "resume":
        return outcome, weights_hash(run)
    if command == "sample":
        return outcome, str(file_hashes(folder / "samples"))
    return outcome, ""  # the report of a damaged log is another one


def _try_cache(fixtures: Fixtures, cache: Path, file: str, damage: Callable[[Path], None], folder: Path) -> list[str]:
    """Damage a file of the cache, and train again: the entry is made anew, and the run is the undisturbed one."""
    damage(shutil.copytree(cache, folder / "cache") / file)
    outcome = run_command(train_command(fixtures.images, "train"), folder, environment=own_cache(folder))
    return clean(outcome, SUCCESS_CODES) or same_run(folder / "train", fixtures.plain)


def _make_cache_cases(fixtures: Fixtures, folder: Path) -> list[Case]:
    """Return the cases of a damaged cache; flipped values in it are not looked for."""
    run_command(train_command(fixtures.images, "train"), folder, environment=own_cache(folder))
    cases, cache = [], folder / "cache"
    for file in sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()):
        size = (cache / file).stat().st_size
        damages: dict[str, Callable[[Path], None]] = {
            "removed": _remove, "empty": partial(_truncate, position=0),
            "cut by a byte": partial(_truncate, position=max(size - 1, 0)),
            "cut by half": partial(_truncate, position=size // 2),
            "first bit flipped": partial(_flip, position=0, bit=0) if size else _remove,
        }  # fmt: skip
        for name, damage in damages.items():
            run = partial(_try_cache, fixtures, cache, file, damage)
            cases.append(Case("damaged files of the cache", f"{Path(file).name}, {name}", run))
    return cases


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases: flips, cuts and removals of every file, and for each a command."""
    family, cases, expected = "damaged files of a run", list[Case](), {}
    for command in COMMANDS:
        folder = scratch / command
        folder.mkdir()
        _, expected[command] = use(command, Path(shutil.copytree(fixtures.run, folder / "run")), folder)
    for file in sorted(str(path.relative_to(fixtures.run)) for path in fixtures.run.rglob("*") if path.is_file()):
        size = (fixtures.run / file).stat().st_size
        positions = [0, size - 1, *(rng.randrange(size) for _ in range(FLIPS_PER_FILE - 2))] if size else []
        damages: list[tuple[str, Callable[[Path], None]]] = []
        for position in positions:
            bit = rng.randrange(8)
            damages.append((f"bit {bit} of byte {position}", partial(_flip, position=position, bit=bit)))
        damages.append((f"cut to {size // 2} bytes", partial(_truncate, position=size // 2)))
        damages += [("empty", partial(_truncate, position=0)), ("removed", _remove)]
        for index, (name, damage) in enumerate(damages):
            command = COMMANDS[index % 2 if file.startswith(("checkpoints", "best")) else index % len(COMMANDS)]
            cases.append(Case(family, f"{command}: {file}, {name}",
                              partial(_try, fixtures, command, file, damage, expected[command])))  # fmt: skip
    return cases + _make_cache_cases(fixtures, scratch)
