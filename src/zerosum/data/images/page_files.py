"""Image files of any size as inputs of a translator, page by page, and its outputs in the type of its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.decode import (
    apply_exif_orientation,
    convert_channels,
    count_frames,
    error_reason,
    has_high_bit_depth,
    is_truncated,
    to_8bit,
    to_hwc_array,
)
from zerosum.data.images.decode_values import fit_values, read_values
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.files import open_file
from zerosum.data.images.pixels import PixelType, bytes_to_unit, parse_pixel_type
from zerosum.data.images.raster_image import OpenedImage, RasterImage
from zerosum.data.images.size import ImageSize
from zerosum.data.images.value_range import Range, range_of_type, scale_to_8bit
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

OPAQUE = 255


@dataclass(frozen=True, eq=False)
class Page:
    """A page of an image file, upright."""

    image: OpenedImage
    """Bytes in mode L, LA, RGB or RGBA, or values (H, W, C) of another type."""
    clipped: int = 0
    """Number of values outside of the range."""

    @property
    def has_alpha(self) -> bool:
        """Whether the page has alpha."""
        return isinstance(self.image, Image.Image) and "A" in self.image.mode

    def read_alpha(self) -> Image.Image:
        """Return the alpha of a page that has one."""
        assert isinstance(self.image, Image.Image), "arrays have no alpha"
        return self.image.getchannel("A")

    @property
    def transparency(self) -> Image.Image | None:
        """The alpha of the page; None if it has none, or is opaque."""
        alpha = self.read_alpha() if self.has_alpha else None
        return None if alpha is None or alpha.getextrema() == (OPAQUE, OPAQUE) else alpha


@dataclass(frozen=True, eq=False)
class PageFile:
    """The pages of a file that are translated."""

    pages: Sequence[Page]
    dropped: Sequence[str] = ()
    """What of the file is not used, in words."""


@dataclass(frozen=True)
class PageReader:
    """Reads image files as the inputs of a translator."""

    channels: int
    """Channels of the inputs."""
    value_range: Range | None
    """The range of values of more than 8 bits, as in training; None: that of their type."""
    dtype: PixelType = "uint8"
    """The type of the inputs in training."""
    pages_are_bands: bool = False

    @property
    def _form(self) -> ExampleFormat:
        return ExampleFormat(
            ImageSize(1, 1), self.channels, "resize", self.value_range, self.dtype, self.pages_are_bands
        )

    def load(self, path: Path) -> PageFile:
        """Load the pages of a TIFF file, or the first frame of another file.

        Raises:
            BadInput: if it cannot be read, or is no regular file: a FIFO or a device may give bytes for ever, or none.
        """
        if path.exists() and not path.is_file():
            raise BadInput(f"{path}: cannot be read as an image (not a regular file); name an image file")
        try:
            with open_file(path, path.name) as image:
                return self._read(image)
        except Exception as error:  # decoders raise any exception at damaged bytes
            raise BadInput(f"{path}: cannot be read as an image ({error_reason(error)}); replace the file") from error

    def _read(self, image: OpenedImage) -> PageFile:
        dropped = ["8 of the 16 bits per value in color"] if is_truncated(image) else []
        if has_high_bit_depth(image.mode) and self.dtype == "uint8":
            dropped.append("what is finer than the 8 bits per value that the run was trained on")
        if isinstance(image, RasterImage) or self.pages_are_bands:
            return PageFile([self._read_values(image)], dropped)
        frames = count_frames(image)
        count = frames if image.format == "TIFF" else 1
        if frames > count:
            dropped.append(f"all frames but the first of {frames}")
        return PageFile([self._read_page(image, page) for page in range(count)], dropped)

    def _read_values(self, image: OpenedImage) -> Page:
        """Return the values of an array or a stack, which are bands, not alpha: also 2 or 4 of them."""
        values = read_values(image, self._form)
        if self.dtype != "uint8" or values.dtype == np.uint8:
            return Page(RasterImage(values))
        scaled, clipped = scale_to_8bit(values, self.value_range or range_of_type(values.dtype))
        return Page(RasterImage(scaled), clipped)

    def _read_page(self, image: Image.Image, page: int) -> Page:
        if page:
            image.seek(page)
        image.load()
        upright = apply_exif_orientation(image)
        if upright is image and count_frames(image) > 1:
            upright = image.copy()  # reading the next page changes the image itself
        if has_high_bit_depth(upright.mode) and self.dtype != "uint8":
            return Page(RasterImage(np.asarray(upright)[:, :, None]))
        return Page(*to_8bit(upright, self.value_range))

    def to_tensor(self, page: Page, size: tuple[int, int]) -> tuple[Tensor, int]:
        """Return a page scaled to a (width, height), (1, C, h, w) in [-1, 1], and the number of clipped values.

        Raises:
            BadInput: it has other channels than the inputs in training.
        """
        import torch

        if not isinstance(page.image, RasterImage) and self.dtype == "uint8" and self.channels <= 4:
            return bytes_to_tensor(page.image, self.channels, size), page.clipped
        width, height = size
        form = replace(self._form, size=ImageSize(height, width))
        try:
            values, clipped = fit_values(read_values(page.image, replace(form, pages=False)), form)
        except ValueError as error:
            raise BadInput(f"an image cannot be translated ({error}); give images like those in training") from error
        codec = ImageCodec((self.channels, height, width), self.dtype, form.sample_range)
        return codec.encode(torch.from_numpy(values)), clipped + page.clipped


def bytes_to_tensor(
    image: Image.Image, channels: int, size: tuple[int, int], resampling: Image.Resampling | None = None
) -> Tensor:
    """Convert an image to (1, C, h, w) float32 in [-1, 1], scaled with Lanczos or another `resampling` to (w, h)."""
    import torch

    converted = convert_channels(image, channels)
    if converted.size != size:
        converted = converted.resize(size, resampling or Image.Resampling.LANCZOS)
    return bytes_to_unit(torch.from_numpy(to_hwc_array(converted).copy())[None])


def add_alpha(pixels: NDArray[np.generic], alpha: Image.Image) -> NDArray[np.generic]:
    """Return bytes (H, W, 1 or 3) with the alpha of another image, scaled to their size, as a last channel."""
    height, width, _ = pixels.shape
    scaled = alpha if alpha.size == (width, height) else alpha.resize((width, height), Image.Resampling.LANCZOS)
    return np.concatenate([pixels, np.asarray(scaled)[:, :, None]], axis=2)


def make_output_codec(shape: tuple[int, ...], dtype: str, value_range: Range | None) -> ImageCodec:
    """Return the codec of outputs (C, H, W) of a type and a range; None: that of the type."""
    channels, height, width = shape
    pixel_type = parse_pixel_type(dtype)
    form = ExampleFormat(ImageSize(height, width), channels, "resize", value_range, pixel_type)
    return ImageCodec((channels, height, width), pixel_type, form.sample_range)


def count_pages(path: Path) -> int:
    """Return the number of pages of a TIFF file; 1 for other files and for those that cannot be read."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        with open_file(path, path.name) as image:
            return count_frames(image)
    except Exception:  # `PageReader.load` says what is wrong
        return 1
