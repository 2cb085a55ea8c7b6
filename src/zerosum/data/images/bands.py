"""Work on large images in bands of rows, so that memory holds no second full-size copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PIL import Image

BAND_PIXELS = 2**22
"""Pixels of a band; an image of at most so many is one band."""


def iter_bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the row at which each band starts, and the band; a small image is yielded itself."""
    rows = max(1, BAND_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def iter_band_bytes(image: Image.Image) -> Iterator[bytes]:
    """Yield the parts of `image.tobytes()`, in order."""
    return (band.tobytes() for _, band in iter_bands(image))


def convert_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return the image converted by a function of single pixels, which returns images of one mode."""
    result: Image.Image | None = None
    for top, band in iter_bands(image):
        converted = convert(band)
        if converted.size == image.size:
            return converted
        result = result or Image.new(converted.mode, image.size)
        result.paste(converted, (0, top))
    assert result is not None, "an image has at least one row"
    return result
