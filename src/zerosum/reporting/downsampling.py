"""Curves of any length as a few hundred bins in which no spike is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

BINS = 240
"""Two pixels of a chart each: more could not be told apart."""


@dataclass(frozen=True)
class Curve:
    """Values over time, as logged."""

    name: str
    x: Numbers
    """(T,) images seen, rising."""
    y: Numbers
    """(T,); may hold NaN and infinity, which break the line."""
    colour: int
    """Which of the page's colours, 0 to 6."""


class Bins(NamedTuple):
    """A curve in bins along time: (B,) each, NaN where a bin holds no number."""

    low: Numbers
    high: Numbers
    mean: Numbers
    empty: NDArray[np.bool_]
    """Nothing was logged: the line goes on. A bin of NaN alone is not empty, and breaks it."""


def edges(curves: Sequence[Curve]) -> Numbers:
    """Upper ends of the bins (B,): every instant while they are few, else even steps."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    return instants if len(instants) <= BINS else np.linspace(instants[0], instants[-1], BINS)


def drawn_at(ends: Numbers, curves: Sequence[Curve]) -> Numbers:
    """Where a bin is drawn and read: at its last instant, so that what was last logged stands last."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    place = np.clip(np.searchsorted(ends, instants), 0, len(ends) - 1)
    drawn = ends.copy()
    drawn[place] = instants  # rising: the last instant of a bin stays
    return drawn


def binned(curve: Curve, ends: Numbers) -> Bins:
    """The curve in the bins that end at `ends`."""
    place = np.clip(np.searchsorted(ends, curve.x), 0, len(ends) - 1)
    sound = np.isfinite(curve.y)
    low, high = np.full(len(ends), np.inf), np.full(len(ends), -np.inf)
    np.minimum.at(low, place[sound], curve.y[sound])
    np.maximum.at(high, place[sound], curve.y[sound])
    count = np.bincount(place[sound], minlength=len(ends))
    total = np.bincount(place[sound], curve.y[sound], minlength=len(ends))
    none = count == 0
    mean = np.where(none, np.nan, total / np.maximum(count, 1))
    logged = np.bincount(place, minlength=len(ends))
    return Bins(np.where(none, np.nan, low), np.where(none, np.nan, high), mean, logged == 0)


def smooth(y: Numbers) -> Numbers:
    """Straight lines fitted about each of (B,) bins under a Gaussian as wide as 2% of them, passing over NaN.

    A fitted line, unlike an average, neither bends at the ends nor lags on a slope. Short curves stay as they are.
    """
    width = len(y) / 50
    if width < 1:
        return y
    far = min(math.ceil(3 * width), (len(y) - 1) // 2)
    reach = np.arange(-far, far + 1)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    sound, value = np.isfinite(y).astype(float), np.nan_to_num(y)
    # moments of distance d = neighbour - here; convolution turns the kernel around, hence -reach
    w0, w1, w2 = (np.convolve(sound, kernel * (-reach) ** n, "same") for n in range(3))
    y0, y1 = (np.convolve(value, kernel * (-reach) ** n, "same") for n in range(2))
    spread = w0 * w2 - w1 * w1
    alone = spread < 1e-9
    line: Numbers = np.where(alone, y, (w2 * y0 - w1 * y1) / np.where(alone, 1, spread))
    return line
