"""An image as an array, of any type of numbers and any number of channels, where Pillow has no mode for it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_CHANNELS = 64
"""Largest number of channels of images."""
PIL_CHANNELS = 4
"""Bytes in up to so many channels are images of Pillow: gray or RGB, with or without alpha."""


@dataclass(frozen=True, eq=False)
class RasterImage:
    """The values of an image, with the properties that an opened image of Pillow has."""

    values: NDArray[np.generic]
    """(H, W, C)"""
    format: str = "array"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing has to be closed."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width, _ = self.values.shape
        return width, height

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self.values.shape[2])

    @property
    def mode(self) -> str:
        """The number of channels and their type: "8 x float32"."""
        return f"{self.channels} x {self.values.dtype.name}" if self.channels > 1 else self.values.dtype.name

    def crop(self, box: tuple[int, int, int, int]) -> RasterImage:
        """Return the part of the image with these left, upper, right and lower edges."""
        left, upper, right, lower = box
        return RasterImage(self.values[upper:lower, left:right], self.format)


OpenedImage: TypeAlias = Image.Image | RasterImage
"""An image that a source has opened."""


def to_opened_image(values: NDArray[np.generic], file_format: str = "array") -> OpenedImage:
    """Return the image of values (H, W, C): one of Pillow for bytes and booleans in up to 4 channels.

    Raises:
        ValueError: the values are no numbers.
    """
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"its values have the type {values.dtype}, and images need numbers")
    if values.dtype != np.uint8 or values.shape[2] > PIL_CHANNELS:
        return RasterImage(values, file_format)
    image = Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values))
    image.format = file_format
    return image


def load_npy_image(content: NDArray[np.generic]) -> OpenedImage:
    """Return the image of the array of an .npy file: (H, W), (H, W, C) or (C, H, W).

    Raises:
        ValueError: the array is not one image.
    """
    if content.ndim not in (2, 3) or 0 in content.shape:
        raise ValueError(f"an array of shape {content.shape} is not one image (H, W) or (H, W, C)")
    values = content[..., None] if content.ndim == 2 else content
    if find_channel_axis(values.shape) == 0:
        values = values.transpose(1, 2, 0)
    if values.shape[2] > MAX_CHANNELS:
        raise ValueError(f"an array of shape {content.shape} has more than {MAX_CHANNELS} channels")
    return to_opened_image(values, "NPY")


def find_channel_axis(shape: tuple[int, ...]) -> int:
    """Return the axis of the channels of an image (H, W, C) or (C, H, W): 2 or 0.

    The last axis is that of the channels if it has 1 to 4 of them. Else the first one is, if it is the shortest.
    """
    first, second, last = shape
    is_first = last > PIL_CHANNELS and (first <= PIL_CHANNELS or first < min(second, last))
    return 0 if is_first else 2
