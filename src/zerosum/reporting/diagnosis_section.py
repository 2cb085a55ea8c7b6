"""The doctor's page of a report: what is the matter, how that is known, what to change; and the signals it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from zerosum.diagnosis.finding import Evidence, Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.units import format_count

REAL_COLOR_INDEX, FAKE_COLOR_INDEX, NEUTRAL_COLOR_INDEX = 0, 1, 6
"""Colours of the page."""
SECTION_LEAD = (
    "Most findings need two signals at least that agree. Their settings can be given to the next `zerosum train` as "
    "they stand here."
)
SIGNAL_CHARTS = (
    ("Variety of samples", "Mean distance between two samples, over that between two real examples. Near 0: collapse.",
     (("monitor/diversity", "samples", FAKE_COLOR_INDEX), ("monitor/feature_diversity", "to the discriminator", NEUTRAL_COLOR_INDEX)), 1.0),
    ("Distance from the data", "The energy distance of samples from real examples: near 0 where they are alike.",
     (("monitor/energy_distance", "playing", FAKE_COLOR_INDEX), ("monitor/ema_energy_distance", "EMA", REAL_COLOR_INDEX)), 0.0),
    ("Coverage of held-out examples", "The share that samples come near to, by rough looks. The line: real examples.",
     (("monitor/coverage", "playing", FAKE_COLOR_INDEX), ("monitor/ema_coverage", "EMA", REAL_COLOR_INDEX)), None),
    ("What the discriminator tells", "How often a real example scores above a sample: 0.5 is guessing.",
     (("monitor/auc_train", "training", NEUTRAL_COLOR_INDEX), ("monitor/auc_held_out", "held out", REAL_COLOR_INDEX)), 0.5),
    ("Probability given to reals and fakes", "D(x) and D(G(z)). At the equilibrium both are 0.5.",
     (("monitor/probability_held_out", "held out", REAL_COLOR_INDEX), ("monitor/probability_fake", "samples", FAKE_COLOR_INDEX)), 0.5),
    ("Duality gap", "What the players could still win by a few moves of their own. At the equilibrium, nothing.",
     (("monitor/duality_gap/discriminator", "discriminator", REAL_COLOR_INDEX), ("monitor/duality_gap/generator", "generator", FAKE_COLOR_INDEX)), 0.0),
    ("Step against weights", "By how much of their size a round changes a player's weights.",
     (("monitor/update_ratio/discriminator", "discriminator", REAL_COLOR_INDEX), ("monitor/update_ratio/generator", "generator", FAKE_COLOR_INDEX)), None),
)  # fmt: skip
"""Charts: title, how to read it, signals with names and colours, a dashed line."""


def render_diagnosis(findings: Sequence[Finding], history: LogHistory) -> Markup:
    """The section of a report; empty where the log is."""
    if not history.examples:
        return Markup()
    cards = [_finding_card(finding, history.examples) for finding in findings]
    lead = SECTION_LEAD if cards else _no_findings_text(history)
    charts = tag("div", *_signal_charts(history), class_="charts")
    return tag(
        "section", tag("h2", "Diagnosis"), tag("p", lead, class_="about"), *cards, charts, class_="curves doctor"
    )


def _no_findings_text(history: LogHistory) -> str:
    looks = len(history["monitor/finite"].values)
    if not looks:
        return "Nothing is the matter, as far as the log shows: the run was too short to be examined on the way."
    return f"Nothing is the matter. The game was examined {format_count(looks)} times."


def _finding_card(finding: Finding, x_max: float) -> Markup:
    head = tag("h3", finding.title, tag("span", finding.severity.value, class_=f"chip {finding.severity.value}"))
    facts = f"{finding.name}, {finding.confidence:.0%} sure, since {format_count(finding.since_examples)} images"
    changes = [tag("li", tag("code", advice.as_cli_flag()), " ", advice.reason) for advice in finding.recommendations]
    return tag(
        "div",
        head,
        tag("p", facts, class_="none"),
        tag("p", finding.explanation, class_="about"),
        tag("div", *(_evidence_chart(evidence, x_max) for evidence in finding.evidence), class_="charts"),
        tag("div", tag("h3", "Change"), tag("ul", *changes, class_="notes")) if changes else "",
        class_="finding",
    )


def _evidence_chart(evidence: Evidence, x_max: float) -> Markup:
    curve = Curve(evidence.signal, np.array(evidence.examples), np.array(evidence.values), NEUTRAL_COLOR_INDEX)
    return render_line_chart(evidence.signal.capitalize(), evidence.message.capitalize() + ".", [curve], x_max,
                 reference_lines=[ReferenceLine(evidence.threshold, f"limit {evidence.threshold:.3g}")])  # fmt: skip


def _signal_charts(history: LogHistory) -> Iterable[Markup]:
    for title, about, drawn, level in SIGNAL_CHARTS:
        curves = [Curve(name, *history[key], color) for key, name, color in drawn if key in history]
        levels = [] if level is None else [ReferenceLine(level, f"{level:g}")]
        floor = history["monitor/coverage_floor"].last
        if drawn[0][0] == "monitor/coverage" and not math.isnan(floor):
            levels = [ReferenceLine(floor, "real examples")]
        if curves:
            yield render_line_chart(title, about, curves, history.examples, reference_lines=levels)


def format_findings(findings: Sequence[Finding]) -> Iterable[str]:
    """The same as lines of text."""
    for finding in findings:
        yield f"{finding.severity.value.upper()}: {finding.title}"
        yield f"  {finding.name}, {finding.confidence:.0%} sure, since {format_count(finding.since_examples)} images"
        yield f"  {finding.explanation}"
        for evidence in finding.evidence:
            yield f"  - {evidence.signal}: {evidence.message} (limit {evidence.threshold:.3g})  {_sparkline(evidence.values)}"
        for advice in finding.recommendations:
            yield f"  change  {advice.as_cli_flag()}  ({advice.reason})"
        yield ""


SPARKLINE_BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 24
"""Letters of a plot in a line of text."""


def _sparkline(values: Sequence[float]) -> str:
    """Values as a row of bars from their lowest to their highest."""
    parts = np.array_split(np.array(values), min(SPARKLINE_WIDTH, len(values))) if len(values) else []
    heights = np.array([part.mean() for part in parts])
    reach = np.ptp(heights) if len(heights) else 0.0
    if not reach:
        return ""
    return "".join(
        SPARKLINE_BLOCKS[int(place)] for place in (heights - heights.min()) / reach * (len(SPARKLINE_BLOCKS) - 1)
    )
