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

PIL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""
MAX_TILES = 128
"""Tiles that an image is cut into at most, so that one panorama does not outweigh a hundred snapshots."""
_EXIF_ORIENTATION_TAG = 0x0112
_HIGH_BIT_DEPTH_MODES = ("I", "F")  # and every I;16: more than 8 bits a value


@dataclass(frozen=True)
class DecodedImage:
    """One image as training sees it, and what it was before."""

    examples: Pixels
    """(t, size, size, C): one, or as many tiles as it is cut into."""
    key: int
    """The hash of the upright pixels at their original size."""
    width: int
    height: int
    mode: str
    """Pillow's mode, as stored."""
    format: str
    frames: int
    """More than one in animations and multi-page files, of which the first is read."""

    @property
    def pixels(self) -> Pixels:
        """(size, size, C): the first of the squares, and mostly the only one."""
        first: Pixels = self.examples[0]
        return first


def decode_image(image: Image.Image, size: int, channels: int, fit: str) -> DecodedImage:
    """Decode an opened image.

    Args:
        image: as Pillow opened it; nothing need be loaded yet.
        size: the side of the squares that come out.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
        fit: a name in `FITS`.

    Raises:
        Exception: whatever Pillow raises at content that is damaged.
    """
    mode, file_format, frames = image.mode, image.format or "array", getattr(image, "n_frames", 1)
    image.load()
    whole = to_8bit(apply_exif_orientation(image))
    key = content_key(f"{whole.mode} {whole.width}x{whole.height}", whole.tobytes())
    squares = FITS[fit](convert_channels(whole, channels), size)
    return DecodedImage(squares, key, whole.width, whole.height, mode, file_format, frames)


def error_reason(error: Exception) -> str:
    """In a few words, why an image could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image of a kind that is read here"
    if isinstance(error, Image.DecompressionBombError):
        return "it has too many pixels to be safe to decode"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]


def to_8bit(image: Image.Image) -> Image.Image:
    """The image in mode L, LA, RGB or RGBA, its transparency kept, if it has any.

    Values of 16 bits are scaled from 0..65535 to 0..255, never clipped. 32-bit integers beyond that range
    are stretched from their least to their greatest. Floats are taken to span 0..1, 0..255 or 0..65535,
    whichever holds them.

    Raises:
        ValueError: if values are not finite.
    """
    if image.mode in _HIGH_BIT_DEPTH_MODES or image.mode.startswith("I;16"):
        return Image.fromarray(_scale_to_8bit(np.asarray(image)))
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        transparent = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        return transparent.convert("LA") if gray else transparent
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def apply_exif_orientation(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation asks."""
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION_TAG, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # a camera's broken EXIF block raises anything, and its pixels are still good
        return image


def convert_channels(image: Image.Image, channels: int) -> Image.Image:
    """The image in the mode of so many channels; where there is none for alpha, it is laid over white.

    Colours that full transparency hides become white, so that they cannot teach a generator anything.
    """
    if "A" not in image.mode:
        return image if image.mode == PIL_MODES[channels] else image.convert(PIL_MODES[channels])
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    if channels in (1, 3):
        return Image.alpha_composite(white, clear).convert(PIL_MODES[channels])
    white.putalpha(0)
    hidden = clear.getchannel("A").point([255] + [0] * 255)
    return Image.composite(white, clear, hidden).convert(PIL_MODES[channels])


def center_crop(image: Image.Image, size: int) -> Pixels:
    """The largest centred square, scaled to `size`: (size, size, C)."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return _to_hwc_array(_resize_box(image, size, size, (left, top, left + side, top + side)))


def pad_to_square(image: Image.Image, size: int) -> Pixels:
    """The whole image in the middle, its edge repeated around it: (size, size, C).

    A larger image is first scaled down to fit; a smaller one keeps its pixels as they are.
    """
    longest = max(image.size)
    if longest > size:
        width, height = (max(1, round(side * size / longest)) for side in image.size)
        image = _resize_box(image, width, height, (0, 0, image.width, image.height))
    return _to_hwc_array(image)[
        _edge_pad_indices(image.height, size)[:, None], _edge_pad_indices(image.width, size)[None, :]
    ]


def resize(image: Image.Image, size: int) -> Pixels:
    """The whole image, its sides scaled apart: (size, size, C)."""
    return _to_hwc_array(_resize_box(image, size, size, (0, 0, image.width, image.height)))


def tile(image: Image.Image, size: int) -> Pixels:
    """Squares of the image at its own resolution that cover it: (t, size, size, C), row by row.

    The last column and the last row end where the image does. Of more than `MOST_TILES`, so many are taken, evenly
    spread, the first and the last among them. An image with a side below `size` gives one: see `crop`.
    """
    if min(image.size) < size:
        return center_crop(image, size)[None]
    places = [(top, left) for top in _tile_offsets(image.height, size) for left in _tile_offsets(image.width, size)]
    if len(places) > MAX_TILES:
        chosen = np.linspace(0, len(places) - 1, MAX_TILES).round().astype(int)
        places = [places[place] for place in chosen]
    whole = _to_hwc_array(image)
    return np.stack([whole[top : top + size, left : left + size] for top, left in places])


def _tile_offsets(length: int, size: int) -> list[int]:
    """Where stretches of `size` begin that cover a length, the last ending with it."""
    return [min(start, length - size) for start in range(0, length, size)]


def _with_batch_axis(fit: Callable[[Image.Image, int], Pixels]) -> Callable[[Image.Image, int], Pixels]:
    return lambda image, size: fit(image, size)[None]


FITS: dict[str, Callable[[Image.Image, int], Pixels]] = {
    "crop": _with_batch_axis(center_crop),
    "pad": _with_batch_axis(pad_to_square),
    "resize": _with_batch_axis(resize),
    "tiles": tile,
}
"""How an image of any shape becomes squares (t, size, size, C), by name."""
MAX_EXAMPLES_PER_IMAGE = {name: MAX_TILES if name == "tiles" else 1 for name in FITS}
"""How many squares at most."""


def _resize_box(image: Image.Image, width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    if image.size == (width, height) and box == (0, 0, width, height):
        return image
    # The gap lets a box filter do the first, whole-number part of a large reduction: twice as fast, no
    # visible change.
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _to_hwc_array(image: Image.Image) -> Pixels:
    array: Pixels = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


@cache
def _edge_pad_indices(side: int, size: int) -> NDArray[np.int64]:
    """Indices (size,) into a side no longer than size that centre it and repeat its edges."""
    return np.clip(np.arange(size) - (size - side) // 2, 0, side - 1)


def _scale_to_8bit(values: NDArray[Any]) -> Pixels:
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
