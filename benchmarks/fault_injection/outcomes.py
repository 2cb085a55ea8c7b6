"""Outcomes of runs with and without faults, and the figures of a group of runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from faults import FAULTS

from zerosum.diagnosis.finding import Severity

Row = dict[str, Any]
References = Mapping[tuple[str, str, int], Row]
"""Fault-free runs by data, recipe and seed."""
CONVERGED_COVERAGE = 0.5
"""Coverage, relative to that of real examples, from which a run has converged."""
IMPROVING_RATIO = 0.9
"""A run still improves if its minimum distance from the data in the last third is below this fraction of the rest."""
RECOVERY_RATIO = 0.8
"""A fault is effective below this fraction of the reference's coverage, or beyond twice its distance from the data."""
FAULT_OUTCOMES = ("effective", "harmless", "undetermined")
FAULT_FREE_OUTCOMES = ("converged", "improving", "failed")
MIN_RANKED_PAIRS = 4


def matching_findings(run: Row) -> list[str]:
    """Return the findings of a run that detect its fault."""
    return [name for name in FAULTS[run["fault"]].findings if name in run["findings"]]


def severe_findings(run: Row) -> list[str]:
    """Return the severe findings of a run."""
    return [name for name, finding in run["findings"].items() if finding["severity"] == Severity.SEVERE]


def has_converged(run: Row) -> bool:
    """Return whether a run covers the data at its end."""
    return bool(run["coverage"] >= CONVERGED_COVERAGE)


def is_improving(run: Row) -> bool:
    """Return whether a run was still approaching the data at its end."""
    return bool(run["distance_ratio"] < IMPROVING_RATIO)


def reference_runs(runs: Sequence[Row]) -> References:
    """Return the fault-free runs by data, recipe and seed."""
    return {(run["data"], run["recipe"], run["seed"]): run for run in runs if not run["fault"]}


def find_reference(run: Row, references: References) -> Row | None:
    """Return the fault-free run of the same data, recipe and seed."""
    return references.get((run["data"], run["recipe"], run["seed"]))


def fault_outcome(run: Row, references: References) -> str:
    """Return whether a fault was effective, by its nature or compared with the reference; see `FAULT_OUTCOMES`."""
    reference = find_reference(run, references)
    if FAULTS[run["fault"]].is_always_effective or run["state"] != "done":
        return "effective"
    if reference is None or not has_converged(reference):
        return "undetermined"
    is_farther = run["distance"] > 2 * max(reference["distance"], 0.01)
    return "effective" if is_farther or run["coverage"] < RECOVERY_RATIO * reference["coverage"] else "harmless"


def group_by_outcome(runs: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the runs of each outcome."""
    references = reference_runs(runs)
    groups: dict[str, list[Row]] = {outcome: [] for outcome in (*FAULT_OUTCOMES, *FAULT_FREE_OUTCOMES)}
    for run in runs:
        if run["fault"]:
            groups[fault_outcome(run, references)].append(run)
        else:
            groups["converged" if has_converged(run) else "improving" if is_improving(run) else "failed"].append(run)
    return groups


def summarize(runs: Sequence[Row]) -> Row:
    """Return the figures of a group of runs."""
    groups, references = group_by_outcome(runs), reference_runs(runs)
    detected = [run for run in groups["effective"] if matching_findings(run)]
    delays = [
        (min(run["findings"][name]["round"] for name in matching_findings(run)), run["rounds"]) for run in detected
    ]
    return {
        **{outcome: len(group) for outcome, group in groups.items()}, "detected": len(detected),
        "detected_in_reference": sum(_is_in_reference(run, references) for run in groups["effective"]),
        "with_severe_findings": {
            outcome: sum(bool(severe_findings(run)) for run in groups[outcome]) for outcome in FAULT_FREE_OUTCOMES
        },
        "median_delay_rounds": statistics.median(delay for delay, _ in delays) if delays else None,
        "median_delay_fraction": statistics.median(delay / max(rounds, 1) for delay, rounds in delays)
        if delays else None,
    } | duality_gap_figures(groups)  # fmt: skip


def _is_in_reference(run: Row, references: References) -> bool:
    """Return whether the fault-free reference has a finding that detects the fault of the run."""
    reference = find_reference(run, references)
    return reference is not None and any(name in reference["findings"] for name in FAULTS[run["fault"]].findings)


def duality_gap_figures(groups: Mapping[str, Sequence[Row]]) -> Row:
    """Return the duality gap of good and of poor runs, first and last, and its rank correlation with coverage.

    Wasserstein objectives have no scale of their own, so the gaps of such runs are not compared.
    """
    scaled = {
        outcome: [run for run in group if run["duality_gap"] and run["objective"] != "wasserstein"]
        for outcome, group in groups.items()
    }
    good = scaled["converged"] + [run for run in scaled["harmless"] if has_converged(run)]
    poor = scaled["effective"] + scaled["failed"]
    final_pairs = [(run["duality_gap"][-1], run["coverage"]) for run in good + poor]
    correlations = [
        rank_correlation(list(zip(run["duality_gap"], run["coverage_at_gap"], strict=False))) for run in good
    ]
    return {
        "gap_of_good_runs": [_median(run["duality_gap"][index] for run in good) for index in (0, -1)],
        "gap_of_poor_runs": [_median(run["duality_gap"][index] for run in poor) for index in (0, -1)],
        "rank_correlation": rank_correlation(final_pairs), "num_correlated_runs": len(final_pairs),
        "rank_correlation_within_runs": _median(value for value in correlations if value is not None),
    }  # fmt: skip


def _median(values: Iterable[float]) -> float | None:
    numbers = [*values]
    return float(np.median(numbers)) if numbers else None


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation; None for fewer than four pairs or constant values."""
    if len(pairs) < MIN_RANKED_PAIRS:
        return None
    first, second = (_mean_ranks(np.array(column)) for column in zip(*pairs, strict=True))
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else None


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal values have their mean rank."""
    order = np.sort(values)
    ranks: np.ndarray = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right") - 1) / 2
    return ranks
