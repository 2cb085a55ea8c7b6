"""The memory that decoding takes: how much an image needs, and how many are decoded at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

from PIL import Image, _imaging

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.raster_image import OpenedImage, RasterImage

BUDGET_SHARE = 1 / 8
"""Share of the memory that images may take that are decoded at once; a larger image is decoded alone."""
MAX_SHARE = 1 / 2
"""Share of the memory that one image may take; a larger one is not decoded."""
_STORED_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # a pixel; 4 in other modes
_FLOAT_BYTES = 12  # a value of an array: a copy of float32 and what is made of it
_COPY_BYTES = 4  # a pixel: of the image upright, or with other channels
_EXTRA_BYTES = {"WEBP": 12, "TIFF": 4}  # a pixel: buffers of the decoder
_PROGRESSIVE_JPEG_BYTES = 6  # a pixel: the coefficients of all its scans
# Blocks above 32 MiB go back to the system when an image is freed. The memory of smaller ones (Pillow's are 16 MiB)
# stays with the thread that decoded it: six threads with one image each after another would hold six images.
_imaging.set_block_size(2**26)


def decoding_bytes(image: OpenedImage) -> int:
    """Return about the largest number of bytes that decoding an opened image takes, from its header alone."""
    if isinstance(image, RasterImage):
        return image.values.size * _FLOAT_BYTES
    copies = 1 if image.mode in ("L", "RGB") else 2
    pixel_bytes = _STORED_BYTES.get(image.mode, 4) + copies * _COPY_BYTES + _EXTRA_BYTES.get(image.format or "", 0)
    if "progressive" in image.info:
        pixel_bytes += _PROGRESSIVE_JPEG_BYTES
    return image.width * image.height * pixel_bytes


def check_decoding_memory(image: OpenedImage) -> None:
    """Raise if an opened image is too large to be decoded.

    Raises:
        Image.DecompressionBombError: if it would take more than `MAX_SHARE` of the memory.
    """
    needed, available = decoding_bytes(image), physical_memory_bytes()
    if needed > MAX_SHARE * available:
        width, height = image.size
        raise Image.DecompressionBombError(
            f"too many pixels: {width}x{height} take {needed / 2**30:.1f} GiB to decode, more than half of "
            f"the memory of {available / 2**30:.1f} GiB"
        )


class DecodingBudget:
    """Bounds the images that several threads decode at once, by their number and by their memory."""

    def __init__(self, max_images: int, max_bytes: float | None = None) -> None:
        """Create a budget.

        Args:
            max_images: largest number of images at once.
            max_bytes: largest number of bytes of all images at once; by default `BUDGET_SHARE` of the memory.
        """
        self._max_images = max_images
        self._max_bytes = BUDGET_SHARE * physical_memory_bytes() if max_bytes is None else max_bytes
        self._images, self._bytes, self._changed = 0, 0, Condition()

    @contextmanager
    def reserve(self, image: OpenedImage) -> Iterator[None]:
        """Wait until an opened image fits next to those that are being decoded, or is the only one."""
        needed = decoding_bytes(image)
        with self._changed:
            self._changed.wait_for(lambda: self._images == 0 or self._fits(needed))
            self._images, self._bytes = self._images + 1, self._bytes + needed
        try:
            yield
        finally:
            with self._changed:
                self._images, self._bytes = self._images - 1, self._bytes - needed
                self._changed.notify_all()

    def _fits(self, needed: int) -> bool:
        return self._images < self._max_images and self._bytes + needed <= self._max_bytes


class _PixelLimit:
    """Suspends Pillow's own limit on pixels, which knows nothing of the memory, while any thread opens an image."""

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._limit: int | None = None

    @contextmanager
    def suspended(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    Image.MAX_IMAGE_PIXELS = self._limit


PIXEL_LIMIT = _PixelLimit()
"""Pillow's limit, which all threads share."""
