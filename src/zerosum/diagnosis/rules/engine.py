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

from zerosum.diagnosis.finding import Advice, Evidence, Finding, Severity
from zerosum.diagnosis.log_history import History, Series

PLOTTED = 120
"""Points of a small plot at most."""


@dataclass(frozen=True)
class Sign:
    """A signal beyond a limit."""

    signal: str
    """What is looked at, in a few words."""
    of: Callable[[History], Series]
    limit: float
    calm: float
    """The side of the limit on which it is well again; if it is below the limit, the sign is a high value."""
    says: str
    """A sentence with {value} in it."""
    hold: int = 2
    """Times in a row."""

    @property
    def high(self) -> bool:
        """Whether high values are the bad ones."""
        return self.calm <= self.limit

    def seen(self, series: Series) -> np.ndarray:
        """(T,) bool: whether the sign was seen at each moment."""
        worse, well = self._beyond(series.values, self.limit), ~self._beyond(series.values, self.calm)
        found, standing, run = np.zeros(len(worse), bool), False, 0
        for place in range(len(worse)):
            turn = well[place] if standing else worse[place]
            run = run + 1 if turn else 0
            if run >= self.hold:
                standing, run = not standing, 0
            found[place] = standing
        return found

    def _beyond(self, values: np.ndarray, limit: float) -> np.ndarray:
        found: np.ndarray = values >= limit if self.high else values <= limit
        return found

    def strength(self, value: float) -> float:
        """0.5 at the limit, towards 1 beyond it: by how many of its distances from calm to limit it is past it."""
        step = abs(self.limit - self.calm) or abs(self.limit) or 1.0
        beyond = (value - self.limit if self.high else self.limit - value) / step
        return 0.5 + 0.45 * math.tanh(max(0.0, beyond))

    def evidence(self, series: Series) -> Evidence:
        """The sign as it is now, with its way there."""
        every = max(1, math.ceil(len(series.values) / PLOTTED))
        images, values = series.images[::-1][::every][::-1], series.values[::-1][::every][::-1]
        return Evidence(
            self.signal, series.last, self.limit, self.says.format(value=series.last),
            tuple(float(f"{n:.6g}") for n in images), tuple(float(f"{v:.4g}") for v in values),
        )  # fmt: skip


class Stand(NamedTuple):
    """How a sign stands."""

    sign: Sign
    series: Series
    seen: np.ndarray


Prescribe = Callable[[History], Sequence[Advice]]


def nothing(history: History) -> Sequence[Advice]:
    """No setting helps."""
    return ()


@dataclass(frozen=True)
class Rule:
    """What must be seen for a finding."""

    name: str
    severity: Severity
    title: str
    meaning: str
    signs: tuple[Sign, ...]
    needs: int = 2
    """Signs that must be seen at once."""
    must: int = 1
    """The first so many of them must be among these."""
    prescribe: Prescribe = nothing
    applies: Callable[[History], bool] = lambda history: True
    harmless: bool = False
    """What it prescribes cannot harm the game, so a rescue need not wait until the finding is severe."""
    after: int = 100
    """Rounds before which nothing is found: every game begins badly."""
    severe: Sign | None = None
    """While this is seen too, a finding that is mild by itself is severe."""

    def __call__(self, history: History) -> Finding | None:
        """The finding, if the rule stands at the history's end."""
        if not self.applies(history) or (self.after and history["round"].last < self.after):
            return None
        stands = [Stand(sign, series := sign.of(history), sign.seen(series)) for sign in self.signs]
        if not all(len(stand.series.values) for stand in stands[: self.must]):
            return None
        moments = np.unique(np.concatenate([stand.series.images for stand in stands]))
        standing = self._standing(stands, moments)
        if not len(standing) or not standing[-1]:
            return None
        last_well = np.flatnonzero(~standing)
        since = moments[last_well[-1] + 1] if len(last_well) else moments[0]
        now = [stand for stand in stands if len(stand.seen) and stand.seen[-1]]
        doubt = math.prod(1 - stand.sign.strength(stand.series.last) for stand in now)
        return Finding(
            self.name, self._severity(history), round(1 - doubt, 3), int(since), self.title, self.meaning,
            tuple(stand.sign.evidence(stand.series) for stand in now), tuple(self.prescribe(history)),
            self.harmless,
        )  # fmt: skip

    def _severity(self, history: History) -> Severity:
        if self.severe is None:
            return self.severity
        seen = self.severe.seen(self.severe.of(history))
        return Severity.SEVERE if len(seen) and seen[-1] else self.severity

    def _standing(self, stands: Sequence[Stand], moments: np.ndarray) -> np.ndarray:
        """(M,) bool: whether enough signs are seen at each moment; a sign is as it was last looked at."""
        table = np.zeros((len(stands), len(moments)), bool)
        for row, stand in zip(table, stands, strict=True):
            if len(stand.seen):
                place = np.searchsorted(stand.series.images, moments, side="right") - 1
                row[:] = np.where(place >= 0, stand.seen[np.maximum(place, 0)], False)
        found: np.ndarray = table[: self.must].all(0) & (table.sum(0) >= self.needs)
        return found
