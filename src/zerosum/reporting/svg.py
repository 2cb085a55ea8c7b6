"""Curves of a run as inline SVG, with what the page's script shows under the pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.reporting.downsampling import Bins, Curve, FloatArray, bin_curve, bin_edges, bin_positions, smooth
from zerosum.reporting.html import Markup, join_markup, tag

WIDTH, HEIGHT = 560, 236
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 50, 10, 12, 26


@dataclass(frozen=True)
class ReferenceLine:
    """A dashed line across, such as a game's equilibrium."""

    value: float
    label: str


class Scale(NamedTuple):
    """Where values lie on the drawing."""

    x_max: float
    y_min: float
    y_max: float

    def to_pixel_x(self, x: FloatArray) -> FloatArray:
        """Images seen to pixels."""
        return MARGIN_LEFT + x / self.x_max * (WIDTH - MARGIN_LEFT - MARGIN_RIGHT)

    def to_pixel_y(self, y: FloatArray) -> FloatArray:
        """Values to pixels; those beyond the frame lie on its edge."""
        height = HEIGHT - MARGIN_TOP - MARGIN_BOTTOM
        inside: FloatArray = np.clip((self.y_max - y) / (self.y_max - self.y_min), 0, 1)
        return MARGIN_TOP + inside * height


def render_line_chart(
    title: str,
    description: str,
    curves: Sequence[Curve],
    x_max: float,
    *,
    reference_lines: Sequence[ReferenceLine] = (),
    include_values: Sequence[float] = (),
) -> Markup:
    """One figure: title, legend with the latest values, curves over images 0 to `x_max`, and a caption.

    Args:
        title: of the figure.
        description: how to read it, in a sentence or two.
        curves: one or more.
        x_max: images at the right edge, more than 0; the same for all charts of a page.
        reference_lines: dashed lines.
        include_values: values the frame takes in, whatever the curves do.
    """
    ends = bin_edges(curves)
    places, bins = bin_positions(ends, curves), [bin_curve(curve, ends) for curve in curves]
    scale = Scale(x_max, *_y_range(curves, [*include_values, *(level.value for level in reference_lines)]))
    drawing = join_markup(
        [
            _axes(scale),
            *(_draw_reference_line(level, scale) for level in reference_lines),
            *(_curve_paths(curve, inside, places, scale) for curve, inside in zip(curves, bins, strict=True)),
            tag("line", class_="cursor", y1=MARGIN_TOP, y2=HEIGHT - MARGIN_BOTTOM, x1=MARGIN_LEFT, x2=MARGIN_LEFT),
        ]
    )
    label = f"{title}: " + ", ".join(f"{curve.name} ends at {_format_latest(curve)}" for curve in curves)
    return tag(
        "figure",
        tag("h3", title, tag("span", class_="at")),
        _legend(curves, reference_lines),
        tag("svg", drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label),
        tag("figcaption", description, *(tag("em", " ", note) for note in _warnings(curves, scale))),
        class_="chart",
        data_points=_tooltip_json(places, bins, scale),
    )


def _legend(curves: Sequence[Curve], reference_lines: Sequence[ReferenceLine]) -> Markup:
    """Names and latest values; the page's script puts those under the pointer in their place."""
    keys = [
        tag(
            "span",
            tag("i", class_=f"c{curve.color_index}"),
            curve.name,
            " ",
            tag("b", _format_latest(curve)),
            class_="key",
        )
        for curve in curves
    ]
    dashes = [tag("span", tag("i", class_="dash"), level.label, class_="key") for level in reference_lines]
    return tag("div", *keys, *dashes, class_="legend")


def format_compact(value: float) -> str:
    """A number in few letters: 950, 12k, 1.25M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _y_range(curves: Sequence[Curve], include_values: Sequence[float]) -> tuple[float, float]:
    """The frame's ends: all values and `include_values`, save a few so far off that the rest would look flat."""
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        values = np.zeros(1)
    q2, q98 = np.percentile(values, [2, 98])
    reach = 2 * (q98 - q2)
    low, high = float(values.min()), float(values.max())
    if reach > 0:
        low, high = max(low, float(q2 - reach)), min(high, float(q98 + reach))
    low, high = min(low, *include_values, low), max(high, *include_values, high)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if low == 0 else low - room), high + room


def _ticks(low: float, high: float, max_ticks: int) -> list[float]:
    """Round values 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / max_ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(n for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _axes(scale: Scale) -> Markup:
    parts = []
    for value in _ticks(scale.y_min, scale.y_max, 5):
        y = f"{float(scale.to_pixel_y(np.array(value))):.1f}"
        parts.append(tag("line", class_="grid", x1=MARGIN_LEFT, x2=WIDTH - MARGIN_RIGHT, y1=y, y2=y))
        parts.append(tag("text", format_compact(value), x=MARGIN_LEFT - 8, y=y, dy="0.32em", text_anchor="end"))
    for value in _ticks(0, scale.x_max, 5):
        x = float(scale.to_pixel_x(np.array(value)))
        anchor = "end" if x > WIDTH - MARGIN_RIGHT - 16 else "middle"
        parts.append(tag("text", format_compact(value), x=f"{x:.1f}", y=HEIGHT - 8, text_anchor=anchor))
    return join_markup(parts)


def _draw_reference_line(reference_line: ReferenceLine, scale: Scale) -> Markup:
    y = f"{float(scale.to_pixel_y(np.array(reference_line.value))):.1f}"
    return tag("line", class_="level", x1=MARGIN_LEFT, x2=WIDTH - MARGIN_RIGHT, y1=y, y2=y)


def _curve_paths(curve: Curve, bins: Bins, positions: FloatArray, scale: Scale) -> Markup:
    """What was logged, faint, from lowest to highest in each bin; its average; marks beyond the frame."""
    x, color = scale.to_pixel_x(positions), f"c{curve.color_index}"
    low, high = scale.to_pixel_y(bins.low), scale.to_pixel_y(bins.high)
    # clipped first: one value a thousand times the others would bend the average far and wide
    course = smooth(np.clip(bins.mean, scale.y_min, scale.y_max))
    mean = scale.to_pixel_y(np.where(np.isnan(bins.mean), np.nan, course))
    raw = np.stack([low, high], axis=1)
    raw[1::2] = raw[1::2, ::-1]  # up in one bin and down in the next: no long way back
    parts = [tag("path", class_="line " + color, d=_svg_path(x, mean, bins.empty))]
    if len(positions) >= 50:
        parts.insert(
            0,
            tag("path", class_="raw " + color, d=_svg_path(x.repeat(2), raw.reshape(-1), bins.empty.repeat(2))),
        )
    for place in np.flatnonzero(bins.high > scale.y_max):
        parts.append(tag("path", class_="beyond " + color, d=f"M{x[place] - 4:.1f},{MARGIN_TOP + 6}l4,-6l4,6z"))
    for place in np.flatnonzero(bins.low < scale.y_min):
        parts.append(
            tag("path", class_="beyond " + color, d=f"M{x[place] - 4:.1f},{HEIGHT - MARGIN_BOTTOM - 6}l4,6l4,-6z")
        )
    return join_markup(parts)


def _svg_path(x: FloatArray, y: FloatArray, skip: NDArray[np.bool_]) -> str:
    """An SVG path through (T,) points: over skipped ones, and broken at NaN."""
    words, pen = [], "M"
    for across, down in zip(x[~skip], y[~skip], strict=True):
        if math.isnan(down):
            pen = "M"
        else:
            words.append(f"{pen}{across:.1f},{down:.1f}")
            pen = "L"
    if len(words) == 1:
        words.append("h0.01")  # a lone point shows as the line's round cap
    return "".join(words)


def _format_latest(curve: Curve) -> str:
    return _format_value(float(curve.y[-1]))


def _format_value(value: float) -> str:
    """A value as one reads it: three digits, thousands in full."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _tooltip_json(positions: FloatArray, binned_curves: Sequence[Bins], scale: Scale) -> str:
    """What the page shows where the pointer is: pixels across, images, and each curve's text."""
    texts = [[_format_bin(low, high, mean) for low, high, mean, _ in zip(*bins, strict=True)] for bins in binned_curves]
    across = [round(float(x), 1) for x in scale.to_pixel_x(positions)]
    return json.dumps([across, [round(float(x)) for x in positions], texts], separators=(",", ":"))


def _format_bin(low: float, high: float, mean: float) -> str:
    if math.isnan(mean):
        return "–"
    return _format_value(mean) if low == high else f"{_format_value(low)} to {_format_value(high)}"


def _warnings(curves: Sequence[Curve], scale: Scale) -> list[str]:
    warnings = []
    for curve in curves:
        broken = curve.x[~np.isfinite(curve.y)]
        if len(broken):
            where = f"{len(broken):,} ticks, first" if len(broken) > 1 else "one tick,"
            warnings.append(f"{curve.name} was not a number at {where} at {int(broken[0]):,} images.")
        sound = curve.y[np.isfinite(curve.y)]
        if len(sound) and (sound.max() > scale.y_max or sound.min() < scale.y_min):
            extreme = sound.max() if sound.max() > scale.y_max else sound.min()
            warnings.append(f"Triangles mark values beyond the frame; {curve.name} reached {extreme:.3g}.")
    return warnings
