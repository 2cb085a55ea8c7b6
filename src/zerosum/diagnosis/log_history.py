"""What a run's log says, signal by signal: all that a diagnosis reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Series(NamedTuple):
    """A signal over a run."""

    examples: Values
    """(T,) when: images trained on."""
    values: Values
    """(T,) what it was."""

    @classmethod
    def empty(cls) -> Series:
        """A signal that was never seen."""
        return cls(np.empty(0), np.empty(0))

    def with_values(self, values: Values) -> Series:
        """Other values at the same moments."""
        return Series(self.examples, values)

    def divided_by(self, other: Series, min_divisor: float = 1e-12) -> Series:
        """This one divided by another, at the moments of both; a divisor below `min_divisor` counts as that."""
        both, ours, theirs = np.intersect1d(self.examples, other.examples, return_indices=True)
        return Series(both, self.values[ours] / np.maximum(other.values[theirs], min_divisor))

    def minus(self, other: Series) -> Series:
        """This one less another, at the moments of both."""
        both, ours, theirs = np.intersect1d(self.examples, other.examples, return_indices=True)
        return Series(both, self.values[ours] - other.values[theirs])

    def relative_to_past_median(self) -> Series:
        """Each value over the median of all before it: 1 where nothing changes. The first few have no such median."""
        usual = [np.median(np.abs(self.values[:place])) for place in range(MIN_PAST_VALUES, len(self.values))]
        return Series(self.examples[MIN_PAST_VALUES:], self.values[MIN_PAST_VALUES:] / np.maximum(usual, 1e-12))

    def relative_to_running_max(self) -> Series:
        """Each value over the highest so far: 1 or less."""
        return self.with_values(self.values / np.maximum(np.maximum.accumulate(np.abs(self.values)), 1e-12))

    def running_median(self, window: int = 3) -> Series:
        """Each value replaced by the median of itself and those just before it."""
        steady = [np.median(self.values[max(0, place - window + 1) : place + 1]) for place in range(len(self.values))]
        return self.with_values(np.array(steady))

    @property
    def last(self) -> float:
        """The newest value; not a number where there is none."""
        return float(self.values[-1]) if len(self.values) else math.nan


MIN_PAST_VALUES = 3
"""Values that must have been seen before one can be held against the usual."""


@dataclass
class LogHistory:
    """The signals of a run by name, as its log has them."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """What does not change: see `zerosum.diagnosis.facts`."""
    _columns: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    _first_nonfinite: dict[str, float] = field(default_factory=dict)
    text_values: dict[str, str] = field(default_factory=dict)
    """What the log says in words."""
    examples: float = 0.0
    """The newest moment."""

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any] | None = None) -> LogHistory:
        """The history in these lines of a log."""
        history = cls(facts or {})
        for row in rows:
            history.add_row(row)
        return history

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Read one more line."""
        if not _is_number(row["examples"]):
            return
        here = float(row["examples"])
        self.examples = max(self.examples, here)
        for name, value in row.items():
            if isinstance(value, str):
                self.text_values[name] = value
            elif value is not None and not _is_number(value):
                continue
            elif value is None or not math.isfinite(value):
                self._first_nonfinite.setdefault(name, here)  # the log writes what is no finite number as null
            else:
                images, values = self._columns.setdefault(name, ([], []))
                images.append(here)
                values.append(float(value))

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Series:
        if name not in self._columns:
            return Series.empty()
        images, values = self._columns[name]
        return Series(np.array(images), np.array(values))

    def names_with_prefix(self, prefix: str) -> list[str]:
        """The signals whose name begins so."""
        return [name for name in self._columns if name.startswith(prefix)]

    @property
    def first_nonfinite(self) -> dict[str, float]:
        """Signals that were once no finite number, and when first."""
        return dict(self._first_nonfinite)


def _is_number(value: object) -> bool:
    """Whether a value of a log is a number; those that are not finite are."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**62)
