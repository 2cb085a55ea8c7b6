"""The sample sheets of a run, in a page: few, spread evenly over the run, and not too heavy."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.reporting.html import Markup, tag, together

SHEETS = 12
"""Embedded at most."""
BYTES_LAST, BYTES_EACH = 2_000_000, 280_000
"""The last sheet is shown large; with eleven more and a third added by base64 the page stays below 7 MB."""
LARGEST = 2048
"""Pixels of the longer side of a sheet that must be packed: the page shows some 700."""
THUMB = 96


@dataclass(frozen=True)
class Sheet:
    """Samples made after `images` images."""

    images: int
    path: Path


def sheets(folder: Path) -> list[Sheet]:
    """All sheets of a run, oldest first."""
    found = [Sheet(int(path.stem), path) for path in folder.glob("samples/*.png") if path.stem.isdecimal()]
    return sorted(found, key=lambda sheet: sheet.images)


def spread(found: list[Sheet], most: int = SHEETS) -> list[Sheet]:
    """At most `most` of them: the first, the last, and those nearest to even steps in images between."""
    if len(found) <= most:
        return found
    first, last = found[0].images, found[-1].images
    wanted = [first + (last - first) * step / (most - 1) for step in range(most)]
    moments = np.array([sheet.images for sheet in found])
    nearest = {int(np.abs(moments - moment).argmin()) for moment in wanted}
    return [found[i] for i in sorted(nearest | {0, len(found) - 1})]


def history(shown: list[Sheet]) -> Markup:
    """The last of one or more sheets, large, and with it a slider through all of them, oldest first."""
    pictures, thumbs = [], []
    for place, sheet in enumerate(shown):
        final = place == len(shown) - 1
        with Image.open(sheet.path) as picture:
            picture.load()
        alt = f"Samples after {sheet.images:,} images"
        source = _embedded(sheet.path, picture, BYTES_LAST if final else BYTES_EACH)
        pictures.append(tag("img", src=source, alt=alt, width=picture.width, height=picture.height, hidden=not final))
        choice = tag("img", src=_thumb(picture), alt="", width=THUMB, height=THUMB)
        moment = {
            "data_images": sheet.images,
            "data_label": f"{sheet.images:,}",
            "aria_label": alt,
            "title": alt,
        }
        thumbs.append(tag("button", choice, type="button", aria_pressed=str(final).lower(), **moment))
    return tag("div", tag("div", *pictures, class_="sheet"), _controls(shown, thumbs), class_="history")


def _controls(shown: list[Sheet], thumbs: list[Markup]) -> Markup:
    end = len(shown) - 1
    label = tag("p", "after ", tag("output", f"{shown[-1].images:,}"), " images", class_="when")
    if end == 0:
        return tag("div", label, class_="controls")
    slider = tag("input", type="range", min=0, max=end, value=end, step=1, aria_label="Moment of the run")
    play = tag("button", "Play", type="button", class_="play")
    row = tag("div", play, slider, class_="slide")
    return tag("div", label, row, tag("div", together(thumbs), class_="film"), class_="controls")


def embedded(path: Path, most: int) -> str:
    """A picture's file as a URI of at most about `most` bytes."""
    with Image.open(path) as picture:
        picture.load()
    return _embedded(path, picture, most)


def _embedded(path: Path, picture: Image.Image, most: int) -> str:
    """The file as it is if it is small enough, else a WebP as large as fits."""
    if path.stat().st_size <= most:
        return _uri(path.read_bytes(), "png")
    side = min(LARGEST, max(picture.size))
    while len(data := _webp(_at_most(picture, side), quality=85)) > most:
        side = int(side * 0.9 * math.sqrt(most / len(data)))  # bytes go about with the pixels
    return _uri(data, "webp")


def _thumb(picture: Image.Image) -> str:
    """A square from the upper left, so that a few samples are large enough to be told apart."""
    side = max(1, min(picture.size) // 3)
    corner = picture.crop((0, 0, side, side)).resize((2 * THUMB, 2 * THUMB), Image.Resampling.BOX)
    return _uri(_webp(corner, quality=70), "webp")


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _webp(picture: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    picture.convert("RGBA" if "A" in picture.mode else "RGB").save(data, "WEBP", quality=quality, method=2)
    return data.getvalue()


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
