"""What a number means in images with more than 8 bits per value: a range, decided once for a source as `data.range`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]
"""(low, high): the values that are read as 0 and as 255."""

MAX_VALUE = float(np.finfo(np.float32).max)
"""Largest absolute value of an image: values are stored and trained on with 32 bits."""
INTEGER_RANGES: tuple[Range, ...] = tuple((0.0, 2.0**bits - 1) for bits in (8, 10, 12, 14, 16))
"""Ranges of integers, of which the first that holds the values is chosen: the depths of cameras and scanners."""
FLOAT_RANGES: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""Ranges of floats, of which the first that holds the values is chosen."""
_RANGES_OF_TYPES: dict[str, Range] = {"u": (0.0, 65535.0), "i": (0.0, 65535.0), "f": (0.0, 1.0)}
_FLOAT_OVERSHOOT = 0.02  # of a range of floats: resampling leaves values such as 1.004
_MIN_FOR_OUTLIERS, _ONE_OUTLIER_IN = 8, 20  # of so many images, and for each so many of them, one may be an outlier


class Extremes(NamedTuple):
    """The least and the largest value of each of some images."""

    floating: bool
    """Whether any of these images holds floats."""
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def measure_extremes(arrays: Iterable[NDArray[np.generic]]) -> Extremes | None:
    """Measure images (...) of numbers, one at a time; those without finite values are passed over.

    Returns:
        The extremes, or None if there are no images.
    """
    floating, lows, highs = False, [], []
    for array in arrays:
        finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        if finite.size:
            floating |= array.dtype.kind == "f"
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
    return Extremes(floating, tuple(lows), tuple(highs)) if lows else None


def merge_extremes(parts: Iterable[Extremes | None]) -> Extremes | None:
    """Return the extremes of several sources together.

    None if there are none, or if some sources hold integers and others floats, which have no scale in common.
    """
    known = [part for part in parts if part is not None]
    if len({part.floating for part in known}) != 1:
        return None
    lows = tuple(low for part in known for low in part.lows)
    return Extremes(known[0].floating, lows, tuple(high for part in known for high in part.highs))


def choose_range(extremes: Extremes) -> Range:
    """Choose the range of all images of a source.

    It is the first of `INTEGER_RANGES` or `FLOAT_RANGES` that holds the values, else their extremes rounded outwards to
    two digits. Of 8 images or more, one in 20 (at least one) may lie outside: a single hot pixel decides nothing.
    """
    count = len(extremes.lows)
    outliers = max(1, count // _ONE_OUTLIER_IN) if count >= _MIN_FOR_OUTLIERS else 0
    low, high = sorted(extremes.lows)[outliers], sorted(extremes.highs)[-1 - outliers]
    for bottom, top in FLOAT_RANGES if extremes.floating else INTEGER_RANGES:
        margin = _FLOAT_OVERSHOOT * top if extremes.floating and high >= top / 2 else 0.0
        if low >= bottom - margin and high <= top + margin:
            return bottom, top
    return _round_outwards(low, high, integer=not extremes.floating)


def range_of_type(dtype: np.dtype[np.generic]) -> Range:
    """Return the range of values of a type where no range is set: 0..65535 for integers, 0..1 for floats."""
    return _RANGES_OF_TYPES[dtype.kind]


def scale_to_8bit(values: NDArray[np.number], value_range: Range) -> tuple[NDArray[np.uint8], int]:
    """Scale values (...) of a range to 0..255 and round them; values outside are clipped.

    Returns:
        The bytes (...), and the number of values that were clipped.

    Raises:
        ValueError: if values are not finite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("some values are not finite")
    low, high = value_range
    if values.dtype == np.float16 and max(abs(low), abs(high)) > 255:
        values = values.astype(np.float32)  # the largest float16 is 65504
    clipped = int(np.count_nonzero(values < low)) + int(np.count_nonzero(values > high))
    inside = np.clip(values, low, high) if clipped else values
    return np.rint((inside - low) * (255.0 / (high - low))).astype(np.uint8), clipped


def format_range(value_range: Range) -> str:
    """Return a range as text: -1024..3071."""
    return "{:.10g}..{:.10g}".format(*value_range)


def _round_outwards(low: float, high: float, *, integer: bool) -> Range:
    """Round a range outwards to two digits of its span."""
    step = 10.0 ** (math.floor(math.log10((high - low) or abs(high) or 1.0)) - 1)
    step = max(1.0, step) if integer else step
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    bottom, top = float(f"{bottom:.10g}"), float(f"{top:.10g}")
    return (bottom, top) if top > bottom else (bottom, bottom + step)
