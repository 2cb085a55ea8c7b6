"""How reliable the doctor is: every patient's log read again, line by line, as the doctor reads it live.

    python benchmarks/ward/table.py FOLDER [--tuned mnist:0 ring:0 ...] [--anew]

Patients in benchmarks/ward/results.json whose logs are not in FOLDER stay as they were read, unless `--anew`; after a
change of the rules all logs have to be there.

A fault is named if one of the findings that name it rightly stood at any moment of its run; beside it stands how often
one of these stood against the healthy run of the same recipe, data and seed. A fault that does not bite, whose run
ended as well as that healthy one, is counted apart, and so is one whose healthy run is missing or came to nothing. A
run without a fault is well if it covers half of what real examples cover; others were still coming nearer to the data,
or came to nothing by themselves, as some papers' settings do in a short run. Patients whose data and seed the rules
were tuned on are counted apart. Results go to benchmarks/ward/results.json, tables to docs/ward.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.signals import minimum, ratio, signal
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RunFolder

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results.json", HERE.parents[1] / "docs/fault-injection.md"
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
TUNED = ("mnist:0", "ring:0", "grid:0", "fashion:1", "ring:1", "grid:1")
"""What the rules' limits were set by."""


def read(run: Path) -> Row:
    """What the doctor said of a patient, when first, and how the run went."""
    folder = RunFolder(run)
    record = json.loads((run / "patient.json").read_text("utf8"))
    history = LogHistory(read_run_facts(folder))
    first: dict[str, list[Any]] = {}
    last: list[str] = []
    for row in folder.rows():
        history.add_row(row)
        found = diagnose_history(history)
        last = [finding.name for finding in found]
        for finding in found:
            first.setdefault(finding.name, [row["round"], finding.severity.value])
    said = {name: {"round": when, "severity": severity} for name, (when, severity) in first.items()}
    return record | {"said": said, "last": last, "rounds": history["round"].last} | course(history)


def course(history: LogHistory) -> Row:
    """How the run went, by what does not depend on the rules."""
    average = ratio("monitor/ema_coverage", "monitor/coverage_floor")(history)
    player = ratio("monitor/coverage", "monitor/coverage_floor")(history)
    distance = minimum(signal("monitor/energy_distance"), signal("monitor/ema_energy_distance"))(history)
    gap = history["monitor/duality_gap"]
    objective = history.facts.get("settings", {}).get("objective", {}).get("kind", "")
    return {
        "coverage": _end(average), "distance": _end(history["monitor/ema_energy_distance"]),
        "nearer": _nearer(distance.values),
        "gap": [float(value) for value in gap.values],
        "covered": [float(value) for value in np.interp(gap.examples, player.examples, player.values)]
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
    """Whether a run covered the data at its end."""
    return bool(patient["coverage"] >= HALF)


def coming(patient: Row) -> bool:
    """Whether a run was still on its way to the data."""
    return bool(patient["nearer"] < NEARER)


def twin_of(patient: Row, healthy: Mapping[tuple[str, str, int], Row]) -> Row | None:
    """The healthy run of the same recipe, data and seed."""
    return healthy.get((patient["data"], patient["recipe"], patient["seed"]))


def harm(patient: Row, healthy: Mapping[tuple[str, str, int], Row]) -> str:
    """What the fault did, by its nature or against its twin: "bitten", "unharmed", or "untold"."""
    twin = twin_of(patient, healthy)
    if FAULTS[patient["fault"]].always or patient["state"] != "done":
        return "bitten"
    if twin is None or not well(twin):
        return "untold"
    worse = patient["distance"] > 2 * max(twin["distance"], 0.01)
    return "bitten" if worse or patient["coverage"] < BITES * twin["coverage"] else "unharmed"


def sorted_out(patients: Sequence[Row]) -> dict[str, list[Row]]:
    """The patients of each kind: bitten, unharmed, untold; well, coming, failed."""
    healthy = by_twin(patients)
    kinds: dict[str, list[Row]] = {kind: [] for kind in ("bitten", "unharmed", "untold", "well", "coming", "failed")}
    for copied_game in patients:
        kind = "well" if well(copied_game) else "coming" if coming(copied_game) else "failed"
        kinds[harm(copied_game, healthy) if copied_game["fault"] else kind].append(copied_game)
    return kinds


def by_twin(patients: Sequence[Row]) -> dict[tuple[str, str, int], Row]:
    """Healthy runs by data, recipe and seed."""
    return {(p["data"], p["recipe"], p["seed"]): p for p in patients if not p["fault"]}


def summary(patients: Sequence[Row]) -> Row:
    """The figures of a group of patients."""
    kinds = sorted_out(patients)
    named = [p for p in kinds["bitten"] if right(p)]
    delays = [(min(p["said"][name]["round"] for name in right(p)), p["rounds"]) for p in named]
    return {
        **{kind: len(each) for kind, each in kinds.items()}, "named": len(named),
        "twins": sum(likewise(p, by_twin(patients)) for p in kinds["bitten"]),
        "alarmed": {kind: sum(bool(alarms(p)) for p in kinds[kind]) for kind in ("well", "coming", "failed")},
        "delay": statistics.median(when for when, _ in delays) if delays else None,
        "delay_share": statistics.median(when / max(rounds, 1) for when, rounds in delays) if delays else None,
    } | gaps(kinds)  # fmt: skip


def likewise(patient: Row, healthy: Mapping[tuple[str, str, int], Row]) -> bool:
    """Whether a healthy twin was said to have what names the fault rightly."""
    twin = twin_of(patient, healthy)
    return twin is not None and any(name in twin["said"] for name in FAULTS[patient["fault"]].names)


def gaps(kinds: Mapping[str, Sequence[Row]]) -> Row:
    """The duality gap at the beginning and the end of runs that are well and of those that are not; and its ranks.

    Where the objective has no scale of its own (Wasserstein), gaps of different runs are not compared.
    """
    scaled = {name: [p for p in each if p["gap"] and p["objective"] != WASSERSTEIN] for name, each in kinds.items()}
    good, bad = scaled["well"] + [p for p in scaled["unharmed"] if well(p)], scaled["bitten"] + scaled["failed"]
    ends = [(p["gap"][-1], p["coverage"]) for p in good + bad]
    within = [rho for p in good if (rho := ranks(list(zip(p["gap"], p["covered"], strict=False)))) is not None]
    return {
        "gap_well": [middle(p["gap"][0] for p in good), middle(p["gap"][-1] for p in good)],
        "gap_ill": [middle(p["gap"][0] for p in bad), middle(p["gap"][-1] for p in bad)],
        "rank": ranks(ends), "rank_within": middle(within), "runs": len(ends),
    }  # fmt: skip


def middle(values: Iterable[float]) -> float | None:
    """The median, where there is any value."""
    each = [*values]
    return float(np.median(each)) if each else None


def ranks(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; None for fewer than four pairs."""
    if len(pairs) < 4:
        return None
    first, second = (_ranked(np.array(column)) for column in zip(*pairs, strict=True))
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else None


def _ranked(values: np.ndarray) -> np.ndarray:
    order = np.sort(values)
    ranked: np.ndarray = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right") - 1) / 2
    return ranked


# ---------------------------------------------------------------------- cures


def cures(folder: Path, patients: Sequence[Row]) -> Row:
    """Of curable patients: how many come back to `BITES` of the healthy run's coverage, by prescription and rescued."""
    healthy = by_twin(patients)
    found: Row = {"prescribed": [], "rescued": []}
    for copied_game in patients:
        twin = twin_of(copied_game, healthy)
        curable = copied_game["fault"] and FAULTS[copied_game["fault"]].curable
        if not curable or not twin or not well(twin) or copied_game["coverage"] >= BITES * twin["coverage"]:
            continue
        for way, each in found.items():
            run = folder / way / name_of(copied_game)
            if (run / "patient.json").exists():
                each.append(about_cure(run, copied_game, twin, read(run)))
    return found


def about_cure(run: Path, patient: Row, twin: Row, treated: Row) -> Row:
    """A patient before and after."""
    conditioning = RunFolder(run).read_json("prescription.json")
    rescues = [row["finding"] for row in RunFolder(run).rows("rescues.jsonl")]
    after = treated["coverage"]
    return {
        "patient": name_of(patient), "before": patient["coverage"], "after": after, "healthy": twin["coverage"],
        "by": [conditioning["finding"]] if conditioning else rescues, "cured": after >= BITES * twin["coverage"],
    }  # fmt: skip


def name_of(patient: Row) -> str:
    """Of its folder."""
    from patients import Patient

    return Patient(*(patient[name] for name in ("fault", "data", "recipe", "seed"))).name


# ---------------------------------------------------------------------- the page


def page(results: Mapping[str, Row], patients: Sequence[Row], treated: Row) -> str:
    """Markdown, all of it from the results."""
    kinds = sorted_out(patients)
    lines = ["# The ward", "", "Made by `python benchmarks/ward/table.py` from `benchmarks/ward/results.json`.", ""]
    lines += [" ".join((__doc__ or "").split("\n\n")[3].split()), ""]
    lines += _rows(
        ["patients", "faults that bite", "named rightly", "their healthy twins said to have the same", "unharmed",
         "cannot be told", "median rounds to the name", "share of the run"],
        ([name, f["bitten"], _share(f["named"], f["bitten"]), f["twins"], f["unharmed"], f["untold"], f["delay"],
          _percent(f["delay_share"])] for name, f in results.items()),
    )  # fmt: skip
    lines += ["", "Severe findings against runs without a fault:", ""]
    lines += _rows(
        ["patients", "all", "that are well (false alarms)", "still coming nearer", "that came to nothing"],
        ([name, _share(sum(f["alarmed"].values()), sum(f[kind] for kind in f["alarmed"])),
          *(_share(f["alarmed"][kind], f[kind]) for kind in ("well", "coming", "failed"))]
         for name, f in results.items()),
    )  # fmt: skip
    lines += ["", "## The duality gap", "", "Medians over runs, objectives without a scale (Wasserstein) left out.", ""]
    lines += _rows(
        ["patients", "well: first, last", "ill: first, last", "rank correlation with coverage at the end, over runs",
         "within runs that are well (median)"],
        ([name, _pair(f["gap_well"]), _pair(f["gap_ill"]), f"{_said(f['rank'])} ({f['runs']} runs)",
          _said(f["rank_within"])] for name, f in results.items()),
    )  # fmt: skip
    lines += ["", "## By fault", ""]
    lines += _rows(["fault", "bites", "named", "as", "also said"], (_about(title, kinds) for title in FAULTS))
    lines += ["", "## Runs without a fault that are well or still coming nearer, with a severe finding", ""]
    lines += _list([p for p in kinds["well"] + kinds["coming"] if alarms(p)])
    lines += ["", "## Runs without a fault that came to nothing", ""]
    lines += _list(kinds["failed"])
    lines += ["", "## Runs that broke", ""]
    lines += [f"- {name_of(p)}: {p['broke']}" for p in patients if p["broke"]] or ["None."]
    return "\n".join([*lines, *_cured(treated)]) + "\n"


def _cured(treated: Row) -> list[str]:
    about = f"Cured: from below {BITES:.0%} of the healthy run's coverage at the end to at least that. Most faults are "
    about += (
        "settings that differ from the recipe's, so most prescriptions are the recipe's own. A patient that nothing "
    )
    about += "was prescribed to is not played again, so it stands among the rescued alone: it was not cured by "
    about += (
        "prescription either. Two changes to rescues (a mild finding whose cure cannot harm; beginning anew after an "
    )
    about += "early finding) were made after these patients had been seen, so the rescues are not of unseen ones."
    lines = ["", "## Cures", "", about, ""]
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
    total = sum(p["fault"] == title for each in kinds.values() for p in each)
    as_, also = (
        {name: sum(name in p["said"] for p in ill) for p in ill for name in p["said"]
         if (name in FAULTS[title].names) is own}
        for own in (True, False)
    )  # fmt: skip
    said = [
        ", ".join(f"{name} {count}" for name, count in sorted(each.items(), key=lambda i: -i[1]))
        for each in (as_, also)
    ]
    return [
        title,
        f"{len(ill)} of {total}",
        _share(sum(bool(right(copied_game)) for copied_game in ill), len(ill)),
        *said,
    ]


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


def _pair(values: Sequence[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _rows(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]


def joined(before: Sequence[Row], found: Sequence[Row], name: Callable[[Row], str]) -> list[Row]:
    """Rows as they were, but for those found again, and new ones; in order of their names."""
    return [row for _, row in sorted(({name(row): row for row in before} | {name(row): row for row in found}).items())]


def main() -> None:
    """Read, count, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuned", nargs="*", default=TUNED, help="data and seeds the rules were tuned on")
    parser.add_argument("--anew", action="store_true", help="forget the patients whose logs are not in FOLDER")
    asked = parser.parse_args()
    before = json.loads(RESULT.read_text("utf8")) if RESULT.exists() and not asked.anew else {}
    found = [read(path.parent) for path in sorted(asked.folder.glob("*/patient.json"))]
    patients = joined(before.get("patients", []), found, name_of)
    tuned = [p for p in patients if f"{p['data']}:{p['seed']}" in asked.tuned]
    others = [p for p in patients if f"{p['data']}:{p['seed']}" not in asked.tuned]
    results = {name: summary(each) for name, each in (("tuned on", tuned), ("others", others)) if each}
    treated = {
        way: joined(before.get("cures", {}).get(way, []), each, lambda row: str(row["patient"]))
        for way, each in cures(asked.folder, patients).items()
    }
    RESULT.write_text(json.dumps({"summary": results, "cures": treated, "patients": patients}, indent=1) + "\n", "utf8")
    TABLE.write_text(page(results, patients, treated), "utf8")
    print(TABLE.read_text("utf8"))


if __name__ == "__main__":
    main()
