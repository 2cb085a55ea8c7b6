"""Whether there is more to come."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule

TREND_WINDOW = 6
"""Looks over which a trend is seen."""


def coverage_gain(history: LogHistory) -> Series:
    """How much the evenness and the coverage of the average rose over the last looks."""
    series = history["monitor/ema_coverage"]
    places = range(2 * TREND_WINDOW - 1, len(series.values))
    rise = [
        series.values[p - TREND_WINDOW + 1 : p + 1].mean()
        - series.values[p - 2 * TREND_WINDOW + 1 : p - TREND_WINDOW + 1].mean()
        for p in places
    ]
    return Series(series.examples[2 * TREND_WINDOW - 1 :], np.array(rise))


def mode_balance_gain(history: LogHistory) -> Series:
    """How much nearer the shares of kinds came to the data's over the last looks."""
    series = history["monitor/mode_js_divergence"]
    places = range(2 * TREND_WINDOW - 1, len(series.values))
    fall = [
        series.values[p - 2 * TREND_WINDOW + 1 : p - TREND_WINDOW + 1].mean()
        - series.values[p - TREND_WINDOW + 1 : p + 1].mean()
        for p in places
    ]
    return Series(series.examples[2 * TREND_WINDOW - 1 :], np.array(fall))


RULES = (
    Rule(
        "still-improving", Severity.NOTE, "It is still getting better",
        "Samples came nearer to the data until the end: train on (`zerosum resume RUN --examples N`).",
        (
            Criterion("rise of coverage", coverage_gain, 0.03, 0.015, "coverage rose by {value:.2f} over the last looks"),
            Criterion("rise of evenness", mode_balance_gain, 0.005, 0.002,
                 "the shares of kinds came {value:.3f} nats nearer to the data's"),
        ),
        num_mandatory=1, min_criteria=1,
    ),
    Rule(
        "plateau", Severity.NOTE, "It does not get any better",
        "Samples have come no nearer to the data for a while: more of the same training will change little. Larger "
        "networks (--size), more data or another recipe may.",
        (
            Criterion("rise of coverage", coverage_gain, 0.005, 0.02,
                 "coverage rose by {value:.3f} over the last looks", consecutive=3),
            Criterion("rise of evenness", mode_balance_gain, 0.002, 0.004,
                 "the shares of kinds came {value:.3f} nats nearer", consecutive=3),
        ),
        num_mandatory=2,
    ),
)  # fmt: skip
