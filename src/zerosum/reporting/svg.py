"""Draw curves as inline SVG, with the data that the script of the page shows at the pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.reporting.downsampling import Bins, Curve, FloatArray, bin_curve, bin_edges, bin_positions, smooth
from zerosum.reporting.html import Markup, join_markup, render_code_spans, tag

WIDTH, HEIGHT = 560, 236
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 50, 10, 12, 26


@dataclass(frozen=True)
class ReferenceLine:
    """A horizontal dashed line, such as a loss at the equilibrium."""

    value: float
    label: str


class Scale(NamedTuple):
    """The mapping from data to pixels."""

    x_max: float
    y_min: float
    y_max: float

    def to_pixel_x(self, x: FloatArray) -> FloatArray:
        """Map examples to pixels."""
        return MARGIN_LEFT + x / self.x_max * (WIDTH - MARGIN_LEFT - MARGIN_RIGHT)

    def to_pixel_y(self, y: FloatArray) -> FloatArray:
        """Map values to pixels. Values outside the frame are clipped to its edge."""
        height = HEIGHT - MARGIN_TOP - MARGIN_BOTTOM
        fraction: FloatArray = np.clip((self.y_max - y) / (self.y_max - self.y_min), 0, 1)
        return MARGIN_TOP + fraction * height


def render_line_chart(
    title: str,
    description: str,
    curves: Sequence[Curve],
    x_max: float,
    *,
    reference_lines: Sequence[ReferenceLine] = (),
    include_values: Sequence[float] = (),
) -> Markup:
    """Return a figure with a title, a legend with the latest values, curves over examples, and a caption.

    Args:
        title: title of the figure.
        description: caption that explains the chart.
        curves: one or more curves.
        x_max: examples at the right edge, above 0; the same for all charts of a page.
        reference_lines: dashed lines.
        include_values: values that the y axis always includes.
    """
    edges = bin_edges(curves)
    positions, bins = bin_positions(edges, curves), [bin_curve(curve, edges) for curve in curves]
    scale = Scale(x_max, *_y_range(curves, [*include_values, *(line.value for line in reference_lines)]))
    drawing = join_markup(
        [
            _axes(scale),
            *(_draw_reference_line(line, scale) for line in reference_lines),
            *(_curve_paths(curve, binned, positions, scale) for curve, binned in zip(curves, bins, strict=True)),
            tag("line", class_="cursor", y1=MARGIN_TOP, y2=HEIGHT - MARGIN_BOTTOM, x1=MARGIN_LEFT, x2=MARGIN_LEFT),
        ]
    )
    label = f"{title}: " + ", ".join(f"{curve.name} ends at {_format_latest(curve)}" for curve in curves)
    return tag(
        "figure",
        tag("h3", title, tag("span", class_="position")),
        _legend(curves, reference_lines),
        tag("svg", drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label),
        tag("figcaption", render_code_spans(description), *(tag("em", " ", note) for note in _warnings(curves, scale))),
        class_="chart",
        data_points=_tooltip_json(positions, bins, scale),
    )


def _legend(curves: Sequence[Curve], reference_lines: Sequence[ReferenceLine]) -> Markup:
    """Return the names and latest values, which the script of the page replaces by those at the pointer."""
    keys = [
        tag(
            "span",
            tag("i", class_=f"c{curve.color_index}"),
            curve.name,
            " ",
            tag("b", _format_latest(curve)),
        )
        for curve in curves
    ]
    dashes = [tag("span", tag("i", class_="dash"), line.label) for line in reference_lines]
    return tag("div", *keys, *dashes, class_="legend")


def format_compact(value: float) -> str:
    """Format a number in few characters: 950, 12k, 1.25M."""
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def _y_range(curves: Sequence[Curve], include_values: Sequence[float]) -> tuple[float, float]:
    """Return the limits of the y axis: all values and `include_values`, except for extreme outliers."""
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        values = np.zeros(1)
    q2, q98 = np.percentile(values, [2, 98])
    margin = 2 * (q98 - q2)
    low, high = float(values.min()), float(values.max())
    if margin > 0:
        low, high = max(low, float(q2 - margin)), min(high, float(q98 + margin))
    low, high = min(low, *include_values, low), max(high, *include_values, high)
    padding = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if low == 0 else low - padding), high + padding


def _ticks(low: float, high: float, max_ticks: int) -> list[float]:
    """Return round tick values, spaced by 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max_ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(n for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _axes(scale: Scale) -> Markup:
    parts = []
    for value in _ticks(scale.y_min, scale.y_max, 5):
        y = f"{float(scale.to_pixel_y(np.array(value))):.1f}"
        parts.append(tag("line", class_="gridline", x1=MARGIN_LEFT, x2=WIDTH - MARGIN_RIGHT, y1=y, y2=y))
        parts.append(tag("text", format_compact(value), x=MARGIN_LEFT - 8, y=y, dy="0.32em", text_anchor="end"))
    for value in _ticks(0, scale.x_max, 5):
        x = float(scale.to_pixel_x(np.array(value)))
        anchor = "end" if x > WIDTH - MARGIN_RIGHT - 16 else "middle"
        parts.append(tag("text", format_compact(value), x=f"{x:.1f}", y=HEIGHT - 8, text_anchor=anchor))
    return join_markup(parts)


def _draw_reference_line(reference_line: ReferenceLine, scale: Scale) -> Markup:
    y = f"{float(scale.to_pixel_y(np.array(reference_line.value))):.1f}"
    return tag("line", class_="reference-line", x1=MARGIN_LEFT, x2=WIDTH - MARGIN_RIGHT, y1=y, y2=y)


def _curve_paths(curve: Curve, bins: Bins, positions: FloatArray, scale: Scale) -> Markup:
    """Return the faint range of each bin, the smoothed mean, and triangles for values outside the frame."""
    x, color = scale.to_pixel_x(positions), f"c{curve.color_index}"
    low, high = scale.to_pixel_y(bins.low), scale.to_pixel_y(bins.high)
    # clipped first, since a single extreme value would distort the smoothed mean widely
    smoothed = smooth(np.clip(bins.mean, scale.y_min, scale.y_max))
    mean = scale.to_pixel_y(np.where(np.isnan(bins.mean), np.nan, smoothed))
    raw = np.stack([low, high], axis=1)
    raw[1::2] = raw[1::2, ::-1]  # alternately low to high and high to low, which gives a zigzag line without long jumps
    parts = [tag("path", class_="line " + color, d=_svg_path(x, mean, bins.empty))]
    if len(positions) >= 50:
        parts.insert(
            0,
            tag("path", class_="raw " + color, d=_svg_path(x.repeat(2), raw.reshape(-1), bins.empty.repeat(2))),
        )
    for index in np.flatnonzero(bins.high > scale.y_max):
        parts.append(tag("path", class_="outlier " + color, d=f"M{x[index] - 4:.1f},{MARGIN_TOP + 6}l4,-6l4,6z"))
    for index in np.flatnonzero(bins.low < scale.y_min):
        parts.append(
            tag("path", class_="outlier " + color, d=f"M{x[index] - 4:.1f},{HEIGHT - MARGIN_BOTTOM - 6}l4,6l4,-6z")
        )
    return join_markup(parts)


def _svg_path(x: FloatArray, y: FloatArray, skip: NDArray[np.bool_]) -> str:
    """Return an SVG path through points (T,). It ignores points in `skip` and is interrupted at NaN."""
    commands, command = [], "M"
    for pixel_x, pixel_y in zip(x[~skip], y[~skip], strict=True):
        if math.isnan(pixel_y):
            command = "M"
        else:
            commands.append(f"{command}{pixel_x:.1f},{pixel_y:.1f}")
            command = "L"
    if len(commands) == 1:
        commands.append("h0.01")  # makes a single point visible as the line's round cap
    return "".join(commands)


def _format_latest(curve: Curve) -> str:
    return _format_value(float(curve.y[-1]))


def _format_value(value: float) -> str:
    """Format a value with three significant digits, and values from 1,000 to a million in full."""
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _tooltip_json(positions: FloatArray, binned_curves: Sequence[Bins], scale: Scale) -> str:
    """Return the data of the pointer display as JSON: pixel x, examples, and the text of each curve."""
    texts = [[_format_bin(low, high, mean) for low, high, mean, _ in zip(*bins, strict=True)] for bins in binned_curves]
    pixel_x = [round(float(x), 1) for x in scale.to_pixel_x(positions)]
    return json.dumps([pixel_x, [round(float(x)) for x in positions], texts], separators=(",", ":"))


def _format_bin(low: float, high: float, mean: float) -> str:
    if math.isnan(mean):
        return "–"
    return _format_value(mean) if low == high else f"{_format_value(low)} to {_format_value(high)}"


def _warnings(curves: Sequence[Curve], scale: Scale) -> list[str]:
    warnings = []
    for curve in curves:
        nonfinite_x = curve.x[~np.isfinite(curve.y)]
        if len(nonfinite_x):
            count = f"{len(nonfinite_x):,} ticks, first" if len(nonfinite_x) > 1 else "one tick,"
            warnings.append(f"{curve.name} was NaN or infinite at {count} at {int(nonfinite_x[0]):,} examples.")
        finite_y = curve.y[np.isfinite(curve.y)]
        if len(finite_y) and (finite_y.max() > scale.y_max or finite_y.min() < scale.y_min):
            extreme = finite_y.max() if finite_y.max() > scale.y_max else finite_y.min()
            warnings.append(f"Triangles mark values outside the frame; {curve.name} reached {extreme:.3g}.")
    return warnings
