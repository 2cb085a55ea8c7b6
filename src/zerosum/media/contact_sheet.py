"""Contact sheets of an evaluation: samples with their nearest training images, and images of missing modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zerosum.media.raster import Images, make_strip, save_image

GAP_PIXELS, LINE_PIXELS = 10, 18
"""Pixels between rows, and the height of a line of text."""
TEXT_COLOR, MUTED_COLOR = (40, 44, 50), (120, 124, 130)


@dataclass(frozen=True)
class CaptionedRow:
    """A row of images with a caption above it."""

    caption: str
    images: Images
    """uint8 (n, H, W, C)."""
    separate_first: bool = False
    """Whether there is a gap after the first image."""


def nearest_neighbor_rows(samples: Images, nearest: Images, captions: Sequence[str]) -> list[CaptionedRow]:
    """Return a row for each sample (N, H, W, C) with its nearest training images (N, k, H, W, C)."""
    rows = zip(captions, samples, nearest, strict=True)
    return [
        CaptionedRow(caption, np.concatenate([sample[None], neighbors]), separate_first=True)
        for caption, sample, neighbors in rows
    ]


def save_contact_sheet(captioned_rows: Sequence[CaptionedRow], path: Path, columns: int = 1) -> None:
    """Draw captioned rows below each other, in `columns`, and write the image to `path`."""
    drawn = [_draw_row(row) for row in captioned_rows]
    cell_width, cell_height = max(d.width for d in drawn) + GAP_PIXELS, max(d.height for d in drawn) + GAP_PIXELS
    num_rows = -(-len(drawn) // columns)
    sheet = Image.new("RGB", (columns * cell_width + GAP_PIXELS, num_rows * cell_height + GAP_PIXELS), "white")
    for index, image in enumerate(drawn):
        sheet.paste(image, (GAP_PIXELS + index % columns * cell_width, GAP_PIXELS + index // columns * cell_height))
    save_image(sheet, path)


def _draw_row(captioned_row: CaptionedRow) -> Image.Image:
    parts = (
        [captioned_row.images[:1], captioned_row.images[1:]] if captioned_row.separate_first else [captioned_row.images]
    )
    strips = [make_strip(part, gap=2).convert("RGBA") for part in parts if len(part)]
    font = ImageFont.load_default(12)
    text_width = round(ImageDraw.Draw(strips[0]).textlength(captioned_row.caption, font)) + 2
    strips_width = sum(strip.width for strip in strips) + GAP_PIXELS * (len(strips) - 1)
    image = Image.new("RGB", (max(strips_width, text_width), strips[0].height + LINE_PIXELS), "white")
    ImageDraw.Draw(image).text((0, 1), captioned_row.caption, TEXT_COLOR, font)
    left = 0
    for strip in strips:
        image.paste(strip, (left, LINE_PIXELS), strip)
        left += strip.width + GAP_PIXELS
    return image
