"""The verb `diagnose`: what is the matter with a run, or with any log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from zerosum.deliver.doctor import lines
from zerosum.deliver.report import write_report
from zerosum.diagnosis.doctor import consult
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.history import History
from zerosum.diagnosis.signals import newest
from zerosum.errors import BadInput
from zerosum.run import RunFolder


def signals(run: str | Path) -> Iterator[str]:
    """The newest value of each signal that examinations gave, in words."""
    for name, value, says in newest(_consulted(Path(run))[0]):
        yield f"{name.removeprefix('exam/'):<24} {value:>10.4g}  {says}"


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
    _, findings = _consulted(path)
    if path.is_dir():
        with suppress(PermissionError):  # of a run that may only be read
            write_report(path)
    return findings


def _consulted(path: Path) -> tuple[History, list[Finding]]:
    if path.is_file():
        try:
            history, findings = consult(RunFolder(path.parent), path.name)
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is no text; name a run's folder, or its log.jsonl") from error
    else:
        history, findings = consult(RunFolder.open(path))
    if not history.images:
        what = "holds no line of a log (a JSON object with `images`)" if path.is_file() else "has logged nothing yet"
        raise BadInput(f"{path} {what}; train first, or wait for the first line")
    return history, findings


def severe(findings: list[Finding]) -> bool:
    """Whether one of them is severe."""
    return any(finding.severity is Severity.SEVERE for finding in findings)


def text(findings: list[Finding], run: Path) -> str:
    """The findings in words."""
    if not findings:
        return f"nothing is the matter with {run}, as far as its log shows"
    report = [f"the same with plots: {run / 'report.html'}"] if run.is_dir() else []
    return "\n".join([*lines(findings), *report])


def as_json(findings: list[Finding]) -> str:
    """The findings as one JSON object."""
    return json.dumps({"findings": [finding.as_dict() for finding in findings]})
