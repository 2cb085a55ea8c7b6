"""Choose the open settings of images, with a reason for each: size, channels, fit and horizontal flips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.settings import Decision
from zerosum.units import format_count

if TYPE_CHECKING:
    from zerosum.data.images.inspect import ImageInspection

CPU_MAX_IMAGE_SIZE, GPU_MAX_IMAGE_SIZE = 64, 256
HFLIP_BELOW_EXAMPLES = 2_000
"""Color datasets with fewer images are augmented by horizontal flips."""
_FIT_REASONS = {
    "tiles": "images are cut into squares at their own resolution",
    "pad": "images are square and slightly smaller, so they are padded, not resampled",
    "crop": "center crop to a square, then resized (`data.fit` pad or resize keeps the edges)",
    "resize": "images are resized to squares without keeping their aspect ratio",
}


def choose_image_settings(table: dict[str, object], inspection: ImageInspection, on_cpu: bool) -> list[Decision]:
    """Choose the open settings, add them to the table of `[data]`, and return the decisions."""
    decisions = []

    def choose(name: str, value: object, text: str, reason: str) -> None:
        if table.get(name) is None:
            table[name] = value
            decisions.append(Decision(name, text, reason))

    max_size = CPU_MAX_IMAGE_SIZE if on_cpu else GPU_MAX_IMAGE_SIZE
    if table.get("fit") == "tiles":
        choose("size", max_size, f"{max_size} px", "side of the tiles that images are cut into (`data.size`)")
    size, reason = _recommended_size(inspection, max_size, on_cpu)
    choose("size", size, f"{size} px", reason)
    colors = ("color" if inspection.has_color else "gray") + (
        ", transparency composited on white" if inspection.has_alpha else ""
    )
    choose("channels", inspection.recommended_channels(), colors, "as in the images")
    chosen_size = table["size"]
    fit = inspection.recommended_fit(chosen_size if isinstance(chosen_size, int) else size)
    choose("fit", fit, fit, _FIT_REASONS[fit])
    is_small = inspection.count < HFLIP_BELOW_EXAMPLES and inspection.has_color
    if table.get("hflip") is None:
        table["hflip"] = is_small
        if is_small:
            reason = f"there are only {format_count(inspection.count)} images, and horizontal flips double them"
            decisions.append(Decision("hflip", "yes", f"{reason} (set `data.hflip` false if left and right differ)"))
    return decisions


def _recommended_size(inspection: ImageInspection, max_size: int, on_cpu: bool) -> tuple[int, str]:
    """Return the side in pixels to which images are brought, and the reason."""
    size, unlimited_size = inspection.recommended_size(max_size), inspection.recommended_size(1024)
    reason = f"the images are {_describe_sizes(inspection)}"
    if unlimited_size > size:
        needs = "a GPU or hours" if on_cpu else "a longer run"
        reason += f"; more than {max_size} px needs {needs} (`data.size` {min(unlimited_size, 2 * max_size)})"
    return size, reason


def _describe_sizes(inspection: ImageInspection) -> str:
    """Return the sizes of the images in words."""
    if inspection.common_size:
        return "{}x{}".format(*inspection.common_size)
    shorter_sides = [min(size) for size in inspection.sizes]
    return f"of several sizes, with shorter sides of {min(shorter_sides)} to {max(shorter_sides)}"
