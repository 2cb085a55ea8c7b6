"""What rules look at: signals of the log, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zerosum.diagnosis.log_history import History, Series, Values
from zerosum.game.objective import equilibrium

Reading = Callable[[History], Series]
LATELY = 3
"""Looks at least that are held against those before."""
NEAR = 0.005
"""An energy distance that few samples cannot tell from 0."""


def of(name: str) -> Reading:
    """A signal as the log has it."""
    return lambda history: history[name]


def usual(name: str) -> Reading:
    """A signal over what it usually was before, in this run."""
    return lambda history: history[name].over_usual()


def size(name: str) -> Reading:
    """A signal without its sign."""
    return lambda history: history[name].map(np.abs(history[name].values))


def ratio(above: str, below: str, least: float = 1e-12) -> Reading:
    """One signal over another."""
    return lambda history: history[above].over(history[below], least)


def less(first: str, second: str) -> Reading:
    """One signal less another."""
    return lambda history: history[first].minus(history[second])


def apart(first: str, second: str) -> Reading:
    """How far two signals are apart."""

    def read(history: History) -> Series:
        series = history[first].minus(history[second])
        return series.map(np.abs(series.values))

    return read


def lower(*readings: Reading) -> Reading:
    """The lowest of several readings at moments that all have."""
    return lambda history: _least([reading(history) for reading in readings])


def higher(*readings: Reading) -> Reading:
    """The highest of several readings at moments that all have; nothing where one of them is missing."""

    def read(history: History) -> Series:
        found = [series.map(-series.values) for series in (reading(history) for reading in readings)]
        least = _least(found) if all(len(series.values) for series in found) else Series.empty()
        return least.map(-least.values)

    return read


def _least(found: Sequence[Series]) -> Series:
    """The lowest of several at moments that all have, but for those that have none."""
    found = [series for series in found if len(series.values)]
    if not found:
        return Series.empty()
    least = found[0]
    for series in found[1:]:
        both, ours, theirs = np.intersect1d(least.images, series.images, return_indices=True)
        least = Series(both, np.minimum(least.values[ours], series.values[theirs]))
    return least


def steps(start: str) -> Reading:
    """How far what several numbers follow has gone since the examination before."""

    def read(history: History) -> Series:
        images, way = _way(history, start)
        if len(way) < 2:
            return Series.empty()
        return Series(images[1:], np.sqrt(np.square(np.diff(way, axis=0)).mean(1)))

    return read


def straightness(start: str, over: int = 4) -> Reading:
    """The straight way from some examinations ago to now, over the way gone: 1 straight on, near 0 round and round."""

    def read(history: History) -> Series:
        images, way = _way(history, start)
        if len(way) <= over:
            return Series.empty()
        gone = np.sqrt(np.square(np.diff(way, axis=0)).mean(1))
        total = np.convolve(gone, np.ones(over), "valid")
        straight = np.sqrt(np.square(way[over:] - way[:-over]).mean(1))
        return Series(images[over:], straight / np.maximum(total, 1e-12))

    return read


def _way(history: History, start: str) -> tuple[Values, Values]:
    """(T,) moments and (T, N) the numbers whose names begin so."""
    found = [history[name] for name in history.names(start)]
    found = [series for series in found if len(series.values) == len(found[0].values)]
    if not found:
        return np.empty(0), np.empty((0, 1))
    return found[0].images, np.stack([series.values for series in found], 1)


def stalled(name: str) -> Reading:
    """Near 1 or above where a distance from the data no longer falls, well below where it does.

    The least of the last quarter of its looks over the least before, or half of what it is now over that, if that is
    more: who was near and is far again need not wait for a quarter to pass. 0 where it is as near as can be told.
    """

    def read(history: History) -> Series:
        series = history[name]
        values = np.maximum(series.values, NEAR)
        best, now = np.minimum.accumulate(values), series.steadied().values
        found = []
        for place in range(2 * LATELY - 1, len(values)):
            before = place + 1 - max(LATELY, (place + 1) // 4)
            least = best[before - 1]
            stands = max(values[before : place + 1].min(), now[place] / 2) / least
            found.append(stands if now[place] > NEAR else 0.0)
        return Series(series.images[2 * LATELY - 1 :], np.array(found))

    return read


def risen(name: str) -> Reading:
    """Above 1 where a signal still rises: the most of the last quarter of its looks over the most before."""

    def read(history: History) -> Series:
        series = history[name]
        values = np.maximum(series.values, LEAST)
        found = []
        for place in range(2 * LATELY - 1, len(values)):
            before = place + 1 - max(LATELY, (place + 1) // 4)
            found.append(values[before : place + 1].max() / values[:before].max())
        return Series(series.images[2 * LATELY - 1 :], np.array(found))

    return read


LEAST = 0.001
"""Of a signal that rises from 0: less than this is 0."""


def stride(player: str) -> Reading:
    """A player's step over its weights while its schedule lets it move: not where its rate has come to an end."""

    def read(history: History) -> Series:
        steps, rates = history[f"exam/stride/{player}"], history[f"rate/{player}"]
        if not len(rates.values):
            return steps
        rate = steps.map(np.interp(steps.images, rates.images, rates.values)).values
        moves = rate >= RATE * rates.values.max()
        return Series(steps.images[moves], steps.values[moves])

    return read


RATE = 0.05
"""Of its highest rate, below which a player is not expected to move."""


def from_equilibrium(player: str) -> Reading:
    """How far a player's loss is from what it is where the discriminator cannot tell, over that; where it is known."""

    def read(history: History) -> Series:
        objective = fact(history, "settings", "objective", otherwise={})
        level = equilibrium(objective).get(player, 0.0) if isinstance(objective, dict) else 0.0
        series = history[f"{player}/score"]
        return series.map(np.abs(series.values - level) / abs(level)) if level else Series.empty()

    return read


def fact(history: History, *names: str, otherwise: object = None) -> object:
    """A setting or something about the data: `fact(history, "settings", "training", "batch")`."""
    found: object = history.facts
    for name in names:
        if not isinstance(found, dict) or name not in found:
            return otherwise
        found = found[name]
    return otherwise if found is None else found


def number(history: History, names: Sequence[str], otherwise: float = float("nan")) -> float:
    """A fact that is a number."""
    found = fact(history, *names)
    return float(found) if isinstance(found, int | float) else otherwise


def pictures(history: History) -> bool:
    """The data are pictures, whose numbers lie in [-1, 1]."""
    return fact(history, "data", "kind", otherwise="images") == "images"


def translates(history: History) -> bool:
    """Samples are made from pictures, not from noise."""
    return fact(history, "settings", "game", "kind") == "translation"


def from_noise(history: History) -> bool:
    """Samples are made from noise."""
    return not translates(history)


def varied(history: History) -> bool:
    """What the judge sees can be varied: pictures that are not held against others too."""
    return pictures(history) and from_noise(history)


def always(history: History, value: float) -> Series:
    """A fact as a signal: the same at every line of the log."""
    rounds = history["round"]
    return rounds.map(np.full(len(rounds.values), value))
