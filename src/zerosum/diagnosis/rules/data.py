"""Rules about the data, and about differences between the dataset and the batches."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.overfitting import ADA_REASON
from zerosum.diagnosis.rules.remedies import only_if, restore_batch_size, restore_recipe_defaults, set_value
from zerosum.diagnosis.rules.shared import POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    constant_signal,
    difference,
    generates_from_latents,
    get_fact,
    get_number,
    has_bounded_values,
    ratio,
    signal,
    supports_augmentation,
)


def duplicate_fraction(history: LogHistory) -> Series:
    """Return the fraction of exact duplicates among the examples."""
    return constant_signal(
        history, get_number(history, ("data", "duplicates"), 0) / max(1, get_number(history, ("data", "count"), 1))
    )


def span_of_levels(history: LogHistory) -> Series:
    """Return the part of 0 to 255 that the levels of images of 8 bits span; all of it where they are not known."""
    levels = get_fact(history, "data", "levels", default=())
    span = (levels[1] - levels[0]) / 255 if isinstance(levels, list) and len(levels) == 2 else 1.0
    return constant_signal(history, span)


def num_train_examples(history: LogHistory) -> Series:
    """Return the number of training examples."""
    return constant_signal(history, get_number(history, ("data", "train"), np.inf))


def batch_size(history: LogHistory) -> Series:
    """Return the batch size."""
    return constant_signal(history, get_number(history, ("settings", "training", "batch_size"), np.inf))


def mean_shift(history: LogHistory) -> Series:
    """Return the distance of the batches' mean from the dataset's, in standard deviations of the dataset."""
    shift = history["signals/real_mean"].minus(history["monitor/real_mean"])
    variance = history["monitor/real_variance"]
    return (
        Series.empty()
        if not len(variance.values)
        else shift.with_values(np.abs(shift.values) / max(variance.last, 1e-12) ** 0.5)
    )


def variance_shift(history: LogHistory) -> Series:
    """Return the relative difference of the batches' variance from the dataset's."""
    series = ratio("signals/real_variance", "monitor/real_variance")(history)
    return series.with_values(np.abs(series.values - 1))


MEAN_MESSAGE = "the mean of the batches is {value:.2f} standard deviations from the dataset's"
VARIANCE_MESSAGE = "the variance of the batches is {value:.2f} times the dataset's"
DUPLICATES_MESSAGE = "{value:.0%} of the examples are exact duplicates"
TRAIN_SCORES_MESSAGE = "a training example scores above a held-out one in {value:.0%} of pairs"
RULES = (
    Rule(
        "wrong-range", Severity.SEVERE, "The data have the wrong value range",
        "Examples reach the discriminator with values outside [-1, 1] or in a part of it, while the generator's lie in "
        "[-1, 1]: the discriminator separates them by their range alone. Scale the data to [-1, 1]; of bytes x this is "
        "x / 127.5 - 1.",
        (
            Criterion("mean of the batches", mean_shift, 0.35, 0.2, MEAN_MESSAGE),
            Criterion("variance of the batches", variance_shift, 0.5, 0.35,
                      "the variance of the batches differs from the dataset's by {value:.0%}"),
        ),
        num_mandatory=2, applies_to=has_bounded_values,
        min_rounds=0,
    ),
    Rule(
        "constant-data", Severity.SEVERE, "All training examples are almost the same",
        "The batches do not vary: they contain the same {noun} again and again, or {noun}s that use almost none of "
        "their range, such as masks of 0 and 1 of 255. There is nothing to learn.",
        (
            Criterion("variance of the batches", signal("signals/real_variance"), 2.5e-5, 1e-4,
                      "the variance at the same position of two examples is {value:.1e}"),
            Criterion("variance relative to the dataset", ratio("signals/real_variance", "monitor/real_variance"),
                      0.01, 0.04, "the variance of the batches is {value:.3f} times the dataset's"),
            Criterion("duplicates in the data", duplicate_fraction, 0.9, 0.8, DUPLICATES_MESSAGE, consecutive=1),
            Criterion("range of the values", span_of_levels, 4 / 255, 8 / 255,
                      "the values of the {noun}s span {value:.1%} of their range", consecutive=1),
        ),
        min_rounds=0,
    ),
    Rule(
        "duplicate-data", Severity.MILD, "Many examples are duplicates",
        "A large part of the data are exact duplicates: the discriminator sees them more often than other examples, "
        "and the generator produces them too often. `zerosum data` lists them.",
        (
            Criterion("duplicates in the data", duplicate_fraction, 0.2, 0.19, DUPLICATES_MESSAGE, consecutive=1),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.55, 0.52,
                      TRAIN_SCORES_MESSAGE, consecutive=2),
            Criterion("variance relative to the dataset", ratio("signals/real_variance", "monitor/real_variance"),
                      0.81, 0.9, VARIANCE_MESSAGE, consecutive=2),
            POOR_COVERAGE,
        ),
        num_mandatory=1, min_criteria=2,
        min_rounds=0,
    ),
    Rule(
        "data-loader-mismatch", Severity.SEVERE, "The batches differ from the dataset",
        "The batches that reach the game differ from the examples on disk: some of these are never loaded, or are "
        "changed after loading.",
        (
            Criterion("variance relative to the dataset", ratio("signals/real_variance", "monitor/real_variance"),
                      0.65, 0.77, VARIANCE_MESSAGE, consecutive=3),
            Criterion("mean of the batches", mean_shift, 0.15, 0.1, MEAN_MESSAGE, consecutive=3),
            Criterion("discriminator AUC on held-out examples", signal("monitor/auc_held_out"), 0.4, 0.45,
                      "a held-out example scores above a sample in {value:.0%} of pairs", consecutive=3),
        ),
        num_mandatory=0, min_criteria=2,
        min_rounds=0,
    ),
    Rule(
        "too-little-data", Severity.MILD, "There are too few training {noun}s",
        "So few {noun}s are soon memorized by the discriminator, and the generator cannot learn new ones from them. "
        "A few thousand {noun}s are little; a few hundred need strong augmentation, where their kind has one, or more.",
        (
            Criterion("number of training examples", num_train_examples, 200, 201,
                      "there are {value:.0f} training {noun}s", consecutive=1),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.6, 0.55,
                      TRAIN_SCORES_MESSAGE, consecutive=2),
            Criterion("mean score sign, training minus held-out",
                      difference("monitor/score_sign_train", "monitor/score_sign_held_out"), 0.3, 0.15,
                      "the mean score sign of training examples is {value:.2f} above that of held-out ones (at most 2)",
                      consecutive=2),
        ),
        num_mandatory=1, applies_to=generates_from_latents,
        remedy=only_if(supports_augmentation, set_value("augment.kind", "ada", ADA_REASON)),
    ),
    Rule(
        "batch-too-small", Severity.MILD, "The batch size is too small",
        "Gradients of so few examples are mostly noise: losses fluctuate, and batch norm has too few examples for its "
        "statistics.",
        (
            Criterion("batch size", batch_size, 7, 8, "the batch size is {value:.0f}", consecutive=1),
            POOR_COVERAGE,
        ),
        # translation learns from every pixel of an image: a batch size of 1 is usual
        num_mandatory=1, min_criteria=1, remedy=restore_batch_size, applies_to=generates_from_latents,
        min_rounds=0,
    ),
    Rule(
        "saturated-outputs", Severity.MILD, "Samples are saturated",
        "Most values of the samples lie at the ends of the range [-1, 1], far more than in the data: the output layer "
        "is saturated and passes hardly any gradient.",
        (
            Criterion("saturated values", difference("monitor/saturated_fraction", "monitor/saturated_fraction_real"),
                      0.3, 0.2, "{value:.0%} more of their values are at the ends of the range than in the data",
                      consecutive=3),
            Criterion("latent sensitivity", signal("monitor/latent_sensitivity"), 0.2, 0.3,
                      "samples hardly change with the latent ({value:.2f})", consecutive=3),
            POOR_COVERAGE,
        ),
        applies_to=has_bounded_values, remedy=restore_recipe_defaults("optimizer", "generator"),
    ),
)  # fmt: skip
