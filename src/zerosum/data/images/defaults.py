"""Choose the open settings of images, with a reason for each: size, channels, fit and horizontal flips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.data.images.default_types import choose_types
from zerosum.data.images.raster_image import MAX_CHANNELS
from zerosum.data.images.size import ImageSize, parse_size
from zerosum.data.images.value_range import choose_range, format_range
from zerosum.errors import BadInput
from zerosum.settings import Decision
from zerosum.units import format_count

if TYPE_CHECKING:
    from zerosum.data.images.inspect import ImageInspection

CPU_MAX_IMAGE_SIZE, GPU_MAX_IMAGE_SIZE = 64, 256
MIN_RECTANGLE_SIDE = 32
"""Least shorter side in pixels of a size that is not square, where the size is chosen."""
HFLIP_BELOW_EXAMPLES = 2_000
"""Color datasets with fewer images are augmented by horizontal flips."""
_FIT_REASONS = {
    "kept": "all images have this size, so nothing is cut or resampled",
    "tiles": "images are cut into {parts} at their own resolution",
    "pad": "images are slightly smaller, so they are padded, not resampled",
    "crop": "center crop to {shape}, then resized (`data.fit` pad or resize keeps the edges)",
    "resize": "images are resized to {parts} without keeping their aspect ratio",
}


def choose_image_settings(
    table: dict[str, object], inspection: ImageInspection, on_cpu: bool, min_side: int = MIN_RECTANGLE_SIDE
) -> list[Decision]:
    """Choose the open settings, add them to the table of `[data]`, and return the decisions.

    Args:
        table: the settings so far.
        inspection: what is known of the images.
        on_cpu: whether training runs on a CPU.
        min_side: least shorter side in pixels of images that are not square; with fewer, squares are chosen.
    """
    decisions = []

    def choose(name: str, value: object, text: str, reason: str) -> None:
        if table.get(name) is None:
            table[name] = value
            decisions.append(Decision(name, text, reason))

    max_size = CPU_MAX_IMAGE_SIZE if on_cpu else GPU_MAX_IMAGE_SIZE
    if table.get("fit") == "tiles":
        side = inspection.recommended_size(max_size)  # a larger tile would enlarge the images
        choose("size", side, f"{side} px", "side of the tiles that images are cut into (`data.size`)")
    # only squares can be turned by 90 degrees
    rectangle = None if table.get("rotate90") else inspection.recommended_rectangle(min_side, max_size)
    square, reason = _recommended_size(inspection, max_size, on_cpu)
    if rectangle:
        reason = f"{_describe_shapes(inspection)} (squares: `data.size` {square})"
        larger = inspection.recommended_rectangle(min_side, 2 * max_size)
        if larger and larger.height * larger.width > rectangle.height * rectangle.width:
            reason += f"; more pixels need {_describe_cost(on_cpu)} (`data.size` {larger})"
    size = rectangle or ImageSize.square(square)
    choose("size", size.setting, f"{size.setting} px", reason)
    decisions += _choose_channels(table, inspection)
    size = parse_size(table["size"])
    fit = inspection.recommended_fit(size)
    shape, parts = ("a square", "squares") if size.is_square else (f"the shape of {size}", str(size))
    is_kept = inspection.common_size == (size.width, size.height)
    choose("fit", fit, fit, _FIT_REASONS["kept" if is_kept else fit].format(shape=shape, parts=parts))
    decisions += [*_choose_ranges(table, inspection), *choose_types(table, inspection)]
    is_small = inspection.count < HFLIP_BELOW_EXAMPLES and inspection.has_color
    if table.get("hflip") is None:
        table["hflip"] = is_small
        if is_small:
            reason = f"there are only {format_count(inspection.count)} images, and horizontal flips double them"
            decisions.append(Decision("hflip", "yes", f"{reason} (set `data.hflip` false if left and right differ)"))
    return decisions


def _choose_channels(table: dict[str, object], inspection: ImageInspection) -> list[Decision]:
    """Choose what bands are, and the channels of all images or of targets, and those of inputs.

    Raises:
        BadInput: pages are wanted as bands, and the files have different numbers of them, or one each, or too many.
    """
    decisions = []
    if table.get("bands") == "pages" and not inspection.pages:
        raise BadInput(
            f"`data.bands` pages: the files of {inspection.source} do not all have the same number of pages, more than "
            "one; leave it out, or make them equal"
        )
    most = max(inspection.recommended_channels(True), inspection.recommended_input_channels(True))
    if table.get("bands") == "pages" and most > MAX_CHANNELS:
        raise BadInput(
            f"`data.bands` pages: the files of {inspection.source} have {most} bands in all pages, and images have at "
            f"most {MAX_CHANNELS}; leave it out to read the first page, or cut the files"
        )
    is_wanted = table.get("channels") in (None, inspection.recommended_channels(True)) and most <= MAX_CHANNELS
    if table.get("bands") is None and inspection.pages and is_wanted:
        table["bands"] = "pages"
        reason = f"each file has {inspection.pages} pages (`data.bands` channels reads the first one alone)"
        decisions.append(Decision("bands", "pages", reason))
    pages = table.get("bands") == "pages"
    channels, input_channels = inspection.recommended_channels(pages), inspection.recommended_input_channels(pages)
    if table.get("channels") is None:
        table["channels"] = channels
        alpha = ", transparency composited on white" if inspection.has_alpha else ""
        is_bands = inspection.bands or (pages and inspection.pages)
        colors = f"{channels} bands" if is_bands else "color" if inspection.has_color else "gray"
        decisions.append(Decision("channels", colors + alpha, "as in the images"))
        if inspection.has_given_inputs and channels != input_channels and table.get("input_channels") is None:
            table["input_channels"] = input_channels
            decisions.append(Decision("input channels", f"{input_channels} channels", "as in the input images"))
    return decisions


def _choose_ranges(table: dict[str, object], inspection: ImageInspection) -> list[Decision]:
    """Choose the ranges of values of more than 8 bits: that of all images or of targets, and that of inputs.

    Raises:
        BadInput: a range is set, and all images have 8 bits per value, so that nothing would read it.
    """
    decisions = []
    is_set = table.get("range") is not None
    unread = "range" if is_set and inspection.extremes is None and inspection.input_extremes is None else ""
    unread = unread or ("input_range" if table.get("input_range") and inspection.input_extremes is None else "")
    if unread:
        raise BadInput(
            f"`data.{unread}`: the images in {inspection.source} have 8 bits per value, which are read as 0 to 255; "
            "leave it out, or save the images with 16 bits or as floats"
        )
    for name, extremes in (("range", inspection.extremes), ("input_range", inspection.input_extremes)):
        if extremes is None or is_set or table.get(name) is not None:
            continue
        value_range = choose_range(extremes)
        if name == "range" or value_range != table.get("range"):
            table[name] = value_range
            reason = f"the values of images sampled are {min(extremes.lows):g} to {max(extremes.highs):g}; "
            reason += f"values outside are clipped (`data.{name}`)"
            decisions.append(Decision(name, format_range(value_range), reason))
    return decisions


def _recommended_size(inspection: ImageInspection, max_size: int, on_cpu: bool) -> tuple[int, str]:
    """Return the side in pixels to which images are brought, and the reason."""
    size, unlimited_size = inspection.recommended_size(max_size), inspection.recommended_size(1024)
    reason = f"the images are {_describe_sizes(inspection)}"
    if unlimited_size > size:
        larger = min(unlimited_size, 2 * max_size)
        reason += f"; more than {max_size} px needs {_describe_cost(on_cpu)} (`data.size` {larger})"
    return size, reason


def _describe_cost(on_cpu: bool) -> str:
    """Return what larger images need."""
    return "a GPU or hours" if on_cpu else "a longer run"


def _describe_shapes(inspection: ImageInspection) -> str:
    """Return the shape that nearly all images share in words."""
    if inspection.common_size:
        return f"the images are {_describe_sizes(inspection)}, which is not square"
    ratio = inspection.common_aspect_ratio or 1.0
    return f"nearly all images are {ratio:.2f} times as wide as high"


def _describe_sizes(inspection: ImageInspection) -> str:
    """Return the sizes of the images in words."""
    if inspection.common_size:
        return "{}x{}".format(*inspection.common_size)
    shorter_sides = [min(size) for size in inspection.sizes]
    return f"of several sizes, with shorter sides of {min(shorter_sides)} to {max(shorter_sides)}"
