"""How reliable the doctor is: every patient's log read again, line by line, as the doctor reads it live.

    python benchmarks/ward/table.py FOLDER [--tuned mnist:0 ring:0]

A fault is named if one of its findings stood at any moment of its run; a healthy run with a severe finding at any
moment is a false alarm. Patients whose data and seed the rules were tuned on are counted apart. Results go to
benchmarks/ward/ward.json, tables to docs/ward.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS

from zerosum.diagnosis.doctor import diagnose
from zerosum.diagnosis.facts import facts_of
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.history import History
from zerosum.run import RunFolder

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "ward.json", HERE.parents[1] / "docs/ward.md"
Row = dict[str, Any]


def read(run: Path) -> Row:
    """What the doctor said of a patient, and when first."""
    folder = RunFolder(run)
    record = json.loads((run / "patient.json").read_text("utf8"))
    history = History(facts_of(folder))
    first: dict[str, list[Any]] = {}
    last: list[str] = []
    for row in folder.rows():
        history.add(row)
        found = diagnose(history)
        last = [finding.name for finding in found]
        for finding in found:
            first.setdefault(finding.name, [row["round"], finding.severity.value])
    said = {name: {"round": when, "severity": severity} for name, (when, severity) in first.items()}
    means = {
        name: history[name].steadied().last
        for name in ("exam/gap", "exam/coverage", "exam/coverage_floor", "exam/spread")
    }
    return record | {"said": said, "last": last} | {name: None if math.isnan(v) else v for name, v in means.items()}


def right(patient: Row) -> list[str]:
    """The findings that name its fault rightly, of those that were made."""
    return [name for name in FAULTS[patient["fault"]].names if name in patient["said"]]


def alarms(patient: Row) -> list[str]:
    """Severe findings that were made."""
    return [name for name, about in patient["said"].items() if about["severity"] == Severity.SEVERE]


def summary(patients: Sequence[Row]) -> Row:
    """The figures of a group of patients."""
    ill = [patient for patient in patients if patient["fault"]]
    healthy = [patient for patient in patients if not patient["fault"]]
    named = [patient for patient in ill if right(patient)]
    delays = [min(patient["said"][name]["round"] for name in right(patient)) for patient in named]
    alarmed = [patient for patient in healthy if alarms(patient)]
    return {
        "faults": len(ill), "named": len(named), "healthy": len(healthy), "alarmed": len(alarmed),
        "delay": statistics.median(delays) if delays else None,
    }  # fmt: skip


def agreement(patients: Sequence[Row]) -> float:
    """Spearman's rank correlation of the duality gap and coverage at the runs' ends."""
    pairs = [
        (p["exam/gap"], p["exam/coverage"])
        for p in patients
        if p["exam/gap"] is not None and p["exam/coverage"] is not None
    ]
    if len(pairs) < 3:
        return math.nan
    ranks = [np.argsort(np.argsort(column)) for column in zip(*pairs, strict=True)]
    return float(np.corrcoef(*ranks)[0, 1])


def table(results: Mapping[str, Row], patients: Sequence[Row]) -> str:
    """Markdown, all of it from the results."""
    lines = ["# The ward", "", "Made by `python benchmarks/ward/table.py` from `benchmarks/ward/ward.json`.", ""]
    lines += _rows(["patients", "faults", "named", "healthy", "false alarms", "median rounds to the finding"], (
        [name, found["faults"], _share(found["named"], found["faults"]), found["healthy"],
         _share(found["alarmed"], found["healthy"]), found["delay"]]
        for name, found in results.items()
    ))  # fmt: skip
    lines += ["", "## By fault", ""]
    lines += _rows(["fault", "patients", "named", "as", "also said"], (_about(title, patients) for title in FAULTS))
    lines += ["", "## Healthy runs with a severe finding", ""]
    alarmed = [p for p in patients if not p["fault"] and alarms(p)]
    lines += _rows(
        ["data", "recipe", "seed", "said"], ([p["data"], p["recipe"], p["seed"], ", ".join(alarms(p))] for p in alarmed)
    )
    return "\n".join(lines) + "\n"


def _about(title: str, patients: Sequence[Row]) -> list[Any]:
    ill = [patient for patient in patients if patient["fault"] == title]
    as_, also = (
        {
            name: sum(name in p["said"] for p in ill)
            for p in ill
            for name in p["said"]
            if (name in FAULTS[title].names) is own
        }
        for own in (True, False)
    )
    said = [
        ", ".join(f"{name} {count}" for name, count in sorted(each.items(), key=lambda i: -i[1]))
        for each in (as_, also)
    ]
    return [title, len(ill), _share(sum(bool(right(patient)) for patient in ill), len(ill)), *said]


def _share(some: int, total: int) -> str:
    return f"{some} of {total} ({some / total:.0%})" if total else "none"


def _rows(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]


def main() -> None:
    """Read, count, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuned", nargs="*", default=[])
    asked = parser.parse_args()
    patients = [read(path.parent) for path in sorted(asked.folder.glob("*/patient.json"))]
    tuned = [p for p in patients if f"{p['data']}:{p['seed']}" in asked.tuned]
    others = [p for p in patients if f"{p['data']}:{p['seed']}" not in asked.tuned]
    results = {"tuned on": summary(tuned), "others": summary(others)}
    results["others"]["agreement"] = agreement(others)
    RESULT.write_text(json.dumps({"summary": results, "patients": patients}, indent=1) + "\n", "utf8")
    TABLE.write_text(table(results, patients), "utf8")
    print(TABLE.read_text("utf8"))


if __name__ == "__main__":
    main()
