"""Series that rules are made of: signals of the log, and transformations of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zerosum.diagnosis.log_history import LogHistory, Series, Values
from zerosum.game.objective import equilibrium_losses

SignalFn = Callable[[LogHistory], Series]
"""Returns a series from the history of a run."""

MIN_RECENT_PROBES = 3
"""Minimum number of recent probes that are compared with those before."""
MIN_ENERGY_DISTANCE = 0.005
"""Energy distance that few samples cannot distinguish from 0."""
MIN_RISING_VALUE = 0.001
"""Smaller values of a signal are raised to this one, so that a rise from almost 0 does not count."""
MIN_LR_FRACTION = 0.05
"""Fraction of its maximum learning rate below which a player is not expected to change its weights."""


def signal(name: str) -> SignalFn:
    """Return a signal of the log unchanged."""
    return lambda history: history[name]


def relative_to_past_median(name: str) -> SignalFn:
    """Return a signal divided by the median of its earlier values."""
    return lambda history: history[name].relative_to_past_median()


def magnitude(name: str) -> SignalFn:
    """Return the absolute value of a signal."""
    return lambda history: history[name].with_values(np.abs(history[name].values))


def ratio(numerator: str, denominator: str, min_denominator: float = 1e-12) -> SignalFn:
    """Return the ratio of two signals; smaller denominators are raised to `min_denominator`."""
    return lambda history: history[numerator].divided_by(history[denominator], min_denominator)


def difference(first: str, second: str) -> SignalFn:
    """Return the difference of two signals."""
    return lambda history: history[first].minus(history[second])


def absolute_difference(first: str, second: str) -> SignalFn:
    """Return the absolute difference of two signals."""

    def read(history: LogHistory) -> Series:
        series = history[first].minus(history[second])
        return series.with_values(np.abs(series.values))

    return read


def minimum(*signal_fns: SignalFn) -> SignalFn:
    """Return the minimum of several series at common positions; empty series are left out."""
    return lambda history: _minimum_series([signal_fn(history) for signal_fn in signal_fns])


def maximum(*signal_fns: SignalFn) -> SignalFn:
    """Return the maximum of several series at common positions; empty if any of them is empty."""

    def read(history: LogHistory) -> Series:
        negatives = [series.with_values(-series.values) for series in (fn(history) for fn in signal_fns)]
        lowest = _minimum_series(negatives) if all(len(series.values) for series in negatives) else Series.empty()
        return lowest.with_values(-lowest.values)

    return read


def _minimum_series(all_series: Sequence[Series]) -> Series:
    all_series = [series for series in all_series if len(series.values)]
    if not all_series:
        return Series.empty()
    lowest = all_series[0]
    for series in all_series[1:]:
        common, left, right = np.intersect1d(lowest.examples, series.examples, return_indices=True)
        lowest = Series(common, np.minimum(lowest.values[left], series.values[right]))
    return lowest


def step_distance(prefix: str) -> SignalFn:
    """Return the distance from the previous probe of the point whose projections are the signals with this prefix."""

    def read(history: LogHistory) -> Series:
        examples, points = _trajectory(history, prefix)
        if len(points) < 2:
            return Series.empty()
        return Series(examples[1:], np.sqrt(np.square(np.diff(points, axis=0)).mean(1)))

    return read


def straightness(prefix: str, window: int = 4) -> SignalFn:
    """Return the net distance moved over the last `window` probes divided by the path length, 0 to 1."""

    def read(history: LogHistory) -> Series:
        examples, points = _trajectory(history, prefix)
        if len(points) <= window:
            return Series.empty()
        steps = np.sqrt(np.square(np.diff(points, axis=0)).mean(1))
        path_lengths = np.convolve(steps, np.ones(window), "valid")
        net_distances = np.sqrt(np.square(points[window:] - points[:-window]).mean(1))
        return Series(examples[window:], net_distances / np.maximum(path_lengths, 1e-12))

    return read


def _trajectory(history: LogHistory, prefix: str) -> tuple[Values, Values]:
    """Return the positions (T,) and the values (T, N) of the signals with this prefix."""
    all_series = [history[name] for name in history.names_with_prefix(prefix)]
    all_series = [series for series in all_series if len(series.values) == len(all_series[0].values)]
    if not all_series:
        return np.empty(0), np.empty((0, 1))
    return all_series[0].examples, np.stack([series.values for series in all_series], 1)


def stall_ratio(name: str) -> SignalFn:
    """Return about 1 or more where a distance from the data no longer falls, and well below 1 where it does.

    It is the minimum over the last quarter of the probes divided by the minimum before; or half of the present median
    divided by that, if this is larger, so that a distance that rises again counts without waiting for a quarter of the
    run. It is 0 where the present median is below `MIN_ENERGY_DISTANCE`.
    """

    def read(history: LogHistory) -> Series:
        series = history[name]
        values = np.maximum(series.values, MIN_ENERGY_DISTANCE)
        running_min, medians = np.minimum.accumulate(values), series.running_median().values
        ratios = []
        for index in range(2 * MIN_RECENT_PROBES - 1, len(values)):
            split = _recent_start(index)
            present = max(values[split : index + 1].min(), medians[index] / 2) / running_min[split - 1]
            ratios.append(present if medians[index] > MIN_ENERGY_DISTANCE else 0.0)
        return Series(series.examples[2 * MIN_RECENT_PROBES - 1 :], np.array(ratios))

    return read


def rise_ratio(name: str) -> SignalFn:
    """Return the maximum over the last quarter of the probes divided by the maximum before: above 1 while it rises."""

    def read(history: LogHistory) -> Series:
        series = history[name]
        values = np.maximum(series.values, MIN_RISING_VALUE)
        ratios = []
        for index in range(2 * MIN_RECENT_PROBES - 1, len(values)):
            split = _recent_start(index)
            ratios.append(values[split : index + 1].max() / values[:split].max())
        return Series(series.examples[2 * MIN_RECENT_PROBES - 1 :], np.array(ratios))

    return read


def _recent_start(index: int) -> int:
    """Return where the last quarter of the values up to `index` starts, at least `MIN_RECENT_PROBES` of them."""
    return index + 1 - max(MIN_RECENT_PROBES, (index + 1) // 4)


def update_ratio(player: str) -> SignalFn:
    """Return a player's relative weight change per round, except where its learning rate has decayed."""

    def read(history: LogHistory) -> Series:
        updates, rates = history[f"monitor/update_ratio/{player}"], history[f"lr/{player}"]
        if not len(rates.values):
            return updates
        lr = updates.with_values(np.interp(updates.examples, rates.examples, rates.values)).values
        is_training = lr >= MIN_LR_FRACTION * rates.values.max()
        return Series(updates.examples[is_training], updates.values[is_training])

    return read


def distance_from_equilibrium(player: str) -> SignalFn:
    """Return the relative distance of a player's loss from its equilibrium value, where the objective has one."""

    def read(history: LogHistory) -> Series:
        objective = get_fact(history, "settings", "objective", default={})
        level = equilibrium_losses(objective).get(player, 0.0) if isinstance(objective, dict) else 0.0
        series = history[f"{player}/objective"]
        return series.with_values(np.abs(series.values - level) / abs(level)) if level else Series.empty()

    return read


def get_fact(history: LogHistory, *names: str, default: object = None) -> object:
    """Return a setting of the run or a property of its dataset.

    Example:
        >>> history = LogHistory({"settings": {"training": {"batch_size": 64}}})
        >>> get_fact(history, "settings", "training", "batch_size")
        64
    """
    value: object = history.facts
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return default
        value = value[name]
    return default if value is None else value


def get_number(history: LogHistory, names: Sequence[str], default: float = float("nan")) -> float:
    """Return a fact that is a number, else `default`."""
    value = get_fact(history, *names)
    return float(value) if isinstance(value, int | float) else default


def has_bounded_values(history: LogHistory) -> bool:
    """Return whether the values of samples lie in [-1, 1]."""
    return get_fact(history, "data", "bounded", default=True) is True


def is_translation(history: LogHistory) -> bool:
    """Return whether samples are generated from inputs instead of latents."""
    return get_fact(history, "data", "has_inputs", default=False) is True


def generates_from_latents(history: LogHistory) -> bool:
    """Return whether samples are generated from latents."""
    return not is_translation(history)


def supports_augmentation(history: LogHistory) -> bool:
    """Return whether the discriminator's inputs can be augmented: samples that no term compares with others."""
    return get_fact(history, "data", "augmentation", default="ada") != "none" and generates_from_latents(history)


def constant_signal(history: LogHistory, value: float) -> Series:
    """Return a fact as a series with the same value at every row of the log."""
    rounds = history["round"]
    return rounds.with_values(np.full(len(rounds.values), value))
