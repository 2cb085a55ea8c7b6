"""Whether the doctor's prescriptions cure: the ward's curable patients played again, treated.

    python benchmarks/ward/cures.py FOLDER mnist=PATH ring grid [--worker 0/2]

Every curable patient in FOLDER is played twice more: from the beginning with the settings that its first severe finding
prescribed (FOLDER/prescribed), and as it was, but with `--recover` (FOLDER/rescued). Runs that are there are not made
again; `python benchmarks/ward/table.py FOLDER` counts them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from faults import FAULTS
from run_faults import Patient, play

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RunFolder

CHECKPOINTS = 12
"""In a run that may be rescued: what it can be put back to."""


def prescription(run: Path) -> tuple[str, dict[str, Any]]:
    """The name and the settings of the first severe finding that prescribes any, as a rescue takes it.

    Where there is none, of the first mild one.
    """
    folder = RunFolder(run)
    history, mild = LogHistory(read_run_facts(folder)), list[Finding]()
    for row in folder.rows():
        history.add_row(row)
        found = [finding for finding in diagnose_history(history) if finding.recommendations]
        if severe := [finding for finding in found if finding.severity is Severity.SEVERE]:
            return _settings(severe[0])
        mild = mild or found
    return _settings(mild[0]) if mild else ("", {})


def _settings(finding: Finding) -> tuple[str, dict[str, Any]]:
    return finding.name, {advice.setting: advice.value for advice in finding.recommendations}


def treat(folder: Path, places: dict[str, str], run: Path) -> None:
    """Play a patient twice more."""
    record = json.loads((run / "patient.json").read_text("utf8"))
    copied_game = Patient(*(record[name] for name in ("fault", "data", "recipe", "seed")))
    if (
        not copied_game.fault
        or not FAULTS[copied_game.fault].curable
        or copied_game.data not in places
        or record["broke"]
    ):
        return
    place = places[copied_game.data]
    finding, settings = prescription(run)
    if settings:
        play(folder / "prescribed", place, copied_game, settings)
        about = {"finding": finding, "settings": settings}
        (folder / "prescribed" / copied_game.name / "prescription.json").write_text(json.dumps(about) + "\n", "utf8")
    images = RunFolder(run).read_toml("recipe.toml")["training"]["images"]
    play(
        folder / "rescued",
        place,
        copied_game,
        {"training.checkpoint_examples": images // CHECKPOINTS, "diagnostics.max_recoveries": 3},
    )


def main() -> None:
    """Treat all, or a worker's share of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--worker", default="0/1")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    places = {name: place or name for name, _, place in (word.partition("=") for word in asked.data)}
    mine, workers = map(int, asked.worker.split("/"))
    for number, path in enumerate(sorted(asked.folder.glob("*/patient.json"))):
        if number % workers == mine:
            treat(asked.folder, places, path.parent)


if __name__ == "__main__":
    main()
