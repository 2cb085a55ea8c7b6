"""The images of one array, as they are or as bytes, by a range that is decided once for the array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.value_range import MAX_VALUE, Extremes, Range, choose_range, measure_extremes, scale_to_8bit
from zerosum.errors import BadInput

_BLOCK_VALUES = 2**22  # values that are converted at a time; as float64 they take 32 MiB


class _Converted(NamedTuple):
    pixels: NDArray[np.uint8]
    clipped: int


class ArrayValues:
    """The images (N, H, W, C) of an array; it is loaded, and converted to uint8, when that is first used."""

    def __init__(
        self, load: Callable[[], NDArray[np.generic]], description: str, value_range: Range | None = None
    ) -> None:
        """Create the images.

        Args:
            load: returns the array (N, H, W, C) of any type.
            description: the array in messages.
            value_range: the range of values of more than 8 bits; None: the one that holds all of the array.
        """
        self._load, self._description, self._value_range = load, description, value_range

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The images (N, H, W, C).

        Raises:
            BadInput: if the array does not hold finite numbers.
        """
        return self._converted.pixels

    @property
    def clipped(self) -> int:
        """The number of values that lay outside the range."""
        return self._converted.clipped

    @cached_property
    def array(self) -> NDArray[np.generic]:
        """The images (N, H, W, C) in the type of the array."""
        return self._load()

    @cached_property
    def extremes(self) -> Extremes | None:
        """The extremes of each image; None for bytes and booleans.

        Raises:
            BadInput: if the array does not hold finite numbers.
        """
        array = self.array
        if array.dtype == np.uint8 or array.dtype.kind == "b":
            return None
        if array.dtype.kind not in "iuf":
            raise BadInput(
                f"{self._description} has dtype {array.dtype}: save images as uint8, or as floats in [0, 1] or [-1, 1]"
            )
        extremes = measure_extremes(array)
        largest = max((abs(value) for value in (*extremes.lows, *extremes.highs)), default=0.0) if extremes else 0.0
        if largest > MAX_VALUE:
            raise BadInput(f"{self._description} holds values beyond {MAX_VALUE:.2g}: scale them to a smaller range")
        if extremes is None or not all(np.isfinite(block).all() for block in _iter_blocks(array)):
            raise BadInput(f"{self._description} holds values that are not finite: replace NaN and infinity by numbers")
        return extremes

    def with_range(self, value_range: Range | None) -> ArrayValues:
        """Return the images by another range: the same object if they were converted by it already."""
        known = self._value_range or (choose_range(self.extremes) if self.extremes else None)
        if value_range is None or value_range == known:
            return self
        return ArrayValues(self._load, self._description, value_range)

    @cached_property
    def _converted(self) -> _Converted:
        array, extremes = self.array, self.extremes
        if extremes is None:
            scale = np.uint8(255 if array.dtype.kind == "b" else 1)
            pixels = array.astype(np.uint8, copy=False)
            return _Converted(pixels * scale if scale > 1 else pixels, 0)
        value_range = self._value_range or choose_range(extremes)
        pixels, clipped, first = np.empty(array.shape, np.uint8), 0, 0
        for block in _iter_blocks(array):
            pixels[first : first + len(block)], outside = scale_to_8bit(block, value_range)
            clipped, first = clipped + outside, first + len(block)
        return _Converted(pixels, clipped)


def _iter_blocks(array: NDArray[np.generic]) -> Iterator[NDArray[np.number]]:
    """Yield images (n, H, W, C) of numbers in blocks, so that memory holds no second copy of them all."""
    block = max(1, _BLOCK_VALUES // math.prod(array.shape[1:]))
    for first in range(0, len(array), block):
        yield array[first : first + block].astype(array.dtype, copy=False)
