"""Runs beside each other: ranked where they were judged in the same way, and a reason where they were not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zerosum.evaluation.protocol import Protocol

Row = Mapping[str, Any]
SIGMAS = 2.0
"""Standard errors of the difference below which two scores are not told apart."""


@dataclass(frozen=True)
class Entry:
    """One judged generator."""

    name: str
    protocol: Protocol
    scores: Mapping[str, Mapping[str, float | None]]
    """By full name: value, error, floor, ..."""
    images: int

    @classmethod
    def of(cls, name: str, row: Row) -> Entry:
        """An entry from a line of scores.jsonl.

        Raises:
            KeyError: the line lacks something.
            TypeError: the line's protocol lacks something.
        """
        return cls(name, Protocol.from_dict(row["protocol"]), row["scores"], int(row.get("images", 0)))

    def score(self, short: str) -> Mapping[str, float | None]:
        """A score by its short name: "kid"; {} where there is none."""
        return self.scores.get(self.protocol.score_name(short), {})

    @property
    def distance(self) -> tuple[float, float]:
        """What it is ranked by, and its standard error: the kernel distance, which is not biased by the counts."""
        kid = self.score("kid")
        return _number(kid.get("value")), _number(kid.get("error"), 0.0)


@dataclass(frozen=True)
class Rank:
    """An entry in its group."""

    place: int
    entry: Entry
    tied: bool
    """Not told apart from the group's best."""


@dataclass(frozen=True)
class Group:
    """Entries of one protocol, best first."""

    protocol: Protocol
    ranks: Sequence[Rank]


def grouped(entries: Sequence[Entry]) -> list[Group]:
    """The entries by protocol, the largest group first, each ranked by its kernel distance."""
    keys = dict.fromkeys(entry.protocol.key for entry in entries)
    groups = [_ranked([entry for entry in entries if entry.protocol.key == key]) for key in keys]
    return sorted(groups, key=lambda group: -len(group.ranks))


BESIDE = ("different modes", "authentic")
"""Scores that depend on training images too, which a test set's protocol does not fix."""


def _ranked(entries: list[Entry]) -> Group:
    if len({entry.protocol.beside for entry in entries}) > 1:
        entries = [
            replace(entry, scores={name: score for name, score in entry.scores.items() if name not in BESIDE})
            for entry in entries
        ]
    ordered = sorted(entries, key=lambda entry: entry.distance[0])
    best, error = ordered[0].distance
    ranks = []
    for place, entry in enumerate(ordered, 1):
        value, own = entry.distance
        ranks.append(Rank(place, entry, place > 1 and value - best <= SIGMAS * math.hypot(error, own)))
    return Group(ordered[0].protocol, ranks)


def apart(groups: Sequence[Group]) -> list[str]:
    """A sentence for each group after the first: why it is not ranked with the first."""
    sentences = []
    names = {rank.entry.name for rank in groups[0].ranks} if groups else set()
    for group in groups[1:]:
        who = ", ".join(rank.entry.name for rank in group.ranks if rank.entry.name not in names)
        if not who:
            continue  # another judgement of the same runs
        why = "; ".join(groups[0].protocol.differences(group.protocol))
        first = ", ".join(rank.entry.name for rank in groups[0].ranks)
        sentences.append(f"{who}: not ranked with {first}, since they were judged differently: {why}")
    return sentences


def _number(value: float | None, missing: float = math.inf) -> float:
    return missing if value is None or math.isnan(value) else float(value)
