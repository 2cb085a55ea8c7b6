"""One image file becomes one array: any mode and any size in, upright 8-bit pixels of one size out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from zerosum.data.split import content_key

Pixels = NDArray[np.uint8]

TARGET_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""
_ORIENTATION = 0x0112
_WIDE_MODES = ("I", "F")  # and every I;16: more than 8 bits a value


@dataclass(frozen=True)
class Picture:
    """One image as training sees it, and what it was before."""

    pixels: Pixels
    """(size, size, C)."""
    key: int
    """The hash of the upright pixels at their original size."""
    width: int
    height: int
    mode: str
    """Pillow's mode, as stored."""
    format: str
    frames: int
    """More than one in animations and multi-page files, of which the first is read."""


def picture(image: Image.Image, size: int, channels: int, fit: str) -> Picture:
    """Decode an opened image.

    Args:
        image: as Pillow opened it; nothing need be loaded yet.
        size: the side of the square that comes out.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        fit: a name in `FITS`.

    Raises:
        Exception: whatever Pillow raises at content that is damaged.
    """
    mode, file_format, frames = image.mode, image.format or "array", getattr(image, "n_frames", 1)
    image.load()
    whole = eight_bit(upright(image))
    key = content_key(f"{whole.mode} {whole.width}x{whole.height}", whole.tobytes())
    pixels = FITS[fit](with_channels(whole, channels), size)
    return Picture(pixels, key, whole.width, whole.height, mode, file_format, frames)


def reason(error: Exception) -> str:
    """In a few words, why an image could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image of a kind that is read here"
    if isinstance(error, Image.DecompressionBombError):
        return "it has too many pixels to be safe to decode"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]


def eight_bit(image: Image.Image) -> Image.Image:
    """The image in mode L, LA, RGB or RGBA, its transparency kept, if it has any.

    Values of 16 bits are scaled from 0..65535 to 0..255, never clipped. 32-bit integers beyond that range
    are stretched from their least to their greatest. Floats are taken to span 0..1, 0..255 or 0..65535,
    whichever holds them.

    Raises:
        ValueError: if values are not finite.
    """
    if image.mode in _WIDE_MODES or image.mode.startswith("I;16"):
        return Image.fromarray(_scaled_wide(np.asarray(image)))
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        transparent = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        return transparent.convert("LA") if grey else transparent
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation asks."""
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # a camera's broken EXIF block raises anything, and its pixels are still good
        return image


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """The image in the mode of so many channels; where there is none for alpha, it is laid over white.

    Colours that full transparency hides become white, so that they cannot teach a generator anything.
    """
    if "A" not in image.mode:
        return image if image.mode == TARGET_MODES[channels] else image.convert(TARGET_MODES[channels])
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    if channels in (1, 3):
        return Image.alpha_composite(white, clear).convert(TARGET_MODES[channels])
    white.putalpha(0)
    hidden = clear.getchannel("A").point([255] + [0] * 255)
    return Image.composite(white, clear, hidden).convert(TARGET_MODES[channels])


def crop(image: Image.Image, size: int) -> Pixels:
    """The largest centred square, scaled to `size`: (size, size, C)."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return _array(_scaled(image, size, size, (left, top, left + side, top + side)))


def pad(image: Image.Image, size: int) -> Pixels:
    """The whole image in the middle, its edge repeated around it: (size, size, C).

    A larger image is first scaled down to fit; a smaller one keeps its pixels as they are.
    """
    longest = max(image.size)
    if longest > size:
        width, height = (max(1, round(side * size / longest)) for side in image.size)
        image = _scaled(image, width, height, (0, 0, image.width, image.height))
    return _array(image)[_repeated(image.height, size)[:, None], _repeated(image.width, size)[None, :]]


def stretch(image: Image.Image, size: int) -> Pixels:
    """The whole image, its sides scaled apart: (size, size, C)."""
    return _array(_scaled(image, size, size, (0, 0, image.width, image.height)))


FITS: dict[str, Callable[[Image.Image, int], Pixels]] = {"crop": crop, "pad": pad, "resize": stretch}
"""How an image of any shape becomes a square, by name."""


def _scaled(image: Image.Image, width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    if image.size == (width, height) and box == (0, 0, width, height):
        return image
    # The gap lets a box filter do the first, whole-number part of a large reduction: twice as fast, no
    # visible change.
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _array(image: Image.Image) -> Pixels:
    array: Pixels = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


@cache
def _repeated(side: int, size: int) -> NDArray[np.int64]:
    """Indices (size,) into a side no longer than size that centre it and repeat its edges."""
    return np.clip(np.arange(size) - (size - side) // 2, 0, side - 1)


def _scaled_wide(values: NDArray[Any]) -> Pixels:
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    floating = values.dtype.kind == "f"
    spans = (1.0, 255.0, 65535.0) if floating else (65535.0,)
    top = next((span for span in spans if low >= 0 and high <= span), None)
    wide = values.astype(np.float64)
    if top is None:
        wide, top = wide - low, (high - low) or 1.0
    return np.rint(wide * (255.0 / top)).astype(np.uint8)
