"""Draw rows: the distribution of each column, generated over real, and the first rows as a table."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zerosum.data.codec import Items

Fields = NDArray[np.void]
"""Rows (N,) with named fields, or one of these fields."""
REAL_COLOR, FAKE_COLOR, FAKE_FILL = (200, 203, 208), (0, 114, 178), (150, 197, 226)
"""RGB. Light gray, and the blue of Okabe and Ito's palette, which is safe for color blindness; a light one of it."""
_TEXT_COLOR, _FAINT_COLOR, _FRAME_COLOR = (60, 64, 70), (128, 132, 138), (222, 224, 228)
_WIDTH, _HEIGHT, _MARGIN, _TITLE, _FOOT = 236, 132, 10, 18, 16  # pixels of a panel and of its parts
_PANELS_IN_ROW, _MIN_IN_ROW = 4, 2
_BINS, _MIN_BINS, _MAX_BARS = 24, 8, 6
_TABLE_ROWS, _TABLE_LINE, _MAX_CELL = 8, 18, 150  # rows, pixels, pixels
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "segoeui.ttf",
)  # fmt: skip
_TAIL = 0.005  # part of the real values at each end that does not widen the axis

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class _Bars:
    """Shares of the rows in bins or categories."""

    real: Shares
    """(K,)."""
    fake: Shares
    """(K,)."""
    labels: Sequence[str]
    """Of categories, their K names; of numbers, the texts at both ends of the axis."""
    is_numeric: bool


def draw_rows(items: Items, real: Items | None = None, with_rows: bool = True) -> Image.Image:
    """Draw rows over real ones, as one image.

    The real rows alone determine axes and categories, so that the images of a run can be compared and played as a
    video. Values outside are counted in the outermost bins.

    Args:
        items: (N,) generated rows, N >= 1, with the fields that `preview_rows` makes.
        real: (M,) real rows, M >= 1; None: only the generated ones are drawn.
        with_rows: draw the first rows as a table, too.
    """
    rows = cast("Fields", items)
    names = list(rows.dtype.names or ())
    in_row = min(_PANELS_IN_ROW, max(_MIN_IN_ROW, len(names)))
    width = in_row * _WIDTH + _MARGIN
    top = _TITLE + _MARGIN
    bottom = top + math.ceil(len(names) / in_row) * _HEIGHT
    num_lines = min(_TABLE_ROWS, len(items)) + 1 if with_rows else 0
    image = Image.new("RGB", (width, bottom + num_lines * _TABLE_LINE + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(image)
    _draw_legend(draw, real is not None)
    for number, name in enumerate(names):
        corner = (_MARGIN + number % in_row * _WIDTH, top + number // in_row * _HEIGHT)
        _draw_panel(draw, corner, name, rows[name], None if real is None else cast("Fields", real)[name])
    if with_rows:
        _draw_table(draw, bottom + _MARGIN, width, rows[: num_lines - 1])
    return image


@cache
def _system_font() -> str:
    """Return the name of a font of the system that has letters beyond ASCII, which Pillow's own lacks; "" for none."""
    for name in _SYSTEM_FONTS:
        with suppress(OSError):
            ImageFont.truetype(name, 12)
            return name
    return ""


@cache
def _font(size: int = 12, is_ascii: bool = True) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    name = "" if is_ascii else _system_font()
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


def _font_of(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _font(size, text.isascii())


def _draw_legend(draw: ImageDraw.ImageDraw, has_real: bool) -> None:
    x = _MARGIN
    for label, color in (("real", REAL_COLOR), ("generated", FAKE_COLOR)):
        if label == "real" and not has_real:
            continue
        draw.rectangle((x, 9, x + 9, 18), fill=color)
        draw.text((x + 15, 18), label, fill=_TEXT_COLOR, font=_font(), anchor="ls")
        x += 15 + int(draw.textlength(label, _font())) + 16


def _draw_panel(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], name: str, items: Fields, real: Fields | None
) -> None:
    """Draw the distribution of a column, with the share of missing cells."""
    left, top = corner
    inner = _WIDTH - _MARGIN
    missing = _describe_missing(items, real)
    room = inner - draw.textlength(missing, _font(11)) - 6
    title = _fit(draw, name, room, 13)
    draw.text((left, top + 13), title, fill=_TEXT_COLOR, font=_font_of(title, 13), anchor="ls")
    draw.text((left + inner, top + 13), missing, fill=_FAINT_COLOR, font=_font(11), anchor="rs")
    box = (left, top + _TITLE, left + inner, top + _HEIGHT - _MARGIN)
    if "value" in (items.dtype.names or ()):
        _draw_histogram(draw, box, _count_numbers(items, real), real is not None)
    else:
        _draw_bars(draw, box, _count_categories(items, real), real is not None)


def _is_missing(field: Fields) -> NDArray[np.bool_]:
    is_numeric = "value" in (field.dtype.names or ())
    missing: NDArray[np.bool_] = np.isnan(field["value"]) if is_numeric else field["code"] < 0
    return missing


def _describe_missing(items: Fields, real: Fields | None) -> str:
    shares = [float(_is_missing(field).mean()) for field in (items, real) if field is not None]
    if not any(shares):
        return ""
    return f"missing {shares[0]:.1%}" + (f" (real {shares[1]:.1%})" if real is not None else "")


def _count_numbers(items: Fields, real: Fields | None) -> _Bars:
    """Return the shares of the bins of a histogram."""
    fakes, reference = (field[~_is_missing(field)] for field in (items, items if real is None else real))
    if not len(reference):
        return _Bars(np.zeros(1), np.zeros(1), ("", ""), True)
    values = reference["value"]
    edges = _find_edges(values)
    inside = np.flatnonzero((values >= edges[0]) & (values <= edges[-1]))
    ends = (inside[values[inside].argmin()], inside[values[inside].argmax()])
    real_shares, fake_shares = (
        np.histogram(np.clip(field["value"], edges[0], edges[-1]), edges)[0] / max(1, len(field))
        for field in (reference, fakes)
    )
    return _Bars(real_shares, fake_shares, tuple(str(reference["text"][end]) for end in ends), True)


def _find_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges (K + 1,) of the bins; those of whole numbers hold equally many numbers each."""
    distinct = np.unique(values)
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL), method="nearest")
    bins = min(_BINS, max(_MIN_BINS, round(2 * len(values) ** (1 / 3))))  # the Rice rule
    if len(distinct) <= _BINS:
        low, high, bins = distinct[0], distinct[-1], _BINS
    if (distinct == np.round(distinct)).all() and np.abs(distinct).max() < 2**53:
        step = max(1, int(np.gcd.reduce(np.diff(distinct).astype(np.int64)))) if len(distinct) > 1 else 1
        width = step * max(1, math.ceil(((high - low) / step + 1) / bins))
        count = int((high - low) // width) + 1
        return np.asarray(low - step / 2 + width * np.arange(count + 1), np.float64)
    span = max(high - low, 1e-9 * max(1.0, abs(low)))
    return np.asarray(np.linspace(low, low + span, bins + 1), np.float64)


def _count_categories(items: Fields, real: Fields | None) -> _Bars:
    """Return the shares of the most frequent real categories, and of all others together."""
    fakes, reference = (field[~_is_missing(field)] for field in (items, items if real is None else real))
    codes, first, counts = np.unique(np.asarray(reference["code"], np.int64), return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if len(order) > _MAX_BARS:
        order = order[: _MAX_BARS - 1]
    shown = codes[order]
    shares = [
        np.array([np.count_nonzero(field["code"] == code) for code in shown]) / max(1, len(field))
        for field in (reference, fakes)
    ]
    labels = [str(reference["text"][first[index]]) for index in order]
    rest = [1 - share.sum() if len(field) else 0.0 for share, field in zip(shares, (reference, fakes), strict=True)]
    if len(order) < len(codes) or rest[1] > 0.5 / max(1, len(fakes)):
        labels.append("others")
        shares = [np.append(share, other) for share, other in zip(shares, rest, strict=True)]
    return _Bars(shares[0], shares[1], labels, False)


Box = tuple[int, int, int, int]


def _draw_histogram(draw: ImageDraw.ImageDraw, box: Box, bars: _Bars, has_real: bool) -> None:
    """Draw real bins in gray, and the generated ones over them as a line."""
    left, top, right, bottom = box[0], box[1] + 4, box[2], box[3] - _FOOT
    highest = max(float(bars.real.max()), float(bars.fake.max()), 1e-9)
    edges = np.rint(np.linspace(left, right, len(bars.real) + 1)).astype(int)
    real, fake = (np.rint(bottom - shares / highest * (bottom - top)).astype(int) for shares in (bars.real, bars.fake))
    for index in range(len(real)):
        inner = (edges[index], edges[index + 1] - 1)
        if has_real and real[index] < bottom:
            draw.rectangle((inner[0], real[index], inner[1], bottom), fill=REAL_COLOR)
        if not has_real and fake[index] < bottom:
            draw.rectangle((inner[0], fake[index], inner[1], bottom), fill=FAKE_FILL)
    outline = [(int(x), int(y)) for index, y in enumerate(fake) for x in (edges[index], edges[index + 1] - 1)]
    draw.line([(left, bottom), *outline, (right - 1, bottom)], fill=FAKE_COLOR, width=2)
    draw.line((left, bottom, right, bottom), fill=_FRAME_COLOR)
    room = (right - left) / 2 - 6
    low, high = (_fit(draw, label, room, 11) for label in bars.labels)
    draw.text((left, bottom + 13), low, fill=_FAINT_COLOR, font=_font_of(low, 11), anchor="ls")
    draw.text((right, bottom + 13), high, fill=_FAINT_COLOR, font=_font_of(high, 11), anchor="rs")


def _draw_bars(draw: ImageDraw.ImageDraw, box: Box, bars: _Bars, has_real: bool) -> None:
    """Draw a bar for each category: the real one in gray, and the generated one, which is narrower, over it."""
    left, top, right, bottom = box
    line = min(17, (bottom - top) // max(1, len(bars.labels)))
    start = left + 84
    highest = max([0.0, *bars.real.tolist(), *bars.fake.tolist()]) or 1.0
    for index, label in enumerate(bars.labels):
        y = top + 3 + index * line
        lengths = (float(shares[index]) / highest * (right - start) for shares in (bars.real, bars.fake))
        real, fake = (round(start + length) for length in lengths)
        text = _fit(draw, label or '""', start - left - 8, 11)
        draw.text((start - 8, y + line - 5), text, fill=_TEXT_COLOR, font=_font_of(text, 11), anchor="rs")
        if has_real:
            draw.rectangle((start, y, real, y + line - 4), fill=REAL_COLOR)
        draw.rectangle((start, y + 4, fake, y + line - 8), fill=FAKE_COLOR)
    draw.line((start - 1, top, start - 1, top + 3 + len(bars.labels) * line), fill=_FRAME_COLOR)


def _draw_table(draw: ImageDraw.ImageDraw, top: int, width: int, items: Fields) -> None:
    """Draw the first rows as texts, with as many columns as there is room for."""
    x = _MARGIN
    for name in items.dtype.names or ():
        cells = [_fit(draw, str(text) or "-", _MAX_CELL, 12) for text in (name, *items[name]["text"].tolist())]
        widest = math.ceil(max(draw.textlength(cell, _font_of(cell, 12)) for cell in cells))
        if x + widest > width - _MARGIN:
            break
        is_numeric = "value" in (items[name].dtype.names or ())
        place, anchor = (x + widest, "rs") if is_numeric else (x, "ls")
        for number, cell in enumerate(cells):
            color = _FAINT_COLOR if not number else FAKE_COLOR
            y = top + (number + 1) * _TABLE_LINE - 5
            draw.text((place, y), cell, fill=color, font=_font_of(cell, 12), anchor=anchor)
        x += widest + 18
    draw.line((_MARGIN, top + _TABLE_LINE, width - _MARGIN, top + _TABLE_LINE), fill=_FRAME_COLOR)


def _fit(draw: ImageDraw.ImageDraw, text: str, room: float, size: int) -> str:
    """Return a text on one line, shortened to a number of pixels, without characters that no font has."""
    plain = " ".join(text[:200].split())
    if not plain.isascii() and not _system_font():
        letters = unicodedata.normalize("NFKD", plain.replace("ß", "ss"))
        plain = "".join(char if char.isascii() else "?" for char in letters if not unicodedata.combining(char))
    if draw.textlength(plain, _font_of(plain, size)) <= room:
        return plain
    while plain and draw.textlength(f"{plain}..", _font_of(plain, size)) > room:
        plain = plain[:-1]
    return f"{plain}.."
