"""What images are brought to: the shape of examples, and what their values mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zerosum.data.images.pixels import PixelType
from zerosum.data.images.size import ImageSize
from zerosum.data.images.value_range import Range, format_range

_TYPE_RANGES: dict[PixelType, Range] = {
    "uint8": (0.0, 255.0),
    "uint16": (0.0, 65535.0),
    "int16": (-32768.0, 32767.0),
    "float32": (0.0, 1.0),
}


@dataclass(frozen=True)
class ExampleFormat:
    """The form of the examples (H, W, C) of a source."""

    size: ImageSize
    channels: int
    """1 gray, 3 RGB; of 8 bits also 2 gray with alpha and 4 RGB with alpha; other numbers are those of bands."""
    fit: str
    """How images get the size: a name in `zerosum.data.images.decode.FITS`."""
    value_range: Range | None = None
    """The range of values of more than 8 bits; None: that of their type, or of the array."""
    dtype: PixelType = "uint8"
    """The type of the values; those of more than 8 bits are scaled to 0..255 for uint8."""
    pages: bool = False
    """Whether the pages of each file are the bands of one image."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)"""
        return self.size.height, self.size.width, self.channels

    @property
    def nbytes(self) -> int:
        """The size of an example in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def sample_range(self) -> Range:
        """The values that are -1 and 1 in samples: that of bytes, else the range, by default that of the type."""
        return _TYPE_RANGES["uint8"] if self.dtype == "uint8" else self.value_range or _TYPE_RANGES[self.dtype]

    @property
    def key(self) -> str:
        """The part of the name of an entry of the cache that changes with each setting."""
        key = f"{self.size.setting} {self.channels} {self.fit} {self.value_range}"
        return key + (f" {self.dtype}" if self.dtype != "uint8" else "") + (" pages" if self.pages else "")


def smallest_type(value_range: Range, floating: bool) -> PixelType:
    """Return the type that holds the values of a range: that of floats, or the smallest one of integers.

    Example:
        >>> smallest_type((-1024, 3071), floating=False), smallest_type((0, 255), floating=True)
        ('int16', 'float32')
    """
    if floating:
        return "float32"
    low, high = value_range
    for dtype, (bottom, top) in _TYPE_RANGES.items():
        if dtype != "float32" and bottom <= low and high <= top:
            return dtype
    return "float32"


def check_range_of_type(name: str, value_range: Range, dtype: PixelType) -> None:
    """Raise if a type of integers does not hold a range.

    Raises:
        ValueError: with the setting `name` of the range, and what to do.
    """
    bottom, top = _TYPE_RANGES[dtype]
    low, high = value_range
    if dtype != "float32" and (low < bottom or high > top):
        raise ValueError(
            f"`data.{name}` {format_range(value_range)}: {dtype} holds {format_range((bottom, top))}; choose another "
            "`data.dtype`, such as float32"
        )
