"""Rules about the dynamics of training: non-finite values, divergence, oscillation and too high learning rates."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import (
    combine,
    restore_batch_size,
    restore_recipe_defaults,
    scale_setting,
    set_value,
)
from zerosum.diagnosis.rules.shared import FAR_FROM_DATA, NOT_IMPROVING, POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    absolute_difference,
    magnitude,
    relative_to_past_median,
    signal,
    step_distance,
    straightness,
)


def nonfinite_count(history: LogHistory) -> Series:
    """Return the number of signals that have been non-finite so far, and non-finite weights as one more at the end."""
    rounds = history["round"]
    positions = np.array(sorted(history.first_nonfinite.values()))
    count = np.searchsorted(positions, rounds.examples, side="right").astype(float)
    if "first_nonfinite_weight" in history.text_values and len(count):
        count[-1] += 1
    return rounds.with_values(count)


def nonfinite_samples(history: LogHistory) -> Series:
    """Return 1 where samples were not finite, else 0."""
    series = history["monitor/finite"]
    return series.with_values(1 - series.values)


GRADIENT_GROWTH_MESSAGE = "its gradient is {value:.0f} times its earlier median"
UPDATE_MESSAGE = "a round changes its weights by {value:.1%} of their size"
SAMPLE_MOVEMENT_MESSAGE = "between two probes a sample moves by {value:.2f} of the mean distance of real examples"
REDUCE_LEARNING_RATE = combine(
    restore_batch_size,
    restore_recipe_defaults("optimizer", "terms", "objective"),
    scale_setting("optimizer.lr", 0.3, "smaller steps do not diverge"),
)
RULES = (
    Rule(
        "nonfinite-values", Severity.SEVERE, "NaN or infinity in the training",
        "A loss, a weight or a sample is NaN or infinite, and so is everything computed from it. Usually the learning "
        "rate is too high, a gradient penalty is missing, or 16-bit floating point has overflowed. The last finite "
        "checkpoint is kept.",
        (
            Criterion("non-finite signals", nonfinite_count, 0.5, 0.5,
                      "{value:.0f} of the log's signals are not finite", consecutive=1),
            Criterion("non-finite samples", nonfinite_samples, 0.5, 0.5, "samples are not finite", consecutive=1),
        ),
        min_criteria=1, num_mandatory=0,
        remedy=combine(set_value("training.precision", "float32", "float32 has a larger range than 16 bits"),
                       REDUCE_LEARNING_RATE),
        min_rounds=0,
    ),
    Rule(
        "diverging", Severity.SEVERE, "The training diverges",
        "Scores or gradients grow without bound: each player answers the other's steps with larger ones. This ends in "
        "NaN or in samples of noise.",
        (
            Criterion("growth of scores", relative_to_past_median("signals/fake_score"), 25.0, 8.0,
                      "scores are {value:.0f} times their earlier median", consecutive=3),
            Criterion("growth of the discriminator's gradient",
                      relative_to_past_median("monitor/grad_norm/discriminator"), 30.0, 10.0, GRADIENT_GROWTH_MESSAGE),
            Criterion("growth of the generator's gradient",
                      relative_to_past_median("monitor/grad_norm/generator"), 30.0, 10.0, GRADIENT_GROWTH_MESSAGE),
            Criterion("difference of scores", absolute_difference("signals/real_score", "signals/fake_score"),
                      1000.0, 200.0, "the scores of real examples and samples differ by {value:.3g}", consecutive=3),
            Criterion("size of the discriminator's loss", magnitude("discriminator/objective"), 1000.0, 200.0,
                      "its loss is {value:.3g}", consecutive=3),
            POOR_COVERAGE,
        ),
        num_mandatory=0, min_criteria=3, remedy=REDUCE_LEARNING_RATE,
        min_rounds=20,
    ),
    Rule(
        "oscillation", Severity.MILD, "The training oscillates",
        "Samples change much from one probe to the next without a net change: each player undoes what the other has "
        "just adapted to. The EMA generator averages it out; a lower learning rate, a gradient penalty on the "
        "discriminator or less momentum (`optimizer.beta1`) ends it.",
        (
            Criterion("movement of the samples' mean", step_distance("monitor/mean_projection/"), 0.25, 0.15,
                      "between two probes the mean of all samples moves by {value:.2f} of the mean distance of real "
                      "examples", consecutive=3),
            NOT_IMPROVING,
            FAR_FROM_DATA,
            Criterion("straightness of this movement", straightness("monitor/mean_projection/"), 0.5, 0.7,
                      "the net movement is {value:.0%} of the path length", consecutive=2),
            Criterion("movement of single samples", step_distance("monitor/sample_projection/"), 0.8, 0.6,
                      SAMPLE_MOVEMENT_MESSAGE, consecutive=3),
        ),
        num_mandatory=3, min_criteria=4, remedy=REDUCE_LEARNING_RATE,
    ),
    Rule(
        "learning-rate-too-high", Severity.SEVERE, "The learning rate is too high",
        "Each round changes the weights by a large part of their size, and samples change abruptly: what was learned "
        "is overwritten.",
        (
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("update of the generator", signal("monitor/update_ratio/generator"), 0.02, 0.012, UPDATE_MESSAGE),
            Criterion("update of the discriminator", signal("monitor/update_ratio/discriminator"), 0.02, 0.012,
                      UPDATE_MESSAGE),
            Criterion("movement of single samples", step_distance("monitor/sample_projection/"), 0.8, 0.6,
                      SAMPLE_MOVEMENT_MESSAGE),
        ),
        num_mandatory=2, min_criteria=3, remedy=REDUCE_LEARNING_RATE,
    ),
)  # fmt: skip
