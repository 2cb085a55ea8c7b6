"""Pictures that go with scores: samples beside their nearest training images, and kinds of images that are not made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zerosum.media.images import Images, make_strip, save_image

GAP_PIXELS, LINE_PIXELS = 10, 18
"""Pixels between rows, and of a line of text."""
TEXT_COLOR, MUTED_COLOR = (40, 44, 50), (120, 124, 130)


@dataclass(frozen=True)
class CaptionedRow:
    """A row of images under a line of text."""

    caption: str
    images: Images
    """(n, H, W, C)"""
    separate_first: bool = False
    """The first image is set apart from the others."""


def nearest_neighbor_rows(samples: Images, nearest: Images, captions: Sequence[str]) -> list[CaptionedRow]:
    """A shelf for each sample (N, H, W, C), with its nearest training images (N, k, H, W, C)."""
    rows = zip(captions, samples, nearest, strict=True)
    return [
        CaptionedRow(caption, np.concatenate([sample[None], near]), separate_first=True)
        for caption, sample, near in rows
    ]


def save_contact_sheet(captioned_rows: Sequence[CaptionedRow], path: Path, columns: int = 1) -> None:
    """Draw shelves one under another, in `columns`, and write the picture."""
    drawn = [_draw_row(shelf) for shelf in captioned_rows]
    wide, tall = max(d.width for d in drawn) + GAP_PIXELS, max(d.height for d in drawn) + GAP_PIXELS
    rows = -(-len(drawn) // columns)
    sheet = Image.new("RGB", (columns * wide + GAP_PIXELS, rows * tall + GAP_PIXELS), "white")
    for place, image in enumerate(drawn):
        sheet.paste(image, (GAP_PIXELS + place % columns * wide, GAP_PIXELS + place // columns * tall))
    save_image(sheet, path)


def _draw_row(captioned_row: CaptionedRow) -> Image.Image:
    parts = (
        [captioned_row.images[:1], captioned_row.images[1:]] if captioned_row.separate_first else [captioned_row.images]
    )
    strips = [make_strip(part, gap=2).convert("RGBA") for part in parts if len(part)]
    font = ImageFont.load_default(12)
    text = round(ImageDraw.Draw(strips[0]).textlength(captioned_row.caption, font)) + 2
    wide = sum(strip.width for strip in strips) + GAP_PIXELS * (len(strips) - 1)
    image = Image.new("RGB", (max(wide, text), strips[0].height + LINE_PIXELS), "white")
    ImageDraw.Draw(image).text((0, 1), captioned_row.caption, TEXT_COLOR, font)
    left = 0
    for part in strips:
        image.paste(part, (left, LINE_PIXELS), part)
        left += part.width + GAP_PIXELS
    return image
