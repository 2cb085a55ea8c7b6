"""Spectrograms of sounds in color, in a grid with lines of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zerosum.media.raster import Images

_ANCHORS = (
    (0, 0, 4), (27, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122), (229, 80, 100), (251, 135, 97),
    (254, 194, 135), (252, 253, 191),
)  # fmt: skip
"""Colors from silence to loud, at equal distances: those of the map magma, equally far apart for the eye (CC0)."""
_MIN_CELL = 128  # pixels of the shorter side of a spectrogram
_GAP, _LEGEND, _MARGIN = 6, 18, 8  # pixels
_TEXT_COLOR, _BACKGROUND = (70, 74, 80), (255, 255, 255)
_FONT_SIZE, _CHARACTER = 11, 6.2  # pixels


def color_spectrograms(images: Images) -> Images:
    """Return gray spectrograms uint8 (N, H, W, 1) in color, uint8 (N, H, W, 3).

    Example:
        >>> color_spectrograms(np.array([[[[0], [255]]]], np.uint8)).tolist()
        [[[[0, 0, 4], [252, 253, 191]]]]
    """
    places = np.linspace(0, 255, len(_ANCHORS))
    table = np.stack([np.interp(np.arange(256), places, channel) for channel in zip(*_ANCHORS, strict=True)], 1)
    colored: Images = np.rint(table).astype(np.uint8)[images[..., 0]]
    return colored


def draw_sheet(images: Images, legends: Sequence[str] = (), columns: int = 0) -> Image.Image:
    """Draw gray spectrograms in color, in a grid.

    Args:
        images: uint8 (N, H, W, 1), high frequencies on top.
        legends: a line below each one; () for none.
        columns: spectrograms in a row; 0: about as many as rows.
    """
    count, height, width = images.shape[:3]
    columns = max(1, min(columns or math.ceil(math.sqrt(count)), count))
    scale = max(1, math.ceil(_MIN_CELL / min(height, width)))
    cell_width, cell_height = width * scale, height * scale
    step_x, step_y = cell_width + _GAP, cell_height + (_LEGEND if legends else _GAP)
    rows = math.ceil(count / columns)
    size = (columns * step_x - _GAP + 2 * _MARGIN, rows * step_y + 2 * _MARGIN - (0 if legends else _GAP))
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for index, image in enumerate(color_spectrograms(images)):
        left, top = _MARGIN + index % columns * step_x, _MARGIN + index // columns * step_y
        cell = Image.fromarray(image).resize((cell_width, cell_height), Image.Resampling.NEAREST)
        sheet.paste(cell, (left, top))
        if legends:
            text = _fit(legends[index], cell_width)
            draw.text((left, top + cell_height + 2), text, fill=_TEXT_COLOR, font=font)
    return sheet


def _fit(text: str, width: int) -> str:
    """Return a line that is no wider than a spectrogram, in characters that every font has."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    most = int(width / _CHARACTER)
    return plain if len(plain) <= most else f"{plain[: most - 2]}.."
