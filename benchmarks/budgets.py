"""Which recipe and which size for which budget: quality against training time, a run for each point.

    python benchmarks/budgets.py FOLDER emoji=PATH fashion=PATH [--budgets 1m 5m 15m 1h 3h] [--contenders auto-nano ...]
    python benchmarks/budgets.py FOLDER --draw            # only the page and the charts

Schedules depend on the length of a run, so a point of a curve is the end of a run of that length, not a moment of a
longer one. Runs are those of `zerosum train DATA --recipe R --size S --budget B`, evaluated as by `zerosum evaluate`:
samples of the EMA generator against images held out of the train part. Runs that exist in FOLDER are not trained or
evaluated again, so that hours of training may be added to earlier ones. Results go to docs/budgets.json, the tables to
docs/budgets.md, and for each dataset a chart to docs/budgets-NAME.png.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import budgets_chart
from family import evaluate

from zerosum.run_folder import Row, RunFolder
from zerosum.units import parse_seconds

DOCS = Path(__file__).parents[1] / "docs"
RESULT, PAGE = DOCS / "budgets.json", DOCS / "budgets.md"
RECIPES, SIZES = ("auto", "r3gan", "stylegan2", "fastgan", "projected"), ("nano", "small")
NOISE = 0.1
"""Contenders whose distance is within this fraction of the best one are as good as it: seeds differ by as much."""
BIASED = "projected"
"""It trains through the features it is scored by, so it is shown, but never chosen."""
NOTES = """A point is the end of a run of that length. Distances are Fréchet distances of lite0 features above their
floor, that of real images against real ones; lower is better. The best of a column is bold, with all that are within
{noise:.0%} of it, which is as much as seeds differ. `projected` trains through the features it is scored by, so its
distances are too low, and it is left out of the choice. Empty cells were not measured."""


def train(run: Path, data: str, contender: str, budget: str, seed: int, threads: int) -> None:
    """Train a contender, unless its run is complete."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    shutil.rmtree(run, ignore_errors=True)  # an interrupted run
    recipe, _, size = contender.partition("-")
    arguments = ["train", data, "--recipe", recipe, "--size", size, "--budget", budget, "--seed", str(seed)]
    command = [sys.executable, "-m", "zerosum", *arguments, "--run", str(run)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    process = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment)
    if process.returncode not in (0, 3):  # 3: it diverged, which is a result
        raise SystemExit(f"{contender} on {data} ended with exit code {process.returncode}")


def distance(outcome: Row) -> float:
    """Return the Fréchet distance above its floor; infinite if the run has no scores."""
    if "scores" not in outcome:
        return math.inf
    score = outcome["scores"]["fd_lite0"]
    return float(score["value"]) - float(score["floor"])


def median_distances(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the median distance over seeds by contender and budget."""
    return {
        contender: {
            budget: statistics.median(distance(outcome) for outcome in seeds.values())
            for budget, seeds in budgets.items()
        }
        for contender, budgets in result["contenders"].items()
    }


def best_contenders(distances: Mapping[str, Mapping[str, float]], budget: str) -> list[str]:
    """Return the contenders that are best with a budget, the best first: all within the noise of the best."""
    measured = {
        name: values[budget] for name, values in distances.items() if budget in values and not name.startswith(BIASED)
    }
    ranked = sorted(measured, key=lambda name: measured[name])
    return [name for name in ranked if measured[name] <= (1 + NOISE) * measured[ranked[0]]]


def page(results: Mapping[str, Any]) -> str:
    """Return the page as Markdown, made from the results alone."""
    lines = ["# Which recipe for which budget", "", "Made by `python benchmarks/budgets.py` from `docs/budgets.json`."]
    lines += ["", NOTES.format(noise=NOISE), ""]
    for data, result in results.items():
        distances = median_distances(result)
        budgets = sorted({budget for values in distances.values() for budget in values}, key=parse_seconds)
        lines += [f"## {data}", "", f"{result['machine']}, {result['threads']} thread(s), {result['date']}.", ""]
        lines += [_line(["recipe", *budgets]), _line(["---"] * (1 + len(budgets)))]
        best = {budget: best_contenders(distances, budget) for budget in budgets}
        for name in sorted(distances, key=lambda name: min(distances[name].values())):
            lines.append(_line([name, *(_cell(result, distances, name, budget, best[budget]) for budget in budgets)]))
        lines += ["", f"![curves](budgets-{data}.png)", ""]
    return "\n".join(lines)


def _cell(
    result: Mapping[str, Any], distances: Mapping[str, Mapping[str, float]], name: str, budget: str, best: list[str]
) -> str:
    """Return a cell: the distance, bold among the best, and the number of examples."""
    if budget not in distances[name]:
        return ""
    outcomes = result["contenders"][name][budget].values()
    examples = statistics.median(outcome["examples"] for outcome in outcomes)
    value = f"{distances[name][budget]:.0f}"
    seeds = f", {len(outcomes)} seeds" if len(outcomes) > 1 else ""
    return f"{f'**{value}**' if name in best else value} ({examples / 1000:,.0f}k{seeds})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*", metavar="NAME=PATH")
    parser.add_argument("--budgets", nargs="*", default=["1m", "5m", "15m", "1h", "3h"])
    contenders = [f"{recipe}-{size}" for size in SIZES for recipe in RECIPES]
    parser.add_argument("--contenders", nargs="*", default=contenders, metavar="RECIPE-SIZE")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draw", action="store_true", help="only write the page and the charts")
    return parser.parse_args()


def main() -> None:
    """Train and evaluate the contenders, shortest budgets first, and write the results, the page and the charts."""
    options = parse_arguments()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    jobs = [
        (budget, argument, seed, contender)
        for budget in sorted(options.budgets, key=parse_seconds)
        for argument in options.data
        for seed in options.seeds
        for contender in options.contenders
    ]
    for budget, argument, seed, contender in () if options.draw else jobs:
        name, _, path = argument.partition("=")
        run = options.folder / f"{name}-{contender}-{budget}-{seed}"
        train(run, path, contender, budget, seed, options.threads)
        outcome = evaluate(run)
        result = results.setdefault(name, {"contenders": {}})
        result |= {"machine": platform.machine(), "threads": options.threads, "date": date.today().isoformat()}
        result["contenders"].setdefault(contender, {}).setdefault(budget, {})[str(seed)] = outcome
        RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
        print(run.name, f"{distance(outcome):.1f}", flush=True)
    for name, result in results.items():
        budgets_chart.draw(median_distances(result), DOCS / f"budgets-{name}.png")
    PAGE.write_text(page(results), "utf8")


if __name__ == "__main__":
    main()
