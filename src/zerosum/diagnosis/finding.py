"""Findings: what is wrong with a run, since when, the evidence for it, and the recommended settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from zerosum.run_folder import Row


class Severity(StrEnum):
    """How much a finding matters."""

    SEVERE = "severe"
    """Training will fail with the present settings; `zerosum` exits with code 3."""
    MILD = "mild"
    """It reduces the quality of the samples."""
    NOTE = "note"
    """Information only."""


@dataclass(frozen=True)
class Evidence:
    """A signal that supports a finding."""

    signal: str
    """Name of the signal in plain words."""
    value: float
    """Newest value."""
    threshold: float
    """Value beyond which the signal counts as evidence."""
    message: str
    """A sentence with the value."""
    examples: tuple[float, ...] = ()
    """Training examples at each measurement, for the plot."""
    values: tuple[float, ...] = ()
    """Value at each measurement, for the plot."""


@dataclass(frozen=True)
class Recommendation:
    """A recommended change of one setting."""

    setting: str
    """Dotted name of the setting, such as `optimizer.lr`."""
    value: object
    """Recommended value."""
    reason: str
    """Reason in a few words."""

    def format_value(self) -> str:
        """Return the value as TOML, quoted for a POSIX shell where needed."""
        text = _format_toml(self.value)
        return shlex.quote(text) if isinstance(self.value, Mapping | list | tuple) else text


def _format_toml(value: object) -> str:
    """Format a value as TOML, except that a plain string has no quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {_format_quoted(entry)}" for name, entry in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_quoted, value))}]"
    return str(value)


def _format_quoted(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else _format_toml(value)


@dataclass(frozen=True)
class Finding:
    """A problem of a run, or a note about it."""

    name: str
    """Identifier, such as `mode-collapse`."""
    severity: Severity
    confidence: float
    """0 to 1; grows with the number of criteria that are met and with how far they exceed their thresholds."""
    since_examples: int
    """Training examples seen when the finding appeared."""
    title: str
    """One line."""
    explanation: str
    """What the problem is, why it happens, and what to do where no setting helps."""
    evidence: tuple[Evidence, ...]
    recommendations: tuple[Recommendation, ...] = ()
    has_safe_remedy: bool = False
    """Whether the recommended settings cannot harm the training."""

    @property
    def triggers_recovery(self) -> bool:
        """Whether automatic recovery acts on this finding."""
        return self.severity is Severity.SEVERE or self.has_safe_remedy

    def as_dict(self) -> Row:
        """Return the finding as a row of `findings.jsonl`."""
        return asdict(self) | {"severity": self.severity.value}

    @classmethod
    def from_dict(cls, record: Row) -> Finding:
        """Create a finding from a row that `as_dict` returned; other keys of the row are ignored."""
        fields = {name: value for name, value in record.items() if name in cls.__dataclass_fields__}
        fields["severity"] = Severity(fields["severity"])
        fields["evidence"] = tuple(
            Evidence(**entry | {"examples": tuple(entry["examples"]), "values": tuple(entry["values"])})
            for entry in fields["evidence"]
        )
        fields["recommendations"] = tuple(Recommendation(**entry) for entry in fields["recommendations"])
        return cls(**fields)
