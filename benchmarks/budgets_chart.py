"""Chart of benchmarks/budgets.py: distance against training time, both logarithmic, a line for each contender."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from quality_images import COLORS, GRID_COLOR, MUTED_COLOR, TEXT_COLOR

from zerosum.units import parse_seconds

WIDTH, HEIGHT = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 30, 50
"""Margins in pixels."""
TICKS = (50, 100, 200, 400, 800, 1600, 3200)


def draw(distances: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the distances by contender and budget; those that are not finite are left out."""
    points = {
        name: sorted((float(parse_seconds(budget)), value) for budget, value in values.items() if math.isfinite(value))
        for name, values in distances.items()
    }
    times = [seconds for values in points.values() for seconds, _ in values]
    values = [value for curve in points.values() for _, value in curve]
    if not times:
        return
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(12)

    def x_of(seconds: float) -> float:
        return LEFT + _fraction(seconds, min(times), max(times)) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - _fraction(value, min(values), max(values)) * (HEIGHT - TOP - BOTTOM)

    for tick in TICKS:
        if min(values) <= tick <= max(values):
            canvas.line([(LEFT, y_of(tick)), (WIDTH - RIGHT, y_of(tick))], GRID_COLOR)
            canvas.text((LEFT - 6, y_of(tick)), str(tick), MUTED_COLOR, font, anchor="rm")
    for seconds in sorted(set(times)):
        text = f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"
        canvas.text((x_of(seconds), HEIGHT - BOTTOM + 16), text, MUTED_COLOR, font, anchor="mm")
    canvas.text((LEFT, 8), "Fréchet distance (lite0) above its floor", TEXT_COLOR, font)
    for index, (name, curve) in enumerate(points.items()):
        color = COLORS[index % len(COLORS)]
        canvas.text((WIDTH - RIGHT + 16, 24 + 18 * index), name, color, font)
        corners = [(x_of(seconds), y_of(value)) for seconds, value in curve]
        canvas.line(corners, color, 2)
        for x, y in corners:
            canvas.ellipse([x - 3, y - 3, x + 3, y + 3], color)
    image.save(path)


def _fraction(value: float, low: float, high: float) -> float:
    """Return where a value lies between the lowest and the highest, on a logarithmic scale."""
    return math.log(value / low) / math.log(high / low) if high > low else 0.5
