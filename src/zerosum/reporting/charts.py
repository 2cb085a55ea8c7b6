"""The charts of a report: losses, signals, learning rates and speed, with captions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from zerosum.game.objective import equilibrium_losses
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.run_folder import Row

LoggedSeries: TypeAlias = dict[str, tuple[list[float], list[float]]]
"""Examples and values of each logged quantity by name."""
REAL_COLOR_INDEX, FAKE_COLOR_INDEX, SCORE_COLOR_INDEX, NEUTRAL_COLOR_INDEX = 0, 1, 2, 6
"""Indices into the colors of the page."""
TERM_COLOR_INDICES = (3, 4, 5)
"""Indices of the colors of further terms of a loss."""
MAX_OTHER_SIGNALS = 8
"""Maximum number of charts of signals without a caption."""
SPEED_KEY = "examples_per_second"
"""Key of the speed, the only curve without a prefix."""

LOSS_CAPTIONS = {
    "discriminator": "The loss that D minimizes. It rises when G fools D better, so low is not always good.",
    "generator": "The loss that G minimizes. D keeps learning too, so the loss need not fall.",
}
LOSS_CAVEAT = (
    "A GAN loss does not measure quality: both players improve together, so a flat curve can hide progress. Look at "
    "the samples first, and at these curves to see which player is winning."
)


def render_charts(record: RunRecord) -> Markup:
    """Return the section of curves over training."""
    series = _collect_series(record.log_rows)
    x_max = max((float(row["examples"]) for row in record.log_rows), default=0.0)
    if not series or x_max <= 0:
        return section("Curves", "", tag("p", "Nothing is logged yet.", class_="muted"))
    charts = [
        *_loss_charts(series, x_max, equilibrium_losses(record.recipe.get("objective", {}))),
        *_signal_charts(series, x_max),
        *_lr_and_speed_charts(series, x_max),
    ]
    return section("Curves", LOSS_CAVEAT, tag("div", *charts, class_="charts"))


def _collect_series(rows: Sequence[Row]) -> LoggedSeries:
    """Return the series of a log; null becomes NaN."""
    series: LoggedSeries = {}
    for row in rows:
        for name, value in row.items():
            if ("/" not in name and name != SPEED_KEY) or name.startswith(("monitor/", "weights/")):
                continue
            examples, values = series.setdefault(name, ([], []))
            examples.append(float(row["examples"]))
            values.append(math.nan if value is None else float(value))
    return series


def _make_curve(series: LoggedSeries, key: str, name: str, color_index: int) -> Curve:
    examples, values = series[key]
    return Curve(name, np.array(examples), np.array(values), color_index)


def _loss_charts(series: LoggedSeries, x_max: float, equilibrium: Mapping[str, float]) -> Iterable[Markup]:
    """Yield a chart for each player with all of its terms."""
    prefixes = dict.fromkeys(key.split("/")[0] for key in series if "/" in key)
    for player in (prefix for prefix in prefixes if prefix not in {"signals", "lr"}):
        terms = [key for key in series if key.startswith(f"{player}/")]
        curves = []
        for index, key in enumerate(sorted(terms, key=lambda key: not key.endswith("/objective"))):
            name = key.removeprefix(f"{player}/")
            color = (
                SCORE_COLOR_INDEX if name == "objective" else TERM_COLOR_INDICES[(index - 1) % len(TERM_COLOR_INDICES)]
            )
            curves.append(_make_curve(series, key, name, color))
        reference_lines = []
        caption = LOSS_CAPTIONS.get(player, "The loss that this player minimizes.")
        if player in equilibrium:
            loss = equilibrium[player]
            reference_lines = [ReferenceLine(loss, f"equilibrium {loss:.3g}")]
            caption += " Dashed: its value when real and fake are indistinguishable."
        title = f"{player.capitalize()}: losses"
        yield render_line_chart(title, caption, curves, x_max, reference_lines=reference_lines)


def _signal_charts(series: LoggedSeries, x_max: float) -> Iterable[Markup]:
    """Yield charts of the discriminator's accuracy and score and of the variance, then one for each other signal."""
    pairs = {
        "accuracy": (
            "Accuracy of the discriminator",
            "At 0.5 it is guessing. Near 1 on both real and fake it wins easily, and the generator learns little.",
        ),
        "score": (
            "Score of the discriminator",
            "The mean score. The closer the two curves, the less it distinguishes real from fake.",
        ),
        "variance": (
            "Variance of samples",
            "The variance of each value over a batch. Fakes far below reals lack diversity, as in mode collapse.",
        ),
        "contrast": (
            "Contrast of samples",
            "The standard deviation of the values within a sample; 0 where all of them are equal.",
        ),
        "saturation": (
            "Saturation of samples",
            "The fraction of values at the ends of the range. Fakes far above reals get hardly any gradient.",
        ),
    }
    paired_keys: set[str] = set()
    for quantity, (title, caption) in pairs.items():
        keys = {
            f"signals/{side}_{quantity}": (side, color)
            for side, color in (("real", REAL_COLOR_INDEX), ("fake", FAKE_COLOR_INDEX))
        }
        paired_keys |= keys.keys()
        curves = [_make_curve(series, key, side, color) for key, (side, color) in keys.items() if key in series]
        levels, include = ([ReferenceLine(0.5, "guessing")], (0.0, 1.0)) if quantity == "accuracy" else ([], ())
        if curves:
            yield render_line_chart(title, caption, curves, x_max, reference_lines=levels, include_values=include)
    others = [key for key in series if key.startswith("signals/") and key not in paired_keys]
    for key in others[:MAX_OTHER_SIGNALS]:
        name = key.removeprefix("signals/").replace("_", " ")
        yield render_line_chart(name.capitalize(), "", [_make_curve(series, key, name, NEUTRAL_COLOR_INDEX)], x_max)


def _lr_and_speed_charts(series: LoggedSeries, x_max: float) -> Iterable[Markup]:
    """Yield a chart of the learning rates that change, and one of the speed."""
    keys_of_values: dict[tuple[float, ...], list[str]] = {}  # players with equal schedules share a line
    for key in series:
        if key.startswith("lr/") and len(set(series[key][1])) > 1:
            keys_of_values.setdefault(tuple(series[key][1]), []).append(key)
    if keys_of_values:
        names = {keys[0]: ", ".join(key.removeprefix("lr/") for key in keys) for keys in keys_of_values.values()}
        curves = [
            _make_curve(series, key, name, TERM_COLOR_INDICES[i % len(TERM_COLOR_INDICES)])
            for i, (key, name) in enumerate(names.items())
        ]
        yield render_line_chart("Learning rates", "As scheduled by the recipe.", curves, x_max)
    if SPEED_KEY in series:
        curve = _make_curve(series, SPEED_KEY, "examples per second", NEUTRAL_COLOR_INDEX)
        caption = "A lasting drop means that other programs use the machine, or that the disk is slow."
        yield render_line_chart("Speed", caption, [curve], x_max, include_values=(0.0,))
