"""Rules about gradient penalties that are too strong or too weak, and about an EMA that is too slow."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import (
    first_applicable,
    restore_recipe_defaults,
    scale_gradient_penalties,
    set_value,
)
from zerosum.diagnosis.rules.shared import NOT_IMPROVING, POOR_COVERAGE
from zerosum.diagnosis.rules.signals import ratio, relative_to_past_median, signal

MIN_OBJECTIVE = 0.05
"""Smallest loss of the objective by which penalties are divided."""


def logged_penalty_ratio(history: LogHistory) -> Series:
    """Return the discriminator's other terms divided by its loss of the objective, as logged; empty without terms."""
    objective = history["discriminator/objective"]
    if not len(objective.values):
        return objective
    names = [name for name in history.names_with_prefix("discriminator/") if name != "discriminator/objective"]
    if not names:
        return Series.empty()
    total = np.zeros(len(objective.values))
    for series in [history[name] for name in names]:
        _, left, right = np.intersect1d(objective.examples, series.examples, return_indices=True)
        total[left] += np.abs(series.values[right])
    return objective.with_values(total / np.maximum(np.abs(objective.values), MIN_OBJECTIVE))


RESTORE_LOSS_DEFAULTS = restore_recipe_defaults("terms", "optimizer", "objective", "game")
RULES = (
    Rule(
        "over-regularized", Severity.SEVERE, "A penalty suppresses the discriminator",
        "The penalty outweighs the discriminator's loss of the objective, so that its score is nearly constant.",
        (
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("penalty over objective", logged_penalty_ratio, 3.0, 1.0,
                      "the discriminator's penalties are {value:.1f} times its loss of the objective", consecutive=3),
            Criterion("gradient of the discriminator's score", signal("monitor/score_input_gradient"), 0.1, 0.2,
                      "over the mean distance of two real examples its score changes by {value:.3f}", consecutive=2),
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS, scale_gradient_penalties(0.1, "a weaker penalty lets the discriminator learn"),
        ),
    ),
    Rule(
        "under-regularized", Severity.SEVERE, "The discriminator's gradient is not bounded",
        "The gradient of the discriminator at its inputs keeps growing: a small change of a sample changes its score "
        "without bound, and the generator's updates are erratic. A gradient penalty (R1, WGAN-GP) or spectral norm "
        "bounds it.",
        (
            Criterion("gradient of the discriminator's score", signal("monitor/score_input_gradient"), 150.0, 80.0,
                      "over the mean distance of two real examples its score changes by {value:.0f}", consecutive=3),
            Criterion("growth of this gradient", relative_to_past_median("monitor/score_input_gradient"), 4.0, 2.0,
                      "the gradient is {value:.1f} times its earlier median"),
            Criterion("penalty over objective", logged_penalty_ratio, 0.003, 0.01,
                      "the discriminator's penalties are {value:.4f} of its loss of the objective", consecutive=3),
            POOR_COVERAGE,
            NOT_IMPROVING,
        ),
        num_mandatory=1, min_criteria=3,
        remedy=first_applicable(RESTORE_LOSS_DEFAULTS, scale_gradient_penalties(10.0, "bounds the gradient")),
    ),
    Rule(
        "ema-too-slow", Severity.MILD, "The EMA generator lags behind",
        "Samples and exports come from the EMA of the generator's weights, and it does not yet follow what the "
        "generator has learned: its half-life is long for this run.",
        (
            Criterion("distance of the EMA generator", signal("monitor/ema_lag"), 0.5, 0.35,
                      "samples of the EMA generator are {value:.2f} of the mean distance of real examples from the "
                      "generator's", consecutive=3),
            Criterion("coverage of the EMA generator", ratio("monitor/ema_coverage", "monitor/coverage", 0.02),
                      0.7, 0.85, "the EMA generator covers {value:.0%} of what the generator covers", consecutive=3),
            Criterion("diversity of the EMA generator", ratio("monitor/ema_diversity", "monitor/diversity", 0.02),
                      0.7, 0.85, "samples of the EMA generator vary {value:.2f} times as much as the generator's",
                      consecutive=3),
        ),
        remedy=first_applicable(
            restore_recipe_defaults("ema"), set_value("ema.half_life", 1000, "a short half-life follows quickly"),
        ),
        has_safe_remedy=True,
    ),
)  # fmt: skip
