"""Signals of samples as items that may be invalid or equal, such as texts: how many are valid, new and different, and
how far their properties are from those of real items and from what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.diagnosis.measures import Signals

MIN_VALID = 16
"""Number of valid samples from which they are compared with real items."""
MIN_VALID_ASKED = 8
"""Number of valid samples with a low, and with a high value, from which these are compared."""
SHARE_DEVIATION = 0.5
"""Unit of differences of a property that is 0 or 1: the largest standard deviation that one can have."""
UPPER_BOUND_ROOT = 0.82
"""What is added to the root of a count and 1 for the root of its upper bound: half of 1.645, as the root of a Poisson
number has a standard deviation of about 1/2, and 1 of 20 normal numbers is 1.645 deviations below its mean."""
MAX_NAMED = 3
"""Number of properties that are named."""
NAMED_SHIFT, NAMED_SLOPE = 0.5, 0.3
"""Difference of means from which, and slope up to which, a property is named."""


@dataclass(frozen=True)
class PropertyValues:
    """The mean of a property of real items, and the unit of differences from it."""

    mean: float
    deviation: float


def summarize_properties(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, PropertyValues]:
    """Return mean and deviation of properties (N, P) of real items, of those that are known and vary, or are shares.

    Example:
        >>> values = np.array([[1.0, 1.0, 7.0], [3.0, 1.0, 7.0], [np.nan, 1.0, 7.0]])
        >>> [(name, known.mean, known.deviation) for name, known in summarize_properties("abc", values).items()]
        [('a', 2.0, 1.0), ('b', 1.0, 0.5)]
    """
    found = {}
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        is_share = bool(np.isin(known, (0.0, 1.0)).all())
        if len(known) >= 2 and (is_share or known.min() < known.max()):
            found[name] = PropertyValues(float(known.mean()), SHARE_DEVIATION if is_share else float(known.std()))
    return found


def shift_properties(
    names: Sequence[str], values: NDArray[np.float64], real: Mapping[str, PropertyValues]
) -> dict[str, tuple[float, float]]:
    """Return the mean of each property (N, P) of samples, and its difference from real items in their deviations."""
    means = {name: float(np.nanmean(column)) for name, column in zip(names, values.T, strict=True)
             if np.isfinite(column).any()}  # fmt: skip
    return {
        name: (means[name], (means[name] - known.mean) / known.deviation)
        for name, known in real.items()
        if name in means
    }


def shift_signals(shifts: Mapping[str, tuple[float, float]]) -> Signals:
    """Return the differences of the means of properties, and the largest of them; {} without properties."""
    if not shifts:
        return {}
    signals = {f"monitor/property_shift/{name}": shift for name, (_, shift) in shifts.items()}
    return signals | {"monitor/largest_property_shift": max(abs(shift) for _, shift in shifts.values())}


def name_shifted(shifts: Mapping[str, tuple[float, float]], real: Mapping[str, PropertyValues]) -> str:
    """Return the properties whose means differ most, in words; "" if none does."""
    large = sorted((-abs(shift), name) for name, (_, shift) in shifts.items() if abs(shift) >= NAMED_SHIFT)
    texts = [f"{name} ({shifts[name][0]:.3g} on average, real {real[name].mean:.3g})" for _, name in large]
    rest = len(texts) - MAX_NAMED
    return ", ".join(texts[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


# ---------------------------------------------------------------------- equal items


def expected_different(draws: int, items: int) -> float:
    """Return the expected fraction of different ones among `draws` items that are drawn from `items` at random.

    Example:
        >>> round(expected_different(100, 10**6), 2), expected_different(100, 1)
        (1.0, 0.01)
    """
    return items * -math.expm1(draws * math.log1p(-1 / items)) / draws if items > 1 else 1 / draws


@dataclass(frozen=True)
class KnownCounts:
    """How many different samples are training items and how many are held-out ones, and how many of these there are."""

    samples: int
    in_train: int
    in_held_out: int
    num_train: int
    num_held_out: int

    @property
    def copied_fraction(self) -> float:
        """The fraction of the samples that are training items."""
        return self.in_train / self.samples

    @property
    def memorized_fraction(self) -> float:
        """The fraction of the samples that are training items, beyond those of a generator that has memorized none.

        Such a generator meets each training item as often as each held-out one. Few held-out items are met by chance
        alone, so that their expected number is taken from the upper end of what their count allows.

        Example:
            >>> KnownCounts(200, 80, 8, 9_000, 1_000).memorized_fraction
            0.0
            >>> round(KnownCounts(200, 180, 0, 9_000, 1_000).memorized_fraction, 2)
            0.75
        """
        upper = (math.sqrt(self.in_held_out + 1) + UPPER_BOUND_ROOT) ** 2
        by_chance = upper / max(1, self.num_held_out) * self.num_train / self.samples
        return max(0.0, self.copied_fraction - by_chance)


# ---------------------------------------------------------------------- values that are asked for


@dataclass(frozen=True)
class AskedProperty:
    """A property of samples that were asked for a low and for a high value."""

    name: str
    asked: tuple[float, float]
    """The low and the high value."""
    got: tuple[float, float]
    """The means of the property of the samples."""

    @property
    def slope(self) -> float:
        """How much the property changes per unit that was asked for: 1 if samples have what they were asked for.

        Example:
            >>> AskedProperty("length", (1.0, 5.0), (2.0, 4.0)).slope
            0.5
        """
        return (self.got[1] - self.got[0]) / (self.asked[1] - self.asked[0])


def asked_signals(asked: Sequence[AskedProperty]) -> Signals:
    """Return the slope of each property, the least and the largest; {} if nothing was asked for."""
    if not asked:
        return {}
    slopes = {known.name: known.slope for known in asked}
    extremes = {"least": min(slopes.values()), "largest": max(slopes.values())}
    return {f"monitor/given_slope/{name}": slope for name, slope in slopes.items()} | {
        f"monitor/{which}_given_slope": slope for which, slope in extremes.items()
    }


def name_ignored(asked: Sequence[AskedProperty]) -> str:
    """Return the properties that do not follow what was asked for, in words; "" if all do."""
    ignored = sorted((known for known in asked if known.slope <= NAMED_SLOPE), key=lambda known: known.slope)
    return ", ".join(
        f"{known.name} ({known.got[0]:.3g} and {known.got[1]:.3g} on average where {known.asked[0]:.3g} and "
        f"{known.asked[1]:.3g} were asked for)"
        for known in ignored[:MAX_NAMED]
    )
