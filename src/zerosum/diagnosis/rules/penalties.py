"""Penalties on the discriminator that are too strong or too weak, an average that is too slow."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import History, Series
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import as_the_recipe, first, penalties, put
from zerosum.diagnosis.rules.shared import POOR, STUCK
from zerosum.diagnosis.rules.signals import of, ratio, usual


def share(history: History) -> Series:
    """The discriminator's further terms over its score, as the log has them."""
    score = history["discriminator/score"]
    if not len(score.values):
        return score
    further = [name for name in history.names("discriminator/") if name != "discriminator/score"]
    if not further:
        return Series.empty()
    more = [history[name] for name in further]
    total = np.zeros(len(score.values))
    for series in more:
        _, ours, theirs = np.intersect1d(score.images, series.images, return_indices=True)
        total[ours] += np.abs(series.values[theirs])
    return score.map(total / np.maximum(np.abs(score.values), 0.05))


OWN = as_the_recipe("terms", "optimizer", "objective", "game")
RULES = (
    Rule(
        "over-regularised", Severity.SEVERE, "A penalty holds the discriminator down",
        "The penalty outweighs what the discriminator plays for, so that it stays flat and tells nothing.",
        (
            POOR,
            STUCK,
            Sign("penalty over score", share, 3.0, 1.0,
                 "the discriminator's penalties are {value:.1f} times its score", hold=3),
            Sign("the discriminator's slope", of("exam/steep"), 0.1, 0.2,
                 "over the distance between two real examples its score changes by {value:.3f}", hold=2),
        ),
        must=2, needs=3,
        prescribe=first(OWN, penalties(0.1, "the discriminator must be able to move")),
    ),
    Rule(
        "under-regularised", Severity.SEVERE, "Nothing holds the discriminator's slope",
        "The discriminator becomes steeper and steeper: a small change of a sample changes its verdict without end, so "
        "the generator is thrown about. A penalty on its slope (R1, a gradient penalty) or spectral norms hold it.",
        (
            Sign("the discriminator's slope", of("exam/steep"), 150.0, 80.0,
                 "over the distance between two real examples its score changes by {value:.0f}", hold=3),
            Sign("growth of the slope", usual("exam/steep"), 4.0, 2.0, "its slope is {value:.1f} times what it was"),
            Sign("penalty over score", share, 0.003, 0.01, "its penalties are {value:.4f} of its score", hold=3),
            POOR,
            STUCK,
        ),
        must=1, needs=3, prescribe=first(OWN, penalties(10.0, "holds its slope")),
    ),
    Rule(
        "average-too-slow", Severity.MILD, "The average of the generator lags behind",
        "What is shown and shipped is the average of the generator's weights, and it has not yet followed what the "
        "playing generator has learned: its half-life is long for this run.",
        (
            Sign("distance of the average", of("exam/lag"), 0.5, 0.35,
                 "samples of the average are {value:.2f} of the distance between real examples from those of the "
                 "player", hold=3),
            Sign("coverage of the average", ratio("exam/coverage_average", "exam/coverage", 0.02), 0.7, 0.85,
                 "the average covers {value:.0%} of what the playing generator covers", hold=3),
            Sign("variety of the average", ratio("exam/spread_average", "exam/spread", 0.02), 0.7, 0.85,
                 "samples of the average vary {value:.2f} times as much", hold=3),
        ),
        prescribe=first(
            as_the_recipe("average"), put("average.half_life_images", 1000, "an average that follows soon"),
        ),
        harmless=True,
    ),
)  # fmt: skip
