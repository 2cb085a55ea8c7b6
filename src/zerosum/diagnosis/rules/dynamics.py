"""Numbers that run away, and games that go round in circles."""

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
    """How many of the log's numbers were not finite, from the first one on."""
    rounds = history["round"]
    since = sorted(when for name, when in history.first_nonfinite.items())
    count = np.searchsorted(np.array(since), rounds.examples, side="right").astype(float)
    if "not_finite" in history.text_values and len(count):
        count[-1] += 1
    return rounds.with_values(count)


def nonfinite_samples(history: LogHistory) -> Series:
    """1 where samples were not finite."""
    series = history["monitor/finite"]
    return series.with_values(1 - series.values)


REDUCE_LEARNING_RATE = combine(
    restore_batch_size,
    restore_recipe_defaults(
        "optimizer",
        "terms",
        "objective",
    ),
    scale_setting("optimizer.lr", 0.3, "smaller steps do not run away"),
)
RULES = (
    Rule(
        "nonfinite-values", Severity.SEVERE, "A number is no longer finite",
        "A loss, a weight or a sample became infinite or not a number, and all that follows from it too. Usually the "
        "learning rate is too high, a penalty is missing, or numbers in 16 bits have overflowed. The last good "
        "checkpoint is kept.",
        (
            Criterion("numbers of the log that are not finite", nonfinite_count, 0.5, 0.5,
                 "{value:.0f} of the log's signals are not finite", consecutive=1),
            Criterion("samples that are not finite", nonfinite_samples, 0.5, 0.5, "samples are not finite", consecutive=1),
        ),
        min_criteria=1, num_mandatory=0,
        remedy=combine(set_value("training.precision", "float32", "32 bits do not overflow so soon"), REDUCE_LEARNING_RATE),
        min_rounds=0,
    ),
    Rule(
        "diverging", Severity.SEVERE, "The game diverges",
        "Scores or gradients grow without end: the players answer each other's steps with larger ones. It ends in "
        "numbers that are not finite, or in samples that are nothing.",
        (
            Criterion("growth of scores", relative_to_past_median("signals/fake_score"), 25.0, 8.0,
                 "scores are {value:.0f} times what they were", consecutive=3),
            Criterion("the discriminator's gradient", relative_to_past_median("monitor/grad_norm/discriminator"), 30.0, 10.0,
                 "its gradient is {value:.0f} times what it was"),
            Criterion("the generator's gradient", relative_to_past_median("monitor/grad_norm/generator"), 30.0, 10.0,
                 "its gradient is {value:.0f} times what it was"),
            Criterion("distance of scores", absolute_difference("signals/real_score", "signals/fake_score"), 1000.0, 200.0,
                 "real examples and samples score {value:.3g} apart", consecutive=3),
            Criterion("size of the discriminator's loss", magnitude("discriminator/objective"), 1000.0, 200.0,
                 "its loss is {value:.3g}", consecutive=3),
            POOR_COVERAGE,
        ),
        num_mandatory=0, min_criteria=3, remedy=REDUCE_LEARNING_RATE,
        min_rounds=20,
    ),
    Rule(
        "oscillation", Severity.MILD, "The game goes round in circles",
        "Samples change much from one look to the next without getting anywhere: each player undoes what the other has "
        "just answered to. An average of the generator hides it; slower steps, a penalty on the discriminator's slope "
        "or less momentum (beta1) end it.",
        (
            Criterion("way of the samples' middle", step_distance("monitor/mean_projection/"), 0.25, 0.15,
                 "between two looks the middle of all samples moves by {value:.2f} of the distance between real "
                 "examples", consecutive=3),
            NOT_IMPROVING,
            FAR_FROM_DATA,
            Criterion("straightness of that way", straightness("monitor/mean_projection/"), 0.5, 0.7,
                 "of the way it went, {value:.0%} led anywhere", consecutive=2),
            Criterion("way of single samples", step_distance("monitor/sample_projection/"), 0.8, 0.6,
                 "between two looks a sample moves by {value:.2f} of the distance between real examples", consecutive=3),
        ),
        num_mandatory=3, min_criteria=4, remedy=REDUCE_LEARNING_RATE,
    ),
    Rule(
        "learning-rate-too-high", Severity.SEVERE, "The learning rate is too high",
        "Each round changes the weights by a large part of their size, and samples leap about: what was learned is "
        "overwritten before it can be built on.",
        (
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("the generator's step", signal("monitor/update_ratio/generator"), 0.02, 0.012,
                 "a round changes its weights by {value:.1%} of their size"),
            Criterion("the discriminator's step", signal("monitor/update_ratio/discriminator"), 0.02, 0.012,
                 "a round changes its weights by {value:.1%} of their size"),
            Criterion("way of single samples", step_distance("monitor/sample_projection/"), 0.8, 0.6,
                 "between two looks a sample moves by {value:.2f} of the distance between real examples"),
        ),
        num_mandatory=2, min_criteria=3, remedy=REDUCE_LEARNING_RATE,
    ),
)  # fmt: skip
