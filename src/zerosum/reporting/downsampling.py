"""Curves of any length as a few hundred bins in which no spike is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_BINS = 240
"""Two pixels of a chart each: more could not be told apart."""


@dataclass(frozen=True)
class Curve:
    """Values over time, as logged."""

    name: str
    x: FloatArray
    """(T,) images seen, rising."""
    y: FloatArray
    """(T,); may hold NaN and infinity, which break the line."""
    color_index: int
    """Which of the page's colours, 0 to 6."""


class Bins(NamedTuple):
    """A curve in bins along time: (B,) each, NaN where a bin holds no number."""

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    empty: NDArray[np.bool_]
    """Nothing was logged: the line goes on. A bin of NaN alone is not empty, and breaks it."""


def bin_edges(curves: Sequence[Curve]) -> FloatArray:
    """Upper ends of the bins (B,): every instant while they are few, else even steps."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    return instants if len(instants) <= MAX_BINS else np.linspace(instants[0], instants[-1], MAX_BINS)


def bin_positions(edges: FloatArray, curves: Sequence[Curve]) -> FloatArray:
    """Where a bin is drawn and read: at its last instant, so that what was last logged stands last."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    place = np.clip(np.searchsorted(edges, instants), 0, len(edges) - 1)
    drawn = edges.copy()
    drawn[place] = instants  # rising: the last instant of a bin stays
    return drawn


def bin_curve(curve: Curve, edges: FloatArray) -> Bins:
    """The curve in the bins that end at `edges`."""
    place = np.clip(np.searchsorted(edges, curve.x), 0, len(edges) - 1)
    sound = np.isfinite(curve.y)
    low, high = np.full(len(edges), np.inf), np.full(len(edges), -np.inf)
    np.minimum.at(low, place[sound], curve.y[sound])
    np.maximum.at(high, place[sound], curve.y[sound])
    count = np.bincount(place[sound], minlength=len(edges))
    total = np.bincount(place[sound], curve.y[sound], minlength=len(edges))
    none = count == 0
    mean = np.where(none, np.nan, total / np.maximum(count, 1))
    logged = np.bincount(place, minlength=len(edges))
    return Bins(np.where(none, np.nan, low), np.where(none, np.nan, high), mean, logged == 0)


def smooth(y: FloatArray) -> FloatArray:
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
    line: FloatArray = np.where(alone, y, (w2 * y0 - w1 * y1) / np.where(alone, 1, spread))
    return line
