"""Tables at the limits: 200 rows, which are memorized, and the memory of many columns and of many categories.

    python benchmarks/tables_limits.py FOLDER [--only few wide long] [--examples 5120]
    python benchmarks/tables_limits.py FOLDER --draw          # only the page

- *few*: the first 200 training rows of `insurance` (benchmarks/tables_data.py, in FOLDER/data).
  Do the findings of the run say that rows are memorized, and how large are the evaluation's scores of copies?
- *wide*: a made table of 5,000 rows of 1,000 columns, half of them numbers and half categories.
- *long*: a made table of 100,000 rows with a column of 50,000 categories and three others.

Each run is `zerosum train` in a process of its own and in one thread, whose peak resident memory and CPU seconds are
those of the operating system. Results go to benchmarks/tables_limits.json, the page to benchmarks/tables_limits.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tables_data import TABLES, fetch_tables

from zerosum.run_folder import RunFolder

HERE = Path(__file__).parent
RESULT, PAGE = HERE / "tables_limits.json", HERE / "tables_limits.md"
FEW_ROWS = 200
WIDE_ROWS, WIDE_COLUMNS = 5_000, 1_000
LONG_ROWS, LONG_CATEGORIES = 100_000, 50_000
MAX_GIB = 4.0
"""Memory that no run may take."""
MEASURE = """import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
"""Runs a command and prints its exit code, CPU seconds and peak memory in KiB. It is a process of its own because Linux
counts the memory of the process that starts another one as the other one's, too."""
MACHINE = "One of 2 cores of an Intel Xeon at 2.0 GHz, 24 GiB, PyTorch 2.13 CPU, with other load, 2026-11-30."
COPY_SCORES = ("dcr", "nearest_training_share", "exact_copies")
Record = dict[str, object]
Rows = Iterator[Sequence[object]]


@dataclass(frozen=True)
class Limit:
    """A table, and how long it is trained."""

    title: str
    write: Callable[[Path, Path], None]
    """Writes the table; takes the folder of this benchmark and the file."""
    examples: int
    is_scored: bool = False
    """Whether copies of training rows are searched by `zerosum evaluate`."""


def write_rows(path: Path, names: Sequence[str], rows: Rows) -> None:
    """Write a table."""
    with path.open("w", encoding="utf8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def write_few(folder: Path, path: Path) -> None:
    """Write the first rows of a real table."""
    fetch_tables(folder / "data")
    with TABLES["insurance"].path(folder / "data", "train").open(encoding="utf8") as file:
        path.write_text("".join(islice(file, FEW_ROWS + 1)), "utf8")


def write_wide(folder: Path, path: Path) -> None:
    """Write a table of many columns, of which each depends on the one hidden number of its row."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(WIDE_ROWS, 1))
    noisy = (hidden + rng.normal(size=(WIDE_ROWS, WIDE_COLUMNS))).round(3)
    half = WIDE_COLUMNS // 2
    letters = np.array(list("abcde"))[np.digitize(noisy[:, half:], [-1.5, -0.5, 0.5, 1.5])]
    names = [f"{'number' if index < half else 'letter'}_{index}" for index in range(WIDE_COLUMNS)]
    write_rows(path, names, ([*row[:half].tolist(), *own] for row, own in zip(noisy, letters.tolist(), strict=True)))


def write_long(folder: Path, path: Path) -> None:
    """Write a table with a column of many categories, all of which occur, some far more often than others."""
    rng = np.random.default_rng(0)
    often = np.minimum(rng.pareto(1.0, LONG_ROWS - LONG_CATEGORIES) * 50, LONG_CATEGORIES - 1).astype(int)
    codes = rng.permutation(np.concatenate([np.arange(LONG_CATEGORIES), often]))
    price, size = rng.gamma(2, 50, LONG_ROWS).round(2), rng.choice(["S", "M", "L"], LONG_ROWS)
    names = ["product", "price", "size", "amount"]
    columns = ([f"product {code}" for code in codes], price, size, rng.poisson(3, LONG_ROWS))
    write_rows(path, names, zip(*columns, strict=True))


LIMITS: Mapping[str, Limit] = {
    "few": Limit(f"{FEW_ROWS} rows of insurance", write_few, 1_000_000, is_scored=True),
    "wide": Limit(f"{WIDE_COLUMNS:,} columns of {WIDE_ROWS:,} rows", write_wide, 5_120),
    "long": Limit(f"{LONG_CATEGORIES:,} categories in {LONG_ROWS:,} rows", write_long, 5_120),
}


def run_measured(command: Sequence[str]) -> tuple[float, float]:
    """Run a command and return its CPU seconds and its peak resident memory in GiB.

    Raises:
        subprocess.CalledProcessError: it failed. Exit code 3 is a severe finding, a result too.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    measuring = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measuring, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    code, seconds, kib = json.loads(done.stdout)
    if code not in (0, 3):
        raise subprocess.CalledProcessError(code, command)
    return seconds, kib / 2**20


def measure(limit: Limit, folder: Path, name: str, examples: int) -> Record:
    """Train on a table, and return what it took and what was found."""
    path, run = folder / f"{name}.csv", folder / f"{name}-run"
    limit.write(folder, path)
    shutil.rmtree(run, ignore_errors=True)
    zerosum = [sys.executable, "-m", "zerosum"]
    seconds, peak = run_measured([*zerosum, "train", str(path), "--examples", str(examples), "--run", str(run)])
    run_folder = RunFolder(run)
    findings = sorted({str(row["name"]) for row in run_folder.rows("findings.jsonl")})
    result: Record = {
        "title": limit.title, "examples": run_folder.read_json("status.json")["examples"], "cpu_seconds": seconds,
        "peak_gib": peak, "findings": findings,
    }  # fmt: skip
    if limit.is_scored:
        run_measured([*zerosum, "evaluate", str(run)])
        *_, row = run_folder.rows("scores.jsonl")
        scores = row["scores"]
        assert isinstance(scores, Mapping), "scores by name"
        result["scores"] = {score: scores[score] for score in COPY_SCORES}
    return result


def page(results: Mapping[str, Mapping[str, object]]) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Tables at the limits", "",
        "Made by `python benchmarks/tables_limits.py`, which says what is measured, from "
        "`benchmarks/tables_limits.json`.", MACHINE, "",
        f"| table | examples | CPU seconds | peak memory | at most {MAX_GIB:g} GiB | findings |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for result in results.values():
        peak, findings = float(str(result["peak_gib"])), ", ".join(result["findings"]) or "none"  # type: ignore[arg-type]
        bounded = "yes" if peak <= MAX_GIB else "no"
        cells = [result["title"], f"{result['examples']:,}", f"{result['cpu_seconds']:.0f}", f"{peak:.2f} GiB", bounded]
        lines.append(f"| {' | '.join(map(str, cells))} | {findings} |")
    for result in results.values():
        if scores := result.get("scores"):
            assert isinstance(scores, Mapping), "scores by name"
            lines += ["", f"Copies in {result['title']}, with the score of real rows:", ""]
            lines += [f"- {name}: {each['value']:.3g} ({each['floor']:.3g})" for name, each in scores.items()]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--examples", type=int, default=0, help="examples of each run; 0: its own number")
    parser.add_argument("--draw", action="store_true", help="only write the page")
    options = parser.parse_args()
    results: dict[str, Record] = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in [] if options.draw else options.only:
        results[name] = measure(LIMITS[name], options.folder, name, options.examples or LIMITS[name].examples)
        RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
        print(name, json.dumps(results[name]), flush=True)
    PAGE.write_text(page(results), "utf8")


if __name__ == "__main__":
    main()
