"""Decode one image file of any mode and size into upright 8-bit pixels of one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from zerosum.data.content_hash import hash_content_parts
from zerosum.data.images.bands import convert_bands, iter_band_bytes
from zerosum.data.images.size import ImageSize
from zerosum.data.images.value_range import Range, range_of_type, scale_to_8bit

Pixels = NDArray[np.uint8]

PIL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow mode for each number of channels."""
MAX_TILES = 128
"""Largest number of tiles of an image, so that one panorama does not outweigh a hundred snapshots."""
_EXIF_ORIENTATION_TAG = 0x0112
_TYPES_OF_MORE_BITS = ("16", "32", "64")  # of arrays: int16, 8 x float32
_HIGH_BIT_DEPTH_MODES = ("I", "F")  # and every I;16: more than 8 bits per value


@runtime_checkable
class _ImageWithFrames(Protocol):
    """An image of a format that holds frames or pages, of which Pillow has no common class."""

    @property
    def n_frames(self) -> int: ...


class EightBitImage(NamedTuple):
    """An image with 8 bits per value."""

    image: Image.Image
    """In mode L, LA, RGB or RGBA."""
    clipped: int
    """Number of values that lay outside the range and were clipped."""


@dataclass(frozen=True)
class DecodedImage:
    """The examples made from one image, and the properties of its file."""

    examples: NDArray[np.generic]
    """(t, H, W, C): one example, or the tiles of the image."""
    content_hash: int
    """Hash of the upright pixels at their original size."""
    width: int
    height: int
    mode: str
    """Pillow mode of the stored image."""
    format: str
    frames: int
    """Number of frames or pages, of which the first is read."""
    clipped: int = 0
    """Number of values that lay outside the range and were clipped."""
    has_truncated_values: bool = False
    """Whether the file has more bits per value than were read."""

    @property
    def pixels(self) -> NDArray[np.generic]:
        """(H, W, C): the first example, which is the only one unless the image is cut into tiles."""
        first: NDArray[np.generic] = self.examples[0]
        return first


def decode_image(
    image: Image.Image, size: ImageSize, channels: int, fit: str, value_range: Range | None = None
) -> DecodedImage:
    """Decode an opened image.

    Args:
        image: an image opened by Pillow; its pixels need not be loaded yet.
        size: size of the examples in pixels.
        channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha.
        fit: a name in `FITS`.
        value_range: see `to_8bit`.

    Raises:
        Exception: any exception that Pillow raises for damaged content.
    """
    mode, file_format = image.mode, image.format or "array"
    frames, has_truncated_values = count_frames(image), is_truncated(image)
    upright, clipped = to_upright_8bit(image, value_range)
    header = f"{upright.mode} {upright.width}x{upright.height}"
    content_hash = hash_content_parts(header, iter_band_bytes(upright))
    examples = FITS[fit](convert_channels(upright, channels), size)
    return DecodedImage(examples, content_hash, *upright.size, mode, file_format, frames, clipped, has_truncated_values)


def count_frames(image: object) -> int:
    """Return the number of frames or pages of an opened file; 1 for an array."""
    return image.n_frames if isinstance(image, ImageFile.ImageFile) and isinstance(image, _ImageWithFrames) else 1


def is_truncated(image: object) -> bool:
    """Return True if Pillow will read an opened file of more than 8 bits per value as one of 8 bits: color of 16."""
    if not isinstance(image, ImageFile.ImageFile) or has_high_bit_depth(image.mode):
        return False
    return any(";16" in str(tile.args) for tile in image.tile)


def error_reason(error: Exception) -> str:
    """Return in a few words why an image could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a supported format"
    if isinstance(error, Image.DecompressionBombError):
        return str(error)
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]


def has_high_bit_depth(mode: str) -> bool:
    """Return True if images of this mode, one of Pillow or of an array, have other values than 0 to 255."""
    if mode.endswith("int8"):
        return not mode.endswith("uint8")
    return mode in _HIGH_BIT_DEPTH_MODES or mode.startswith("I;16") or mode.endswith(_TYPES_OF_MORE_BITS)


def to_upright_8bit(image: Image.Image, value_range: Range | None = None) -> EightBitImage:
    """Load the pixels of an opened image, upright, with 8 bits per value: see `to_8bit`.

    Raises:
        Exception: any exception that Pillow raises for damaged content.
    """
    image.load()
    return to_8bit(apply_exif_orientation(image), value_range)


def to_8bit(image: Image.Image, value_range: Range | None = None) -> EightBitImage:
    """Convert an image to mode L, LA, RGB or RGBA; transparency is kept.

    Args:
        image: an image of any mode.
        value_range: the range from which values of more than 8 bits are scaled to 0..255, whatever values this image
            holds; None: 0..65535 for integers, 0..1 for floats. Values of 8 bits are never changed.

    Raises:
        ValueError: if values are not finite.
    """
    if not has_high_bit_depth(image.mode):
        return EightBitImage(_convert_to_8bit_mode(image), 0)
    clipped = 0

    def scale(band: Image.Image) -> Image.Image:
        nonlocal clipped
        values = np.asarray(band)
        scaled, outside = scale_to_8bit(values.astype(np.float64), value_range or range_of_type(values.dtype))
        clipped += outside
        return Image.fromarray(scaled)

    return EightBitImage(convert_bands(image, scale), clipped)


def _convert_to_8bit_mode(image: Image.Image) -> Image.Image:
    """Convert an image with at most 8 bits per value to mode L, LA, RGB or RGBA."""
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        if image.mode == ("LA" if gray else "RGBA"):
            return image
        return convert_bands(image, lambda band: band.convert("RGBA").convert("LA" if gray else "RGBA"))
    if image.mode in ("L", "RGB"):
        return image
    return convert_bands(image, lambda band: band.convert("L" if image.mode == "1" else "RGB"))


def apply_exif_orientation(image: Image.Image) -> Image.Image:
    """Return the image rotated and flipped as its EXIF orientation says."""
    try:
        rotated = image.getexif().get(_EXIF_ORIENTATION_TAG, 1) != 1
        return ImageOps.exif_transpose(image) if rotated else image
    except Exception:  # a broken EXIF block raises any exception, and the pixels are still good
        return image


def convert_channels(image: Image.Image, channels: int) -> Image.Image:
    """Convert an image to the mode with this number of channels; without alpha, it is composited over white.

    The colors of fully transparent pixels become white, so that the generator cannot learn hidden values.
    """
    if "A" not in image.mode and image.mode == PIL_MODES[channels]:
        return image
    return convert_bands(image, lambda band: _convert_band(band, channels))


def _convert_band(image: Image.Image, channels: int) -> Image.Image:
    if "A" not in image.mode:
        return image.convert(PIL_MODES[channels])
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    if channels in (1, 3):
        return Image.alpha_composite(white, rgba).convert(PIL_MODES[channels])
    white.putalpha(0)
    hidden = rgba.getchannel("A").point([255] + [0] * 255)
    return Image.composite(white, rgba, hidden).convert(PIL_MODES[channels])


def to_hwc_array(image: Image.Image) -> Pixels:
    """Return the pixels of an image: (H, W, C) uint8, read-only."""
    array: Pixels = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def center_crop(image: Image.Image, size: ImageSize) -> Pixels:
    """Crop the largest centered box of the aspect ratio of `size` and scale it: (H, W, C)."""
    width, height = image.size
    if image.width * size.height >= image.height * size.width:  # compared without rounding
        width = max(1, round(image.height * size.width / size.height))
    else:
        height = max(1, round(image.width * size.height / size.width))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return to_hwc_array(_resize_box(image, size.width, size.height, (left, top, left + width, top + height)))


def pad(image: Image.Image, size: ImageSize) -> Pixels:
    """Center the image and repeat its edge pixels around it: (H, W, C).

    A larger image is first scaled down to fit; a smaller image is not scaled.
    """
    if image.width > size.width or image.height > size.height:
        width, height = size.width, size.height
        if image.width * size.height >= image.height * size.width:
            height = max(1, round(image.height * size.width / image.width))
        else:
            width = max(1, round(image.width * size.height / image.height))
        image = _resize_box(image, width, height, (0, 0, image.width, image.height))
    rows, columns = _edge_pad_indices(image.height, size.height), _edge_pad_indices(image.width, size.width)
    return to_hwc_array(image)[rows[:, None], columns[None, :]]


def resize(image: Image.Image, size: ImageSize) -> Pixels:
    """Scale the image to the size, ignoring its aspect ratio: (H, W, C)."""
    return to_hwc_array(_resize_box(image, size.width, size.height, (0, 0, image.width, image.height)))


def tile(image: Image.Image, size: ImageSize) -> Pixels:
    """Cut the image into unscaled tiles that cover it: (t, H, W, C), row by row.

    The last column and the last row end at the edge of the image. Of more than `MAX_TILES` tiles, this number of evenly
    spaced tiles is taken, with the first and the last. An image with a side below that of `size` gives one: see
    `center_crop`.
    """
    if image.width < size.width or image.height < size.height:
        return center_crop(image, size)[None]
    tops, lefts = _tile_offsets(image.height, size.height), _tile_offsets(image.width, size.width)
    corners = [(top, left) for top in tops for left in lefts]
    if len(corners) > MAX_TILES:
        kept = np.linspace(0, len(corners) - 1, MAX_TILES).round().astype(int)
        corners = [corners[index] for index in kept]
    # An array of all pixels would be a second copy of the image.
    boxes = ((left, top, left + size.width, top + size.height) for top, left in corners)
    return np.stack([to_hwc_array(image.crop(box)) for box in boxes])


def _tile_offsets(length: int, side: int) -> list[int]:
    """Return the offsets of tiles of `side` pixels that cover `length`; the last tile ends at `length`."""
    return [min(start, length - side) for start in range(0, length, side)]


def _with_batch_axis(fit: Callable[[Image.Image, ImageSize], Pixels]) -> Callable[[Image.Image, ImageSize], Pixels]:
    return lambda image, size: fit(image, size)[None]


FITS: dict[str, Callable[[Image.Image, ImageSize], Pixels]] = {
    "crop": _with_batch_axis(center_crop),
    "pad": _with_batch_axis(pad),
    "resize": _with_batch_axis(resize),
    "tiles": tile,
}
"""Functions that turn an image of any shape into images of one size (t, H, W, C), by name."""
MAX_EXAMPLES_PER_IMAGE = {name: MAX_TILES if name == "tiles" else 1 for name in FITS}
"""Largest number of examples per image, by the same names."""


def _resize_box(image: Image.Image, width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    if image.size == (width, height) and box == (0, 0, width, height):
        return image
    # `reducing_gap` lets a box filter do the first, integer part of a large reduction: twice as fast, not visible.
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


@cache
def _edge_pad_indices(length: int, side: int) -> NDArray[np.int64]:
    """Return indices (side,) into a length of at most `side` pixels that center it and repeat its edges."""
    return np.clip(np.arange(side) - (side - length) // 2, 0, length - 1)
