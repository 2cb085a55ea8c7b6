"""Penalties on the discriminator that are too strong or too weak, an average that is too slow."""

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


def penalty_ratio(history: LogHistory) -> Series:
    """The discriminator's further terms over its score, as the log has them."""
    score = history["discriminator/objective"]
    if not len(score.values):
        return score
    further = [name for name in history.names_with_prefix("discriminator/") if name != "discriminator/objective"]
    if not further:
        return Series.empty()
    more = [history[name] for name in further]
    total = np.zeros(len(score.values))
    for series in more:
        _, ours, theirs = np.intersect1d(score.examples, series.examples, return_indices=True)
        total[ours] += np.abs(series.values[theirs])
    return score.with_values(total / np.maximum(np.abs(score.values), 0.05))


RESTORE_LOSS_DEFAULTS = restore_recipe_defaults("terms", "optimizer", "objective", "game")
RULES = (
    Rule(
        "over-regularized", Severity.SEVERE, "A penalty holds the discriminator down",
        "The penalty outweighs what the discriminator plays for, so that it stays flat and tells nothing.",
        (
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("penalty over score", penalty_ratio, 3.0, 1.0,
                 "the discriminator's penalties are {value:.1f} times its score", consecutive=3),
            Criterion("the discriminator's slope", signal("monitor/score_input_gradient"), 0.1, 0.2,
                 "over the distance between two real examples its score changes by {value:.3f}", consecutive=2),
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(RESTORE_LOSS_DEFAULTS, scale_gradient_penalties(0.1, "the discriminator must be able to move")),
    ),
    Rule(
        "under-regularized", Severity.SEVERE, "Nothing holds the discriminator's slope",
        "The discriminator becomes steeper and steeper: a small change of a sample changes its verdict without end, so "
        "the generator is thrown about. A penalty on its slope (R1, a gradient penalty) or spectral norms hold it.",
        (
            Criterion("the discriminator's slope", signal("monitor/score_input_gradient"), 150.0, 80.0,
                 "over the distance between two real examples its score changes by {value:.0f}", consecutive=3),
            Criterion("growth of the slope", relative_to_past_median("monitor/score_input_gradient"), 4.0, 2.0, "its slope is {value:.1f} times what it was"),
            Criterion("penalty over score", penalty_ratio, 0.003, 0.01, "its penalties are {value:.4f} of its score", consecutive=3),
            POOR_COVERAGE,
            NOT_IMPROVING,
        ),
        num_mandatory=1, min_criteria=3, remedy=first_applicable(RESTORE_LOSS_DEFAULTS, scale_gradient_penalties(10.0, "holds its slope")),
    ),
    Rule(
        "ema-too-slow", Severity.MILD, "The average of the generator lags behind",
        "What is shown and shipped is the average of the generator's weights, and it has not yet followed what the "
        "playing generator has learned: its half-life is long for this run.",
        (
            Criterion("distance of the average", signal("monitor/ema_lag"), 0.5, 0.35,
                 "samples of the average are {value:.2f} of the distance between real examples from those of the "
                 "player", consecutive=3),
            Criterion("coverage of the average", ratio("monitor/ema_coverage", "monitor/coverage", 0.02), 0.7, 0.85,
                 "the average covers {value:.0%} of what the playing generator covers", consecutive=3),
            Criterion("variety of the average", ratio("monitor/ema_diversity", "monitor/diversity", 0.02), 0.7, 0.85,
                 "samples of the average vary {value:.2f} times as much", consecutive=3),
        ),
        remedy=first_applicable(
            restore_recipe_defaults("ema"), set_value("ema.half_life", 1000, "an average that follows soon"),
        ),
        has_safe_remedy=True,
    ),
)  # fmt: skip
