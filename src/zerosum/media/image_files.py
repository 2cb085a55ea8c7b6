"""Write images of any type and number of channels, each to a file that holds its values exactly."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.codec import Items
from zerosum.files import write_atomically, write_unflushed
from zerosum.media.png import encode_png

PNG_CHANNELS = 4
"""Largest number of channels of 8 bits in a PNG file."""
_SUFFIXES_OF_GRAY = {"uint8": ".png", "uint16": ".png", "int16": ".tif", "float32": ".tif"}
_SIGNED = {339: 2}  # the TIFF tag SampleFormat; Pillow has no mode of int16, and writes its bits as those of uint16


def image_suffix(dtype: str, channels: int) -> str:
    """Return the suffix of the files that hold images of a type exactly, and that Zerosum reads again.

    It is .png for 8 bits in up to 4 channels and for gray of uint16, .tif for gray of int16 and of floats, and .npy for
    the rest.

    Example:
        >>> image_suffix("uint16", 1), image_suffix("float32", 8)
        ('.png', '.npy')
    """
    if dtype == "uint8" and channels <= PNG_CHANNELS:
        return ".png"
    return _SUFFIXES_OF_GRAY.get(dtype, ".npy") if channels == 1 else ".npy"


def describe_format(dtype: str, channels: int) -> str:
    """Return in words what `image_suffix` chooses: "PNG of 16 bits", "NumPy (H, W, 8) of float32"."""
    bits = "" if dtype == "uint8" else " of 16 bits"
    names = {".png": f"PNG{bits}", ".tif": f"TIFF of {dtype}"}
    shape = "(H, W)" if channels == 1 else f"(H, W, {channels})"
    return names.get(image_suffix(dtype, channels), f"NumPy {shape} of {dtype}")


def save_values(image: NDArray[np.generic], path: Path) -> None:
    """Write one image (H, W, C) atomically, in the format of the suffix: .npy, or one that Pillow writes."""
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda part: _save_array(part, _squeeze(image)))
    else:
        write_atomically(path, lambda part: _to_pil(image).save(part, tiffinfo=_tags(image)))


def save_pages(pages: Sequence[NDArray[np.generic]], path: Path) -> None:
    """Write images (H, W, C) of one size atomically: as the pages of a TIFF file, or as one array (N, H, W, C)."""
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda part: _save_array(part, np.stack(pages)))
        return
    first, *rest = map(_to_pil, pages)
    tags = _tags(pages[0])
    write_atomically(path, lambda part: first.save(part, save_all=True, append_images=rest, tiffinfo=tags))


def image_file_name(number: int, dtype: str, channels: int) -> str:
    """Return the name of the file of image `number`: 00000.png, 00001.png, ... with the suffix of its type."""
    return f"{number:05d}{image_suffix(dtype, channels)}"


def save_each(items: Items, folder: Path, first: int = 0) -> None:
    """Write images (N, H, W, C) number `first`, `first + 1`, ... to a file each: see `image_file_name`.

    A kill leaves whole files only. The system writes them to the disk when it likes: of 50,000 small files, waiting for
    the disk would take most of the time.
    """
    dtype, channels = items.dtype.name, items.shape[3]
    is_plain = items.dtype == np.uint8 and channels <= PNG_CHANNELS
    contents = encode_png(items.view(np.uint8)) if is_plain else map(_encode, items)
    for number, content in enumerate(contents, first):
        write_unflushed(folder / image_file_name(number, dtype, channels), content)


def _encode(image: NDArray[np.generic]) -> bytes:
    """Return the file of an image (H, W, C)."""
    file, suffix = BytesIO(), image_suffix(image.dtype.name, image.shape[2])
    if suffix == ".npy":
        np.save(file, _squeeze(image), allow_pickle=False)
    else:
        _to_pil(image).save(file, format=Image.registered_extensions()[suffix], tiffinfo=_tags(image))
    return file.getvalue()


def _squeeze(image: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)


def _to_pil(image: NDArray[np.generic]) -> Image.Image:
    pixels = _squeeze(image)
    return Image.fromarray(pixels.view(np.uint16) if pixels.dtype == np.int16 else pixels)


def _tags(image: NDArray[np.generic]) -> dict[int, int]:
    """Return what Pillow needs to know to write an image (H, W, C) as TIFF of a type that is none of its modes."""
    return _SIGNED if image.dtype == np.int16 else {}


def _save_array(path: Path, pixels: NDArray[np.generic]) -> None:
    with path.open("wb") as file:  # numpy.save appends a suffix to a path
        np.save(file, pixels, allow_pickle=False)
