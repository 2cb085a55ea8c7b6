"""Rules that need only the log: losses that explode, a discriminator loss of 0, a generator loss that only rises.

Probes tell more, but short runs, small datasets and logs of other programs have none.
"""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import combine, restore_batch_size, restore_recipe_defaults, scale_setting
from zerosum.diagnosis.rules.signals import SignalFn, magnitude, minimum, signal

MIN_RECENT_ROWS = 5
"""Minimum number of rows of the log that are recent. Runs have at least 10 rows, unless the user asks for fewer."""
NUM_PARTS = 5
"""Parts of a run whose mean losses are compared."""
MIN_LOSS = 0.5
"""Smaller mean losses are raised to this one, so that a rise from almost 0 does not count."""


def recent_maximum(signal_fn: SignalFn) -> SignalFn:
    """Return the maximum over the last quarter of the rows up to each one, at least `MIN_RECENT_ROWS` of them."""

    def read(history: LogHistory) -> Series:
        series = signal_fn(history)
        last = range(MIN_RECENT_ROWS - 1, len(series.values))
        starts = [index + 1 - max(MIN_RECENT_ROWS, (index + 1) // 4) for index in last]
        values = [series.values[start : index + 1].max() for start, index in zip(starts, last, strict=True)]
        return Series(series.examples[MIN_RECENT_ROWS - 1 :], np.array(values))

    return read


def recent_minimum(signal_fn: SignalFn) -> SignalFn:
    """Return the minimum over the last quarter of the rows up to each one, at least `MIN_RECENT_ROWS` of them."""
    highest = recent_maximum(lambda history: _negative(signal_fn(history)))
    return lambda history: _negative(highest(history))


def recent_rise(signal_fn: SignalFn, smallest: float) -> SignalFn:
    """Return the maximum over the recent rows divided by that of the rows before: about 1 or less where nothing rises.

    Args:
        signal_fn: returns the series.
        smallest: smaller values are raised to this one.
    """

    def read(history: LogHistory) -> Series:
        series = signal_fn(history)
        values = np.maximum(series.values, smallest)
        ends = range(2 * MIN_RECENT_ROWS, len(values) + 1)
        splits = [end - max(MIN_RECENT_ROWS, end // 4) for end in ends]
        ratios = [values[split:end].max() / values[:split].max() for split, end in zip(splits, ends, strict=True)]
        return Series(series.examples[2 * MIN_RECENT_ROWS - 1 :], np.array(ratios))

    return read


def _negative(series: Series) -> Series:
    return series.with_values(-series.values)


def largest_loss(history: LogHistory) -> Series:
    """Return the size of the largest adversarial loss of all players."""
    names = [name for name in sorted(history.names_with_prefix("")) if name.endswith("/objective")]
    all_series = [magnitude(name)(history) for name in names]
    examples = np.unique(np.concatenate([series.examples for series in all_series])) if all_series else np.empty(0)
    largest = np.zeros(len(examples))
    for series in all_series:
        positions = np.searchsorted(examples, series.examples)
        np.maximum.at(largest, positions, series.values)
    return Series(examples, largest)


def steady_rise(name: str) -> SignalFn:
    """Return how many times its mean over the first fifth of the run a signal's mean over the last fifth is.

    It is 0 where the means of the five parts do not rise from each part to the next.
    """

    def read(history: LogHistory) -> Series:
        series = history[name]
        counts = np.arange(2 * NUM_PARTS, len(series.values) + 1)
        sums = np.concatenate([[0.0], np.cumsum(series.values)])
        bounds = counts[:, None] * np.arange(NUM_PARTS + 1) // NUM_PARTS
        means = np.diff(sums[bounds]) / np.diff(bounds)  # (T, NUM_PARTS)
        rises = (np.diff(means) > 0).all(1)
        ratios = np.where(rises, means[:, -1] / np.maximum(means[:, 0], MIN_LOSS), 0.0)
        return Series(series.examples[2 * NUM_PARTS - 1 :], ratios)

    return read


ALWAYS_RIGHT = Criterion(
    "accuracy of the discriminator",
    recent_minimum(minimum(signal("signals/real_accuracy"), signal("signals/fake_accuracy"))), 0.98, 0.9,
    "for long it has been right about {value:.1%} of real examples and samples", consecutive=1,
)  # fmt: skip
RULES = (
    Rule(
        "loss-explosion", Severity.SEVERE, "A loss has exploded",
        "A loss is larger than any objective gives while the players balance each other: scores or weights grow "
        "without bound. Usually the learning rate is too high, or a gradient penalty is missing.",
        (
            Criterion("size of the largest loss", largest_loss, 1e4, 1e3, "a loss is {value:.3g}", consecutive=3),
        ),
        min_criteria=1,
        remedy=combine(restore_batch_size, restore_recipe_defaults("optimizer", "terms", "objective"),
                       scale_setting("optimizer.lr", 0.3, "smaller steps do not diverge")),
        min_rounds=20,
    ),
    Rule(
        "discriminator-loss-zero", Severity.MILD, "The discriminator's loss has long been about 0",
        "The discriminator is right about nearly all real examples and samples, and its loss leaves it nothing to "
        "learn. It tells the generator little about how to improve. Lower its learning rate, penalize its gradient "
        "(R1), or enlarge the generator.",
        (
            Criterion("size of the discriminator's loss", recent_maximum(magnitude("discriminator/objective")),
                      0.02, 0.1, "for long its loss has been at most {value:.4f}", consecutive=1),
            ALWAYS_RIGHT,
        ),
        num_mandatory=2,
        remedy=restore_recipe_defaults("optimizer", "game", "discriminator", "generator", "objective", "terms"),
    ),
    Rule(
        "generator-loss-rising", Severity.MILD, "The generator's loss only rises",
        "Over the whole run the generator's loss has risen, while the discriminator is right about nearly all "
        "examples: the discriminator improves faster than the generator. Look at the samples; if they are poor, lower "
        "the discriminator's learning rate, or penalize its gradient (R1).",
        (
            Criterion("rise of the generator's loss", steady_rise("generator/objective"), 3.0, 2.0,
                      "from the first to the last fifth of the run its loss has grown to {value:.1f} times",
                      consecutive=1),
            ALWAYS_RIGHT,
        ),
        num_mandatory=2,
        remedy=restore_recipe_defaults("optimizer", "game", "discriminator", "generator", "objective", "terms"),
    ),
)  # fmt: skip
