"""Decode images at the precision of their own type, with any number of channels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.content_hash import hash_content_parts
from zerosum.data.images.decode import (
    FITS,
    DecodedImage,
    apply_exif_orientation,
    convert_channels,
    count_frames,
    has_high_bit_depth,
    to_8bit,
)
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.raster_image import OpenedImage, RasterImage
from zerosum.data.images.value_range import MAX_VALUE, Range, range_of_type, scale_to_8bit

_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as in Pillow


def decode_values(image: OpenedImage, form: ExampleFormat) -> DecodedImage:
    """Decode an opened image to the type, the channels and the size of a format.

    Each channel is scaled and cut as a float32 image of its own, which holds integers of 16 bits exactly.

    Args:
        image: an opened image; its pixels need not be loaded yet.
        form: the format of the examples.

    Raises:
        ValueError: values are not finite, or the image has other channels than the format, or no pages of one size.
        Exception: any exception that Pillow raises for damaged content.
    """
    mode, file_format = image.mode, image.format or "array"
    values = read_values(image, form)
    height, width, channels = values.shape
    content_hash = hash_content_parts(f"{values.dtype} {channels} {width}x{height}", _iter_rows(values))
    examples, clipped = fit_values(values, form)
    frames = 1 if form.pages else count_frames(image)
    return DecodedImage(examples, content_hash, width, height, mode, file_format, frames, clipped)


def fit_values(values: NDArray[np.number], form: ExampleFormat) -> tuple[NDArray[np.generic], int]:
    """Return values (H, W, C) of any type as examples (t, h, w, c) of a format, and the number of clipped values.

    Raises:
        ValueError: they have other channels than the format.
    """
    numbers, clipped = _clip(values, form)
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(convert_bands(numbers, form.channels), 2, 0)]
    examples = np.concatenate([FITS[form.fit](Image.fromarray(plane), form.size) for plane in planes], axis=3)
    low, high = form.sample_range
    inside = np.clip(examples, low, high)  # Lanczos overshoots at edges
    rounded = inside if form.dtype == "float32" else np.rint(inside)
    return rounded.astype(form.dtype), clipped


def read_values(image: OpenedImage, form: ExampleFormat) -> NDArray[np.number]:
    """Return the values (H, W, C) of an upright image in its own type.

    Those of 8 bits are scaled to the range of the format if it has more bits.

    Raises:
        ValueError: values are not finite, or the pages of a file differ in size.
        Exception: any exception that Pillow raises for damaged content.
    """
    if isinstance(image, RasterImage):
        values: NDArray[np.generic] = image.values
        if values.dtype == np.uint8 and form.dtype != "uint8":
            values = scale_bytes(values.astype(np.uint8, copy=False), form.sample_range)
    elif form.pages:
        pages = [_read_page(image, page, form) for page in range(count_frames(image))]
        if len({page.shape[:2] for page in pages}) > 1:
            raise ValueError("its pages differ in size")
        values = np.concatenate(pages, axis=2)
    else:
        values = _read_page(image, 0, form)
    numbers: NDArray[np.number] = values.astype(values.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore"):
        if numbers.dtype.kind == "f" and not np.isfinite(numbers.astype(np.float32, copy=False)).all():
            raise ValueError(f"some values are not finite, or beyond {MAX_VALUE:.2g}")
    return numbers


def _read_page(image: Image.Image, page: int, form: ExampleFormat) -> NDArray[np.generic]:
    if page:
        image.seek(page)
    image.load()
    upright = apply_exif_orientation(image)
    if has_high_bit_depth(upright.mode):
        return np.asarray(upright)[:, :, None]
    converted = to_8bit(upright).image
    if not form.pages:
        converted = convert_channels(converted, 1 if form.channels == 1 else 3)
    array = np.asarray(converted)
    levels = array[:, :, None] if array.ndim == 2 else array
    return levels if form.dtype == "uint8" else scale_bytes(levels, form.sample_range)


def scale_bytes(levels: NDArray[np.uint8], value_range: Range) -> NDArray[np.float32]:
    """Scale bytes (...) to a range: 0 becomes its first value, and 255 the second."""
    low, high = value_range
    return (levels.astype(np.float32) * ((high - low) / 255) + low).astype(np.float32)


def convert_bands(values: NDArray[np.generic], channels: int) -> NDArray[np.generic]:
    """Return values (H, W, C) with another number of channels: gray is repeated, and RGB becomes gray by its luma.

    Raises:
        ValueError: other numbers of channels differ.
    """
    given = values.shape[2]
    if given == channels:
        return values
    if given == 1 and channels == 3:
        return np.repeat(values, 3, axis=2)
    if given == 3 and channels == 1:
        luma: NDArray[np.float32] = (values.astype(np.float32) @ _LUMA_WEIGHTS)[:, :, None]
        return luma
    raise ValueError(f"it has {given} channels, and `data.channels` is {channels}")


def _clip(values: NDArray[np.number], form: ExampleFormat) -> tuple[NDArray[np.float32], int]:
    """Return values as float32 within the range of the format, and the number of those that lay outside."""
    if form.dtype == "uint8" and values.dtype != np.uint8:
        scaled, clipped = scale_to_8bit(values, form.value_range or range_of_type(values.dtype))
        return scaled.astype(np.float32), clipped
    low, high = form.sample_range
    clipped = int(np.count_nonzero(values < low)) + int(np.count_nonzero(values > high))
    return (np.clip(values, low, high) if clipped else values).astype(np.float32), clipped


def _iter_rows(values: NDArray[np.generic]) -> Iterator[bytes]:
    """Yield the rows of an image as bytes, so that memory holds no second copy."""
    return (row.tobytes() for row in values)
