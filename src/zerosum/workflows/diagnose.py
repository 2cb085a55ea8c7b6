"""The verb `diagnose`: what is the matter with a run, or with any log."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.signals import MIN_RECENT_PROBES
from zerosum.diagnosis.signal_catalog import latest_signals
from zerosum.errors import BadInput
from zerosum.reporting.diagnosis_section import format_findings
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.units import format_count

if TYPE_CHECKING:
    from zerosum.diagnosis.finding import Finding
    from zerosum.diagnosis.log_history import LogHistory

MIN_PROBES = 2 * MIN_RECENT_PROBES + 2
"""Examinations from which it can be told whether samples still come nearer to the data."""


def diagnose(run: str | Path) -> list[Finding]:
    """What is the matter with a run, whether it is over, being played or crashed, or with any `log.jsonl`.

    Args:
        run: the run's folder, whose report is written anew with the doctor's page; or a log's file.

    Returns:
        The findings that stand at the log's end, the worst first.

    Raises:
        BadInput: it is neither, or nothing is logged yet.
    """
    path = Path(run)
    _, findings = _diagnose_path(path)
    if path.is_dir():
        with suppress(PermissionError):  # of a run that may only be read
            write_report(path)
    return findings


def _diagnose_path(path: Path) -> tuple[LogHistory, list[Finding]]:
    if path.is_file():
        try:
            history, findings = diagnose_run(RunFolder(path.parent), path.name)
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is no text; name a run's folder, or its log.jsonl") from error
    else:
        history, findings = diagnose_run(RunFolder.open(path))
    if not history.examples:
        what = "holds no line of a log (a JSON object with `images`)" if path.is_file() else "has logged nothing yet"
        raise BadInput(f"{path} {what}; train first, or wait for the first line")
    return history, findings


def has_severe(findings: list[Finding]) -> bool:
    """Whether one of them is severe."""
    return any(finding.severity is Severity.SEVERE for finding in findings)


def format_text(run: Path, findings: list[Finding], show_signals: bool = False) -> str:
    """The findings in words, and the newest signals, if asked for."""
    history = _diagnose_path(run)[0]
    said = list(format_findings(findings)) or [f"nothing is the matter with {run}, as far as its log shows"]
    looks = len(history["monitor/finite"].values)
    if looks < MIN_PROBES:
        seen = f"it was examined {format_count(looks)} times"
        said.append(f"{seen}, and most findings need {MIN_PROBES}: a longer run is seen better")
    if findings and run.is_dir():
        said.append(f"the same with plots: {run / 'report.html'}")
    shown = latest_signals(history) if show_signals else ()
    said += [f"{name.removeprefix('monitor/'):<24} {value:>10.4g}  {says}" for name, value, says in shown]
    return "\n".join(said)


def format_json(
    run: Path, findings: list[Finding], show_signals: bool = False, first_nonfinite: str | None = None
) -> str:
    """The same as one JSON object, with what was lost on a replay, if there was one."""
    row: dict[str, object] = {"findings": [finding.as_dict() for finding in findings]}
    if first_nonfinite is not None:
        row["first_nonfinite"] = first_nonfinite
    if show_signals:
        row["signals"] = {name: value for name, value, _ in latest_signals(_diagnose_path(run)[0])}
    return json.dumps(row)
