"""Curves of a run as inline SVG, with what the page's script shows under the pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.reporting.downsampling import Bins, Curve, Numbers, binned, drawn_at, edges, smooth
from zerosum.reporting.html import Markup, tag, together

WIDTH, HEIGHT = 560, 236
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 12, 26


@dataclass(frozen=True)
class Level:
    """A dashed line across, such as a game's equilibrium."""

    value: float
    label: str


class Scale(NamedTuple):
    """Where values lie on the drawing."""

    last: float
    low: float
    high: float

    def across(self, x: Numbers) -> Numbers:
        """Images seen to pixels."""
        return LEFT + x / self.last * (WIDTH - LEFT - RIGHT)

    def down(self, y: Numbers) -> Numbers:
        """Values to pixels; those beyond the frame lie on its edge."""
        height = HEIGHT - TOP - BOTTOM
        inside: Numbers = np.clip((self.high - y) / (self.high - self.low), 0, 1)
        return TOP + inside * height


def chart(
    title: str,
    about: str,
    curves: Sequence[Curve],
    last: float,
    *,
    levels: Sequence[Level] = (),
    within: Sequence[float] = (),
) -> Markup:
    """One figure: title, legend with the latest values, curves over images 0 to `last`, and a caption.

    Args:
        title: of the figure.
        about: how to read it, in a sentence or two.
        curves: one or more.
        last: images at the right edge, more than 0; the same for all charts of a page.
        levels: dashed lines.
        within: values the frame takes in, whatever the curves do.
    """
    ends = edges(curves)
    places, bins = drawn_at(ends, curves), [binned(curve, ends) for curve in curves]
    scale = Scale(last, *_range(curves, [*within, *(level.value for level in levels)]))
    drawing = together(
        [
            _axes(scale),
            *(_line(level, scale) for level in levels),
            *(_trace(curve, inside, places, scale) for curve, inside in zip(curves, bins, strict=True)),
            tag("line", class_="cursor", y1=TOP, y2=HEIGHT - BOTTOM, x1=LEFT, x2=LEFT),
        ]
    )
    label = f"{title}: " + ", ".join(f"{curve.name} ends at {_latest(curve)}" for curve in curves)
    return tag(
        "figure",
        tag("h3", title, tag("span", class_="at")),
        _legend(curves, levels),
        tag("svg", drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label),
        tag("figcaption", about, *(tag("em", " ", note) for note in _warnings(curves, scale))),
        class_="chart",
        data_points=_readings(places, bins, scale),
    )


def _legend(curves: Sequence[Curve], levels: Sequence[Level]) -> Markup:
    """Names and latest values; the page's script puts those under the pointer in their place."""
    keys = [
        tag("span", tag("i", class_=f"c{curve.colour}"), curve.name, " ", tag("b", _latest(curve)), class_="key")
        for curve in curves
    ]
    dashes = [tag("span", tag("i", class_="dash"), level.label, class_="key") for level in levels]
    return tag("div", *keys, *dashes, class_="legend")


def compact(value: float) -> str:
    """A number in few letters: 950, 12k, 1.25M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _range(curves: Sequence[Curve], within: Sequence[float]) -> tuple[float, float]:
    """The frame's ends: all values and `within`, save a few so far off that the rest would look flat."""
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        values = np.zeros(1)
    q2, q98 = np.percentile(values, [2, 98])
    reach = 2 * (q98 - q2)
    low, high = float(values.min()), float(values.max())
    if reach > 0:
        low, high = max(low, float(q2 - reach)), min(high, float(q98 + reach))
    low, high = min(low, *within, low), max(high, *within, high)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if low == 0 else low - room), high + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round values 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(n for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _axes(scale: Scale) -> Markup:
    parts = []
    for value in _ticks(scale.low, scale.high, 5):
        y = f"{float(scale.down(np.array(value))):.1f}"
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(tag("text", compact(value), x=LEFT - 8, y=y, dy="0.32em", text_anchor="end"))
    for value in _ticks(0, scale.last, 5):
        x = float(scale.across(np.array(value)))
        anchor = "end" if x > WIDTH - RIGHT - 16 else "middle"
        parts.append(tag("text", compact(value), x=f"{x:.1f}", y=HEIGHT - 8, text_anchor=anchor))
    return together(parts)


def _line(level: Level, scale: Scale) -> Markup:
    y = f"{float(scale.down(np.array(level.value))):.1f}"
    return tag("line", class_="level", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)


def _trace(curve: Curve, bins: Bins, places: Numbers, scale: Scale) -> Markup:
    """What was logged, faint, from lowest to highest in each bin; its average; marks beyond the frame."""
    x, colour = scale.across(places), f"c{curve.colour}"
    low, high = scale.down(bins.low), scale.down(bins.high)
    # clipped first: one value a thousand times the others would bend the average far and wide
    course = smooth(np.clip(bins.mean, scale.low, scale.high))
    mean = scale.down(np.where(np.isnan(bins.mean), np.nan, course))
    raw = np.stack([low, high], axis=1)
    raw[1::2] = raw[1::2, ::-1]  # up in one bin and down in the next: no long way back
    parts = [tag("path", class_="line " + colour, d=_path(x, mean, bins.empty))]
    if len(places) >= 50:
        parts.insert(
            0,
            tag("path", class_="raw " + colour, d=_path(x.repeat(2), raw.reshape(-1), bins.empty.repeat(2))),
        )
    for place in np.flatnonzero(bins.high > scale.high):
        parts.append(tag("path", class_="beyond " + colour, d=f"M{x[place] - 4:.1f},{TOP + 6}l4,-6l4,6z"))
    for place in np.flatnonzero(bins.low < scale.low):
        parts.append(tag("path", class_="beyond " + colour, d=f"M{x[place] - 4:.1f},{HEIGHT - BOTTOM - 6}l4,6l4,-6z"))
    return together(parts)


def _path(x: Numbers, y: Numbers, skip: NDArray[np.bool_]) -> str:
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


def _latest(curve: Curve) -> str:
    return _said(float(curve.y[-1]))


def _said(value: float) -> str:
    """A value as one reads it: three digits, thousands in full."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _readings(places: Numbers, kept: Sequence[Bins], scale: Scale) -> str:
    """What the page shows where the pointer is: pixels across, images, and each curve's text."""
    texts = [[_reading(low, high, mean) for low, high, mean, _ in zip(*bins, strict=True)] for bins in kept]
    across = [round(float(x), 1) for x in scale.across(places)]
    return json.dumps([across, [round(float(x)) for x in places], texts], separators=(",", ":"))


def _reading(low: float, high: float, mean: float) -> str:
    if math.isnan(mean):
        return "–"
    return _said(mean) if low == high else f"{_said(low)} to {_said(high)}"


def _warnings(curves: Sequence[Curve], scale: Scale) -> list[str]:
    warnings = []
    for curve in curves:
        broken = curve.x[~np.isfinite(curve.y)]
        if len(broken):
            where = f"{len(broken):,} ticks, first" if len(broken) > 1 else "one tick,"
            warnings.append(f"{curve.name} was not a number at {where} at {int(broken[0]):,} images.")
        sound = curve.y[np.isfinite(curve.y)]
        if len(sound) and (sound.max() > scale.high or sound.min() < scale.low):
            extreme = sound.max() if sound.max() > scale.high else sound.min()
            warnings.append(f"Triangles mark values beyond the frame; {curve.name} reached {extreme:.3g}.")
    return warnings
