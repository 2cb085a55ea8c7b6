"""Findings of a run, from its log alone."""

from __future__ import annotations

from collections.abc import Iterator

from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import Row, RunFolder


def diagnose_history(history: LogHistory) -> list[Finding]:
    """What is the matter at the end of a history, the worst first."""
    found = [finding for rule in RULES if (finding := rule(history))]
    order = list(Severity)
    return sorted(found, key=lambda finding: (order.index(finding.severity), -finding.confidence))


def diagnose_run(folder: RunFolder, log: str = "log.jsonl") -> tuple[LogHistory, list[Finding]]:
    """A run's history as its log has it, and what is the matter at its end."""
    history = LogHistory.from_rows(folder.rows(log), read_run_facts(folder))
    for row in read_evaluation_signals(folder):
        history.add_row(row)
    return history, diagnose_history(history)


def read_evaluation_signals(folder: RunFolder) -> Iterator[Row]:
    """What judgements in passing saw, as lines of a log."""
    for row in folder.rows("scores.jsonl"):
        if row.get("mode") == "online" and "signals" in row:
            yield {"examples": row["examples"], **row["signals"]}
