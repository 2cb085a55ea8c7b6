"""What rules look at: signals of the log, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zerosum.diagnosis.log_history import LogHistory, Series, Values
from zerosum.game.objective import equilibrium_losses

SignalFn = Callable[[LogHistory], Series]
MIN_RECENT_PROBES = 3
"""Looks at least that are held against those before."""
MIN_ENERGY_DISTANCE = 0.005
"""An energy distance that few samples cannot tell from 0."""


def signal(name: str) -> SignalFn:
    """A signal as the log has it."""
    return lambda history: history[name]


def relative_to_past_median(name: str) -> SignalFn:
    """A signal over what it usually was before, in this run."""
    return lambda history: history[name].relative_to_past_median()


def magnitude(name: str) -> SignalFn:
    """A signal without its sign."""
    return lambda history: history[name].with_values(np.abs(history[name].values))


def ratio(numerator: str, denominator: str, min_denominator: float = 1e-12) -> SignalFn:
    """One signal over another."""
    return lambda history: history[numerator].divided_by(history[denominator], min_denominator)


def difference(first: str, second: str) -> SignalFn:
    """One signal less another."""
    return lambda history: history[first].minus(history[second])


def absolute_difference(first: str, second: str) -> SignalFn:
    """How far two signals are apart."""

    def read(history: LogHistory) -> Series:
        series = history[first].minus(history[second])
        return series.with_values(np.abs(series.values))

    return read


def minimum(*signal_fns: SignalFn) -> SignalFn:
    """The lowest of several readings at moments that all have."""
    return lambda history: _minimum_series([reading(history) for reading in signal_fns])


def maximum(*signal_fns: SignalFn) -> SignalFn:
    """The highest of several readings at moments that all have; nothing where one of them is missing."""

    def read(history: LogHistory) -> Series:
        found = [series.with_values(-series.values) for series in (reading(history) for reading in signal_fns)]
        least = _minimum_series(found) if all(len(series.values) for series in found) else Series.empty()
        return least.with_values(-least.values)

    return read


def _minimum_series(all_series: Sequence[Series]) -> Series:
    """The lowest of several at moments that all have, but for those that have none."""
    all_series = [series for series in all_series if len(series.values)]
    if not all_series:
        return Series.empty()
    least = all_series[0]
    for series in all_series[1:]:
        both, ours, theirs = np.intersect1d(least.examples, series.examples, return_indices=True)
        least = Series(both, np.minimum(least.values[ours], series.values[theirs]))
    return least


def step_distance(prefix: str) -> SignalFn:
    """How far what several numbers follow has gone since the examination before."""

    def read(history: LogHistory) -> Series:
        images, way = _trajectory(history, prefix)
        if len(way) < 2:
            return Series.empty()
        return Series(images[1:], np.sqrt(np.square(np.diff(way, axis=0)).mean(1)))

    return read


def straightness(prefix: str, window: int = 4) -> SignalFn:
    """The straight way from some examinations ago to now, over the way gone: 1 straight on, near 0 round and round."""

    def read(history: LogHistory) -> Series:
        images, way = _trajectory(history, prefix)
        if len(way) <= window:
            return Series.empty()
        gone = np.sqrt(np.square(np.diff(way, axis=0)).mean(1))
        total = np.convolve(gone, np.ones(window), "valid")
        straight = np.sqrt(np.square(way[window:] - way[:-window]).mean(1))
        return Series(images[window:], straight / np.maximum(total, 1e-12))

    return read


def _trajectory(history: LogHistory, prefix: str) -> tuple[Values, Values]:
    """(T,) moments and (T, N) the numbers whose names begin so."""
    found = [history[name] for name in history.names_with_prefix(prefix)]
    found = [series for series in found if len(series.values) == len(found[0].values)]
    if not found:
        return np.empty(0), np.empty((0, 1))
    return found[0].examples, np.stack([series.values for series in found], 1)


def stall_ratio(name: str) -> SignalFn:
    """Near 1 or above where a distance from the data no longer falls, well below where it does.

    The least of the last quarter of its looks over the least before, or half of what it is now over that, if that is
    more: who was near and is far again need not wait for a quarter to pass. 0 where it is as near as can be told.
    """

    def read(history: LogHistory) -> Series:
        series = history[name]
        values = np.maximum(series.values, MIN_ENERGY_DISTANCE)
        best, progress = np.minimum.accumulate(values), series.running_median().values
        found = []
        for place in range(2 * MIN_RECENT_PROBES - 1, len(values)):
            before = place + 1 - max(MIN_RECENT_PROBES, (place + 1) // 4)
            least = best[before - 1]
            stands = max(values[before : place + 1].min(), progress[place] / 2) / least
            found.append(stands if progress[place] > MIN_ENERGY_DISTANCE else 0.0)
        return Series(series.examples[2 * MIN_RECENT_PROBES - 1 :], np.array(found))

    return read


def rise_ratio(name: str) -> SignalFn:
    """Above 1 where a signal still rises: the most of the last quarter of its looks over the most before."""

    def read(history: LogHistory) -> Series:
        series = history[name]
        values = np.maximum(series.values, MIN_RISING_VALUE)
        found = []
        for place in range(2 * MIN_RECENT_PROBES - 1, len(values)):
            before = place + 1 - max(MIN_RECENT_PROBES, (place + 1) // 4)
            found.append(values[before : place + 1].max() / values[:before].max())
        return Series(series.examples[2 * MIN_RECENT_PROBES - 1 :], np.array(found))

    return read


MIN_RISING_VALUE = 0.001
"""Of a signal that rises from 0: less than this is 0."""


def update_ratio(player: str) -> SignalFn:
    """A player's step over its weights while its schedule lets it move: not where its rate has come to an end."""

    def read(history: LogHistory) -> Series:
        steps, rates = history[f"monitor/update_ratio/{player}"], history[f"lr/{player}"]
        if not len(rates.values):
            return steps
        rate = steps.with_values(np.interp(steps.examples, rates.examples, rates.values)).values
        moves = rate >= MIN_LR_FRACTION * rates.values.max()
        return Series(steps.examples[moves], steps.values[moves])

    return read


MIN_LR_FRACTION = 0.05
"""Of its highest rate, below which a player is not expected to move."""


def distance_from_equilibrium(player: str) -> SignalFn:
    """How far a player's loss is from what it is where the discriminator cannot tell, over that; where it is known."""

    def read(history: LogHistory) -> Series:
        objective = get_fact(history, "settings", "objective", default={})
        level = equilibrium_losses(objective).get(player, 0.0) if isinstance(objective, dict) else 0.0
        series = history[f"{player}/objective"]
        return series.with_values(np.abs(series.values - level) / abs(level)) if level else Series.empty()

    return read


def get_fact(history: LogHistory, *names: str, default: object = None) -> object:
    """A setting or something about the data: `fact(history, "settings", "training", "batch")`."""
    found: object = history.facts
    for name in names:
        if not isinstance(found, dict) or name not in found:
            return default
        found = found[name]
    return default if found is None else found


def get_number(history: LogHistory, names: Sequence[str], default: float = float("nan")) -> float:
    """A fact that is a number."""
    found = get_fact(history, *names)
    return float(found) if isinstance(found, int | float) else default


def is_image_data(history: LogHistory) -> bool:
    """The data are pictures, whose numbers lie in [-1, 1]."""
    return get_fact(history, "data", "kind", default="images") == "images"


def is_translation(history: LogHistory) -> bool:
    """Samples are made from pictures, not from noise."""
    return get_fact(history, "settings", "game", "kind") == "translation"


def generates_from_noise(history: LogHistory) -> bool:
    """Samples are made from noise."""
    return not is_translation(history)


def supports_augmentation(history: LogHistory) -> bool:
    """What the judge sees can be varied: pictures that are not held against others too."""
    return is_image_data(history) and generates_from_noise(history)


def constant_signal(history: LogHistory, value: float) -> Series:
    """A fact as a signal: the same at every line of the log."""
    rounds = history["round"]
    return rounds.with_values(np.full(len(rounds.values), value))
