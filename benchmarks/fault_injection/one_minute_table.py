"""Results of the runs of one minute, and their page; see `one_minute.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults import FAULTS
from run_faults import RECORD_FILE

from zerosum.diagnosis.diagnose import can_tell, diagnose_history
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RECOVERIES_FILE, RunFolder

Row = dict[str, Any]
HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "one_minute.json", HERE.parents[1] / "docs/one-minute-faults.md"
TUNED = ("fashion:0", "fashion:1", "ink:0")
"""Data and seeds of the runs that were looked at while rules were changed."""
DEAD_BY_ITSELF = {"ink": ("constant-output", "saturated-outputs")}
"""Data on which the recipe of that time ended with a dead generator without any fault, and the findings that say so."""
PROBE_PREFIX = "monitor/"
METHOD = """\
Each run has as many examples as one core trains in a minute, in size nano, and the probes that are planned for a run of
a minute; `auto` on images, and `pix2pix` on pairs. A fault is named if one of its findings was present at any moment of
the run, as a user would have seen it. The same is counted with the rows of the log alone, as of a run that is too short
to be probed. Rules were changed while the runs on data and seeds of the row "tuned" were looked at; the others were
trained and read once the rules stood, except that `discriminator-too-large` was made stricter afterwards, because of a
test. On `ink` (thin strokes on blank paper), `pix2pix` as it was then ended all white without any fault: that counts as
a fault."""


def diagnose_log(path: Path) -> Row:
    """Return the record of a run, with the findings by the whole log and by the log without probes."""
    folder = RunFolder(path)
    record: Row = json.loads((path / RECORD_FILE).read_text("utf8"))
    facts, rows = read_run_facts(folder), list(folder.rows())
    for name, prefix in (("findings", ""), ("findings_without_probes", PROBE_PREFIX)):
        history, first = LogHistory(facts), dict[str, Row]()
        for row in rows:
            history.add_row({key: value for key, value in row.items() if not prefix or not key.startswith(prefix)})
            for finding in diagnose_history(history):
                seen = first.setdefault(finding.name, {"round": row["round"], "severity": finding.severity.value})
                if finding.severity is Severity.SEVERE:
                    seen["severity"] = finding.severity.value
        record[name] = first
        if not prefix:
            record |= measure_course(history) | {"can_tell": bool(diagnose_history(history)) or can_tell(history)}
    return record


def measure_course(history: LogHistory) -> Row:
    """Return the number of probes and of rounds, and the coverage and distance at the end."""
    coverage = history["monitor/ema_coverage"].divided_by(history["monitor/coverage_floor"])
    return {
        "probes": len(history["monitor/finite"].values), "rounds": int(history["round"].last),
        "coverage": round(float(coverage.values[-3:].mean()), 3) if len(coverage.values) else None,
    }  # fmt: skip


def expected_findings(run: Row) -> tuple[str, ...]:
    """Return the findings that detect the fault of a run; none for a healthy run."""
    return FAULTS[run["fault"]].findings if run["fault"] else DEAD_BY_ITSELF.get(run["data"], ())


def is_named(run: Row, field: str = "findings") -> bool:
    """Return whether a finding of the run detects its fault."""
    return any(name in run[field] for name in expected_findings(run))


def severe(run: Row) -> list[str]:
    """Return the severe findings that a run had at any moment."""
    return [name for name, finding in run["findings"].items() if finding["severity"] == Severity.SEVERE]


def group_of(run: Row) -> str:
    """Return the group of a run in the summary."""
    return "tuned" if f"{run['data']}:{run['seed']}" in TUNED else "unseen"


def summarize(runs: Sequence[Row]) -> dict[str, Row]:
    """Return the counts of each group."""
    summary = {}
    for group in ("tuned", "unseen"):
        members = [run for run in runs if group_of(run) == group]
        faulty = [run for run in members if expected_findings(run)]
        healthy = [run for run in members if not expected_findings(run)]
        summary[group] = {
            "faults": len(faulty), "named": sum(map(is_named, faulty)),
            "named_without_probes": sum(is_named(run, "findings_without_probes") for run in faulty),
            "healthy": len(healthy), "with_severe_findings": sum(bool(severe(run)) for run in healthy),
            "fewest_probes": min((run["probes"] for run in members), default=0),
        }  # fmt: skip
    return summary


def write_results(folder: Path) -> None:
    """Read the logs of all runs, and write the results and the page; results of other runs are kept."""
    results: Row = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    results["runs"] = _merge(results.get("runs", []), [diagnose_log(p.parent) for p in _records(folder)])
    recovered = [_recovery(path.parent) for path in _records(folder / "recovered")]
    results["recovered"] = _merge(results.get("recovered", []), recovered)
    results["summary"] = summarize(results["runs"])
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    PAGE.write_text(render_page(results), "utf8")
    print(PAGE.read_text("utf8"))


def _records(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{RECORD_FILE}"))


def _recovery(path: Path) -> Row:
    """Return the record of a run with automatic recovery, and what it did."""
    recoveries = [{name: row[name] for name in ("finding", "since", "settings")} for row in
                  RunFolder(path).rows(RECOVERIES_FILE)]  # fmt: skip
    return diagnose_log(path) | {"recoveries": recoveries}


def _key(run: Row) -> tuple[str, ...]:
    return tuple(str(run[name]) for name in ("data", "seed", "recipe", "fault"))


def _merge(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    return [row for _, row in sorted(({_key(run): run for run in old} | {_key(run): run for run in new}).items())]


# ---------------------------------------------------------------------- page


def render_page(results: Row) -> str:
    """Return the page as Markdown."""
    runs = results["runs"]
    source = "`python benchmarks/fault_injection/one_minute.py table`"
    lines = ["# Faults in runs of one minute", "", f"Made by {source} from `one_minute.json` in that folder.", ""]
    lines += [METHOD, ""]
    rows = [
        [group, f"{row['named']} of {row['faults']}", f"{row['named_without_probes']} of {row['faults']}",
         f"{row['with_severe_findings']} of {row['healthy']}", row["fewest_probes"]]
        for group, row in results["summary"].items() if row["faults"] + row["healthy"]
    ]  # fmt: skip
    lines += _table(["runs", "faults named", "by the log alone", "healthy runs with a severe finding",
                     "fewest probes"], rows)  # fmt: skip
    for group in ("unseen", "tuned"):
        members = [run for run in runs if group_of(run) == group]
        if members:
            lines += ["", f"## Runs: {group}", "", *_table(
                ["data", "seed", "recipe", "fault", "named by", "by the log alone", "other findings", "probes"],
                [_run_row(run) for run in members],
            )]  # fmt: skip
    if results["recovered"]:
        lines += ["", "## Automatic recovery", "", *_table(
            ["data", "seed", "recipe", "fault", "recoveries", "coverage without", "with", "of a healthy run"],
            [_recovery_row(run, runs) for run in results["recovered"]],
        )]  # fmt: skip
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def _run_row(run: Row) -> list[object]:
    expected = expected_findings(run)
    by_log = [name for name in run["findings_without_probes"] if name in expected]
    named = [name for name in run["findings"] if name in expected]
    others = [f"**{name}**" if finding["severity"] == "severe" else name
              for name, finding in run["findings"].items() if name not in expected]  # fmt: skip
    missed = "not named" if expected else ""
    return [run["data"], run["seed"], run["recipe"], run["fault"] or "none", ", ".join(named) or missed,
            ", ".join(by_log) or missed, ", ".join(others), run["probes"]]  # fmt: skip


def _recovery_row(run: Row, runs: Sequence[Row]) -> list[object]:
    same = [other for other in runs if all(other[name] == run[name] for name in ("data", "seed", "recipe"))]
    faulty, healthy = ([other["coverage"] for other in same if other["fault"] == fault] for fault in (run["fault"], ""))
    recoveries = ", ".join(f"{row['finding']} at {row['since']:,}" for row in run["recoveries"]) or "none"
    return [run["data"], run["seed"], run["recipe"], run["fault"], recoveries, *(faulty or ["?"])[:1], run["coverage"],
            *(healthy or ["?"])[:1]]  # fmt: skip
