"""Curves of a run as inline SVG: at most a few hundred bins a curve, in which no spike is lost."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.deliver.markup import Markup, tag, together

Numbers = NDArray[np.float64]

WIDTH, HEIGHT = 560, 236
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 12, 26
BINS = 240
"""Two pixels each: more could not be told apart."""


@dataclass(frozen=True)
class Curve:
    """Values over time, as logged."""

    name: str
    x: Numbers
    """(T,) images seen, rising."""
    y: Numbers
    """(T,); may hold NaN and infinity, which break the line."""
    colour: int
    """Which of the page's colours, 0 to 6."""


@dataclass(frozen=True)
class Level:
    """A dashed line across, such as a game's equilibrium."""

    value: float
    label: str


class Bins(NamedTuple):
    """A curve in bins along time: (B,) each, NaN where a bin holds no number."""

    low: Numbers
    high: Numbers
    mean: Numbers
    empty: NDArray[np.bool_]
    """Nothing was logged: the line goes on. A bin of NaN alone is not empty, and breaks it."""


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
    edges = _edges(curves)
    centres, binned = _centres(edges, curves), [_bins(curve, edges) for curve in curves]
    scale = Scale(last, *_range(curves, [*within, *(level.value for level in levels)]))
    shown = [np.where(np.isnan(b.mean), np.nan, _smooth(np.clip(b.mean, scale.low, scale.high))) for b in binned]
    drawing = together(
        [
            _axes(scale),
            *(_line(level, scale) for level in levels),
            *(_trace(c, b, s, centres, scale) for c, b, s in zip(curves, binned, shown, strict=True)),
            *(_label(level, scale) for level in levels),
            tag("line", class_="cursor", y1=TOP, y2=HEIGHT - BOTTOM, x1=-9, x2=-9),
        ]
    )
    label = f"{title}: " + ", ".join(f"{curve.name} ends at {_latest(curve)}" for curve in curves)
    svg = tag("svg", drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)
    keys = (
        tag(
            "span",
            tag("i", class_=f"c{curve.colour}"),
            curve.name,
            " ",
            tag("b", _latest(curve)),
            class_="key",
        )
        for curve in curves
    )
    legend = tag("div", *keys, tag("span", class_="at"), class_="legend")
    notes = together([about, *(tag("em", " ", note) for note in _warnings(curves, scale))])
    return tag(
        "figure",
        tag("h3", title),
        legend,
        svg,
        tag("figcaption", notes),
        class_="chart",
        data_points=_readings(centres, binned, scale),
    )


def compact(value: float) -> str:
    """A number in few letters: 950, 12k, 1.25M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _edges(curves: Sequence[Curve]) -> Numbers:
    """Upper ends of the bins (B,): every instant while they are few, else even steps."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    return instants if len(instants) <= BINS else np.linspace(instants[0], instants[-1], BINS)


def _centres(edges: Numbers, curves: Sequence[Curve]) -> Numbers:
    """Where a bin is drawn and read: at its last instant, so that what was last logged stands last."""
    instants = np.unique(np.concatenate([curve.x for curve in curves]))
    place = np.clip(np.searchsorted(edges, instants), 0, len(edges) - 1)
    centres = edges.copy()
    centres[place] = instants  # rising: the last instant of a bin stays
    return centres


def _bins(curve: Curve, edges: Numbers) -> Bins:
    place = np.clip(np.searchsorted(edges, curve.x), 0, len(edges) - 1)
    sound = np.isfinite(curve.y)
    low, high = np.full(len(edges), np.inf), np.full(len(edges), -np.inf)
    np.minimum.at(low, place[sound], curve.y[sound])
    np.maximum.at(high, place[sound], curve.y[sound])
    count = np.bincount(place[sound], minlength=len(edges))
    total = np.bincount(place[sound], curve.y[sound], minlength=len(edges))
    none = count == 0
    mean = np.where(none, np.nan, total / np.maximum(count, 1))
    logged = np.bincount(place, minlength=len(edges))
    return Bins(np.where(none, np.nan, low), np.where(none, np.nan, high), mean, logged == 0)


def _smooth(y: Numbers) -> Numbers:
    """A Gaussian average over 2% of the bins that passes over NaN; short curves stay as they are."""
    width = len(y) / 50
    if width < 1:
        return y
    reach = np.arange(-math.ceil(3 * width), math.ceil(3 * width) + 1)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    sound = np.isfinite(y)
    weight = np.convolve(sound.astype(float), kernel)[reach[-1] : reach[-1] + len(y)]
    total = np.convolve(np.where(sound, y, 0.0), kernel)[reach[-1] : reach[-1] + len(y)]
    smooth: Numbers = total / np.maximum(weight, 1e-12)
    return smooth


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


def _label(level: Level, scale: Scale) -> Markup:
    """Drawn last, over the curves, and on the side of the line where there is more room."""
    y = float(scale.down(np.array(level.value)))
    y += 16 if y < (HEIGHT - BOTTOM) / 2 else -7
    return tag("text", level.label, class_="label", x=WIDTH - RIGHT, y=f"{y:.1f}")


def _trace(curve: Curve, bins: Bins, smooth: Numbers, centres: Numbers, scale: Scale) -> Markup:
    """What was logged, faint, from lowest to highest in each bin; its average; marks beyond the frame."""
    x, colour = scale.across(centres), f"c{curve.colour}"
    low, high = scale.down(bins.low), scale.down(bins.high)
    raw = np.stack([low, high], axis=1)
    raw[1::2] = raw[1::2, ::-1]  # up in one bin and down in the next: no long way back
    parts = [tag("path", class_="line " + colour, d=_path(x, scale.down(smooth), bins.empty))]
    if len(centres) >= 50:
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
    return f"{curve.y[-1]:.4g}"


def _readings(centres: Numbers, binned: Sequence[Bins], scale: Scale) -> str:
    """What the page shows where the pointer is: pixels across, images, and each curve's text."""
    texts = [[_reading(low, high, mean) for low, high, mean, _ in zip(*bins, strict=True)] for bins in binned]
    across = [round(float(x), 1) for x in scale.across(centres)]
    return json.dumps([across, [round(float(x)) for x in centres], texts], separators=(",", ":"))


def _reading(low: float, high: float, mean: float) -> str:
    if math.isnan(mean):
        return "–"
    return f"{mean:.4g}" if low == high else f"{mean:.3g} ({low:.3g} to {high:.3g})"


def _warnings(curves: Sequence[Curve], scale: Scale) -> list[str]:
    warnings = []
    for curve in curves:
        broken = curve.x[~np.isfinite(curve.y)]
        if len(broken):
            warnings.append(f"{curve.name} was not a number {len(broken):,} times, first at {int(broken[0]):,} images.")
        sound = curve.y[np.isfinite(curve.y)]
        if len(sound) and (sound.max() > scale.high or sound.min() < scale.low):
            extreme = sound.max() if sound.max() > scale.high else sound.min()
            warnings.append(f"Triangles mark values beyond the frame; {curve.name} reached {extreme:.3g}.")
    return warnings
