"""The size of images: one number for squares, WIDTHxHEIGHT for others, as cameras and image viewers write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Self

MAX_IMAGE_SIDE = 1024
"""Largest side of training images in pixels."""
_GRID_UNITS = (8, 16, 32, 64, 128)  # pixels of a cell of the grid that `suggest_rectangle` multiplies
_PATTERN = re.compile(r"(\d{1,6})(?:\s*[x×]\s*(\d{1,6}))?")


@dataclass(frozen=True)
class ImageSize:
    """The height and the width of images in pixels, in the order of a tensor's axes.

    Example:
        >>> size = parse_size("96x64")
        >>> size.width, size.height, str(size), size.setting, ImageSize.square(64).setting
        (96, 64, '96x64', '96x64', 64)
    """

    height: int
    width: int

    @classmethod
    def square(cls, side: int) -> Self:
        """Return the size of squares."""
        return cls(side, side)

    @property
    def is_square(self) -> bool:
        """Whether both sides are equal."""
        return self.height == self.width

    @property
    def aspect_ratio(self) -> float:
        """The width divided by the height."""
        return self.width / self.height

    @property
    def setting(self) -> int | str:
        """The value of `data.size`: the side of squares, or "WIDTHxHEIGHT"."""
        return self.width if self.is_square else str(self)

    def __str__(self) -> str:
        """Return WIDTHxHEIGHT."""
        return f"{self.width}x{self.height}"


def parse_size(value: object) -> ImageSize:
    """Return the size that a setting means: an `ImageSize`, the side of squares, or "WIDTHxHEIGHT".

    Raises:
        ValueError: it means no size, or a side is not from 1 to 1024 pixels.
    """
    if isinstance(value, ImageSize):
        return value
    is_whole = isinstance(value, float) and value.is_integer()
    match = _PATTERN.fullmatch(f"{value:.0f}" if is_whole else str(value).strip().lower())
    if match is None:
        raise ValueError(
            "give a whole number of pixels for squares, such as 64, or WIDTHxHEIGHT for other images, such as 96x64"
        )
    width, height = int(match[1]), int(match[2] or match[1])
    if not 1 <= min(width, height) <= max(width, height) <= MAX_IMAGE_SIDE:
        raise ValueError(f"each side must be from 1 to {MAX_IMAGE_SIDE} pixels")
    return ImageSize(height, width)


def suggest_rectangle(aspect_ratio: float, min_side: int, max_side: int, max_pixels: int) -> ImageSize | None:
    """Return a size that is not square for training on images of an aspect ratio; None if there is none.

    Both sides are multiples of 16 and few times one power of two, the shorter 4 to 7 times and the longer at most 16
    times: networks double a small grid up to the image, and such sizes give them as many doublings as squares have. Of
    these the one with most pixels is chosen, where one percent of the aspect ratio is worth four percent of the pixels.

    Args:
        aspect_ratio: width divided by height.
        min_side: least shorter side in pixels.
        max_side: largest shorter side in pixels.
        max_pixels: largest number of pixels.

    Example:
        >>> str(suggest_rectangle(4 / 3, 32, 64, 64 * 64)), str(suggest_rectangle(2 / 3, 32, 256, 256 * 256))
        ('64x48', '192x288')
    """
    elongation = max(aspect_ratio, 1 / aspect_ratio)
    best_score, best = 0.0, (0, 0)
    for unit in _GRID_UNITS:
        for short, long in product(range(4 * unit, 8 * unit, unit), range(5 * unit, 17 * unit, unit)):
            is_usable = (
                min_side <= short <= max_side and short < long <= MAX_IMAGE_SIDE and not (short % 16 or long % 16)
            )
            fidelity = min(long / short / elongation, elongation * short / long)
            score = short * long * fidelity**4
            if is_usable and short * long <= max_pixels and score > best_score:
                best_score, best = score, (short, long)
    short, long = best
    return None if not short else ImageSize(short, long) if aspect_ratio > 1 else ImageSize(long, short)


def is_suitable_rectangle(size: ImageSize) -> bool:
    """Return whether a size that is not square is one of those that `suggest_rectangle` suggests.

    Example:
        >>> is_suitable_rectangle(ImageSize(64, 96)), is_suitable_rectangle(ImageSize(64, 100))
        (True, False)
    """
    short, long = sorted((size.height, size.width))
    return short < long and any(
        4 * unit <= short < 8 * unit and long <= 16 * unit and not (short % unit or long % unit or short % 16)
        for unit in _GRID_UNITS
    )
