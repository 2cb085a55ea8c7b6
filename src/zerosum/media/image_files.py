"""Write images of any type and number of channels, each to a file that holds its values exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.codec import Items
from zerosum.files import write_atomically

PNG_CHANNELS = 4
"""Largest number of channels of 8 bits in a PNG file."""
_SUFFIXES_OF_GRAY = {"uint8": ".png", "uint16": ".png", "float32": ".tif"}


def image_suffix(dtype: str, channels: int) -> str:
    """Return the suffix of the files that hold images of a type exactly, and that Zerosum reads again.

    It is .png for 8 bits in up to 4 channels and for gray of 16 bits, .tif for gray of floats, and .npy for the rest.

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
    pixels = np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda part: _save_array(part, pixels))
    else:
        write_atomically(path, Image.fromarray(pixels).save)


def save_pages(pages: Sequence[NDArray[np.generic]], path: Path) -> None:
    """Write images (H, W, C) of one size atomically: as the pages of a TIFF file, or as one array (N, H, W, C)."""
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda part: _save_array(part, np.stack(pages)))
        return
    first, *rest = (Image.fromarray(np.ascontiguousarray(p[..., 0] if p.shape[2] == 1 else p)) for p in pages)
    write_atomically(path, lambda part: first.save(part, save_all=True, append_images=rest))


def save_each(items: Items, folder: Path) -> None:
    """Write images (N, H, W, C) as 00000.png, 00001.png, ... with the suffix of their type."""
    suffix = image_suffix(items.dtype.name, items.shape[3])
    for index, image in enumerate(items):
        save_values(image, folder / f"{index:05d}{suffix}")


def _save_array(path: Path, pixels: NDArray[np.generic]) -> None:
    with path.open("wb") as file:  # numpy.save appends a suffix to a path
        np.save(file, pixels, allow_pickle=False)
