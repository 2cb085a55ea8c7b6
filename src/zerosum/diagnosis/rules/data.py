"""What is wrong with the data, or with how they reach the game."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import History, Series
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import as_the_recipe, put, small_batch, where
from zerosum.diagnosis.rules.shared import POOR
from zerosum.diagnosis.rules.signals import always, from_noise, less, number, of, pictures, ratio


def duplicates(history: History) -> Series:
    """The share of examples that are copies."""
    return always(history, number(history, ("data", "duplicates"), 0) / max(1, number(history, ("data", "images"), 1)))


def training(history: History) -> Series:
    """Examples to train on."""
    return always(history, number(history, ("data", "train"), np.inf))


def batch(history: History) -> Series:
    """Images in a step."""
    return always(history, number(history, ("settings", "training", "batch"), np.inf))


def shifted(history: History) -> Series:
    """How far the mean of what is trained on is from the data's, in the data's own deviations."""
    apart = history["signals/real_mean"].minus(history["exam/real_mean"])
    variance = history["exam/real_variance"]
    return (
        Series.empty()
        if not len(variance.values)
        else apart.map(np.abs(apart.values) / max(variance.last, 1e-12) ** 0.5)
    )


def off(history: History) -> Series:
    """How far the variance of what is trained on is from the data's."""
    series = ratio("signals/real_variance", "exam/real_variance")(history)
    return series.map(np.abs(series.values - 1))


RULES = (
    Rule(
        "wrong-range", Severity.SEVERE, "The data's numbers are not where they should be",
        "Pictures reach the discriminator with numbers outside [-1, 1], or in a part of it, while the generator makes "
        "numbers in [-1, 1]: the discriminator tells them apart by brightness alone. Scale them: x / 127.5 - 1.",
        (
            Sign("mean of what is trained on", shifted, 0.35, 0.2,
                 "what reaches the game is {value:.2f} deviations brighter or darker than the data on disk"),
            Sign("variance of what is trained on", off, 0.5, 0.35,
                 "its variance differs from the data's on disk by {value:.0%}"),
        ),
        must=2, applies=pictures,
        after=0,
    ),
    Rule(
        "constant-data", Severity.SEVERE, "The examples are all the same",
        "What reaches the game does not vary: the same picture again and again. There is nothing to learn.",
        (
            Sign("variety of what is trained on", of("signals/real_variance"), 2.5e-5, 1e-4,
                 "at the same place, examples vary by {value:.1e}"),
            Sign("variety against the data's", ratio("signals/real_variance", "exam/real_variance"), 0.01, 0.04,
                 "it varies {value:.3f} times as much as the data on disk"),
            Sign("copies in the data", duplicates, 0.9, 0.8, "{value:.0%} of the examples are copies", hold=1),
        ),
        after=0,
    ),
    Rule(
        "duplicate-data", Severity.MILD, "Many examples are copies of others",
        "A large part of the data are exact copies: the discriminator sees these again and again, and the generator "
        "makes them too often. `zerosum data` names them.",
        (
            Sign("copies in the data", duplicates, 0.2, 0.19, "{value:.0%} of the examples are copies", hold=1),
            Sign("training against held-out scores", of("exam/known"), 0.55, 0.52,
                 "a training example scores above a held-out one in {value:.0%} of pairs", hold=2),
            Sign("variance against the data's", ratio("signals/real_variance", "exam/real_variance"), 0.81, 0.9,
                 "what is trained on varies {value:.2f} times as much as the data", hold=2),
            POOR,
        ),
        must=1, needs=2,
        after=0,
    ),
    Rule(
        "loader-differs", Severity.SEVERE, "What is trained on is not the data on disk",
        "What reaches the game differs from the examples on disk: a part of them never comes, or something changes "
        "them on the way.",
        (
            Sign("variety of what is trained on", ratio("signals/real_variance", "exam/real_variance"), 0.65, 0.77,
                 "what is trained on varies {value:.2f} times as much as the data on disk", hold=3),
            Sign("mean of what is trained on", shifted, 0.15, 0.1,
                 "it is {value:.2f} deviations brighter or darker than the data on disk", hold=3),
            Sign("training against held-out scores", of("exam/auc_unseen"), 0.4, 0.45,
                 "held-out examples score above samples in {value:.0%} of pairs", hold=3),
        ),
        must=0, needs=2,
        after=0,
    ),
    Rule(
        "too-little-data", Severity.MILD, "There are too few examples",
        "So few examples are soon known by heart, and nobody can make new ones from them. A few thousand are little, a "
        "few hundred need the strongest augmentation, and fewer need more examples.",
        (
            Sign("examples to train on", training, 200, 201, "there are {value:.0f}", hold=1),
            Sign("training against held-out scores", of("exam/known"), 0.6, 0.55,
                 "a training example scores above a held-out one in {value:.0%} of pairs", hold=2),
            Sign("gap between r_t and r_v", less("exam/rt", "exam/rv"), 0.3, 0.15,
                 "training examples are called real {value:.2f} more than held-out ones (of 2)", hold=2),
        ),
        must=1, applies=from_noise,
        prescribe=where(pictures, put("augment.kind", "ada", "what the judge sees is varied as far as it overfits")),
    ),
    Rule(
        "batch-too-small", Severity.MILD, "The batch is too small",
        "A step looks at so few examples that it mostly follows their chance: losses jump, and batch norm has nothing "
        "to average over.",
        (
            Sign("images in a step", batch, 7, 8, "a step looks at {value:.0f} examples", hold=1),
            POOR,
        ),
        # who makes pictures from pictures learns from every pixel of each: a batch of one is usual
        must=1, needs=1, prescribe=small_batch, applies=from_noise,
        after=0,
    ),
    Rule(
        "saturated-outputs", Severity.MILD, "Samples are pure black and white",
        "Most numbers of the samples lie at the ends of their range, far more than in the data: the last layer is "
        "saturated, and hardly any gradient passes it.",
        (
            Sign("black and white in samples", less("exam/saturated", "exam/saturated_real"), 0.3, 0.2,
                 "{value:.0%} more of their numbers are at the ends of the range than in the data", hold=3),
            Sign("answer to the latent", of("exam/latent"), 0.2, 0.3,
                 "samples hardly follow the latent ({value:.2f})", hold=3),
            POOR,
        ),
        applies=pictures, prescribe=as_the_recipe("optimizer", "generator"),
    ),
)  # fmt: skip
