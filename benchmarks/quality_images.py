"""What benchmarks/quality.py draws: curves of kernel distance against seconds, and samples of every contender."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from zerosum.media.images import Images, make_grid, save_image

COLOURS = ("#111111", "#999999", "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#8fd0b5", "#cc79a7", "#e8bcd4")
INK, QUIET, RULE = "#111111", "#555555", "#dddddd"
BESIDE, GAP = 130, 8
"""Pixels for a contender's name, and between contenders."""


def curves(contenders: Mapping[str, Any], path: Path, wide: int = 800, tall: int = 420) -> None:
    """Kernel distance (logarithmic) against seconds: a line a run, which ends in the judgement of the finished run."""
    found = {name: [run["curve"] for run in runs.values() if run["curve"]] for name, runs in contenders.items()}
    points = [point for runs in found.values() for curve in runs for point in curve if point[1] > 0]
    if not points:
        return
    last = max(seconds for seconds, _ in points)
    low, high = (math.log10(f(value for _, value in points)) for f in (min, max))
    image = Image.new("RGB", (wide, tall), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)

    def place(seconds: float, value: float) -> tuple[float, float]:
        up = (math.log10(max(value, 10**low)) - low) / max(high - low, 1e-9)
        return 60 + seconds / last * (wide - 190), 20 + (1 - up) * (tall - 60)

    for power in range(math.floor(low), math.ceil(high) + 1):
        if low <= power <= high:
            y = place(0, 10.0**power)[1]
            pen.line([(60, y), (wide - 130, y)], RULE)
            pen.text((54, y), f"{10.0**power:g}", QUIET, font, anchor="rm")
    for share in (0, 0.25, 0.5, 0.75, 1):
        pen.text((place(share * last, 1)[0], tall - 30), f"{share * last:.0f} s", QUIET, font, anchor="mm")
    pen.text((60, 6), "kernel distance (kid_lite0) of samples to held-out images", INK, font)
    for number, (name, runs) in enumerate(found.items()):
        color = COLOURS[number % len(COLOURS)]
        pen.text((wide - 120, 24 + 18 * number), name, color, font)
        for curve in runs:
            corners = [place(*point) for point in curve]
            pen.line(corners, color, 2)
            pen.ellipse([corners[-1][0] - 2, corners[-1][1] - 2, corners[-1][0] + 2, corners[-1][1] + 2], color)
    image.save(path)


def samples(images: Mapping[str, Images], path: Path, columns: int = 16) -> None:
    """A contact sheet: each contender's samples (N, H, W, C) in rows of `columns`, its name beside them."""
    sheets = {name: make_grid(made, columns).convert("RGB") for name, made in images.items()}
    wide = max(sheet.width for sheet in sheets.values())
    tall = sum(sheet.height + GAP for sheet in sheets.values())
    image = Image.new("RGB", (BESIDE + wide + GAP, tall + GAP), "white")
    pen, font, top = ImageDraw.Draw(image), ImageFont.load_default(14), GAP
    for name, sheet in sheets.items():
        pen.text((BESIDE - GAP, top + sheet.height // 2), name, INK, font, anchor="rm")
        image.paste(sheet, (BESIDE, top))
        top += sheet.height + GAP
    save_image(image, path)
