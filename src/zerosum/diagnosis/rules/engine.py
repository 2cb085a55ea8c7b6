"""Rules and their criteria: a rule makes a finding while enough of its criteria are met.

A criterion is met once its signal has been beyond the threshold several times in a row, and until it has been back
behind a second, milder threshold as often. This hysteresis keeps a signal that fluctuates around the threshold from
making a finding appear and disappear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zerosum.diagnosis.finding import Evidence, Finding, Recommendation, Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.remedies import Remedy
from zerosum.diagnosis.rules.signals import get_fact

MAX_PLOT_POINTS = 120
"""Maximum number of points in the plot of a signal."""


@dataclass(frozen=True)
class Criterion:
    """A signal beyond a threshold."""

    signal: str
    """Name of the signal in plain words."""
    signal_fn: Callable[[LogHistory], Series]
    """Returns the series of the signal."""
    threshold: float
    recovery_threshold: float
    """Threshold at which the criterion ends; below `threshold` if high values are bad, above it if low values are."""
    message: str
    """A sentence with the placeholder {value}, and {noun} for one item of the data."""
    consecutive: int = 2
    """Number of consecutive values beyond a threshold that begin or end the criterion."""

    @property
    def higher_is_worse(self) -> bool:
        """Whether high values are bad."""
        return self.recovery_threshold <= self.threshold

    def detect(self, series: Series) -> np.ndarray:
        """Return whether the criterion is met at each value of the series, (T,) bool."""
        bad = self._exceeds(series.values, self.threshold)
        good = ~self._exceeds(series.values, self.recovery_threshold)
        detected, active, run_length = np.zeros(len(bad), bool), False, 0
        for index in range(len(bad)):
            changes = good[index] if active else bad[index]
            run_length = run_length + 1 if changes else 0
            if run_length >= self.consecutive:
                active, run_length = not active, 0
            detected[index] = active
        return detected

    def _exceeds(self, values: np.ndarray, threshold: float) -> np.ndarray:
        exceeds: np.ndarray = values >= threshold if self.higher_is_worse else values <= threshold
        return exceeds

    def strength(self, value: float) -> float:
        """Return 0.5 at the threshold, towards 0.95 beyond it, by the distance in units of the hysteresis."""
        unit = abs(self.threshold - self.recovery_threshold) or abs(self.threshold) or 1.0
        excess = (value - self.threshold if self.higher_is_worse else self.threshold - value) / unit
        return 0.5 + 0.45 * math.tanh(max(0.0, excess))

    def make_evidence(self, series: Series, noun: str = "example") -> Evidence:
        """Return the newest value as evidence, with up to `MAX_PLOT_POINTS` earlier values.

        Args:
            series: the values of the signal.
            noun: one item of the data in words.
        """
        step = max(1, math.ceil(len(series.values) / MAX_PLOT_POINTS))
        examples, values = series.examples[::-1][::step][::-1], series.values[::-1][::step][::-1]
        return Evidence(
            self.signal, series.last, self.threshold, self.message.format(value=series.last, noun=noun),
            tuple(float(f"{n:.6g}") for n in examples), tuple(float(f"{v:.4g}") for v in values),
        )  # fmt: skip


class CriterionState(NamedTuple):
    """A criterion applied to a history."""

    criterion: Criterion
    series: Series
    detected: np.ndarray
    """(T,) bool: whether the criterion is met at each value of the series."""


def no_remedy(history: LogHistory) -> Sequence[Recommendation]:
    """Return no recommendations; for findings that no setting changes."""
    return ()


@dataclass(frozen=True)
class Rule:
    """The criteria of a finding."""

    name: str
    severity: Severity
    title: str
    explanation: str
    """Sentences; {noun} is one item of the data."""
    criteria: tuple[Criterion, ...]
    min_criteria: int = 2
    """Number of criteria that must be met at once."""
    num_mandatory: int = 1
    """The first so many criteria must be among those met."""
    remedy: Remedy = no_remedy
    """Returns the recommended settings."""
    applies_to: Callable[[LogHistory], bool] = lambda history: True
    """Returns whether the rule applies to the run."""
    has_safe_remedy: bool = False
    """Whether the recommended settings cannot harm the training; then a mild finding is enough for recovery."""
    min_rounds: int = 100
    """Number of rounds before which there is no finding, since every game begins with poor samples."""
    severe_if: Criterion | None = None
    """A criterion that makes a mild finding severe."""
    detail: Callable[[LogHistory], str] = lambda history: ""
    """Returns a sentence that names what the finding is about, after the explanation."""

    def __call__(self, history: LogHistory) -> Finding | None:
        """Return the finding at the end of the history, if there is one."""
        if not self.applies_to(history) or (self.min_rounds and history["round"].last < self.min_rounds):
            return None
        states = [
            CriterionState(criterion, series := criterion.signal_fn(history), criterion.detect(series))
            for criterion in self.criteria
        ]
        if not all(len(state.series.values) for state in states[: self.num_mandatory]):
            return None
        positions = np.unique(np.concatenate([state.series.examples for state in states]))
        active = self._active(states, positions)
        if not len(active) or not active[-1]:
            return None
        inactive_indices = np.flatnonzero(~active)
        since = positions[inactive_indices[-1] + 1] if len(inactive_indices) else positions[0]
        met = [state for state in states if len(state.detected) and state.detected[-1]]
        noun = str(get_fact(history, "data", "noun", default="example"))
        title = self.title.format(noun=noun)
        explanation = " ".join(filter(None, (self.explanation.format(noun=noun), self.detail(history))))
        doubt = math.prod(1 - state.criterion.strength(state.series.last) for state in met)
        return Finding(
            self.name, self._severity(history), round(1 - doubt, 3), int(since), title, explanation,
            tuple(state.criterion.make_evidence(state.series, noun) for state in met), tuple(self.remedy(history)),
            self.has_safe_remedy,
        )  # fmt: skip

    def _severity(self, history: LogHistory) -> Severity:
        if self.severe_if is None:
            return self.severity
        detected = self.severe_if.detect(self.severe_if.signal_fn(history))
        return Severity.SEVERE if len(detected) and detected[-1] else self.severity

    def _active(self, states: Sequence[CriterionState], examples: np.ndarray) -> np.ndarray:
        """Return whether enough criteria are met at each position, (M,) bool; each by its newest value up to there."""
        met = np.zeros((len(states), len(examples)), bool)
        for row, state in zip(met, states, strict=True):
            if len(state.detected):
                index = np.searchsorted(state.series.examples, examples, side="right") - 1
                row[:] = np.where(index >= 0, state.detected[np.maximum(index, 0)], False)
        active: np.ndarray = met[: self.num_mandatory].all(0) & (met.sum(0) >= self.min_criteria)
        return active
