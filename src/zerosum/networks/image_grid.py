"""The small grid from which convolutional networks double up to the size of an image.

4x4 for square images whose side is a power of two, as in the papers; 6x4 for images of 96x64 pixels, 6x6 for 96x96.
"""

from __future__ import annotations

from typing import NamedTuple

from zerosum.errors import BadInput

BASE_SIDE = 4
"""Least side of the grid."""
MAX_GRID_SIDE = 16
"""Largest side of the grid: the layers next to it have weights for each of its cells."""
MIN_SIDE, MAX_SIDE = 16, 1024
"""Smallest and largest side of the images that convolutional generators and discriminators support."""
_MIN_DOUBLINGS = 2


class ImageGrid(NamedTuple):
    """The grid of images of `height` * 2^`doublings` times `width` * 2^`doublings` pixels."""

    height: int
    width: int
    doublings: int
    """The largest number with which both sides of the grid are whole and at least 4."""

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.height * self.width

    @property
    def side(self) -> int:
        """The side of square images with as many doublings from 4x4, which the channels of networks depend on."""
        return BASE_SIDE << self.doublings


def find_grid(height: int, width: int) -> ImageGrid:
    """Return the grid of images of this size.

    Example:
        >>> find_grid(64, 64), find_grid(64, 96)
        (ImageGrid(height=4, width=4, doublings=4), ImageGrid(height=4, width=6, doublings=4))
    """
    doublings = 0
    while not (height % 2 or width % 2) and min(height, width) >= 2 * BASE_SIDE:
        height, width, doublings = height // 2, width // 2, doublings + 1
    return ImageGrid(height, width, doublings)


def check_grid(kind: str, height: int, width: int) -> None:
    """Check the size of images for networks that halve them down to a small grid.

    Raises:
        BadInput: a side is not from 16 to 1024 pixels, or the grid would be too large.
    """
    grid = find_grid(height, width)
    is_in_range = min(height, width) >= MIN_SIDE and max(height, width) <= MAX_SIDE
    if not is_in_range or grid.doublings < _MIN_DOUBLINGS or max(grid.height, grid.width) > MAX_GRID_SIDE:
        raise BadInput(
            f"{kind} needs images with sides of {MIN_SIDE} to {MAX_SIDE} pixels that are 4 to {MAX_GRID_SIDE} times one"
            f" power of two, got {width}x{height}: set `data.size` to {_suggest_size(height, width)}."
        )


def count_doublings(side: int) -> int:
    """Return the number of doublings from 4x4 to this side."""
    return side.bit_length() - 3


def _suggest_size(height: int, width: int) -> str:
    """Return a supported size near this one, as a setting."""
    height, width = (min(max(side, MIN_SIDE), MAX_SIDE) for side in (height, width))
    unit = 1 << (min(height, width).bit_length() - 3)  # of which the shorter side is 4 to 7
    sides = [min(max(BASE_SIDE, round(side / unit)), MAX_GRID_SIDE) * unit for side in (width, height)]
    return f"{sides[0]}x{sides[1]}" if sides[0] != sides[1] else str(sides[0])
