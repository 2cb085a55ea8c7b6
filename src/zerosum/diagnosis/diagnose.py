"""Diagnosis of a run from its log alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.rules.signals import MIN_RECENT_PROBES
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import Row, RunFolder
from zerosum.units import format_count

MIN_PROBES = 2 * MIN_RECENT_PROBES + 2
"""Number of probes that show whether the distance to the data still decreases, which most findings need; fewer cannot
tell that a run has no problem."""
MIN_COVERAGE = 0.1
"""Coverage, relative to that of real examples, below which a run is at its beginning."""


def diagnose_history(history: LogHistory) -> list[Finding]:
    """Return the findings at the end of a history, one of each name, ordered by severity, then by confidence.

    Example:
        >>> history = LogHistory.from_rows([{"examples": 64, "round": 1, "discriminator/objective": float("nan")}])
        >>> [finding.name for finding in diagnose_history(history)]
        ['nonfinite-values']
    """
    findings = [finding for rule in RULES if (finding := rule(history))]
    order = list(Severity)
    findings.sort(key=lambda finding: (order.index(finding.severity), -finding.confidence))
    # the same problem may be found by probes and from the log alone
    by_name: dict[str, Finding] = {}
    for finding in findings:
        by_name.setdefault(finding.name, finding)
    return list(by_name.values())


def count_probes(history: LogHistory) -> int:
    """Return how many times the game was probed."""
    return len(history["monitor/finite"].values)


def latest_coverage(history: LogHistory) -> float:
    """Return the part of what real examples cover that samples of the last probes cover; NaN where it is not known."""
    values = [
        float(np.median(series.values[-MIN_RECENT_PROBES:]))
        for name in ("monitor/coverage", "monitor/ema_coverage")
        if len((series := history[name].divided_by(history["monitor/coverage_floor"])).values)
    ]
    return max(values, default=math.nan)


def can_tell(history: LogHistory) -> bool:
    """Return whether the game was probed often enough, and has come far enough, to say that no problem was found."""
    return count_probes(history) >= MIN_PROBES and not latest_coverage(history) < MIN_COVERAGE


def describe_no_findings(history: LogHistory) -> str:
    """Return in one sentence what it means that there are no findings.

    Example:
        >>> describe_no_findings(LogHistory())  # doctest: +ELLIPSIS
        'cannot tell whether there is a problem: the game was probed 0 times, ...'
    """
    probes = count_probes(history)
    times = f"{format_count(probes)} {'time' if probes == 1 else 'times'}"
    if probes < MIN_PROBES:
        return (
            f"cannot tell whether there is a problem: the game was probed {times}, and most findings need {MIN_PROBES} "
            "probes; nothing was found in the log alone, which shows only some problems; train longer, or set "
            "`diagnostics.every_examples`; a probe needs 16 training and 16 held-out examples (`data.held_out`)"
        )
    if not can_tell(history):
        return (
            f"cannot tell yet whether there is a problem: none was found, and the game was probed {times}, but samples "
            f"cover only {latest_coverage(history):.0%} of what real examples cover, as at the beginning of a run; "
            "train longer"
        )
    return f"no problem was found; the game was probed {times}"


def diagnose_rows(
    log_rows: Iterable[Row], score_rows: Iterable[Row], facts: Mapping[str, Row]
) -> tuple[LogHistory, list[Finding]]:
    """Diagnose the end of a run.

    Args:
        log_rows: the rows of log.jsonl.
        score_rows: the rows of scores.jsonl.
        facts: the facts of the run; see `zerosum.diagnosis.run_facts`.

    Returns:
        The history of the run, and its findings, the most severe first.
    """
    history = LogHistory.from_rows(log_rows, facts)
    for row in _evaluation_signals(score_rows):
        history.add_row(row)
    return history, diagnose_history(history)


def diagnose_run(folder: RunFolder, log: str = "log.jsonl") -> tuple[LogHistory, list[Finding]]:
    """Read the log of a run and diagnose its end.

    Args:
        folder: folder of the run, or the folder that holds a log.
        log: file name of the log in `folder`.

    Returns:
        The history of the run, and its findings, the most severe first.
    """
    return diagnose_rows(folder.rows(log), folder.rows("scores.jsonl"), read_run_facts(folder))


def read_evaluation_signals(folder: RunFolder) -> Iterator[Row]:
    """Yield the signals of online evaluations (`evaluation/...`) of a run as rows of a log."""
    return _evaluation_signals(folder.rows("scores.jsonl"))


def _evaluation_signals(score_rows: Iterable[Row]) -> Iterator[Row]:
    for row in score_rows:
        if row.get("mode") == "online" and "signals" in row:
            yield {"examples": row["examples"], **row["signals"]}
