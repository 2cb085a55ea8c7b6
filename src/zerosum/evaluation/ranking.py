"""Runs beside each other: ranked where they were judged in the same way, and a reason where they were not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zerosum.evaluation.protocol import Protocol

Row = Mapping[str, Any]
TIE_STANDARD_ERRORS = 2.0
"""Standard errors of the difference below which two scores are not told apart."""


@dataclass(frozen=True)
class EvaluatedRun:
    """One judged generator."""

    name: str
    protocol: Protocol
    scores: Mapping[str, Mapping[str, float | None]]
    """By full name: value, error, floor, ..."""
    examples: int

    @classmethod
    def from_row(cls, name: str, row: Row) -> EvaluatedRun:
        """An entry from a line of scores.jsonl.

        Raises:
            KeyError: the line lacks something.
            TypeError: the line's protocol lacks something.
        """
        return cls(name, Protocol.from_dict(row["protocol"]), row["scores"], int(row.get("examples", 0)))

    def find_score(self, short_name: str) -> Mapping[str, float | None]:
        """A score by its short name: "kid"; {} where there is none."""
        return self.scores.get(self.protocol.score_name(short_name), {})

    @property
    def ranking_score(self) -> tuple[float, float]:
        """What it is ranked by, and its standard error: the kernel distance, which is not biased by the counts."""
        kid = self.find_score("kid")
        return _finite_or_default(kid.get("value")), _finite_or_default(kid.get("error"), 0.0)


@dataclass(frozen=True)
class RankedRun:
    """An entry in its group."""

    rank: int
    run: EvaluatedRun
    is_tied: bool
    """Not told apart from the group's best."""


@dataclass(frozen=True)
class RankedGroup:
    """Entries of one protocol, best first."""

    protocol: Protocol
    runs: Sequence[RankedRun]


def rank_by_protocol(runs: Sequence[EvaluatedRun]) -> list[RankedGroup]:
    """The entries by protocol, the largest group first, each ranked by its kernel distance."""
    keys = dict.fromkeys(entry.protocol.key for entry in runs)
    groups = [_rank_group([entry for entry in runs if entry.protocol.key == key]) for key in keys]
    return sorted(groups, key=lambda group: -len(group.runs))


TRAINING_SET_SCORES = ("ndb", "authenticity")
"""Scores that depend on training images too, which a test set's protocol does not fix."""


def _rank_group(runs: list[EvaluatedRun]) -> RankedGroup:
    if len({entry.protocol.auxiliary_fingerprints for entry in runs}) > 1:
        runs = [
            replace(
                entry, scores={name: score for name, score in entry.scores.items() if name not in TRAINING_SET_SCORES}
            )
            for entry in runs
        ]
    ordered = sorted(runs, key=lambda entry: entry.ranking_score[0])
    best, error = ordered[0].ranking_score
    ranks = []
    for place, entry in enumerate(ordered, 1):
        value, own = entry.ranking_score
        ranks.append(
            RankedRun(place, entry, place > 1 and value - best <= TIE_STANDARD_ERRORS * math.hypot(error, own))
        )
    return RankedGroup(ordered[0].protocol, ranks)


def incomparable_reasons(groups: Sequence[RankedGroup]) -> list[str]:
    """A sentence for each group after the first: why it is not ranked with the first."""
    sentences = []
    names = {rank.run.name for rank in groups[0].runs} if groups else set()
    for group in groups[1:]:
        who = ", ".join(rank.run.name for rank in group.runs if rank.run.name not in names)
        if not who:
            continue  # another judgement of the same runs
        why = "; ".join(groups[0].protocol.differences(group.protocol))
        first = ", ".join(rank.run.name for rank in groups[0].runs)
        sentences.append(f"{who}: not ranked with {first}, since they were judged differently: {why}")
    return sentences


def _finite_or_default(value: float | None, default: float = math.inf) -> float:
    return default if value is None or math.isnan(value) else float(value)
