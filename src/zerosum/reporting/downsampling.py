"""Reduce curves of any length to a few hundred bins that keep minimum and maximum, so that no spike is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_BINS = 240
"""Each bin is two pixels wide in a chart, so more bins would not be visible."""


@dataclass(frozen=True)
class Curve:
    """Logged values over training."""

    name: str
    x: FloatArray
    """(T,) examples trained, ascending."""
    y: FloatArray
    """(T,) values. NaN and infinity interrupt the line."""
    color_index: int
    """Index into the colors of the page, 0 to 6."""


class Bins(NamedTuple):
    """A curve in bins along x: (B,) each, NaN in bins without a finite value."""

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    empty: NDArray[np.bool_]
    """Bins in which nothing was logged. The line skips them; a bin with NaN only is not empty and interrupts it."""


def bin_edges(curves: Sequence[Curve]) -> FloatArray:
    """Return the upper edges of the bins (B,): every x if there are at most `MAX_BINS`, else evenly spaced."""
    unique_x = np.unique(np.concatenate([curve.x for curve in curves]))
    return unique_x if len(unique_x) <= MAX_BINS else np.linspace(unique_x[0], unique_x[-1], MAX_BINS)


def bin_positions(edges: FloatArray, curves: Sequence[Curve]) -> FloatArray:
    """Return the x at which each bin is drawn (B,): its last logged x, or its edge if it is empty."""
    unique_x = np.unique(np.concatenate([curve.x for curve in curves]))
    bin_index = np.clip(np.searchsorted(edges, unique_x), 0, len(edges) - 1)
    positions = edges.copy()
    positions[bin_index] = unique_x  # ascending, so the last x of a bin remains
    return positions


def bin_curve(curve: Curve, edges: FloatArray) -> Bins:
    """Return the curve in the bins with upper edges `edges`."""
    bin_index = np.clip(np.searchsorted(edges, curve.x), 0, len(edges) - 1)
    finite = np.isfinite(curve.y)
    low, high = np.full(len(edges), np.inf), np.full(len(edges), -np.inf)
    np.minimum.at(low, bin_index[finite], curve.y[finite])
    np.maximum.at(high, bin_index[finite], curve.y[finite])
    count = np.bincount(bin_index[finite], minlength=len(edges))
    total = np.bincount(bin_index[finite], curve.y[finite], minlength=len(edges))
    no_value = count == 0
    mean = np.where(no_value, np.nan, total / np.maximum(count, 1))
    num_logged = np.bincount(bin_index, minlength=len(edges))
    return Bins(np.where(no_value, np.nan, low), np.where(no_value, np.nan, high), mean, num_logged == 0)


def smooth(y: FloatArray) -> FloatArray:
    """Smooth values (B,) by local linear regression with a Gaussian kernel, ignoring NaN.

    The kernel's standard deviation is 2% of the bins. Unlike a moving average, a local line has no bias at the ends or
    on slopes. Curves below 50 bins are not smoothed.
    """
    width = len(y) / 50
    if width < 1:
        return y
    radius = min(math.ceil(3 * width), (len(y) - 1) // 2)
    offset = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offset / width) ** 2)
    finite, value = np.isfinite(y).astype(float), np.nan_to_num(y)
    # moments of the distance to neighbors; convolution flips the kernel, hence -offset
    w0, w1, w2 = (np.convolve(finite, kernel * (-offset) ** n, "same") for n in range(3))
    y0, y1 = (np.convolve(value, kernel * (-offset) ** n, "same") for n in range(2))
    determinant = w0 * w2 - w1 * w1
    is_singular = determinant < 1e-9  # a single value within the kernel
    smoothed: FloatArray = np.where(is_singular, y, (w2 * y0 - w1 * y1) / np.where(is_singular, 1, determinant))
    return smoothed
