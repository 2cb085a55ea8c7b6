"""The samples section of a report: a few sample grids, evenly spaced over training and limited in size."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.data.images.files import open_image
from zerosum.reporting.html import Markup, join_markup, section, tag
from zerosum.reporting.run_record import RunRecord, SampleGrid
from zerosum.units import format_count

MAX_GRIDS = 12
"""Maximum number of embedded grids."""
MAX_BYTES_LAST, MAX_BYTES_EACH = 2_000_000, 280_000
"""Maximum size of the last grid, which is shown first, and of each other one. With 11 others and a third more for
base64, the page stays below 7 MB."""
MAX_GRID_SIDE_PIXELS = 2048
"""Maximum longer side in pixels of a grid that must be compressed. The page shows about 700."""
THUMBNAIL_PIXELS = 96


def render_samples(record: RunRecord) -> Markup:
    """Return the section of the sample grids over training."""
    grids = record.sample_grids
    if not grids:
        return section("Samples", "", tag("p", "No samples yet.", class_="muted"))
    description = (
        f"Input, output and, for paired data, target, always of the same held-out {record.plural}."
        if record.is_translation
        else "Generated from the same latents every time, so each cell shows one sample during training."
    )
    shown = subsample_grids(grids)
    if len(shown) < len(grids):
        description += f" {len(shown)} of {format_count(len(grids))} grids are shown; all are in samples/."
    readable = [grid for grid in shown if _is_readable(grid.path)]
    damaged = [grid.path.name for grid in shown if grid not in readable]
    if damaged:
        description += f" Damaged files in samples/, which are not shown: {', '.join(damaged)}."
    return section("Samples", description, _timeline(readable) if readable else "")


def _is_readable(path: Path) -> bool:
    """Return whether the file of a grid can be decoded: a crash or a failing disk may have damaged it."""
    try:
        with open_image(path) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def subsample_grids(grids: Sequence[SampleGrid], max_grids: int = MAX_GRIDS) -> Sequence[SampleGrid]:
    """Return at most `max_grids` of them: the first, the last, and those nearest to even steps in examples between."""
    if len(grids) <= max_grids:
        return grids
    first, last = grids[0].examples, grids[-1].examples
    targets = [first + (last - first) * step / (max_grids - 1) for step in range(max_grids)]
    examples = np.array([grid.examples for grid in grids])
    nearest = {int(np.abs(examples - target).argmin()) for target in targets}
    return [grids[i] for i in sorted(nearest | {0, len(grids) - 1})]


def _timeline(grids: Sequence[SampleGrid]) -> Markup:
    """Return the last grid in large, with a slider and thumbnails of all grids, oldest first."""
    images, thumbnails = [], []
    for index, grid in enumerate(grids):
        is_last = index == len(grids) - 1
        with open_image(grid.path) as image:
            image.load()
        alt = f"Samples after {grid.examples:,} examples"
        source = _embed_image(grid.path, image, MAX_BYTES_LAST if is_last else MAX_BYTES_EACH)
        images.append(tag("img", src=source, alt=alt, width=image.width, height=image.height, hidden=not is_last))
        thumbnail = tag("img", src=_thumbnail(image), alt="", width=THUMBNAIL_PIXELS, height=THUMBNAIL_PIXELS)
        attributes = {
            "data_examples": grid.examples,
            "data_label": f"{grid.examples:,}",
            "aria_label": alt,
            "title": alt,
        }
        pressed = str(is_last).lower()
        thumbnails.append(tag("button", thumbnail, type="button", aria_pressed=pressed, **attributes))
    return tag("div", tag("div", *images, class_="sample-grid"), _controls(grids, thumbnails), class_="timeline")


def _controls(grids: Sequence[SampleGrid], thumbnails: list[Markup]) -> Markup:
    last = len(grids) - 1
    label = tag("p", "after ", tag("output", f"{grids[-1].examples:,}"), " examples", class_="progress")
    if last == 0:
        return tag("div", label)
    slider = tag("input", type="range", min=0, max=last, value=last, step=1, aria_label="Training examples")
    play = tag("button", "Play", type="button", class_="play")
    row = tag("div", play, slider, class_="slider")
    return tag("div", label, row, tag("div", join_markup(thumbnails), class_="thumbnails"))


def embed_image(path: Path, max_bytes: int) -> str:
    """Return an image file as a data URI of at most about `max_bytes` bytes."""
    with open_image(path) as image:
        image.load()
    return _embed_image(path, image, max_bytes)


def _embed_image(path: Path, image: Image.Image, max_bytes: int) -> str:
    """Return the unchanged file if it is small enough, else the largest WebP that fits."""
    if path.stat().st_size <= max_bytes:
        return _data_uri(path.read_bytes(), "png")
    side = min(MAX_GRID_SIDE_PIXELS, max(image.size))
    while len(data := _encode_webp(_shrink_to(image, side), quality=85)) > max_bytes:
        side = int(side * 0.9 * math.sqrt(max_bytes / len(data)))  # bytes are about proportional to pixels
    return _data_uri(data, "webp")


def _thumbnail(image: Image.Image) -> str:
    """Return the upper left of the image, a third of its shorter side, so that its samples are recognizable."""
    side = max(1, min(image.size) // 3)
    corner = image.crop((0, 0, side, side)).resize((2 * THUMBNAIL_PIXELS, 2 * THUMBNAIL_PIXELS), Image.Resampling.BOX)
    return _data_uri(_encode_webp(corner, quality=70), "webp")


def _shrink_to(image: Image.Image, max_pixels: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((max_pixels, max_pixels), Image.Resampling.LANCZOS)
    return small


def _encode_webp(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.convert("RGBA" if "A" in image.mode else "RGB").save(data, "WEBP", quality=quality, method=2)
    return data.getvalue()


def _data_uri(data: bytes, image_format: str) -> str:
    return f"data:image/{image_format};base64,{base64.b64encode(data).decode()}"
