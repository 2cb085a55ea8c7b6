"""Measure how reliably the monitor detects faults, from the logs of the runs.

    python benchmarks/fault_injection/table.py FOLDER [--tuned mnist:0 ring:0 ...] [--discard-old]

Each log is read row by row, as the monitor reads it during training. Runs in benchmarks/fault_injection/results.json
whose logs are not in FOLDER keep their results, unless `--discard-old`; after a change of the rules all logs are
needed. The results go to benchmarks/fault_injection/results.json, the tables to docs/fault-injection.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS
from outcomes import RECOVERY_RATIO, Row, find_reference, has_converged, reference_runs, summarize
from page import render_page
from remedies import RECOMMENDATION_FILE
from run_faults import RECORD_FILE, FaultRun

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.signals import minimum, ratio, signal
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RECOVERIES_FILE, RunFolder

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE.parents[1] / "docs/fault-injection.md"
NUM_FINAL_PROBES = 3
"""Probes at the end of a run whose median is its result."""
TUNED = ("mnist:0", "ring:0", "grid:0", "fashion:1", "ring:1", "grid:1")
"""Data and seeds of the runs on which the thresholds of the rules were tuned."""


def diagnose_log(path: Path) -> Row:
    """Return the record of a run, when each finding first appeared, and the course of the run."""
    folder = RunFolder(path)
    record = json.loads((path / RECORD_FILE).read_text("utf8"))
    history = LogHistory(read_run_facts(folder))
    first: dict[str, Row] = {}
    final: list[str] = []
    for row in folder.rows():
        history.add_row(row)
        findings = diagnose_history(history)
        final = [finding.name for finding in findings]
        for finding in findings:
            first.setdefault(finding.name, {"round": row["round"], "severity": finding.severity.value})
    results = {"findings": first, "final_findings": final, "rounds": history["round"].last}
    return record | results | measure_course(history)


def measure_course(history: LogHistory) -> Row:
    """Return the results of a run that do not depend on the rules."""
    ema_coverage = ratio("monitor/ema_coverage", "monitor/coverage_floor")(history)
    coverage = ratio("monitor/coverage", "monitor/coverage_floor")(history)
    distance = minimum(signal("monitor/energy_distance"), signal("monitor/ema_energy_distance"))(history)
    gap = history["monitor/duality_gap"]
    objective = history.facts.get("settings", {}).get("objective", {}).get("kind", "")
    return {
        "coverage": _final_median(ema_coverage), "distance": _final_median(history["monitor/ema_energy_distance"]),
        "distance_ratio": _distance_ratio(distance.values),
        "duality_gap": [float(value) for value in gap.values],
        "coverage_at_gap": [float(value) for value in np.interp(gap.examples, coverage.examples, coverage.values)]
        if len(coverage.values) else [],
        "objective": objective,
    }  # fmt: skip


def _final_median(series: Series) -> float:
    return float(np.median(series.values[-NUM_FINAL_PROBES:])) if len(series.values) else 0.0


def _distance_ratio(distance: np.ndarray) -> float:
    """Return the minimum distance in the last third over the minimum before."""
    split = len(distance) * 2 // 3
    return float(distance[split:].min() / max(distance[:split].min(), 1e-9)) if split else 1.0


# ---------------------------------------------------------------------- remedies


def measure_remedies(folder: Path, runs: Sequence[Row]) -> Row:
    """Return the coverage of runs with faults before and after recommended settings and automatic recovery.

    Only runs below `RECOVERY_RATIO` of their reference's coverage, whose fault has a remedy and whose reference has
    converged, can be remedied.
    """
    references = reference_runs(runs)
    remedies: Row = {"recommended": [], "recovered": []}
    for run in runs:
        reference = find_reference(run, references)
        has_remedy = run["fault"] and FAULTS[run["fault"]].has_remedy
        if not has_remedy or not reference or not has_converged(reference):
            continue
        if run["coverage"] >= RECOVERY_RATIO * reference["coverage"]:
            continue
        for name, rows in remedies.items():
            path = folder / name / run_name(run)
            if (path / RECORD_FILE).exists():
                rows.append(_compare_coverage(path, run, reference))
    return remedies


def _compare_coverage(path: Path, run: Row, reference: Row) -> Row:
    recommendation = RunFolder(path).read_json(RECOMMENDATION_FILE)
    recoveries = [row["finding"] for row in RunFolder(path).rows(RECOVERIES_FILE)]
    coverage = diagnose_log(path)["coverage"]
    return {
        "run": run_name(run), "coverage_before": run["coverage"], "coverage_after": coverage,
        "reference_coverage": reference["coverage"],
        "findings": [recommendation["finding"]] if recommendation else recoveries,
        "is_remedied": coverage >= RECOVERY_RATIO * reference["coverage"],
    }  # fmt: skip


def run_name(run: Row) -> str:
    """Return the name of the run's folder."""
    return FaultRun(*(run[name] for name in ("fault", "data", "recipe", "seed"))).name


def merge(old: Sequence[Row], new: Sequence[Row], name_fn: Callable[[Row], str]) -> list[Row]:
    """Return old and new rows in order of their names; a new row replaces an old one of the same name."""
    return [row for _, row in sorted(({name_fn(row): row for row in old} | {name_fn(row): row for row in new}).items())]


def main() -> None:
    """Read the logs, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs that `run_faults.py` trained")
    parser.add_argument("--tuned", nargs="*", default=TUNED, help="data:seed of the runs on which rules were tuned")
    parser.add_argument("--discard-old", action="store_true", help="discard results whose logs are not in FOLDER")
    options = parser.parse_args()
    old = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() and not options.discard_old else {}
    new = [diagnose_log(path.parent) for path in sorted(options.folder.glob(f"*/{RECORD_FILE}"))]
    runs = merge(old.get("runs", []), new, run_name)
    tuned = [run for run in runs if f"{run['data']}:{run['seed']}" in options.tuned]
    others = [run for run in runs if f"{run['data']}:{run['seed']}" not in options.tuned]
    summary = {name: summarize(group) for name, group in (("tuned on", tuned), ("others", others)) if group}
    remedies = {
        name: merge(old.get("remedies", {}).get(name, []), rows, lambda row: str(row["run"]))
        for name, rows in measure_remedies(options.folder, runs).items()
    }
    results = {"summary": summary, "remedies": remedies, "runs": runs}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    PAGE.write_text(render_page(results, run_name), "utf8")
    print(PAGE.read_text("utf8"))


if __name__ == "__main__":
    main()
