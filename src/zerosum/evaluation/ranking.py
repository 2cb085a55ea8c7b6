"""Rank evaluated runs within each protocol, and explain why others are not comparable."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zerosum.evaluation.protocol import Protocol
from zerosum.run_folder import Row

TIE_STANDARD_ERRORS = 2.0
"""Two scores are tied if they differ by at most this many standard errors of their difference."""


@dataclass(frozen=True)
class EvaluatedRun:
    """The scores of one generator."""

    name: str
    protocol: Protocol
    scores: Mapping[str, Mapping[str, float | None]]
    """By full name: value, error, floor, ..."""
    examples: int
    """Training time."""
    overlaps: Sequence[str] = ()
    """Sentences about copies among the sets of its evaluation, which make its scores too good."""

    @classmethod
    def from_row(cls, name: str, row: Row) -> EvaluatedRun:
        """Create an entry from a row of scores.jsonl.

        Raises:
            KeyError: the row lacks a key.
            TypeError: the row's protocol lacks a field.
        """
        overlaps = [
            overlap["text"]
            for overlap in row.get("overlaps", [])
            if overlap["copies"] and not overlap.get("by_chance", False)
        ]
        return cls(name, Protocol.from_dict(row["protocol"]), row["scores"], int(row.get("examples", 0)), overlaps)

    @property
    def ranking_score(self) -> tuple[float, float]:
        """The kernel distance and its standard error: unlike the Fréchet distance it has no bias of sample size."""
        kid = self.scores.get(self.protocol.score_name("kid"), {})
        return _finite_or_default(kid.get("value")), _finite_or_default(kid.get("error"), 0.0)


@dataclass(frozen=True)
class RankedRun:
    """A run and its rank in a group."""

    rank: int
    run: EvaluatedRun
    is_tied: bool
    """Not significantly worse than the best run of the group."""


@dataclass(frozen=True)
class RankedGroup:
    """The runs of one protocol, best first."""

    protocol: Protocol
    runs: Sequence[RankedRun]


def rank_by_protocol(runs: Sequence[EvaluatedRun]) -> list[RankedGroup]:
    """Group runs by protocol, the largest group first, and rank each group by kernel distance."""
    keys = dict.fromkeys(run.protocol.key for run in runs)
    groups = [_rank_group([run for run in runs if run.protocol.key == key]) for key in keys]
    return sorted(groups, key=lambda group: -len(group.runs))


def _rank_group(runs: list[EvaluatedRun]) -> RankedGroup:
    if len({run.protocol.auxiliary_fingerprints for run in runs}) > 1:
        runs = [_without_training_set_scores(run) for run in runs]
    ordered = sorted(runs, key=lambda run: run.ranking_score[0])
    best_value, best_error = ordered[0].ranking_score
    ranked = []
    for rank, run in enumerate(ordered, 1):
        value, error = run.ranking_score
        is_tied = rank > 1 and value - best_value <= TIE_STANDARD_ERRORS * math.hypot(best_error, error)
        ranked.append(RankedRun(rank, run, is_tied))
    return RankedGroup(ordered[0].protocol, ranked)


def _without_training_set_scores(run: EvaluatedRun) -> EvaluatedRun:
    """Return a run without the scores that depend on training items, which the key of a protocol does not cover."""
    from zerosum.evaluation.kinds.base import EVALUATION_KINDS
    from zerosum.evaluation.metrics.registry import find_described

    of_items = (metric for kind in EVALUATION_KINDS for metric in EVALUATION_KINDS.find(kind).metrics)
    described = itertools.chain(find_described(), of_items)
    names = {metric.full_name(run.protocol) for metric in described if metric.depends_on_training_set}
    return replace(run, scores={name: score for name, score in run.scores.items() if name not in names})


def describe_overlaps(groups: Sequence[RankedGroup]) -> list[str]:
    """Return a sentence for each run whose scores count copies, so that its rank says little."""
    runs = [ranked.run for group in groups for ranked in group.runs]
    return [f"{run.name}: {overlap}" for run in runs for overlap in run.overlaps]


def incomparable_reasons(groups: Sequence[RankedGroup]) -> list[str]:
    """Return a sentence for each group after the first: why its runs are not ranked with those of the first."""
    sentences = []
    first_names = [ranked.run.name for ranked in groups[0].runs] if groups else []
    for group in groups[1:]:
        names = [ranked.run.name for ranked in group.runs if ranked.run.name not in first_names]
        if not names:
            continue  # another evaluation of the same runs
        reasons = "; ".join(groups[0].protocol.differences(group.protocol))
        sentences.append(
            f"{', '.join(names)}: not ranked with {', '.join(first_names)} because of different evaluation "
            f"protocols: {reasons}"
        )
    return sentences


def _finite_or_default(value: float | None, default: float = math.inf) -> float:
    return default if value is None or math.isnan(value) else float(value)
