"""Findings: what is wrong, since when, how that is known, and what to change."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters."""

    SEVERE = "severe"
    """Going on as it is will not make a generator: exit code 3."""
    MILD = "mild"
    """It costs quality."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True)
class Evidence:
    """One signal that speaks for a finding."""

    signal: str
    """What was looked at, in a few words."""
    value: float
    """What it is now."""
    threshold: float
    """Beyond which it counts."""
    message: str
    """The same in a sentence."""
    examples: tuple[float, ...] = ()
    """When it was looked at, for the plot."""
    values: tuple[float, ...] = ()
    """What it was then."""


@dataclass(frozen=True)
class Recommendation:
    """A setting to change."""

    setting: str
    """By its dotted name."""
    value: Any
    """What to set it to."""
    reason: str
    """In a few words."""

    def as_cli_flag(self) -> str:
        """As it is said on the command line."""
        text = _format_toml(self.value)
        return f"--{self.setting} {shlex.quote(text) if isinstance(self.value, Mapping | list | tuple) else text}"


def _format_toml(value: Any) -> str:
    """A value as settings are written; plain words need no quotes on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {_format_quoted(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_quoted, value))}]"
    return str(value)


def _format_quoted(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else _format_toml(value)


@dataclass(frozen=True)
class Finding:
    """Something that is the matter with a run."""

    name: str
    """The same word everywhere: mode-collapse."""
    severity: Severity
    confidence: float
    """0 to 1: how far beyond their limits its signs are, and how many agree."""
    since_examples: int
    """Images trained on when it was first seen."""
    title: str
    """A line."""
    explanation: str
    """In plain words: what it is, why it happens, what to do where no setting helps."""
    evidence: tuple[Evidence, ...]
    recommendations: tuple[Recommendation, ...] = ()
    has_safe_remedy: bool = False
    """What it prescribes cannot harm the game."""

    @property
    def triggers_recovery(self) -> bool:
        """Whether a rescue acts on it."""
        return self.severity is Severity.SEVERE or self.has_safe_remedy

    def as_dict(self) -> dict[str, Any]:
        """For findings.jsonl."""
        return asdict(self) | {"severity": self.severity.value}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Finding:
        """What `as_dict` wrote."""
        fields = {name: value for name, value in record.items() if name in cls.__dataclass_fields__}
        fields["severity"] = Severity(fields["severity"])
        fields["evidence"] = tuple(
            Evidence(**each | {"examples": tuple(each["examples"]), "values": tuple(each["values"])})
            for each in fields["evidence"]
        )
        fields["recommendations"] = tuple(Recommendation(**each) for each in fields["recommendations"])
        return cls(**fields)
