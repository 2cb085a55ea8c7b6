"""What is wrong with the data, or with how they reach the game."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import only_if, restore_batch_size, restore_recipe_defaults, set_value
from zerosum.diagnosis.rules.shared import POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    constant_signal,
    difference,
    generates_from_noise,
    get_number,
    is_image_data,
    ratio,
    signal,
)


def duplicate_fraction(history: LogHistory) -> Series:
    """The share of examples that are copies."""
    return constant_signal(
        history, get_number(history, ("data", "duplicates"), 0) / max(1, get_number(history, ("data", "images"), 1))
    )


def num_train_examples(history: LogHistory) -> Series:
    """Examples to train on."""
    return constant_signal(history, get_number(history, ("data", "train"), np.inf))


def batch_size(history: LogHistory) -> Series:
    """Images in a step."""
    return constant_signal(history, get_number(history, ("settings", "training", "batch_size"), np.inf))


def mean_shift(history: LogHistory) -> Series:
    """How far the mean of what is trained on is from the data's, in the data's own deviations."""
    apart = history["signals/real_mean"].minus(history["monitor/real_mean"])
    variance = history["monitor/real_variance"]
    return (
        Series.empty()
        if not len(variance.values)
        else apart.with_values(np.abs(apart.values) / max(variance.last, 1e-12) ** 0.5)
    )


def variance_shift(history: LogHistory) -> Series:
    """How far the variance of what is trained on is from the data's."""
    series = ratio("signals/real_variance", "monitor/real_variance")(history)
    return series.with_values(np.abs(series.values - 1))


RULES = (
    Rule(
        "wrong-range", Severity.SEVERE, "The data's numbers are not where they should be",
        "Pictures reach the discriminator with numbers outside [-1, 1], or in a part of it, while the generator makes "
        "numbers in [-1, 1]: the discriminator tells them apart by brightness alone. Scale them: x / 127.5 - 1.",
        (
            Criterion("mean of what is trained on", mean_shift, 0.35, 0.2,
                 "what reaches the game is {value:.2f} deviations brighter or darker than the data on disk"),
            Criterion("variance of what is trained on", variance_shift, 0.5, 0.35,
                 "its variance differs from the data's on disk by {value:.0%}"),
        ),
        num_mandatory=2, applies_to=is_image_data,
        min_rounds=0,
    ),
    Rule(
        "constant-data", Severity.SEVERE, "The examples are all the same",
        "What reaches the game does not vary: the same picture again and again. There is nothing to learn.",
        (
            Criterion("variety of what is trained on", signal("signals/real_variance"), 2.5e-5, 1e-4,
                 "at the same place, examples vary by {value:.1e}"),
            Criterion("variety against the data's", ratio("signals/real_variance", "monitor/real_variance"), 0.01, 0.04,
                 "it varies {value:.3f} times as much as the data on disk"),
            Criterion("copies in the data", duplicate_fraction, 0.9, 0.8, "{value:.0%} of the examples are copies", consecutive=1),
        ),
        min_rounds=0,
    ),
    Rule(
        "duplicate-data", Severity.MILD, "Many examples are copies of others",
        "A large part of the data are exact copies: the discriminator sees these again and again, and the generator "
        "makes them too often. `zerosum data` names them.",
        (
            Criterion("copies in the data", duplicate_fraction, 0.2, 0.19, "{value:.0%} of the examples are copies", consecutive=1),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.55, 0.52,
                 "a training example scores above a held-out one in {value:.0%} of pairs", consecutive=2),
            Criterion("variance against the data's", ratio("signals/real_variance", "monitor/real_variance"), 0.81, 0.9,
                 "what is trained on varies {value:.2f} times as much as the data", consecutive=2),
            POOR_COVERAGE,
        ),
        num_mandatory=1, min_criteria=2,
        min_rounds=0,
    ),
    Rule(
        "data-loader-mismatch", Severity.SEVERE, "What is trained on is not the data on disk",
        "What reaches the game differs from the examples on disk: a part of them never comes, or something changes "
        "them on the way.",
        (
            Criterion("variety of what is trained on", ratio("signals/real_variance", "monitor/real_variance"), 0.65, 0.77,
                 "what is trained on varies {value:.2f} times as much as the data on disk", consecutive=3),
            Criterion("mean of what is trained on", mean_shift, 0.15, 0.1,
                 "it is {value:.2f} deviations brighter or darker than the data on disk", consecutive=3),
            Criterion("training against held-out scores", signal("monitor/auc_held_out"), 0.4, 0.45,
                 "held-out examples score above samples in {value:.0%} of pairs", consecutive=3),
        ),
        num_mandatory=0, min_criteria=2,
        min_rounds=0,
    ),
    Rule(
        "too-little-data", Severity.MILD, "There are too few examples",
        "So few examples are soon known by heart, and nobody can make new ones from them. A few thousand are little, a "
        "few hundred need the strongest augmentation, and fewer need more examples.",
        (
            Criterion("examples to train on", num_train_examples, 200, 201, "there are {value:.0f}", consecutive=1),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.6, 0.55,
                 "a training example scores above a held-out one in {value:.0%} of pairs", consecutive=2),
            Criterion("gap between r_t and r_v", difference("monitor/score_sign_train", "monitor/score_sign_held_out"), 0.3, 0.15,
                 "training examples are called real {value:.2f} more than held-out ones (of 2)", consecutive=2),
        ),
        num_mandatory=1, applies_to=generates_from_noise,
        remedy=only_if(is_image_data, set_value("augment.kind", "ada", "what the judge sees is varied as far as it overfits")),
    ),
    Rule(
        "batch-too-small", Severity.MILD, "The batch is too small",
        "A step looks at so few examples that it mostly follows their chance: losses jump, and batch norm has nothing "
        "to average over.",
        (
            Criterion("images in a step", batch_size, 7, 8, "a step looks at {value:.0f} examples", consecutive=1),
            POOR_COVERAGE,
        ),
        # who makes pictures from pictures learns from every pixel of each: a batch of one is usual
        num_mandatory=1, min_criteria=1, remedy=restore_batch_size, applies_to=generates_from_noise,
        min_rounds=0,
    ),
    Rule(
        "saturated-outputs", Severity.MILD, "Samples are pure black and white",
        "Most numbers of the samples lie at the ends of their range, far more than in the data: the last layer is "
        "saturated, and hardly any gradient passes it.",
        (
            Criterion("black and white in samples", difference("monitor/saturated_fraction", "monitor/saturated_fraction_real"), 0.3, 0.2,
                 "{value:.0%} more of their numbers are at the ends of the range than in the data", consecutive=3),
            Criterion("answer to the latent", signal("monitor/latent_sensitivity"), 0.2, 0.3,
                 "samples hardly follow the latent ({value:.2f})", consecutive=3),
            POOR_COVERAGE,
        ),
        applies_to=is_image_data, remedy=restore_recipe_defaults("optimizer", "generator"),
    ),
)  # fmt: skip
