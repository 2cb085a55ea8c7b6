"""Series of the weights, and of the statistics of samples, that every row of the log holds."""

from __future__ import annotations

import numpy as np
from pydantic import TypeAdapter, ValidationError

from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.remedies import GRADIENT_PENALTIES
from zerosum.diagnosis.rules.signals import (
    MIN_LR_FRACTION,
    SignalFn,
    constant_signal,
    get_fact,
    get_number,
    maximum,
)
from zerosum.game.schedule import Progress, Schedule, schedule_endpoints, value_at

NUM_HALF_LIFE_POINTS = 100
"""Positions of a run at which the half-life of its EMA is read."""
MIN_STATISTIC = 1e-4
"""Smaller variances and contrasts are raised to this one."""


def trained_update(player: str) -> SignalFn:
    """Return a player's relative weight change per round, while its loss has a weight and its rate has not decayed."""

    def read(history: LogHistory) -> Series:
        updates, rates = history[f"weights/update/{player}"], history[f"lr/{player}"]
        moves = history[f"{player}/objective"]
        is_trained = np.isin(updates.examples, moves.examples)
        if len(rates.values):
            lr = np.interp(updates.examples, rates.examples, rates.values)
            is_trained &= lr >= MIN_LR_FRACTION * rates.values.max()
        return Series(updates.examples[is_trained], updates.values[is_trained])

    return read


def norm_change(player: str) -> SignalFn:
    """Return the relative change of the norm of a player's weights since the row before."""

    def read(history: LogHistory) -> Series:
        norms = history[f"weights/norm/{player}"]
        changes = np.abs(np.diff(norms.values)) / np.maximum(norms.values[:-1], 1e-12)
        return Series(norms.examples[1:], changes)

    return read


def norm_growth(player: str) -> SignalFn:
    """Return the ratio of the norm of a player's weights to its first one, or its inverse: at least 1."""

    def read(history: LogHistory) -> Series:
        norms = history[f"weights/norm/{player}"]
        if not len(norms.values):
            return norms
        return norms.with_values(_fold(norms.values / max(norms.values[0], 1e-12)))

    return read


def mismatch(statistic: str) -> SignalFn:
    """Return the ratio of a statistic of samples to that of real examples, or its inverse: at least 1."""

    def read(history: LogHistory) -> Series:
        fake, real = history[f"signals/fake_{statistic}"], history[f"signals/real_{statistic}"]
        floored = fake.with_values(np.maximum(fake.values, MIN_STATISTIC))
        series = floored.divided_by(real, MIN_STATISTIC)
        return series.with_values(_fold(series.values))

    return read


def approach(history: LogHistory) -> Series:
    """Return the inverse of the larger mismatch of variance and contrast: 1 where samples have those of the data."""
    series = maximum(mismatch("variance"), mismatch("contrast"))(history)
    return series.with_values(1 / np.maximum(series.values, 1.0))


def _fold(ratios: np.ndarray) -> np.ndarray:
    folded: np.ndarray = np.maximum(ratios, 1 / np.maximum(ratios, 1e-12))
    return folded


def parameter_ratio(history: LogHistory) -> Series:
    """Return the number of the discriminator's weights over that of the generator's."""
    return history["weights/count/discriminator"].divided_by(history["weights/count/generator"], 1.0)


def penalty_weight_ratio(history: LogHistory) -> Series:
    """Return the largest ratio of a gradient penalty's weight to the recipe's; at every row of the log."""
    ratios = [0.0]
    settings, defaults = (get_fact(history, name, "terms", default={}) for name in ("settings", "defaults"))
    if isinstance(settings, dict) and isinstance(defaults, dict):
        for name in settings.keys() & defaults.keys():
            if settings[name].get("kind") in GRADIENT_PENALTIES:
                present, default = (_largest(terms[name].get("weight", 0)) for terms in (settings, defaults))
                ratios.append(present / default if default else 0.0)
    return constant_signal(history, max(ratios))


def _largest(value: object) -> float:
    """Return the largest value of a schedule; 0 where it is none."""
    schedule = _read_schedule(value)
    return 0.0 if schedule is None else max(schedule_endpoints(schedule))


def _read_schedule(value: object) -> Schedule | None:
    try:
        schedule: Schedule = TypeAdapter(Schedule).validate_python(value)
    except ValidationError:
        return None
    return schedule


def ema_of_initial_weights(history: LogHistory) -> Series:
    """Return which part of the EMA will be the initial weights at the planned end of the run; at every row of the log.

    It is 2^-n, where n is the number of half-lives from the beginning to the end.
    """
    total = get_number(history, ("settings", "training", "examples"), 0.0)
    schedule = _read_schedule(get_fact(history, "settings", "ema", "half_life"))
    if schedule is None or total <= 0:
        return Series.empty()
    if not isinstance(schedule, int | float) and not schedule.examples[1]:
        schedule = type(schedule).model_validate(schedule.resolve(int(total)).model_dump())
    positions = (np.arange(NUM_HALF_LIFE_POINTS) + 0.5) / NUM_HALF_LIFE_POINTS * total
    half_lives = np.array([value_at(schedule, Progress(0, int(position))) for position in positions])
    number = (total / NUM_HALF_LIFE_POINTS / np.maximum(half_lives, 1e-9)).sum()
    return constant_signal(history, float(0.5 ** min(number, 1000.0)))
