"""The doctor's page of a report: what is the matter, how that is known, what to change; and the signals it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from zerosum.diagnosis.finding import Evidence, Finding
from zerosum.diagnosis.log_history import History
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.svg import Level, chart
from zerosum.units import say_count

REAL, FAKE, PLAIN = 0, 1, 6
"""Colours of the page."""
ABOUT = (
    "Most findings need two signals at least that agree. Their settings can be given to the next `zerosum train` as "
    "they stand here."
)
SIGNALS = (
    ("Variety of samples", "Mean distance between two samples, over that between two real examples. Near 0: collapse.",
     (("exam/spread", "samples", FAKE), ("exam/inner_spread", "to the discriminator", PLAIN)), 1.0),
    ("Distance from the data", "The energy distance of samples from real examples: near 0 where they are alike.",
     (("exam/distance", "playing", FAKE), ("exam/distance_average", "average", REAL)), 0.0),
    ("Coverage of held-out examples", "The share that samples come near to, by rough looks. The line: real examples.",
     (("exam/coverage", "playing", FAKE), ("exam/coverage_average", "average", REAL)), None),
    ("What the discriminator tells", "How often a real example scores above a sample: 0.5 is guessing.",
     (("exam/auc", "training", PLAIN), ("exam/auc_unseen", "held out", REAL)), 0.5),
    ("Probability given to reals and fakes", "D(x) and D(G(z)). At the equilibrium both are 0.5.",
     (("exam/dx", "held out", REAL), ("exam/dgz", "samples", FAKE)), 0.5),
    ("Duality gap", "What the players could still win by a few moves of their own. At the equilibrium, nothing.",
     (("exam/gap/discriminator", "discriminator", REAL), ("exam/gap/generator", "generator", FAKE)), 0.0),
    ("Step against weights", "By how much of their size a round changes a player's weights.",
     (("exam/stride/discriminator", "discriminator", REAL), ("exam/stride/generator", "generator", FAKE)), None),
)  # fmt: skip
"""Charts: title, how to read it, signals with names and colours, a dashed line."""


def section(findings: Sequence[Finding], history: History) -> Markup:
    """The section of a report; empty where the log is."""
    if not history.images:
        return Markup()
    cards = [_card(finding, history.images) for finding in findings]
    lead = ABOUT if cards else _nothing(history)
    charts = tag("div", *_charts(history), class_="charts")
    return tag("section", tag("h2", "Doctor"), tag("p", lead, class_="about"), *cards, charts, class_="curves doctor")


def _nothing(history: History) -> str:
    looks = len(history["exam/finite"].values)
    if not looks:
        return "Nothing is the matter, as far as the log shows: the run was too short to be examined on the way."
    return f"Nothing is the matter. The game was examined {say_count(looks)} times."


def _card(finding: Finding, last: float) -> Markup:
    head = tag("h3", finding.title, tag("span", finding.severity.value, class_=f"chip {finding.severity.value}"))
    facts = f"{finding.name}, {finding.confidence:.0%} sure, since {say_count(finding.since)} images"
    changes = [tag("li", tag("code", advice.word()), " ", advice.why) for advice in finding.advice]
    return tag(
        "div",
        head,
        tag("p", facts, class_="none"),
        tag("p", finding.meaning, class_="about"),
        tag("div", *(_plot(evidence, last) for evidence in finding.evidence), class_="charts"),
        tag("div", tag("h3", "Change"), tag("ul", *changes, class_="notes")) if changes else "",
        class_="finding",
    )


def _plot(evidence: Evidence, last: float) -> Markup:
    curve = Curve(evidence.signal, np.array(evidence.images), np.array(evidence.values), PLAIN)
    return chart(evidence.signal.capitalize(), evidence.says.capitalize() + ".", [curve], last,
                 levels=[Level(evidence.limit, f"limit {evidence.limit:.3g}")])  # fmt: skip


def _charts(history: History) -> Iterable[Markup]:
    for title, about, drawn, level in SIGNALS:
        curves = [Curve(name, *history[key], colour) for key, name, colour in drawn if key in history]
        levels = [] if level is None else [Level(level, f"{level:g}")]
        floor = history["exam/coverage_floor"].last
        if drawn[0][0] == "exam/coverage" and not math.isnan(floor):
            levels = [Level(floor, "real examples")]
        if curves:
            yield chart(title, about, curves, history.images, levels=levels)


def lines(findings: Sequence[Finding]) -> Iterable[str]:
    """The same as lines of text."""
    for finding in findings:
        yield f"{finding.severity.value.upper()}: {finding.title}"
        yield f"  {finding.name}, {finding.confidence:.0%} sure, since {say_count(finding.since)} images"
        yield f"  {finding.meaning}"
        for evidence in finding.evidence:
            yield f"  - {evidence.signal}: {evidence.says} (limit {evidence.limit:.3g})  {_bars(evidence.values)}"
        for advice in finding.advice:
            yield f"  change  {advice.word()}  ({advice.why})"
        yield ""


BARS = "▁▂▃▄▅▆▇█"
WIDE = 24
"""Letters of a plot in a line of text."""


def _bars(values: Sequence[float]) -> str:
    """Values as a row of bars from their lowest to their highest."""
    parts = np.array_split(np.array(values), min(WIDE, len(values))) if len(values) else []
    heights = np.array([part.mean() for part in parts])
    reach = np.ptp(heights) if len(heights) else 0.0
    if not reach:
        return ""
    return "".join(BARS[int(place)] for place in (heights - heights.min()) / reach * (len(BARS) - 1))
