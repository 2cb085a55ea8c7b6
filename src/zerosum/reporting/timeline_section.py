"""The sample sheets of a run, in a page: few, spread evenly over the run, and not too heavy."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.reporting.html import Markup, join_markup, tag

MAX_GRIDS = 12
"""Embedded at most."""
MAX_BYTES_LAST, MAX_BYTES_EACH = 2_000_000, 280_000
"""The last sheet is shown large; with eleven more and a third added by base64 the page stays below 7 MB."""
MAX_GRID_SIDE_PIXELS = 2048
"""Pixels of the longer side of a sheet that must be packed: the page shows some 700."""
THUMBNAIL_PIXELS = 96


@dataclass(frozen=True)
class SampleGrid:
    """Samples made after `examples` images."""

    examples: int
    path: Path


def find_sample_grids(folder: Path) -> list[SampleGrid]:
    """All sheets of a run, oldest first."""
    found = [SampleGrid(int(path.stem), path) for path in folder.glob("samples/*.png") if path.stem.isdecimal()]
    return sorted(found, key=lambda sheet: sheet.examples)


def subsample_grids(grids: list[SampleGrid], max_grids: int = MAX_GRIDS) -> list[SampleGrid]:
    """At most `max_grids` of them: the first, the last, and those nearest to even steps in images between."""
    if len(grids) <= max_grids:
        return grids
    first, last = grids[0].examples, grids[-1].examples
    wanted = [first + (last - first) * step / (max_grids - 1) for step in range(max_grids)]
    moments = np.array([sheet.examples for sheet in grids])
    nearest = {int(np.abs(moments - moment).argmin()) for moment in wanted}
    return [grids[i] for i in sorted(nearest | {0, len(grids) - 1})]


def render_timeline(grids: list[SampleGrid]) -> Markup:
    """The last of one or more sheets, large, and with it a slider through all of them, oldest first."""
    images, thumbs = [], []
    for place, sheet in enumerate(grids):
        final = place == len(grids) - 1
        with Image.open(sheet.path) as image:
            image.load()
        alt = f"Samples after {sheet.examples:,} images"
        source = _embed_image(sheet.path, image, MAX_BYTES_LAST if final else MAX_BYTES_EACH)
        images.append(tag("img", src=source, alt=alt, width=image.width, height=image.height, hidden=not final))
        choice = tag("img", src=_thumbnail(image), alt="", width=THUMBNAIL_PIXELS, height=THUMBNAIL_PIXELS)
        moment = {
            "data_images": sheet.examples,
            "data_label": f"{sheet.examples:,}",
            "aria_label": alt,
            "title": alt,
        }
        thumbs.append(tag("button", choice, type="button", aria_pressed=str(final).lower(), **moment))
    return tag("div", tag("div", *images, class_="sheet"), _controls(grids, thumbs), class_="history")


def _controls(grids: list[SampleGrid], thumbnails: list[Markup]) -> Markup:
    end = len(grids) - 1
    label = tag("p", "after ", tag("output", f"{grids[-1].examples:,}"), " images", class_="when")
    if end == 0:
        return tag("div", label, class_="controls")
    slider = tag("input", type="range", min=0, max=end, value=end, step=1, aria_label="Moment of the run")
    play = tag("button", "Play", type="button", class_="play")
    row = tag("div", play, slider, class_="slide")
    return tag("div", label, row, tag("div", join_markup(thumbnails), class_="film"), class_="controls")


def embed_image(path: Path, max_bytes: int) -> str:
    """A picture's file as a URI of at most about `max_bytes` bytes."""
    with Image.open(path) as image:
        image.load()
    return _embed_image(path, image, max_bytes)


def _embed_image(path: Path, image: Image.Image, max_bytes: int) -> str:
    """The file as it is if it is small enough, else a WebP as large as fits."""
    if path.stat().st_size <= max_bytes:
        return _data_uri(path.read_bytes(), "png")
    side = min(MAX_GRID_SIDE_PIXELS, max(image.size))
    while len(data := _encode_webp(_shrink_to(image, side), quality=85)) > max_bytes:
        side = int(side * 0.9 * math.sqrt(max_bytes / len(data)))  # bytes go about with the pixels
    return _data_uri(data, "webp")


def _thumbnail(image: Image.Image) -> str:
    """A square from the upper left, so that a few samples are large enough to be told apart."""
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
