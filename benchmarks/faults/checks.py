"""What must hold of a command, whatever is done to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.faults.harness import MEMORY_LIMIT_MIB, Outcome

SUCCESS_CODES = (0, 3)
"""Exit codes of a command that did its work; 3: with a severe finding."""
REFUSED = 2
CLEAN_CODES = (*SUCCESS_CODES, REFUSED)
NO_MESSAGE = "refused without a message"
MAX_ERROR_LENGTH = 1_500
"""Characters of an error message; longer ones are dumps of data."""


def clean(outcome: Outcome, codes: Collection[int] = CLEAN_CODES, memory_mib: float = MEMORY_LIMIT_MIB) -> list[str]:
    """Return what is wrong with the end of a command: its exit code, a traceback, its duration or its memory."""
    problems = []
    if outcome.timed_out:
        problems.append(f"ran too long: {outcome.end}")
    elif outcome.code not in codes:
        problems.append(f"exit code {outcome.code} instead of {' or '.join(map(str, codes))}: {outcome.end}")
    if "Traceback (most recent call last)" in outcome.output:
        problems.append(f"traceback: {outcome.end}")
    if outcome.peak_mib > memory_mib:
        problems.append(f"took {outcome.peak_mib:,.0f} MiB of memory")
    if outcome.code == REFUSED and not outcome.timed_out:
        problems += _message_problems(outcome)
    return problems


def _message_problems(outcome: Outcome) -> list[str]:
    """Return what is wrong with the error message of a command that was refused."""
    message = error_message(outcome)
    if not message:
        return [f"{NO_MESSAGE}: {outcome.end}"]
    if len(message) > MAX_ERROR_LENGTH:
        return [f"message of {len(message):,} characters: {message[:100]}"]
    return []


def error_message(outcome: Outcome) -> str:
    """Return the error message of a command that was refused."""
    lines = outcome.output.splitlines()
    return "\n".join(line for line in lines if line.startswith("zerosum: "))


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files below a folder by their relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def changed(before: Mapping[str, str], folder: Path, may_change: Collection[str] = ()) -> list[str]:
    """Return a problem for each file that existed before and is missing or different now."""
    after = file_hashes(folder)
    names = [name for name, content in before.items() if after.get(name) != content and name not in may_change]
    return [f"{name} was {'changed' if name in after else 'removed'}" for name in names]


def checkpoints(run: Path) -> list[Path]:
    """Return the folders of the checkpoints of a run, oldest first."""
    return sorted(path for path in (run / "checkpoints").glob("[0-9]*") if path.name.isdecimal())


def weights_hash(run: Path) -> str:
    """Return the SHA-256 of the weights in the newest checkpoint; empty without a checkpoint."""
    newest = checkpoints(run)[-1:]
    return hashlib.sha256((newest[0] / "networks.safetensors").read_bytes()).hexdigest() if newest else ""


def ticks(run: Path) -> list[int]:
    """Return the examples of all rows of the log; a line that is cut is passed over."""
    examples = []
    for line in (run / "log.jsonl").read_bytes().splitlines():
        try:
            examples.append(int(json.loads(line)["examples"]))
        except (ValueError, KeyError, TypeError):
            continue
    return examples


def same_run(run: Path, reference: Path) -> list[str]:
    """Return how a run differs from the undisturbed run: weights, rows of the log, state, temporary files."""
    problems = []
    if not (run / "status.json").exists():
        return ["there is no run"]
    if weights_hash(run) != weights_hash(reference):
        problems.append("the weights differ from those of the undisturbed run")
    if ticks(run) != ticks(reference):
        problems.append(f"the log has the rows {ticks(run)} instead of {ticks(reference)}")
    if state(run) != state(reference):
        problems.append(f"state {state(run)} instead of {state(reference)}")
    if not (run / "report.html").exists():
        problems.append("there is no report")
    grids = sorted(path.name for path in (reference / "samples").iterdir())
    if sorted(path.name for path in (run / "samples").iterdir()) != grids:
        problems.append("other sample grids")
    return problems + leftovers(run)


def state(run: Path) -> str:
    """Return the state of a run, as in status.json."""
    return str(json.loads((run / "status.json").read_text("utf8"))["state"])


def leftovers(folder: Path) -> list[str]:
    """Return a problem for each hidden file or folder, as temporary ones are."""
    return [f"{path.name} was left behind" for path in folder.rglob(".*") if "cache" not in path.parts]
