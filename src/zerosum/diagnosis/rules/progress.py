"""Notes about the progress of training: still improving, or a plateau."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule

TREND_WINDOW = 6
"""Number of probes whose mean is compared with the mean of as many before."""


def coverage_gain(history: LogHistory) -> Series:
    """Return how much the EMA generator's coverage rose from one window of probes to the next."""
    return _window_gain(history["monitor/ema_coverage"])


def mode_balance_gain(history: LogHistory) -> Series:
    """Return how much the divergence of the mode frequencies from the data's fell from one window to the next."""
    divergence = history["monitor/mode_js_divergence"]
    return _window_gain(divergence.with_values(-divergence.values))


def _window_gain(series: Series) -> Series:
    """Return the mean over the last window minus the mean over the window before."""
    gains = [
        series.values[start + TREND_WINDOW : start + 2 * TREND_WINDOW].mean()
        - series.values[start : start + TREND_WINDOW].mean()
        for start in range(len(series.values) - 2 * TREND_WINDOW + 1)
    ]
    return Series(series.examples[2 * TREND_WINDOW - 1 :], np.array(gains))


RULES = (
    Rule(
        "still-improving", Severity.NOTE, "The samples are still improving",
        "Samples approached the data until the end: continue with `zerosum resume RUN` and more `examples`.",
        (
            Criterion("gain of coverage", coverage_gain, 0.03, 0.015,
                      "coverage rose by {value:.2f} over the last probes"),
            Criterion("gain of mode balance", mode_balance_gain, 0.005, 0.002,
                      "the mode frequencies came {value:.3f} nats nearer to the data's"),
        ),
        num_mandatory=1, min_criteria=1,
    ),
    Rule(
        "plateau", Severity.NOTE, "The samples no longer improve",
        "Samples have not approached the data for a while: more training will change little. A larger network "
        "(`size`), more data or another recipe may help.",
        (
            Criterion("gain of coverage", coverage_gain, 0.005, 0.02,
                      "coverage rose by {value:.3f} over the last probes", consecutive=3),
            Criterion("gain of mode balance", mode_balance_gain, 0.002, 0.004,
                      "the mode frequencies came {value:.3f} nats nearer to the data's", consecutive=3),
        ),
        num_mandatory=2,
    ),
)  # fmt: skip
