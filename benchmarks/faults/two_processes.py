"""Two processes that work on one run at the same time."""

from __future__ import annotations

import json
import random
import shutil
import time
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import REFUSED, SUCCESS_CODES, clean, same_run
from benchmarks.faults.fixtures import EXAMPLES, Fixtures, resume_command, train_command
from benchmarks.faults.harness import Case, run_command, start_command
from benchmarks.faults.kills import own_cache


def _both(folder: Path, first: list[str], second: list[str], delay: float, run: Path, reference: Path) -> list[str]:
    """Start two trainings of one run: at least one works, the other is refused, and the run is the undisturbed one."""
    one = start_command(first, folder, environment=own_cache(folder))
    time.sleep(delay)
    outcomes = [run_command(second, folder, environment=own_cache(folder)), one.wait()]
    problems = [problem for outcome in outcomes for problem in clean(outcome)]
    if all(outcome.code == REFUSED for outcome in outcomes):
        problems.append(f"both were refused: {outcomes[0].end}, {outcomes[1].end}")
    return problems or same_run(run, reference)


def _two_trainings(fixtures: Fixtures, flags: list[str], delay: float, folder: Path) -> list[str]:
    run = folder / "train"
    command = [*train_command(fixtures.images, run), *flags]
    return _both(folder, command, command, delay, run, fixtures.plain)


def _two_resumes(fixtures: Fixtures, delay: float, folder: Path) -> list[str]:
    run = Path(shutil.copytree(fixtures.plain, folder / "run"))
    command = resume_command(run, 2 * EXAMPLES)
    return _both(folder, command, command, delay, run, fixtures.longer)


def _train_and_resume(fixtures: Fixtures, delay: float, folder: Path) -> list[str]:
    run = folder / "train"
    command = train_command(fixtures.images, run)
    return _both(folder, command, resume_command(run), delay, run, fixtures.plain)


def _train_and_use(fixtures: Fixtures, command: list[str], delay: float, folder: Path) -> list[str]:
    """Use a run while it is trained: it works, or is refused where there is nothing to use yet."""
    run = folder / "train"
    training = start_command(train_command(fixtures.images, run), folder, environment=own_cache(folder))
    time.sleep(delay)
    outcome = run_command([command[0], str(run), *command[1:]], folder, environment=own_cache(folder))
    problems = clean(outcome) + clean(training.wait(), SUCCESS_CODES) + same_run(run, fixtures.plain)
    if (run / "scores.jsonl").exists():
        for line in (run / "scores.jsonl").read_text("utf8").splitlines():
            json.loads(line)
    return problems


def _two_of(fixtures: Fixtures, command: list[str], delay: float, folder: Path) -> list[str]:
    """Run a command that reads a run twice at the same time."""
    run = Path(shutil.copytree(fixtures.run, folder / "run"))
    arguments = [command[0], str(run), *command[1:]]
    one = start_command(arguments, folder, environment=own_cache(folder))
    time.sleep(delay)
    outcomes = [run_command(arguments, folder, environment=own_cache(folder)), one.wait()]
    problems = [problem for outcome in outcomes for problem in clean(outcome)]
    return problems + ([] if any(outcome.code in SUCCESS_CODES for outcome in outcomes) else ["both were refused"])


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases."""
    family, cases = "two processes on one run", []
    uses = (["sample", "-n", "4"], ["evaluate", "--features", "pixels", "-n", "32"], ["diagnose"])

    def delay(longest: float) -> float:
        return rng.choice([0.0, rng.uniform(0, longest), rng.uniform(0, longest)])

    for _ in range(8):
        for flags in ([], ["--or-resume"]):
            name = " ".join(["train twice", *flags])
            cases.append(Case(family, name, partial(_two_trainings, fixtures, flags, delay(0.6))))
        cases.append(Case(family, "resume twice", partial(_two_resumes, fixtures, delay(0.5))))
        cases.append(Case(family, "resume while it trains", partial(_train_and_resume, fixtures, delay(0.6))))
    for command in uses:
        cases += [Case(family, f"{command[0]} while it trains", partial(_train_and_use, fixtures, command, delay(0.6)))
                  for _ in range(5)]  # fmt: skip
        cases += [Case(family, f"{command[0]} twice", partial(_two_of, fixtures, command, delay(0.1)))
                  for _ in range(3)]  # fmt: skip
    return cases
