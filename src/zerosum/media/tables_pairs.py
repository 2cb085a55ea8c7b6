"""Draw how two columns of rows go together, in real rows and next to them in generated ones."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zerosum.data.tables.formats import Rows
from zerosum.data.text import printable

if TYPE_CHECKING:
    from zerosum.data.tables.layout import TableColumn

PAIRS_IN_ROW = 3
_BINS, _MAX_CATEGORIES = 24, 12
_SIDE, _GAP, _MARGIN, _TITLE = 144, 6, 14, 40  # pixels of a map, between the two of a pair, around a pair, of its text
_TEXT_COLOR, _FAINT_COLOR, _FRAME_COLOR = (60, 64, 70), (128, 132, 138), (222, 224, 228)
_REAL_COLOR, _FAKE_COLOR = (70, 74, 80), (0, 114, 178)
"""RGB. Dark gray, and the blue of Okabe and Ito's palette."""
_TAIL = 0.005  # part of the real values at each end that does not widen an axis


def draw_pairs(
    real: Rows, generated: Rows, columns: Sequence[TableColumn], pairs: Sequence[tuple[int, int]]
) -> Image.Image:
    """Draw the joint frequencies of pairs of columns as two maps each: of real rows in gray, of generated ones in blue.

    The real rows determine the axes, so that the two maps of a pair can be compared. Missing cells are left out.

    Args:
        real: (N, C) real rows.
        generated: (M, C) generated rows.
        columns: the C columns.
        pairs: the indices of the columns of each pair, at least one: the first is on the horizontal axis.
    """
    width, height = 2 * _SIDE + _GAP + 2 * _MARGIN, _SIDE + _TITLE + _MARGIN
    in_row = min(PAIRS_IN_ROW, len(pairs))
    image = Image.new("RGB", (in_row * width, math.ceil(len(pairs) / in_row) * height), "white")
    draw = ImageDraw.Draw(image)
    for number, (first, second) in enumerate(pairs):
        left, top = number % in_row * width + _MARGIN, number // in_row * height
        across, up = (_fit(draw, columns[index].name, _SIDE - 30) for index in (first, second))
        draw.text((left, top + 20), f"{across} (across), {up} (up)", _TEXT_COLOR, _font(13), anchor="ls")
        edges = [_find_edges(real[:, index], columns[index]) for index in (first, second)]
        maps = [_count(rows[:, [first, second]], edges) for rows in (real, generated)]
        highest = max(float(shares.max()) for shares in maps)
        for place, (shares, color, label) in enumerate(
            zip(maps, (_REAL_COLOR, _FAKE_COLOR), ("real", "generated"), strict=True)
        ):
            corner = (left + place * (_SIDE + _GAP), top + _TITLE)
            draw.text((corner[0], corner[1] - 5), label, _FAINT_COLOR, _font(11), anchor="ls")
            image.paste(_draw_map(shares, highest, color), corner)
            draw.rectangle((*corner, corner[0] + _SIDE - 1, corner[1] + _SIDE - 1), outline=_FRAME_COLOR)
    return image


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(draw: ImageDraw.ImageDraw, name: str, width: int) -> str:
    """Return a name in the letters that Pillow's own font has, shortened to a width in pixels."""
    letters = (char for char in unicodedata.normalize("NFKD", printable(name)) if not unicodedata.combining(char))
    text = "".join(char if char.isascii() else "?" for char in letters)
    if draw.textlength(text, _font(13)) <= width:
        return text
    while text and draw.textlength(f"{text}..", _font(13)) > width:
        text = text[:-1]
    return f"{text}.."


def _find_edges(cells: Rows, column: TableColumn) -> NDArray[np.float64]:
    """Return the edges (K + 1,) of the bins of a column.

    Few values, or the most frequent categories, have a bin each, in which others count that are nearest to them.
    """
    present = cells[~np.isnan(cells)]
    if not len(present):
        return np.array([0.0, 1.0])
    values = np.unique(present)
    if not column.is_numeric or len(values) <= _MAX_CATEGORIES:
        counts = np.unique(present, return_counts=True)[1]
        kept = np.sort(values[np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]])
        between = (kept[1:] + kept[:-1]) / 2
        return np.concatenate([[kept[0] - 0.5], between, [kept[-1] + 0.5]])
    low, high = np.quantile(present, (_TAIL, 1 - _TAIL))
    if high <= low:
        low, high = values[0], values[-1]
    return np.asarray(np.linspace(low, high, _BINS + 1), np.float64)


def _count(rows: Rows, edges: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the shares (K, L) of rows (N, 2) in pairs of bins; values outside are in the outermost bins."""
    present = rows[~np.isnan(rows).any(1)]
    clipped = [np.clip(present[:, axis], own[0], own[-1]) for axis, own in enumerate(edges)]
    counts = np.histogram2d(clipped[0], clipped[1], list(edges))[0]
    return np.asarray(counts / max(1, len(present)), np.float64)


def _draw_map(shares: NDArray[np.float64], highest: float, color: tuple[int, int, int]) -> Image.Image:
    """Draw shares (K, L) as a map, the second axis upwards; the darkness is the square root of a share."""
    darkness = np.sqrt(shares / max(highest, 1e-12)).T[::-1, :, None]
    pixels = 255 - darkness * (255 - np.array(color))
    return Image.fromarray(np.rint(pixels).astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
