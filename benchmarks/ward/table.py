"""How reliable the doctor is: every patient's log read again, line by line, as the doctor reads it live.

    python benchmarks/ward/table.py FOLDER [--tuned mnist:0 ring:0]

A fault is named if one of the findings that name it rightly stood at any moment of its run. A fault that does not bite
is counted apart: its run ended as well as the healthy one of the same recipe, data and seed. So is a run without a
fault that came to nothing by itself, as some papers' settings do on some data: a severe finding is a false alarm only
where the run was well. Patients whose data and seed the rules were tuned on are counted apart. Results go to
benchmarks/ward/ward.json, tables to docs/ward.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS

from zerosum.diagnosis.doctor import diagnose
from zerosum.diagnosis.facts import facts_of
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.history import History, Series
from zerosum.diagnosis.readings import lower, of, ratio
from zerosum.run import RunFolder

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "ward.json", HERE.parents[1] / "docs/ward.md"
Row = dict[str, Any]
LAST = 3
"""Examinations at a run's end whose median says how it ended."""
HALF = 0.5
"""Of the reals' coverage: a run that reaches it is well."""
NEARER = 0.9
"""Of its least distance before the last third: a run that came so much nearer was still on its way, and well."""
BITES = 0.8
"""Of the healthy run's coverage, below which a fault has bitten; or twice its distance from the data."""
WASSERSTEIN = "wasserstein"


def read(run: Path) -> Row:
    """What the doctor said of a patient, when first, and how the run went."""
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
    return record | {"said": said, "last": last, "rounds": history["round"].last} | course(history)


def course(history: History) -> Row:
    """How the run went, by what does not depend on the rules."""
    average = ratio("exam/coverage_average", "exam/coverage_floor")(history)
    player = ratio("exam/coverage", "exam/coverage_floor")(history)
    distance = lower(of("exam/distance"), of("exam/distance_average"))(history)
    gap = history["exam/gap"]
    objective = history.facts.get("settings", {}).get("objective", {}).get("kind", "")
    return {
        "coverage": _end(average), "distance": _end(history["exam/distance_average"]),
        "nearer": _nearer(distance.values),
        "gap": [float(value) for value in gap.values],
        "covered": [float(value) for value in np.interp(gap.images, player.images, player.values)]
        if len(player.values) else [],
        "objective": objective,
    }  # fmt: skip


def _end(series: Series) -> float:
    return float(np.median(series.values[-LAST:])) if len(series.values) else 0.0


def _nearer(distance: np.ndarray) -> float:
    """The least distance in the last third over the least before."""
    cut = len(distance) * 2 // 3
    return float(distance[cut:].min() / max(distance[:cut].min(), 1e-9)) if cut else 1.0


# ---------------------------------------------------------------------- what counts


def right(patient: Row) -> list[str]:
    """The findings that name its fault rightly, of those that were made."""
    return [name for name in FAULTS[patient["fault"]].names if name in patient["said"]]


def alarms(patient: Row) -> list[str]:
    """Severe findings that were made."""
    return [name for name, about in patient["said"].items() if about["severity"] == Severity.SEVERE]


def well(patient: Row) -> bool:
    """Whether a run covered the data at its end, or was still on its way there."""
    return patient["coverage"] >= HALF or (0 < patient["nearer"] < NEARER and math.isfinite(patient["nearer"]))


def bitten(patient: Row, healthy: Mapping[tuple[str, str, int], Row]) -> bool:
    """Whether the fault did harm: by its nature, or against the healthy run of the same recipe, data and seed."""
    twin = healthy.get((patient["data"], patient["recipe"], patient["seed"]))
    if FAULTS[patient["fault"]].always or patient["state"] != "done" or twin is None:
        return True
    worse = patient["distance"] > 2 * max(twin["distance"], 0.01)
    return worse or patient["coverage"] < BITES * twin["coverage"]


def sorted_out(patients: Sequence[Row]) -> dict[str, list[Row]]:
    """The patients of each kind: bitten, unharmed, well, failed."""
    healthy = {(p["data"], p["recipe"], p["seed"]): p for p in patients if not p["fault"]}
    ill = [p for p in patients if p["fault"]]
    return {
        "bitten": [p for p in ill if bitten(p, healthy)],
        "unharmed": [p for p in ill if not bitten(p, healthy)],
        "well": [p for p in healthy.values() if well(p)],
        "failed": [p for p in healthy.values() if not well(p)],
    }


def summary(patients: Sequence[Row]) -> Row:
    """The figures of a group of patients."""
    kinds = sorted_out(patients)
    named = [p for p in kinds["bitten"] if right(p)]
    delays = [(min(p["said"][name]["round"] for name in right(p)), p["rounds"]) for p in named]
    return {
        "bitten": len(kinds["bitten"]), "named": len(named), "unharmed": len(kinds["unharmed"]),
        "well": len(kinds["well"]), "alarmed": sum(bool(alarms(p)) for p in kinds["well"]),
        "failed": len(kinds["failed"]), "told": sum(bool(alarms(p)) for p in kinds["failed"]),
        "delay": statistics.median(when for when, _ in delays) if delays else None,
        "delay_share": statistics.median(when / max(rounds, 1) for when, rounds in delays) if delays else None,
    } | gaps(kinds)  # fmt: skip


def gaps(kinds: Mapping[str, Sequence[Row]]) -> Row:
    """The duality gap at the beginning and the end of runs that are well and of those that are not; and its ranks.

    Where the objective has no scale of its own (Wasserstein), gaps of different runs are not compared.
    """
    scaled = {name: [p for p in each if p["gap"] and p["objective"] != WASSERSTEIN] for name, each in kinds.items()}
    good, bad = scaled["well"] + scaled["unharmed"], scaled["bitten"] + scaled["failed"]
    ends = [(p["gap"][-1], p["coverage"]) for p in good + bad]
    within = [rho for p in good if math.isfinite(rho := ranks(list(zip(p["gap"], p["covered"], strict=False))))]
    middle: Callable[[Iterable[float]], float] = lambda values: float(np.median([*values] or [math.nan]))  # noqa: E731
    return {
        "gap_well": [middle(p["gap"][0] for p in good), middle(p["gap"][-1] for p in good)],
        "gap_ill": [middle(p["gap"][0] for p in bad), middle(p["gap"][-1] for p in bad)],
        "rank": ranks(ends), "rank_within": middle(within), "runs": len(ends),
    }  # fmt: skip


def ranks(pairs: Sequence[tuple[float, float]]) -> float:
    """Spearman's rank correlation; not a number for fewer than four pairs."""
    if len(pairs) < 4:
        return math.nan
    first, second = (np.unique(column, return_inverse=True)[1] for column in zip(*pairs, strict=True))
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else math.nan


# ---------------------------------------------------------------------- cures


def cures(folder: Path, patients: Sequence[Row]) -> Row:
    """Of curable patients: how many come back to `BITES` of the healthy run's coverage, by prescription and rescued."""
    healthy = {(p["data"], p["recipe"], p["seed"]): p for p in patients if not p["fault"]}
    found: Row = {"prescribed": [], "rescued": []}
    for patient in patients:
        twin = healthy.get((patient["data"], patient["recipe"], patient["seed"]))
        curable = patient["fault"] and FAULTS[patient["fault"]].curable
        if not curable or not twin or not well(twin) or not bitten(patient, healthy):
            continue
        for way, each in found.items():
            run = folder / way / name_of(patient)
            treated = read(run) if (run / "patient.json").exists() else None
            if treated or (folder / way).exists():
                each.append(about_cure(run, patient, twin, treated))
    return found


def about_cure(run: Path, patient: Row, twin: Row, treated: Row | None) -> Row:
    """A patient before and after."""
    told = RunFolder(run).read_json("prescription.json") if treated else {}
    rescues = [row["finding"] for row in RunFolder(run).rows("rescues.jsonl")] if treated else []
    after = treated["coverage"] if treated else patient["coverage"]
    return {
        "patient": name_of(patient), "before": patient["coverage"], "after": after, "healthy": twin["coverage"],
        "by": [told["finding"]] if told else rescues, "cured": after >= BITES * twin["coverage"],
    }  # fmt: skip


def name_of(patient: Row) -> str:
    """Of its folder."""
    from patients import Patient

    return Patient(*(patient[name] for name in ("fault", "data", "recipe", "seed"))).name


# ---------------------------------------------------------------------- the page


def page(results: Mapping[str, Row], patients: Sequence[Row], treated: Row) -> str:
    """Markdown, all of it from the results."""
    kinds = sorted_out(patients)
    lines = ["# The ward", "", "Made by `python benchmarks/ward/table.py` from `benchmarks/ward/ward.json`.", ""]
    lines += [" ".join((__doc__ or "").split("\n\n")[2].split()), ""]
    head = ["patients", "faults that bite", "named rightly", "runs that are well", "false alarms",
            "runs that fail by themselves", "told so", "median rounds to the name", "share of the run"]  # fmt: skip
    lines += _rows(head, (
        [name, f["bitten"], _share(f["named"], f["bitten"]), f["well"], _share(f["alarmed"], f["well"]), f["failed"],
         _share(f["told"], f["failed"]), f["delay"], _percent(f["delay_share"])]
        for name, f in results.items()
    ))  # fmt: skip
    lines += ["", "## The duality gap", "", "Medians over runs, objectives without a scale (Wasserstein) left out.", ""]
    lines += _rows(
        ["patients", "well: first, last", "ill: first, last", "rank correlation with coverage at the end, over runs",
         "within runs that are well (median)"],
        ([name, _pair(f["gap_well"]), _pair(f["gap_ill"]), f"{f['rank']:.2f} ({f['runs']} runs)",
          f"{f['rank_within']:.2f}"] for name, f in results.items()),
    )  # fmt: skip
    lines += ["", "## By fault", ""]
    lines += _rows(["fault", "bites", "named", "as", "also said"], (_about(title, kinds) for title in FAULTS))
    lines += ["", "## Runs that are well, with a severe finding", ""]
    lines += _list([p for p in kinds["well"] if alarms(p)])
    lines += ["", "## Runs that fail by themselves", ""]
    lines += _list(kinds["failed"])
    return "\n".join([*lines, *_cured(treated)]) + "\n"


def _cured(treated: Row) -> list[str]:
    lines = ["", "## Cures", "", f"Cured: at least {BITES:.0%} of the healthy run's coverage at the end.", ""]
    lines += _rows(["way", "curable patients", "cured"], (
        [way, len(each), _share(sum(p["cured"] for p in each), len(each))] for way, each in treated.items()
    ))  # fmt: skip
    lines += [""]
    return lines + _rows(["patient", "way", "by", "coverage before", "after", "healthy"], (
        [p["patient"], way, ", ".join(p["by"]), f"{p['before']:.2f}", f"{p['after']:.2f}", f"{p['healthy']:.2f}"]
        for way, each in treated.items() for p in each
    ))  # fmt: skip


def _about(title: str, kinds: Mapping[str, Sequence[Row]]) -> list[Any]:
    ill = [p for p in kinds["bitten"] if p["fault"] == title]
    total = len(ill) + sum(p["fault"] == title for p in kinds["unharmed"])
    as_, also = (
        {name: sum(name in p["said"] for p in ill) for p in ill for name in p["said"]
         if (name in FAULTS[title].names) is own}
        for own in (True, False)
    )  # fmt: skip
    said = [
        ", ".join(f"{name} {count}" for name, count in sorted(each.items(), key=lambda i: -i[1]))
        for each in (as_, also)
    ]
    return [title, f"{len(ill)} of {total}", _share(sum(bool(right(patient)) for patient in ill), len(ill)), *said]


def _list(patients: Sequence[Row]) -> list[str]:
    return _rows(
        ["data", "recipe", "seed", "severe findings", "coverage", "distance"],
        ([p["data"], p["recipe"], p["seed"], ", ".join(alarms(p)), f"{p['coverage']:.2f}", f"{p['distance']:.3f}"]
         for p in patients),
    )  # fmt: skip


def _share(some: int, total: int) -> str:
    return f"{some} of {total} ({some / total:.0%})" if total else "none"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _pair(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


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
    results = {name: summary(each) for name, each in (("tuned on", tuned), ("others", others)) if each}
    treated = cures(asked.folder, patients)
    RESULT.write_text(json.dumps({"summary": results, "cures": treated, "patients": patients}, indent=1) + "\n", "utf8")
    TABLE.write_text(page(results, patients, treated), "utf8")
    print(TABLE.read_text("utf8"))


if __name__ == "__main__":
    main()
