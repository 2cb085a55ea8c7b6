"""The format in which images of several sources are compared."""

from __future__ import annotations

from collections.abc import Mapping

from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.example_format import smallest_type
from zerosum.data.images.inspect import ImageInspection, inspect_source
from zerosum.data.images.raster_image import MAX_CHANNELS
from zerosum.data.images.size import ImageSize
from zerosum.data.images.summary import describe_channels
from zerosum.data.images.value_range import choose_range, merge_extremes
from zerosum.errors import BadInput


def choose_common_format(sources: Mapping[str, str], given: ImageDataConfig) -> ImageDataConfig:
    """Return the size in pixels, the channels and the range of all images: those given, or those that the images have.

    Args:
        sources: the sources by the argument that names them; the first one decides the size.
        given: the settings of the user.

    Raises:
        BadInput: the images of the first source are not of one size, or the channels of sources differ.
    """
    inspections = {f"`{argument}` {source}": inspect_source(source) for argument, source in sources.items()}
    first, inspection = next(iter(inspections.items()))
    common = inspection.common_size
    if not given.size and common is None:
        raise BadInput(f"{first}: its images are not of one size; choose a `size` for all")
    width, height = common or (0, 0)
    size = given.size or ImageSize(height, width)
    has_pages = given.bands != "channels" and not given.channels and _have_common_pages(inspections)
    channels = given.channels or _require_common_channels(inspections, has_pages)
    extremes = merge_extremes(inspection.extremes for inspection in inspections.values())
    value_range = given.range or (choose_range(extremes) if extremes else None)
    floating = extremes is not None and extremes.floating
    dtype = given.dtype or (smallest_type(value_range, floating) if extremes and value_range else "uint8")
    return given.model_copy(
        update={"size": size, "channels": channels, "fit": "crop", "range": value_range, "dtype": dtype}
        | ({"bands": "pages"} if has_pages else {})
    )


def _have_common_pages(inspections: Mapping[str, ImageInspection]) -> bool:
    """Return whether the files of all sources are stacks of the same number of pages, which are then bands."""
    pages = {inspection.pages for inspection in inspections.values()}
    most = max(inspection.recommended_channels(pages=True) for inspection in inspections.values())
    return len(pages) == 1 and 0 not in pages and most <= MAX_CHANNELS


def _require_common_channels(inspections: Mapping[str, ImageInspection], pages: bool) -> int:
    """Return the channels of all sources, by argument; raise BadInput if they differ."""
    channels = {source: inspection.recommended_channels(pages) for source, inspection in inspections.items()}
    if len(set(channels.values())) > 1:
        holdings = ", ".join(
            f"{source} holds images in {describe_channels(count)}" for source, count in channels.items()
        )
        raise BadInput(f"{holdings}; choose `channels` 1 or `channels` 3 for all")
    return next(iter(channels.values()))
