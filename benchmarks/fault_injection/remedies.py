"""Train runs with faults again: with the recommended settings, and with automatic recovery.

    python benchmarks/fault_injection/remedies.py FOLDER mnist=PATH ring grid [--worker 0/2]

Every run in FOLDER whose fault has a remedy is trained twice more: from the beginning with the settings that its first
severe finding recommends (FOLDER/recommended), and unchanged with `diagnostics.max_recoveries` 3 (FOLDER/recovered).
Existing runs are not trained again. `python benchmarks/fault_injection/table.py FOLDER` counts the results.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from faults import FAULTS
from run_faults import RECORD_FILE, FaultRun, parse_sources, train

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RunFolder

NUM_CHECKPOINTS = 12
"""Checkpoints of a run with automatic recovery."""
RECOMMENDATION_FILE = "recommendation.json"
"""In the folder of a run with recommended settings: the finding and its settings."""


def first_recommendation(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of the run's first severe finding with recommendations, as recovery does.

    Without one, those of the first mild finding; without any, an empty name and no settings.
    """
    folder = RunFolder(path)
    history, mild = LogHistory(read_run_facts(folder)), list[Finding]()
    for row in folder.rows():
        history.add_row(row)
        findings = [finding for finding in diagnose_history(history) if finding.recommendations]
        if severe := [finding for finding in findings if finding.severity is Severity.SEVERE]:
            return _name_and_settings(severe[0])
        mild = mild or findings
    return _name_and_settings(mild[0]) if mild else ("", {})


def _name_and_settings(finding: Finding) -> tuple[str, dict[str, Any]]:
    return finding.name, {recommendation.setting: recommendation.value for recommendation in finding.recommendations}


def train_with_remedies(folder: Path, sources: dict[str, str], path: Path) -> None:
    """Train the run in `path` twice more, if its fault has a remedy."""
    record = json.loads((path / RECORD_FILE).read_text("utf8"))
    run = FaultRun(*(record[name] for name in ("fault", "data", "recipe", "seed")))
    if not run.fault or not FAULTS[run.fault].has_remedy or run.data not in sources or record["error"]:
        return
    source = sources[run.data]
    finding, settings = first_recommendation(path)
    if settings:
        train(folder / "recommended", source, run, settings)
        recommendation = json.dumps({"finding": finding, "settings": settings})
        (folder / "recommended" / run.name / RECOMMENDATION_FILE).write_text(recommendation + "\n", "utf8")
    examples = RunFolder(path).read_toml("recipe.toml")["training"]["examples"]
    recovery = {"training.checkpoint_examples": examples // NUM_CHECKPOINTS, "diagnostics.max_recoveries": 3}
    train(folder / "recovered", source, run, recovery)


def main() -> None:
    """Train all runs, or a worker's part of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs that `run_faults.py` trained")
    parser.add_argument("data", nargs="+", help="datasets: NAME=PATH, or the name of a built-in dataset")
    parser.add_argument("--worker", default="0/1", help="index of this worker and number of workers, such as 0/2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = parse_sources(options.data)
    worker, num_workers = map(int, options.worker.split("/"))
    for index, record in enumerate(sorted(options.folder.glob(f"*/{RECORD_FILE}"))):
        if index % num_workers == worker:
            train_with_remedies(options.folder, sources, record.parent)


if __name__ == "__main__":
    main()
