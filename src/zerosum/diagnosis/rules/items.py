"""Rules about samples that may be invalid or equal: few are valid, they repeat, their properties differ from real ones
or from what was asked for, they are copies, or the autoencoder that makes them rebuilds few examples.
"""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.collapse import STABILIZE_TRAINING
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import (
    combine,
    only_if,
    restore_recipe_defaults,
    scale_setting,
)
from zerosum.diagnosis.rules.signals import get_fact, get_number, ratio, signal

LATE_FRACTION = 0.5
"""Fraction of the training from which samples should be good, counted from the first probe that had samples."""
LAST_FRACTION = 0.9
"""Fraction of the autoencoder's stage from which it should rebuild examples."""
VALID_MESSAGE = "{value:.0%} of the samples are valid {noun}s, before any is drawn again"


def is_late(history: LogHistory) -> bool:
    """Return whether at least half of the training that samples come from is over; True if its end is not known."""
    probed = history["monitor/valid"].examples
    total = get_number(history, ("settings", "training", "examples"), 0.0)
    return len(probed) > 0 and history.examples >= probed[0] + LATE_FRACTION * (total - probed[0])


def is_early(history: LogHistory) -> bool:
    """Return whether less than half of the training that samples come from is over."""
    return not is_late(history)


def was_measured_late(history: LogHistory) -> bool:
    """Return whether the autoencoder was last measured at the end of its stage, or this end is not known."""
    measured = history["monitor/exact_reconstructions"].examples
    total = get_number(history, ("settings", "training", "examples"), 0.0)
    fraction = get_number(history, ("settings", "game", "autoencoder", "fraction"), 0.0)
    end = get_number(history, ("settings", "game", "autoencoder", "examples"), fraction * total)
    return len(measured) > 0 and bool(measured[-1] >= LAST_FRACTION * end)


def has_autoencoder(history: LogHistory) -> bool:
    """Return whether samples are decoded from the codes of an autoencoder."""
    return bool(get_fact(history, "settings", "autoencoder", default={}))


def name_shifted(history: LogHistory) -> str:
    """Return a sentence that names the properties whose means differ; "" if there are none."""
    names = history.text_values.get("monitor/names_of_shifted_properties", "")
    return f"They differ in {names}." if names else ""


def name_ignored(history: LogHistory) -> str:
    """Return a sentence that names the properties that are ignored; "" if there are none."""
    names = history.text_values.get("monitor/names_of_ignored_properties", "")
    return f"Ignored: {names}." if names else ""


RESTORE_RECIPE = restore_recipe_defaults(
    "autoencoder", "game", "generator", "discriminator", "terms", "objective", "optimizer"
)
RULES = (
    Rule(
        "invalid-samples", Severity.NOTE, "Few samples are valid {noun}s so far",
        "This is usual at the beginning; their fraction, monitor/valid in the log, should rise until the end.",
        (
            Criterion("valid samples", signal("monitor/valid"), 0.5, 0.6, VALID_MESSAGE),
        ),
        min_criteria=1, applies_to=is_early,
    ),
    Rule(
        "invalid-samples", Severity.MILD, "Many samples are no valid {noun}s",
        "An invalid sample is drawn again when samples are written, which takes time and favors what is easy to draw. "
        "The networks have learned too little of what makes {noun}s valid: train longer (`budget` or `examples`), "
        "with larger networks (`size`) or on more {noun}s, or start from a run on many; a few hundred {noun}s are too "
        "few. At a lower `temperature` when sampling, or `autoencoder.temperature`, where samples are drawn from "
        "probabilities, more of them are valid, and they differ less.",
        (
            Criterion("valid samples", signal("monitor/valid"), 0.9, 0.93, VALID_MESSAGE),
        ),
        min_criteria=1, applies_to=is_late,
        severe_if=Criterion("valid samples", signal("monitor/valid"), 0.5, 0.6, VALID_MESSAGE),
        remedy=RESTORE_RECIPE,
    ),
    Rule(
        "repeated-samples", Severity.MILD, "Mode collapse: samples repeat",
        "Many valid samples are exactly the same {noun}, far more than among real ones: the generator has collapsed, "
        "or samples are drawn at so low a `temperature` that different latents end in the same {noun}.",
        (
            Criterion("different samples relative to the floor", ratio("monitor/unique", "monitor/unique_floor"),
                      0.9, 0.95, "{value:.0%} of the valid samples are different, relative to as many real {noun}s",
                      consecutive=3),
        ),
        min_criteria=1, remedy=STABILIZE_TRAINING,
        severe_if=Criterion("different samples relative to the floor", ratio("monitor/unique", "monitor/unique_floor"),
                            0.5, 0.6, "{value:.0%} of the valid samples are different"),
    ),
    Rule(
        "shifted-properties", Severity.MILD, "Samples have other properties than real {noun}s",
        "The mean of a property over valid samples is far from that over held-out {noun}s, in standard deviations of "
        "these: they are valid, but of another sort. This is usual where only what is easy to draw is valid, or where "
        "the game has not come far: see to other findings first, train longer (`budget` or `examples`), or use larger "
        "networks (`size`).",
        (
            Criterion("largest difference of a property", signal("monitor/largest_property_shift"), 0.5, 0.35,
                      "the mean of a property is {value:.2f} standard deviations from that of real {noun}s",
                      consecutive=3),
        ),
        min_criteria=1, applies_to=is_late, detail=name_shifted, remedy=RESTORE_RECIPE,
        severe_if=Criterion("largest difference of a property", signal("monitor/largest_property_shift"), 1.5, 1.2,
                            "the mean of a property is {value:.2f} standard deviations from that of real {noun}s",
                            consecutive=3),
    ),
    Rule(
        "given-ignored", Severity.MILD, "A property that is asked for is ignored",
        "Samples that were asked for a low and for a high value of a property hardly differ in it. Both players, and "
        "an autoencoder if there is one, should be told what is given (their `condition` is `given`), of enough "
        "{noun}s (`data.given`, the fraction), and the property should be known of many of them; then longer training "
        "helps.",
        (
            Criterion("least change of a property with what is asked for", signal("monitor/least_given_slope"),
                      0.3, 0.4, "per unit that is asked for, a property changes by {value:.2f}", consecutive=3),
        ),
        min_criteria=1, applies_to=is_late, detail=name_ignored,
        remedy=restore_recipe_defaults(
            "generator.condition", "discriminator.condition", "autoencoder.condition", "data.given"
        ),
    ),
    Rule(
        "memorization", Severity.MILD, "The generator copies training {noun}s exactly",
        "Many samples are exactly training {noun}s, far more often than they are held-out ones, which a generator that "
        "has memorized none meets as often. There are too few {noun}s for such large networks (`size`), or for so long "
        "a training (`examples`).",
        (
            Criterion("copies beyond chance", signal("monitor/memorized_fraction"), 0.2, 0.12,
                      "{value:.0%} of the samples are training {noun}s beyond what held-out ones explain",
                      consecutive=3),
        ),
        min_criteria=1,
        remedy=only_if(has_autoencoder,
                       scale_setting("game.autoencoder.noise", 1.5, "codes carry less detail of training examples")),
    ),
    Rule(
        "poor-reconstruction", Severity.MILD, "The autoencoder rebuilds few held-out {noun}s",
        "At the end of its stage the autoencoder rebuilds too few {noun}s exactly that it was not trained on: codes do "
        "not say all of them, and generator and discriminator play on codes. It needs a longer stage "
        "(`game.autoencoder.fraction`), larger codes or networks (`autoencoder.code_size`, `decoder_width`, `size`), "
        "less noise on the codes, or more {noun}s.",
        (
            Criterion("exact reconstructions", signal("monitor/exact_reconstructions"), 0.7, 0.75,
                      "{value:.0%} of the held-out {noun}s are rebuilt exactly", consecutive=1),
        ),
        min_criteria=1, applies_to=was_measured_late,
        remedy=combine(
            restore_recipe_defaults("autoencoder", "game.autoencoder"),
            scale_setting("game.autoencoder.noise", 0.7, "codes carry more detail"),
        ),
    ),
)  # fmt: skip
