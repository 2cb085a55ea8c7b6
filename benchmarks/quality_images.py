"""Images of benchmarks/quality.py: curves of kernel distance over seconds, and samples of each contender."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from zerosum.media.raster import Images, make_grid, save_image

COLORS = ("#111111", "#999999", "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#8fd0b5", "#cc79a7", "#e8bcd4")
TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#111111", "#555555", "#dddddd"
LABEL_WIDTH, GAP = 130, 8
"""Pixels for the name of a contender, and between contenders."""


def draw_curves(contenders: Mapping[str, Any], path: Path, width: int = 800, height: int = 420) -> None:
    """Draw kernel distance (logarithmic) over seconds: a line for each run, ending in the score of the finished run."""
    curves = {name: [run["curve"] for run in runs.values() if run["curve"]] for name, runs in contenders.items()}
    points = [point for runs in curves.values() for curve in runs for point in curve if point[1] > 0]
    if not points:
        return
    last = max(seconds for seconds, _ in points)
    low, high = (math.log10(f(value for _, value in points)) for f in (min, max))
    image = Image.new("RGB", (width, height), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(12)

    def to_pixels(seconds: float, value: float) -> tuple[float, float]:
        fraction = (math.log10(max(value, 10**low)) - low) / max(high - low, 1e-9)
        return 60 + seconds / last * (width - 190), 20 + (1 - fraction) * (height - 60)

    for power in range(math.floor(low), math.ceil(high) + 1):
        if low <= power <= high:
            y = to_pixels(0, 10.0**power)[1]
            canvas.line([(60, y), (width - 130, y)], GRID_COLOR)
            canvas.text((54, y), f"{10.0**power:g}", MUTED_COLOR, font, anchor="rm")
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        x = to_pixels(fraction * last, 1)[0]
        canvas.text((x, height - 30), f"{fraction * last:.0f} s", MUTED_COLOR, font, anchor="mm")
    canvas.text((60, 6), "kernel distance (kid_lite0) of samples to held-out images", TEXT_COLOR, font)
    for index, (name, runs) in enumerate(curves.items()):
        color = COLORS[index % len(COLORS)]
        canvas.text((width - 120, 24 + 18 * index), name, color, font)
        for curve in runs:
            corners = [to_pixels(*point) for point in curve]
            x, y = corners[-1]
            canvas.line(corners, color, 2)
            canvas.ellipse([x - 2, y - 2, x + 2, y + 2], color)
    image.save(path)


def draw_samples(images: Mapping[str, Images], path: Path, columns: int = 16) -> None:
    """Draw a contact sheet: the samples (N, H, W, C) of each contender in rows of `columns`, with its name."""
    grids = {name: make_grid(samples, columns).convert("RGB") for name, samples in images.items()}
    width = max(grid.width for grid in grids.values())
    height = sum(grid.height + GAP for grid in grids.values())
    image = Image.new("RGB", (LABEL_WIDTH + width + GAP, height + GAP), "white")
    canvas, font, top = ImageDraw.Draw(image), ImageFont.load_default(14), GAP
    for name, grid in grids.items():
        canvas.text((LABEL_WIDTH - GAP, top + grid.height // 2), name, TEXT_COLOR, font, anchor="rm")
        image.paste(grid, (LABEL_WIDTH, top))
        top += grid.height + GAP
    save_image(image, path)
