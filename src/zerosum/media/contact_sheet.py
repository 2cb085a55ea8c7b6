"""Pictures that go with scores: samples beside their nearest training images, and kinds of images that are not made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zerosum.media.images import Images, save_image, strip

GAP, LINE = 10, 18
"""Pixels between rows, and of a line of text."""
INK, QUIET = (40, 44, 50), (120, 124, 130)


@dataclass(frozen=True)
class Shelf:
    """A row of images under a line of text."""

    caption: str
    images: Images
    """(n, H, W, C)"""
    marked: bool = False
    """The first image is set apart from the others."""


def neighbours(samples: Images, nearest: Images, captions: Sequence[str]) -> list[Shelf]:
    """A shelf for each sample (N, H, W, C), with its nearest training images (N, k, H, W, C)."""
    rows = zip(captions, samples, nearest, strict=True)
    return [Shelf(caption, np.concatenate([sample[None], near]), marked=True) for caption, sample, near in rows]


def save(shelves: Sequence[Shelf], path: Path, columns: int = 1) -> None:
    """Draw shelves one under another, in `columns`, and write the picture."""
    drawn = [_drawn(shelf) for shelf in shelves]
    wide, tall = max(d.width for d in drawn) + GAP, max(d.height for d in drawn) + GAP
    rows = -(-len(drawn) // columns)
    sheet = Image.new("RGB", (columns * wide + GAP, rows * tall + GAP), "white")
    for place, picture in enumerate(drawn):
        sheet.paste(picture, (GAP + place % columns * wide, GAP + place // columns * tall))
    save_image(sheet, path)


def _drawn(shelf: Shelf) -> Image.Image:
    parts = [shelf.images[:1], shelf.images[1:]] if shelf.marked else [shelf.images]
    strips = [strip(part, gap=2).convert("RGBA") for part in parts if len(part)]
    font = ImageFont.load_default(12)
    text = round(ImageDraw.Draw(strips[0]).textlength(shelf.caption, font)) + 2
    wide = sum(strip.width for strip in strips) + GAP * (len(strips) - 1)
    picture = Image.new("RGB", (max(wide, text), strips[0].height + LINE), "white")
    ImageDraw.Draw(picture).text((0, 1), shelf.caption, INK, font)
    left = 0
    for part in strips:
        picture.paste(part, (left, LINE), part)
        left += part.width + GAP
    return picture
