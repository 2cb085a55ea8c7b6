"""The verb `diagnose`: what is the matter with a run, or with any log."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import History
from zerosum.diagnosis.monitor import consult
from zerosum.diagnosis.rules.signals import LATELY
from zerosum.diagnosis.signal_catalog import newest
from zerosum.errors import BadInput
from zerosum.inference.load import places, read_recipe, where_the_data_are
from zerosum.reporter import Silent, Voice
from zerosum.reporting.diagnosis_section import lines
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.units import say_count
from zerosum.workflows.setup import _unchanged

if TYPE_CHECKING:
    pass

ENOUGH = 2 * LATELY + 2
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


def text(run: Path, findings: list[Finding], signals: bool = False) -> str:
    """The findings in words, and the newest signals, if asked for."""
    history = _consulted(run)[0]
    said = list(lines(findings)) or [f"nothing is the matter with {run}, as far as its log shows"]
    looks = len(history["exam/finite"].values)
    if looks < ENOUGH:
        seen = f"it was examined {say_count(looks)} times"
        said.append(f"{seen}, and most findings need {ENOUGH}: a longer run is seen better")
    if findings and run.is_dir():
        said.append(f"the same with plots: {run / 'report.html'}")
    shown = newest(history) if signals else ()
    said += [f"{name.removeprefix('exam/'):<24} {value:>10.4g}  {says}" for name, value, says in shown]
    return "\n".join(said)


def as_json(run: Path, findings: list[Finding], signals: bool = False, lost: str | None = None) -> str:
    """The same as one JSON object, with what was lost on a replay, if there was one."""
    row: dict[str, object] = {"findings": [finding.as_dict() for finding in findings]}
    if lost is not None:
        row["lost"] = lost
    if signals:
        row["signals"] = {name: value for name, value, _ in newest(_consulted(run)[0])}
    return json.dumps(row)


def replay(run: str | Path, *, voice: Voice | None = None) -> str:
    """Play a run that lost its numbers again from its last checkpoint, to see which layer gave the first bad one.

    Nothing of the run is changed.

    Returns:
        What gave the first number that is not finite, and in which round; empty where nothing did.

    Raises:
        BadInput: it is no run, or its data has changed.
    """
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    placed = where_the_data_are(recipe, *places(folder))
    from zerosum.training.accelerator import choose_device
    from zerosum.workflows.replay import replayed
    from zerosum.workflows.setup import Stage

    stage = Stage.set(placed, choose_device(recipe.training.device), (), voice or Silent())
    return replayed(stage, _unchanged(stage, folder, placed), folder)
