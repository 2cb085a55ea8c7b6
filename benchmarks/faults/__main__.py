"""Replay the fault campaign, print what was tried, good and failed, and write benchmarks/faults/results.json.

    python -m benchmarks.faults [--only FAMILY...] [--sample N] [--seed 0] [--jobs 2] [--into RESULTS.json]

`python docs/make_reliability.py` makes the table of docs/reliability.md from the results. The exit code is 1 if a case
failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

from benchmarks.faults import fixtures, harness
from benchmarks.faults.families import FAMILIES
from benchmarks.faults.harness import Case, Result
from benchmarks.faults.results import format_table, summarize, update

RESULTS = Path(__file__).parent / "results.json"


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Replay the fault campaign.")
    parser.add_argument("--only", nargs="+", choices=sorted(FAMILIES), default=list(FAMILIES), help="these families")
    parser.add_argument("--sample", type=int, default=0, help="only so many cases of each family; 0: all")
    parser.add_argument("--match", default="", help="only cases whose names contain this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="cases that run at the same time")
    parser.add_argument(
        "--into",
        type=Path,
        help=f"the result file; {RESULTS.name} unless cases are left out",
    )
    return parser.parse_args()


def make_cases(arguments: argparse.Namespace, folder: Path) -> list[Case]:
    """Return the chosen cases; equal seeds give equal cases."""
    inputs, cases = fixtures.make_fixtures(folder / "fixtures"), []
    for name in arguments.only:
        scratch = folder / name
        scratch.mkdir()
        family = FAMILIES[name](inputs, scratch, random.Random(f"{name} {arguments.seed}"))
        chosen = [case for case in family if arguments.match in case.name]
        if 0 < arguments.sample < len(chosen):
            chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
        cases += chosen
    return cases


def report(result: Result) -> None:
    """Print the problems of a case as soon as it ends."""
    for problem in result.problems:
        print(f"{result.family}: {result.name}: {problem}", flush=True)


def main() -> int:
    """Run the campaign and return the exit code."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="zerosum-faults-") as name:
        folder = Path(name)
        tempfile.tempdir = str(folder / "temporary")
        Path(tempfile.tempdir).mkdir()
        fixtures.isolate(folder)
        harness.import_everything()
        results: Sequence[Result] = harness.run_cases(make_cases(arguments, folder), arguments.jobs, report)
    summary = summarize(results, arguments.seed)
    print(format_table(summary))
    is_whole = not arguments.sample and not arguments.match
    into = arguments.into or (RESULTS if is_whole else None)
    if into:
        if is_whole and len(arguments.only) < len(FAMILIES) and into.exists():
            summary = update(json.loads(into.read_text("utf8")), summary)
        into.write_text(json.dumps(summary, indent=1) + "\n", "utf8")
    return int(any(result.problems for result in results))


if __name__ == "__main__":
    sys.exit(main())
