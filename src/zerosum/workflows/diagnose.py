"""Diagnose a run, or any log.jsonl, and format the findings as text or JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from zerosum.diagnosis.diagnose import MIN_PROBES, can_tell, count_probes, describe_no_findings, diagnose_run
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.signal_catalog import latest_signals
from zerosum.errors import BadInput
from zerosum.reporting.diagnosis_section import format_findings
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.units import format_count


def diagnose(run: str | Path) -> list[Finding]:
    """Diagnose a run that is done, running or crashed, or any `log.jsonl`.

    Args:
        run: the run folder, whose report is updated; or the path of a log.

    Returns:
        The findings that are active at the end of the log, the most severe first.

    Raises:
        BadInput: the path is neither a run nor a log, or the log is empty.

    Example:
        >>> for finding in zerosum.diagnose("runs/ring"):  # doctest: +SKIP
        ...     print(finding.severity, finding.title)
    """
    path = Path(run)
    _, _, findings = _diagnose_path(path)
    if path.is_dir():
        with suppress(PermissionError):  # the run may be read-only
            write_report(path)
    return findings


def _diagnose_path(path: Path) -> tuple[RunFolder, LogHistory, list[Finding]]:
    folder = RunFolder(path.parent) if path.is_file() else RunFolder.open(path)
    history, findings = diagnose_run(folder, path.name) if path.is_file() else diagnose_run(folder)
    if not history.examples:
        problem = "has no log rows (JSON objects with `examples`)" if path.is_file() else "has logged nothing yet"
        raise BadInput(f"{path} {problem}; train first, or wait for the first row")
    return folder, history, findings


def has_severe(findings: list[Finding]) -> bool:
    """Return whether one of the findings is severe."""
    return any(finding.severity is Severity.SEVERE for finding in findings)


def format_lines(run: Path, findings: list[Finding], show_signals: bool = False) -> list[str]:
    """Return the findings as lines of text, with the newest value of each signal if `show_signals`."""
    folder, history, _ = _diagnose_path(run)
    num_probes = count_probes(history)
    lines = list(format_findings(findings)) or [f"{run}: {describe_no_findings(history)}"]
    if findings and num_probes < MIN_PROBES:
        lines.append(
            f"this run has {format_count(num_probes)} probes, and most findings need {MIN_PROBES}: a longer run is "
            "diagnosed more reliably"
        )
    if damage := folder.describe_damage():
        lines.append(damage)
    if findings and run.is_dir():
        lines.append(f"the same with plots: {run / 'report.html'}")
    signals = latest_signals(history) if show_signals else ()
    lines += [
        f"{name.removeprefix('monitor/'):<24} {value:>10.4g}  {description}" for name, value, description in signals
    ]
    return lines


def format_json(
    run: Path, findings: list[Finding], show_signals: bool = False, first_nonfinite: str | None = None
) -> str:
    """Return the findings as a JSON object, with whether the run was probed often enough to tell that it has none.

    Args:
        run: the run folder or log.
        findings: the findings of the run.
        show_signals: add the newest value of each signal.
        first_nonfinite: the result of `trace_nan`, if it was called.
    """
    _, history, _ = _diagnose_path(run)
    row: dict[str, object] = {
        "findings": [finding.as_dict() for finding in findings],
        "num_probes": count_probes(history),
        "can_tell": bool(findings) or can_tell(history),
    }
    if first_nonfinite is not None:
        row["first_nonfinite"] = first_nonfinite
    if show_signals:
        row["signals"] = {name: value for name, value, _ in latest_signals(history)}
    return json.dumps(row)
