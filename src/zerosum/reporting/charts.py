"""Which curves a report shows, and how to read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zerosum.game.objective import equilibrium_losses
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.run_folder import Row

REAL_COLOR_INDEX, FAKE_COLOR_INDEX, SCORE_COLOR_INDEX, NEUTRAL_COLOR_INDEX = 0, 1, 2, 6
"""Colours of the page."""
TERM_COLOR_INDICES = (3, 4, 5)
"""Colours of terms beside the score."""
MAX_OTHER_SIGNALS = 8
"""Charts of signals this file does not know."""
SPEED_KEY = "examples_per_second"
"""The one curve that belongs to no player, signal or rate."""

LOSS_CAPTIONS = {
    "discriminator": "What D is made to lower. It rises when G fools it better, so low is not simply good.",
    "generator": "What G is made to lower. D keeps learning too, so it need not fall.",
}
LOSS_CAVEAT = (
    "The loss does not tell the whole story: both players improve together, so a flat curve can hide progress. "
    "Believe the samples first, and look here for which side is winning."
)


def render_charts(rows: Sequence[Row], objective: Mapping[str, Any]) -> Markup:
    """The section of curves, from the log's rows and the recipe's [objective]."""
    columns = _collect_series(rows)
    last = max((float(row["examples"]) for row in rows), default=0.0)
    if not columns or last <= 0:
        return tag("section", tag("h2", "Curves"), tag("p", "Nothing is logged yet.", class_="none"))
    drawn = [
        *_loss_charts(columns, last, objective),
        *_signal_charts(columns, last),
        *_lr_and_speed_charts(columns, last),
    ]
    return tag(
        "section",
        tag("h2", "Curves"),
        tag("p", LOSS_CAVEAT, class_="about"),
        tag("div", *drawn, class_="charts"),
        class_="curves",
    )


def _collect_series(rows: Sequence[Row]) -> dict[str, tuple[list[float], list[float]]]:
    """Images and values of all that is drawn, by name; null is NaN."""
    columns: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if ("/" not in name and name != SPEED_KEY) or name.startswith("monitor/"):
                continue
            images, values = columns.setdefault(name, ([], []))
            images.append(float(row["examples"]))
            values.append(math.nan if value is None else float(value))
    return columns


def _make_curve(series: Mapping[str, tuple[list[float], list[float]]], key: str, name: str, color_index: int) -> Curve:
    images, values = series[key]
    return Curve(name, np.array(images), np.array(values), color_index)


def _loss_charts(
    series: Mapping[str, tuple[list[float], list[float]]], x_max: float, objective: Mapping[str, Any]
) -> Iterable[Markup]:
    """A chart a player, with all of its terms."""
    balance = equilibrium_losses(objective)
    apart = {"signals", "lr"}
    players = dict.fromkeys(key.split("/")[0] for key in series if "/" in key)
    for player in (name for name in players if name not in apart):
        terms = [key for key in series if key.startswith(f"{player}/")]
        curves = []
        for place, key in enumerate(sorted(terms, key=lambda key: not key.endswith("/objective"))):
            name = key.removeprefix(f"{player}/")
            color = (
                SCORE_COLOR_INDEX if name == "objective" else TERM_COLOR_INDICES[(place - 1) % len(TERM_COLOR_INDICES)]
            )
            curves.append(_make_curve(series, key, name, color))
        levels = [ReferenceLine(balance[player], f"balance {balance[player]:.3g}")] if player in balance else []
        about = LOSS_CAPTIONS.get(player, "What this player is made to lower.")
        if levels:
            about += " Dashed: its value when real and fake cannot be told apart."
        yield render_line_chart(f"{player.capitalize()}: losses", about, curves, x_max, reference_lines=levels)


def _signal_charts(series: Mapping[str, tuple[list[float], list[float]]], x_max: float) -> Iterable[Markup]:
    """How the discriminator fares, then every other signal by itself."""
    pairs = {
        "accuracy": (
            "How often the discriminator is right",
            "At 0.5 it can only guess. Near 1 on both it wins easily and the generator learns little.",
        ),
        "score": (
            "What the discriminator says",
            "Its mean score. The closer the two curves, the more alike real and fake look to it.",
        ),
        "variance": (
            "How much samples differ",
            "The variance of their numbers, place by place. Fakes far below reals are all alike.",
        ),
    }
    known: set[str] = set()
    for what, (title, about) in pairs.items():
        keys = {
            f"signals/{side}_{what}": (side, color)
            for side, color in (("real", REAL_COLOR_INDEX), ("fake", FAKE_COLOR_INDEX))
        }
        known |= keys.keys()
        curves = [_make_curve(series, key, side, color) for key, (side, color) in keys.items() if key in series]
        levels, within = ([ReferenceLine(0.5, "guessing")], (0.0, 1.0)) if what == "accuracy" else ([], ())
        if curves:
            yield render_line_chart(title, about, curves, x_max, reference_lines=levels, include_values=within)
    others = [key for key in series if key.startswith("signals/") and key not in known]
    for key in others[:MAX_OTHER_SIGNALS]:
        name = key.removeprefix("signals/").replace("_", " ")
        yield render_line_chart(name.capitalize(), "", [_make_curve(series, key, name, NEUTRAL_COLOR_INDEX)], x_max)


def _lr_and_speed_charts(series: Mapping[str, tuple[list[float], list[float]]], x_max: float) -> Iterable[Markup]:
    """Learning rates where they change, and the speed."""
    alike: dict[tuple[float, ...], list[str]] = {}  # players mostly share a schedule: one line, both names
    for key in series:
        if key.startswith("lr/") and len(set(series[key][1])) > 1:
            alike.setdefault(tuple(series[key][1]), []).append(key)
    if alike:
        names = {keys[0]: ", ".join(key.removeprefix("lr/") for key in keys) for keys in alike.values()}
        curves = [
            _make_curve(series, key, name, TERM_COLOR_INDICES[i % len(TERM_COLOR_INDICES)])
            for i, (key, name) in enumerate(names.items())
        ]
        yield render_line_chart("Learning rates", "As the recipe schedules them.", curves, x_max)
    if SPEED_KEY in series:
        curve = _make_curve(series, SPEED_KEY, "images a second", NEUTRAL_COLOR_INDEX)
        about = "A lasting drop means that something else wants the machine, or the disk is slow."
        yield render_line_chart("Speed", about, [curve], x_max, include_values=(0.0,))
