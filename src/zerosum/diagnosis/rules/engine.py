"""Signs and rules: a rule is a table of signs, and stands while enough of them are seen.

A sign is a signal beyond a limit. It is seen once the signal has been there a few times in a row, and until it has come
back behind a second, calmer limit as often: what comes and goes around a limit is one sign, not ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zerosum.diagnosis.finding import Evidence, Finding, Recommendation, Severity
from zerosum.diagnosis.log_history import LogHistory, Series

MAX_PLOT_POINTS = 120
"""Points of a small plot at most."""


@dataclass(frozen=True)
class Criterion:
    """A signal beyond a limit."""

    signal: str
    """What is looked at, in a few words."""
    signal_fn: Callable[[LogHistory], Series]
    threshold: float
    recovery_threshold: float
    """The side of the limit on which it is well again; if it is below the limit, the sign is a high value."""
    message: str
    """A sentence with {value} in it."""
    consecutive: int = 2
    """Times in a row."""

    @property
    def higher_is_worse(self) -> bool:
        """Whether high values are the bad ones."""
        return self.recovery_threshold <= self.threshold

    def detect(self, series: Series) -> np.ndarray:
        """(T,) bool: whether the sign was seen at each moment."""
        worse, well = (
            self._exceeds(series.values, self.threshold),
            ~self._exceeds(series.values, self.recovery_threshold),
        )
        found, standing, run = np.zeros(len(worse), bool), False, 0
        for place in range(len(worse)):
            turn = well[place] if standing else worse[place]
            run = run + 1 if turn else 0
            if run >= self.consecutive:
                standing, run = not standing, 0
            found[place] = standing
        return found

    def _exceeds(self, values: np.ndarray, threshold: float) -> np.ndarray:
        found: np.ndarray = values >= threshold if self.higher_is_worse else values <= threshold
        return found

    def strength(self, value: float) -> float:
        """0.5 at the limit, towards 1 beyond it: by how many of its distances from calm to limit it is past it."""
        step = abs(self.threshold - self.recovery_threshold) or abs(self.threshold) or 1.0
        beyond = (value - self.threshold if self.higher_is_worse else self.threshold - value) / step
        return 0.5 + 0.45 * math.tanh(max(0.0, beyond))

    def make_evidence(self, series: Series) -> Evidence:
        """The sign as it is now, with its way there."""
        every = max(1, math.ceil(len(series.values) / MAX_PLOT_POINTS))
        images, values = series.examples[::-1][::every][::-1], series.values[::-1][::every][::-1]
        return Evidence(
            self.signal, series.last, self.threshold, self.message.format(value=series.last),
            tuple(float(f"{n:.6g}") for n in images), tuple(float(f"{v:.4g}") for v in values),
        )  # fmt: skip


class CriterionState(NamedTuple):
    """How a sign stands."""

    criterion: Criterion
    series: Series
    detected: np.ndarray


Remedy = Callable[[LogHistory], Sequence[Recommendation]]


def no_remedy(history: LogHistory) -> Sequence[Recommendation]:
    """No setting helps."""
    return ()


@dataclass(frozen=True)
class Rule:
    """What must be seen for a finding."""

    name: str
    severity: Severity
    title: str
    explanation: str
    criteria: tuple[Criterion, ...]
    min_criteria: int = 2
    """Signs that must be seen at once."""
    num_mandatory: int = 1
    """The first so many of them must be among these."""
    remedy: Remedy = no_remedy
    applies_to: Callable[[LogHistory], bool] = lambda history: True
    has_safe_remedy: bool = False
    """What it prescribes cannot harm the game, so a rescue need not wait until the finding is severe."""
    min_rounds: int = 100
    """Rounds before which nothing is found: every game begins badly."""
    severe_if: Criterion | None = None
    """While this is seen too, a finding that is mild by itself is severe."""

    def __call__(self, history: LogHistory) -> Finding | None:
        """The finding, if the rule stands at the history's end."""
        if not self.applies_to(history) or (self.min_rounds and history["round"].last < self.min_rounds):
            return None
        stands = [
            CriterionState(sign, series := sign.signal_fn(history), sign.detect(series)) for sign in self.criteria
        ]
        if not all(len(stand.series.values) for stand in stands[: self.num_mandatory]):
            return None
        moments = np.unique(np.concatenate([stand.series.examples for stand in stands]))
        standing = self._active(stands, moments)
        if not len(standing) or not standing[-1]:
            return None
        last_well = np.flatnonzero(~standing)
        since = moments[last_well[-1] + 1] if len(last_well) else moments[0]
        progress = [stand for stand in stands if len(stand.detected) and stand.detected[-1]]
        doubt = math.prod(1 - stand.criterion.strength(stand.series.last) for stand in progress)
        return Finding(
            self.name, self._severity(history), round(1 - doubt, 3), int(since), self.title, self.explanation,
            tuple(stand.criterion.make_evidence(stand.series) for stand in progress), tuple(self.remedy(history)),
            self.has_safe_remedy,
        )  # fmt: skip

    def _severity(self, history: LogHistory) -> Severity:
        if self.severe_if is None:
            return self.severity
        seen = self.severe_if.detect(self.severe_if.signal_fn(history))
        return Severity.SEVERE if len(seen) and seen[-1] else self.severity

    def _active(self, states: Sequence[CriterionState], examples: np.ndarray) -> np.ndarray:
        """(M,) bool: whether enough signs are seen at each moment; a sign is as it was last looked at."""
        table = np.zeros((len(states), len(examples)), bool)
        for row, stand in zip(table, states, strict=True):
            if len(stand.detected):
                place = np.searchsorted(stand.series.examples, examples, side="right") - 1
                row[:] = np.where(place >= 0, stand.detected[np.maximum(place, 0)], False)
        found: np.ndarray = table[: self.num_mandatory].all(0) & (table.sum(0) >= self.min_criteria)
        return found
