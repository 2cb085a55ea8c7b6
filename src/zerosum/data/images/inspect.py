"""A quick inspection of a source, from which settings are chosen: a listing, some headers, a few thumbnails."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.decode import convert_channels, count_frames, error_reason, has_high_bit_depth, to_8bit
from zerosum.data.images.joined import JoinedSource, add_validation, resolve_training_sources
from zerosum.data.images.raster_image import OpenedImage, RasterImage
from zerosum.data.images.size import ImageSize, is_suitable_rectangle, suggest_rectangle
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.value_range import Extremes, measure_extremes, merge_extremes
from zerosum.data.kind import Inspection
from zerosum.data.text import most_common
from zerosum.errors import BadInput

MAX_SAMPLED_HEADERS = 512
"""Largest number of files whose headers are read."""
_MAX_THUMBNAILS = 24  # how many of those are decoded, if the mode alone does not say that they are gray or opaque
_MAX_MEASURED_IMAGES = 32  # of more than 8 bits per value, decoded to choose their range
_THUMBNAIL_SIZE = 64
_COLOR_THRESHOLD = 12  # of 255: a smaller difference between channels is rounding by a camera or by JPEG, not color
_SIZE_TOLERANCE = 0.85  # a short side of at least this fraction of a power of two counts as that power: 28 becomes 32
_MAX_PIXELS_AS_THEY_ARE = 1.5  # as a multiple of the pixels of other images
_PAD_MIN_RATIO = 0.75  # images of at least this fraction of the size are padded, not enlarged
_MIN_ELONGATION, _MAX_ELONGATION = 1.2, 4.0  # longer over shorter side; others are trained on as squares
_ASPECT_TOLERANCE, _ASPECT_SHARE = 1.05, 0.95  # share of the images whose aspect ratio is the median up to this factor


@dataclass(frozen=True)
class ImageInspection(Inspection):
    """The result of a quick inspection; all fields but the counts come from evenly spaced files."""

    other_files: int = 0
    """Number of files without the suffix of an image, which are ignored."""
    sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) of each sampled image."""
    pixel_modes: tuple[tuple[str, int], ...] = ()
    """Pillow modes of the sampled images with their counts, most frequent first."""
    formats: tuple[tuple[str, int], ...] = ()
    """File formats of the sampled images with their counts, most frequent first."""
    has_color: bool = False
    """Whether any sampled image has color; gray images saved as RGB have none."""
    has_alpha: bool = False
    """Whether any pixel of a sampled image is transparent."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, reason) of each unreadable sampled image."""
    extremes: Extremes | None = None
    """The extremes of sampled images with more than 8 bits per value; None if there are no such images."""
    input_extremes: Extremes | None = None
    """Those of input images of pairs, where `extremes` are those of the targets."""
    bands: int = 0
    """Number of channels of images with bands; 0 if they are gray or RGB, with or without alpha."""
    pages: int = 0
    """Number of pages if all files have the same number of them, and more than one; else 0."""
    input_bands: int = 0
    """The bands of input images of pairs."""
    has_given_inputs: bool = False
    """Whether there are input images besides these, whose values may have another type."""
    resolved: Source | None = field(default=None, repr=False, compare=False)
    """The resolved source: `load_source` takes it, so that a large folder is not listed twice."""

    @property
    def short_side(self) -> int:
        """The median of the shorter sides of the images in pixels."""
        return round(statistics.median(map(min, self.sizes))) if self.sizes else 0

    @property
    def common_size(self) -> tuple[int, int] | None:
        """The (width, height) of all images, or None if they differ."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    def recommended_size(self, max_size: int = 256) -> int:
        """Return a power of two from 16 to 1024, at most `max_size`, in pixels.

        It is the largest power of two that the shorter side of three quarters of the images reaches, or misses by at
        most 15%.
        """
        return max((size for size in _SIZES if size <= min(self._reached_side, max_size)), default=_SIZES[0])

    @property
    def _reached_side(self) -> float:
        """The largest side that the shorter side of three quarters of the images reaches or misses by at most 15%."""
        short_sides = sorted(map(min, self.sizes))
        return short_sides[(len(short_sides) - 1) // 4] / _SIZE_TOLERANCE

    @property
    def common_aspect_ratio(self) -> float | None:
        """The width divided by the height that nearly all images share, or None if there is none."""
        ratios = [width / height for width, height in self.sizes]
        median = statistics.median(ratios)
        near = sum(median / _ASPECT_TOLERANCE <= ratio <= median * _ASPECT_TOLERANCE for ratio in ratios)
        return median if near >= _ASPECT_SHARE * len(ratios) else None

    def recommended_rectangle(self, min_side: int, max_size: int = 256) -> ImageSize | None:
        """Return a size that is not square, if nearly all images share an aspect ratio far from 1, else None.

        It has at most `max_size`^2 pixels and a shorter side from `min_side` to that which the images reach. The size
        of all images is taken as it is, if it suits the networks and has at most one and a half times as many pixels:
        nothing is cut or resampled then.
        """
        ratio = self.common_aspect_ratio
        if ratio is None or not _MIN_ELONGATION <= max(ratio, 1 / ratio) <= _MAX_ELONGATION:
            return None
        if self.common_size:
            own = ImageSize(self.common_size[1], self.common_size[0])
            fits = own.height * own.width <= _MAX_PIXELS_AS_THEY_ARE * max_size**2
            if fits and min(self.common_size) >= min_side and is_suitable_rectangle(own):
                return own
        return suggest_rectangle(ratio, min_side, int(min(self._reached_side, max_size)), max_size**2)

    def recommended_fit(self, size: ImageSize) -> str:
        """Return `pad` if all images have one size a little below `size` (such as 28 of 32), else `crop`."""
        if self.common_size is None or self.common_size == (size.width, size.height):
            return "crop"
        sides = zip(self.common_size, (size.width, size.height), strict=True)
        return "pad" if all(_PAD_MIN_RATIO * side <= length <= side for length, side in sides) else "crop"

    def recommended_channels(self, pages: bool = False) -> int:
        """Return the number of bands, else 3 if any sampled image has color, else 1.

        Transparency is composited over white. With `pages`, those of a file are its bands.
        """
        channels = self.bands or (3 if self.has_color else 1)
        return channels * self.pages if pages and self.pages else channels

    def recommended_input_channels(self, pages: bool = False) -> int:
        """Return the channels of the input images, as `recommended_channels` does."""
        return replace(self, bands=self.input_bands).recommended_channels(pages)


class _Header(NamedTuple):
    """What is known of an image before its pixels are loaded."""

    number: int
    """The index of the image in its source."""
    size: tuple[int, int]
    mode: str
    format: str
    bands: int
    """Number of channels of an array of bands; 0 for gray and RGB, and for images of Pillow."""
    pages: int
    """Number of pages of a TIFF file; 0 for one page, and for other formats."""

    @classmethod
    def of_image(cls, index: int, image: OpenedImage) -> _Header:
        bands = image.channels if isinstance(image, RasterImage) and image.channels not in (1, 3) else 0
        pages = _count_pages(image)
        return cls(index, image.size, image.mode, image.format or "array", bands, pages if pages > 1 else 0)


_GRAY_MODES = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def inspect_source(source: str | Path) -> ImageInspection:
    """Inspect a folder, .zip, .npz or .npy of images, or a built-in dataset, without reading it all.

    Raises:
        BadInput: if the source does not exist, or nothing of it can be read.
    """
    return inspect_images(resolve_source(source))


def inspect_data(data: ImageDataConfig) -> ImageInspection:
    """Inspect the training images of all sources that the settings name.

    Raises:
        BadInput: if a source does not exist, or nothing of the training images can be read.
    """
    training = resolve_training_sources(data)
    return replace(inspect_images(training), resolved=add_validation(training, data))


def inspect_images(source: Source) -> ImageInspection:
    """Inspect a resolved source of images.

    Raises:
        BadInput: if no image can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd files, which are read or reported as unreadable anyway
        return _inspect_images(source)


def _inspect_images(source: Source) -> ImageInspection:
    extremes = source.extremes
    if extremes:
        source = source.with_range(None, dtype="float32")  # the values of an array as they are
    headers, unreadable = _read_headers(source)
    colored = [header.number for header in headers if header.mode not in _GRAY_MODES]
    deep = [header.number for header in headers if has_high_bit_depth(header.mode)]
    thumbnails = [
        _has_color_and_alpha(source, colored[position])
        for position in _evenly_spaced_indices(len(colored), _MAX_THUMBNAILS)
    ]
    return ImageInspection(
        source=source.display_name,
        count=len(source.names),
        classes=source.classes,
        other_files=source.other_files,
        sizes=tuple(header.size for header in headers),
        pixel_modes=tuple(most_common(header.mode for header in headers).items()),
        formats=tuple(most_common(header.format for header in headers).items()),
        has_color=any(color for color, _ in thumbnails),
        has_alpha=any(alpha for _, alpha in thumbnails),
        unreadable=tuple(unreadable),
        extremes=_merge_measured(source, extremes, deep),
        bands=max(header.bands for header in headers),
        pages=headers[0].pages if len({header.pages for header in headers}) == 1 else 0,
        notes=source.notes,
        resolved=source,
    )


def _merge_measured(source: Source, extremes: Extremes | None, deep: Sequence[int]) -> Extremes | None:
    """Return the extremes of an array with those of image files of more than 8 bits, which are sampled."""
    if extremes and not isinstance(source, JoinedSource):
        return extremes
    measured = measure_extremes(_sample_values(source, deep))
    return merge_extremes((extremes, measured)) if extremes else measured


def _read_headers(source: Source) -> tuple[list[_Header], list[tuple[str, str]]]:
    """Return the headers of evenly spaced images, and the (name, reason) of each that is unreadable.

    Raises:
        BadInput: if no image can be read.
    """
    headers: list[_Header] = []
    unreadable: list[tuple[str, str]] = []
    for index in _evenly_spaced_indices(len(source.names), MAX_SAMPLED_HEADERS):
        try:
            with source.open(index) as image:
                headers.append(_Header.of_image(index, image))
        except BadInput:
            raise
        except Exception as error:
            unreadable.append((source.names[index], error_reason(error)))
    if not headers:
        name, reason = unreadable[0]
        raise BadInput(
            f"no image in {source.display_name} can be read, for example {name} ({reason}): replace the files"
        )
    return headers, unreadable


def _sample_values(source: Source, indices: Sequence[int]) -> Iterator[NDArray[np.generic]]:
    """Yield the values of evenly spaced images of these, one at a time; damaged ones are passed over."""
    for position in _evenly_spaced_indices(len(indices), _MAX_MEASURED_IMAGES):
        try:
            with source.open(indices[position]) as image:
                pages = [_load_page(image, page) for page in range(_count_pages(image))]
        except Exception:  # `load_source` decodes every file and reports the damaged ones
            continue
        yield from pages


def _load_page(image: OpenedImage, page: int) -> NDArray[np.generic]:
    """Return the values of a page of an opened file, or those of an array."""
    if isinstance(image, RasterImage):
        return image.values
    if page:
        image.seek(page)
    values: NDArray[np.generic] = np.asarray(image)
    return values


def _count_pages(image: OpenedImage) -> int:
    """Return the number of pages of a file of a format that holds stacks; 1 for others, such as animations."""
    return count_frames(image) if image.format == "TIFF" else 1


def _has_color_and_alpha(source: Source, index: int) -> tuple[bool, bool]:
    """Return whether the image has color, and whether any pixel is transparent; both False if it is damaged."""
    try:
        with source.open(index) as image:
            if isinstance(image, RasterImage):
                return _has_color(image.values), False
            image.draft("RGB", (_THUMBNAIL_SIZE, _THUMBNAIL_SIZE))  # JPEG alone can be decoded at an eighth of the size
            thumbnail = to_8bit(image).image
            thumbnail.thumbnail((_THUMBNAIL_SIZE, _THUMBNAIL_SIZE))
            rgb = np.asarray(convert_channels(thumbnail, 3)).astype(np.int16)
            alpha = "A" in thumbnail.mode and thumbnail.getchannel("A").getextrema() != (255, 255)
            return bool(np.ptp(rgb, axis=2).max() >= _COLOR_THRESHOLD), alpha
    except Exception:  # decoders raise any exception; `load_source` decodes every file and reports the damaged ones
        return False, False


def _has_color(values: NDArray[np.generic]) -> bool:
    """Return whether the values (H, W, C) of an image are RGB and differ between channels."""
    if values.shape[2] != 3:
        return False
    numbers = values.astype(np.float64)
    return bool(255 * np.ptp(numbers, axis=2).max() >= _COLOR_THRESHOLD * max(float(np.ptp(numbers)), 1e-300))


def _evenly_spaced_indices(count: int, max_count: int) -> Sequence[int]:
    """Return at most `max_count` evenly spaced indices below `count`, the first and the last among them."""
    if count <= max_count:
        return range(count)
    return [round(step * (count - 1) / (max_count - 1)) for step in range(max_count)]
