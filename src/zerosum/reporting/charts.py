"""Which curves a report shows, and how to read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zerosum.game.objective import equilibrium
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.svg import Level, chart
from zerosum.run_folder import Row

REAL, FAKE, SCORE, PLAIN = 0, 1, 2, 6
"""Colours of the page."""
TERMS = (3, 4, 5)
"""Colours of terms beside the score."""
OTHER_SIGNALS = 8
"""Charts of signals this file does not know."""
SPEED = "images_per_second"
"""The one curve that belongs to no player, signal or rate."""

LOSSES = {
    "discriminator": "What D is made to lower. It rises when G fools it better, so low is not simply good.",
    "generator": "What G is made to lower. D keeps learning too, so it need not fall.",
}
READING = (
    "The loss does not tell the whole story: both players improve together, so a flat curve can hide progress. "
    "Believe the samples first, and look here for which side is winning."
)


def charts(rows: Sequence[Row], objective: Mapping[str, Any]) -> Markup:
    """The section of curves, from the log's rows and the recipe's [objective]."""
    columns = _columns(rows)
    last = max((float(row["images"]) for row in rows), default=0.0)
    if not columns or last <= 0:
        return tag("section", tag("h2", "Curves"), tag("p", "Nothing is logged yet.", class_="none"))
    drawn = [*_losses(columns, last, objective), *_signals(columns, last), *_pace(columns, last)]
    return tag(
        "section",
        tag("h2", "Curves"),
        tag("p", READING, class_="about"),
        tag("div", *drawn, class_="charts"),
        class_="curves",
    )


def _columns(rows: Sequence[Row]) -> dict[str, tuple[list[float], list[float]]]:
    """Images and values of all that is drawn, by name; null is NaN."""
    columns: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if ("/" not in name and name != SPEED) or name.startswith("exam/"):
                continue
            images, values = columns.setdefault(name, ([], []))
            images.append(float(row["images"]))
            values.append(math.nan if value is None else float(value))
    return columns


def _curve(columns: Mapping[str, tuple[list[float], list[float]]], key: str, name: str, colour: int) -> Curve:
    images, values = columns[key]
    return Curve(name, np.array(images), np.array(values), colour)


def _losses(
    columns: Mapping[str, tuple[list[float], list[float]]], last: float, objective: Mapping[str, Any]
) -> Iterable[Markup]:
    """A chart a player, with all of its terms."""
    balance = equilibrium(objective)
    apart = {"signals", "rate"}
    players = dict.fromkeys(key.split("/")[0] for key in columns if "/" in key)
    for player in (name for name in players if name not in apart):
        terms = [key for key in columns if key.startswith(f"{player}/")]
        curves = []
        for place, key in enumerate(sorted(terms, key=lambda key: not key.endswith("/score"))):
            name = key.removeprefix(f"{player}/")
            colour = SCORE if name == "score" else TERMS[(place - 1) % len(TERMS)]
            curves.append(_curve(columns, key, name, colour))
        levels = [Level(balance[player], f"balance {balance[player]:.3g}")] if player in balance else []
        about = LOSSES.get(player, "What this player is made to lower.")
        if levels:
            about += " Dashed: its value when real and fake cannot be told apart."
        yield chart(f"{player.capitalize()}: losses", about, curves, last, levels=levels)


def _signals(columns: Mapping[str, tuple[list[float], list[float]]], last: float) -> Iterable[Markup]:
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
        keys = {f"signals/{side}_{what}": (side, colour) for side, colour in (("real", REAL), ("fake", FAKE))}
        known |= keys.keys()
        curves = [_curve(columns, key, side, colour) for key, (side, colour) in keys.items() if key in columns]
        levels, within = ([Level(0.5, "guessing")], (0.0, 1.0)) if what == "accuracy" else ([], ())
        if curves:
            yield chart(title, about, curves, last, levels=levels, within=within)
    others = [key for key in columns if key.startswith("signals/") and key not in known]
    for key in others[:OTHER_SIGNALS]:
        name = key.removeprefix("signals/").replace("_", " ")
        yield chart(name.capitalize(), "", [_curve(columns, key, name, PLAIN)], last)


def _pace(columns: Mapping[str, tuple[list[float], list[float]]], last: float) -> Iterable[Markup]:
    """Learning rates where they change, and the speed."""
    alike: dict[tuple[float, ...], list[str]] = {}  # players mostly share a schedule: one line, both names
    for key in columns:
        if key.startswith("rate/") and len(set(columns[key][1])) > 1:
            alike.setdefault(tuple(columns[key][1]), []).append(key)
    if alike:
        names = {keys[0]: ", ".join(key.removeprefix("rate/") for key in keys) for keys in alike.values()}
        curves = [_curve(columns, key, name, TERMS[i % len(TERMS)]) for i, (key, name) in enumerate(names.items())]
        yield chart("Learning rates", "As the recipe schedules them.", curves, last)
    if SPEED in columns:
        curve = _curve(columns, SPEED, "images a second", PLAIN)
        about = "A lasting drop means that something else wants the machine, or the disk is slow."
        yield chart("Speed", about, [curve], last, within=(0.0,))
