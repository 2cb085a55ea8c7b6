"""The log of a run as one series per signal: the input of the rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MIN_PAST_VALUES = 3
"""Number of earlier values from which a value is compared with their median."""


class Series(NamedTuple):
    """Values of a signal during a run."""

    examples: Values
    """(T,) training examples seen at each value."""
    values: Values
    """(T,)."""

    @classmethod
    def empty(cls) -> Series:
        """Return a series without values."""
        return cls(np.empty(0), np.empty(0))

    def with_values(self, values: Values) -> Series:
        """Return a series of other values (T,) at the same positions."""
        return Series(self.examples, values)

    def divided_by(self, other: Series, min_divisor: float = 1e-12) -> Series:
        """Return this series divided by another, at common positions; smaller divisors are raised to `min_divisor`."""
        common, left, right = np.intersect1d(self.examples, other.examples, return_indices=True)
        return Series(common, self.values[left] / np.maximum(other.values[right], min_divisor))

    def minus(self, other: Series) -> Series:
        """Return this series minus another, at common positions."""
        common, left, right = np.intersect1d(self.examples, other.examples, return_indices=True)
        return Series(common, self.values[left] - other.values[right])

    def relative_to_past_median(self) -> Series:
        """Return each value divided by the median size of all values before it, from `MIN_PAST_VALUES` of them on."""
        medians = [np.median(np.abs(self.values[:index])) for index in range(MIN_PAST_VALUES, len(self.values))]
        return Series(self.examples[MIN_PAST_VALUES:], self.values[MIN_PAST_VALUES:] / np.maximum(medians, 1e-12))

    def running_median(self, window: int = 3) -> Series:
        """Replace each value by the median of the last `window` values up to it."""
        medians = [np.median(self.values[max(0, index - window + 1) : index + 1]) for index in range(len(self.values))]
        return self.with_values(np.array(medians))

    @property
    def last(self) -> float:
        """The newest value; NaN for an empty series."""
        return float(self.values[-1]) if len(self.values) else math.nan


@dataclass
class LogHistory:
    """The signals of a run by name.

    Example:
        >>> history = LogHistory.from_rows([{"examples": 64, "monitor/diversity": 0.5}])
        >>> history["monitor/diversity"].last
        0.5
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    """Facts that do not change during the run; see `zerosum.diagnosis.run_facts`."""
    _columns: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    _first_nonfinite: dict[str, float] = field(default_factory=dict)
    text_values: dict[str, str] = field(default_factory=dict)
    """The newest value of each text field of the log."""
    examples: float = 0.0
    """Training examples seen at the newest row."""

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, object]], facts: Mapping[str, object] | None = None) -> LogHistory:
        """Create a history from the rows of a log and the facts of the run."""
        history = cls(facts or {})
        for row in rows:
            history.add_row(row)
        return history

    def add_row(self, row: Mapping[str, object]) -> None:
        """Add a row of the log; a row whose "examples" is no number is ignored."""
        examples = row["examples"]
        if not _is_number(examples):
            return
        position = float(examples)
        self.examples = max(self.examples, position)
        for name, value in row.items():
            if isinstance(value, str):
                self.text_values[name] = value
            elif value is None or (_is_number(value) and not math.isfinite(value)):
                self._first_nonfinite.setdefault(name, position)  # the log stores non-finite numbers as null
            elif _is_number(value):
                positions, values = self._columns.setdefault(name, ([], []))
                positions.append(position)
                values.append(float(value))

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Series:
        if name not in self._columns:
            return Series.empty()
        positions, values = self._columns[name]
        return Series(np.array(positions), np.array(values))

    def names_with_prefix(self, prefix: str) -> list[str]:
        """Return the names of the signals that start with `prefix`."""
        return [name for name in self._columns if name.startswith(prefix)]

    @property
    def first_nonfinite(self) -> dict[str, float]:
        """The training examples at the first non-finite value of each signal that had one."""
        return dict(self._first_nonfinite)


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of a log is a number, finite or not; integers are limited to 62 bits."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**62)
