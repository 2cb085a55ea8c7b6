"""The diagnosis section of a report: findings with evidence and recommended settings, and the monitor's signals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from zerosum.diagnosis.diagnose import describe_no_findings
from zerosum.diagnosis.finding import Evidence, Finding, Recommendation
from zerosum.diagnosis.log_history import LogHistory
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, render_code_spans, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.units import format_count

REAL_COLOR_INDEX, FAKE_COLOR_INDEX, NEUTRAL_COLOR_INDEX = 0, 1, 6
"""Indices into the colors of the page."""
SECTION_LEAD = "Most findings need at least two signals that agree."
SIGNAL_CHARTS = (
    (
        "Diversity of samples",
        "Mean distance between two samples, divided by that of two real examples. Near 0: mode collapse.",
        (
            ("monitor/diversity", "samples", FAKE_COLOR_INDEX),
            ("monitor/feature_diversity", "discriminator features", NEUTRAL_COLOR_INDEX),
        ),
        1.0,
    ),
    (
        "Distance from the data",
        "Energy distance between samples and real examples. 0: same distribution.",
        (
            ("monitor/energy_distance", "raw weights", FAKE_COLOR_INDEX),
            ("monitor/ema_energy_distance", "EMA", REAL_COLOR_INDEX),
        ),
        0.0,
    ),
    (
        "Coverage of held-out examples",
        "Fraction of held-out examples with a sample near by, by embeddings. Dashed: real examples.",
        (("monitor/coverage", "raw weights", FAKE_COLOR_INDEX), ("monitor/ema_coverage", "EMA", REAL_COLOR_INDEX)),
        None,
    ),
    (
        "AUC of the discriminator",
        "Probability that a real example scores higher than a sample. 0.5 is guessing.",
        (
            ("monitor/auc_train", "training", NEUTRAL_COLOR_INDEX),
            ("monitor/auc_held_out", "held out", REAL_COLOR_INDEX),
        ),
        0.5,
    ),
    (
        "Probability of real",
        "D(x) and D(G(z)). At the equilibrium both are 0.5.",
        (
            ("monitor/probability_held_out", "held out", REAL_COLOR_INDEX),
            ("monitor/probability_fake", "samples", FAKE_COLOR_INDEX),
        ),
        0.5,
    ),
    (
        "Duality gap",
        "What each player could still gain by a few moves of its own. 0 at the equilibrium.",
        (
            ("monitor/duality_gap/discriminator", "discriminator", REAL_COLOR_INDEX),
            ("monitor/duality_gap/generator", "generator", FAKE_COLOR_INDEX),
        ),
        0.0,
    ),
    (
        "Relative update",
        "Norm of the change of a player's weights in a round, divided by the norm of the weights.",
        (
            ("monitor/update_ratio/discriminator", "discriminator", REAL_COLOR_INDEX),
            ("monitor/update_ratio/generator", "generator", FAKE_COLOR_INDEX),
        ),
        None,
    ),
)
"""Charts: title, caption, signals with names and colors, and the value of a dashed line or None."""


def render_diagnosis(record: RunRecord) -> Markup:
    """Return the diagnosis section of a report; empty if the log is."""
    history = record.history
    if not history.examples:
        return Markup()
    cards = [_finding_card(finding, history.examples) for finding in record.findings]
    lead = _findings_lead(record.findings) if cards else f"{_sentence(describe_no_findings(history))}."
    return section("Diagnosis", lead, *cards, tag("div", *_signal_charts(history), class_="charts"))


def _findings_lead(findings: Sequence[Finding]) -> str:
    """Return the text above the findings, with the first recommendation as the example of how to pass settings."""
    recommendations = [recommendation for finding in findings for recommendation in finding.recommendations]
    if not recommendations:
        return SECTION_LEAD
    flag = _format_flag(recommendations[0])
    return f"{SECTION_LEAD} Settings to change: pass each to `zerosum train` as a flag, such as `{flag}`."


def _format_flag(recommendation: Recommendation) -> str:
    """Return the flag that sets a recommended value, for the command line."""
    return f"--{recommendation.setting} {recommendation.format_value()}"


def _finding_card(finding: Finding, x_max: float) -> Markup:
    heading = tag("h3", finding.title, tag("span", finding.severity.value, class_=f"chip {finding.severity.value}"))
    changes = [
        tag("li", tag("code", _format_flag(change)), " ", render_code_spans(change.reason))
        for change in finding.recommendations
    ]
    return tag(
        "div",
        heading,
        tag("p", _format_confidence(finding), class_="muted"),
        tag("p", render_code_spans(finding.explanation), class_="description"),
        tag("div", *(_evidence_chart(evidence, x_max) for evidence in finding.evidence), class_="charts"),
        tag("div", tag("h3", "Settings to change"), tag("ul", *changes, class_="notes")) if changes else "",
        class_="finding",
    )


def _format_confidence(finding: Finding) -> str:
    since = format_count(finding.since_examples)
    return f"{finding.name}, confidence {finding.confidence:.0%}, since {since} examples"


def _evidence_chart(evidence: Evidence, x_max: float) -> Markup:
    curve = Curve(evidence.signal, np.array(evidence.examples), np.array(evidence.values), NEUTRAL_COLOR_INDEX)
    threshold = ReferenceLine(evidence.threshold, f"threshold {evidence.threshold:.3g}")
    caption = _sentence(evidence.message) + "."
    return render_line_chart(_sentence(evidence.signal), caption, [curve], x_max, reference_lines=[threshold])


def _signal_charts(history: LogHistory) -> Iterable[Markup]:
    for title, caption, signals, level in SIGNAL_CHARTS:
        curves = [Curve(name, *history[key], color) for key, name, color in signals if key in history]
        reference_lines = [] if level is None else [ReferenceLine(level, f"{level:g}")]
        floor = history["monitor/coverage_floor"].last
        if signals[0][0] == "monitor/coverage" and not math.isnan(floor):
            reference_lines = [ReferenceLine(floor, "real examples")]
        if curves:
            yield render_line_chart(title, caption, curves, history.examples, reference_lines=reference_lines)


def format_findings(findings: Sequence[Finding]) -> Iterable[str]:
    """Yield the findings as lines of text."""
    for finding in findings:
        yield f"{finding.severity.value.upper()}: {finding.title}"
        yield f"  {_format_confidence(finding)}"
        yield f"  {finding.explanation}"
        for evidence in finding.evidence:
            yield (
                f"  - {evidence.signal}: {evidence.message} (threshold {evidence.threshold:.3g})  "
                f"{_sparkline(evidence.values)}"
            )
        for recommendation in finding.recommendations:
            value = recommendation.format_value()
            yield f"  change  `{recommendation.setting}` {value}  ({recommendation.reason})"
        yield ""


SPARKLINE_BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 24
"""Characters of a plot in a line of text."""


def _sparkline(values: Sequence[float]) -> str:
    """Plot values as a line of bars, scaled from their minimum to their maximum."""
    parts = np.array_split(np.array(values), min(SPARKLINE_WIDTH, len(values))) if len(values) else []
    heights = np.array([part.mean() for part in parts])
    value_range = np.ptp(heights) if len(heights) else 0.0
    if not value_range:
        return ""
    return "".join(
        SPARKLINE_BLOCKS[int(level)] for level in (heights - heights.min()) / value_range * (len(SPARKLINE_BLOCKS) - 1)
    )


def _sentence(text: str) -> str:
    """Capitalize the first letter, and leave acronyms such as AUC as they are."""
    return text[:1].upper() + text[1:]
