"""The page docs/fault-injection.md, from the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from faults import FAULTS
from outcomes import FAULT_FREE_OUTCOMES, RECOVERY_RATIO, Row, group_by_outcome, matching_findings, severe_findings

METHOD = """\
Runs with a fault are compared with their reference, the run without a fault of the same data, recipe and seed. A fault
is detected if one of its findings was present at any moment of the run; the next column counts references with one of
these findings. A fault is harmless if the run ended as well as its reference, and its effect is undetermined if the
reference is missing or has failed. A run without a fault has converged if it covers half of what real examples cover;
others were still improving, or failed by themselves, as the settings of some papers do in a short run. Runs on the data
and seeds on which the rules were tuned are counted separately."""
REMEDIES = f"""\
A run is remedied if its coverage at the end rises from below {RECOVERY_RATIO:.0%} of its reference's to at least that.
Most faults are settings that differ from the recipe's, so most recommendations are the recipe's defaults. A run without
recommendations is not trained again with recommended settings, so it is listed under automatic recovery alone. Two
changes to the recovery (acting on mild findings with a safe remedy, restarting after an early finding) were made after
these results had been seen, so the recovery was tuned on these runs."""


def render_page(results: Mapping[str, Any], run_name: Callable[[Row], str]) -> str:
    """Return the page as Markdown.

    Args:
        results: the content of results.json.
        run_name: returns the name of a run.
    """
    summary, runs = results["summary"], results["runs"]
    groups = group_by_outcome(runs)
    source = "`python benchmarks/fault_injection/table.py` from `benchmarks/fault_injection/results.json`"
    lines = ["# Fault injection", "", f"Made by {source}.", "", " ".join(METHOD.split()), ""]
    lines += _detection_tables(summary) + _duality_gap_table(summary)
    lines += ["", "## By fault", ""]
    lines += _table(
        ["fault", "effective", "detected", "findings of the fault", "other findings"],
        (_fault_row(title, groups) for title in FAULTS),
    )
    lines += ["", "## Runs without a fault that have converged or still improve, with a severe finding", ""]
    lines += _run_table([run for run in groups["converged"] + groups["improving"] if severe_findings(run)])
    lines += ["", "## Runs without a fault that failed", ""]
    lines += _run_table(groups["failed"])
    lines += ["", "## Runs that ended with an error", ""]
    lines += [f"- {run_name(run)}: {run['error']}" for run in runs if run["error"]] or ["None."]
    return "\n".join([*lines, *_remedies_section(results["remedies"])]) + "\n"


def _detection_tables(summary: Mapping[str, Row]) -> list[str]:
    lines = _table(
        ["runs", "effective faults", "detected", "references with the same finding", "harmless", "undetermined",
         "median rounds until detection", "as a fraction of the run"],
        ([name, row["effective"], _format_fraction(row["detected"], row["effective"]), row["detected_in_reference"],
          row["harmless"], row["undetermined"], row["median_delay_rounds"],
          _format_percentage(row["median_delay_fraction"])] for name, row in summary.items()),
    )  # fmt: skip
    lines += ["", "Runs without a fault that have a severe finding:", ""]
    return lines + _table(
        ["runs", "all", "converged (false alarms)", "still improving", "failed"],
        ([name, _format_fraction(sum(row["with_severe_findings"].values()),
                                 sum(row[outcome] for outcome in FAULT_FREE_OUTCOMES)),
          *(_format_fraction(row["with_severe_findings"][outcome], row[outcome]) for outcome in FAULT_FREE_OUTCOMES)]
         for name, row in summary.items()),
    )  # fmt: skip


def _duality_gap_table(summary: Mapping[str, Row]) -> list[str]:
    lines = [
        "",
        "## The duality gap",
        "",
        "Medians over runs, without Wasserstein objectives, which have no scale.",
        "",
    ]
    return lines + _table(
        ["runs", "good runs: first, last", "poor runs: first, last", "rank correlation with the final coverage",
         "within good runs (median)"],
        ([name, _format_pair(row["gap_of_good_runs"]), _format_pair(row["gap_of_poor_runs"]),
          f"{_format_number(row['rank_correlation'])} ({row['num_correlated_runs']} runs)",
          _format_number(row["rank_correlation_within_runs"])] for name, row in summary.items()),
    )  # fmt: skip


def _remedies_section(remedies: Mapping[str, Sequence[Row]]) -> list[str]:
    names = {"recommended": "recommended settings", "recovered": "automatic recovery"}
    lines = ["", "## Remedies", "", " ".join(REMEDIES.split()), ""]
    lines += _table(["remedy", "runs", "remedied"], (
        [names[name], len(rows), _format_fraction(sum(row["is_remedied"] for row in rows), len(rows))]
        for name, rows in remedies.items()
    ))  # fmt: skip
    return [*lines, "", *_table(["run", "remedy", "findings", "coverage before", "after", "reference"], (
        [row["run"], names[name], ", ".join(row["findings"]), f"{row['coverage_before']:.2f}",
         f"{row['coverage_after']:.2f}", f"{row['reference_coverage']:.2f}"]
        for name, rows in remedies.items() for row in rows
    ))]  # fmt: skip


def _fault_row(title: str, groups: Mapping[str, Sequence[Row]]) -> list[Any]:
    effective = [run for run in groups["effective"] if run["fault"] == title]
    total = sum(run["fault"] == title for group in groups.values() for run in group)
    counts: dict[str, int] = {}
    for run in effective:
        for name in run["findings"]:
            counts[name] = counts.get(name, 0) + 1
    by_count = sorted(counts.items(), key=lambda item: -item[1])
    matching, other = (
        ", ".join(f"{name} {count}" for name, count in by_count if (name in FAULTS[title].findings) is is_matching)
        for is_matching in (True, False)
    )
    detected = _format_fraction(sum(bool(matching_findings(run)) for run in effective), len(effective))
    return [title, f"{len(effective)} of {total}", detected, matching, other]


def _run_table(runs: Sequence[Row]) -> list[str]:
    return _table(
        ["data", "recipe", "seed", "severe findings", "coverage", "distance"],
        ([run["data"], run["recipe"], run["seed"], ", ".join(severe_findings(run)), f"{run['coverage']:.2f}",
          f"{run['distance']:.3f}"] for run in runs),
    )  # fmt: skip


def _format_fraction(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})" if total else "none"


def _format_percentage(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"


def _format_pair(values: Sequence[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.3g}" for value in values)


def _format_number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]
