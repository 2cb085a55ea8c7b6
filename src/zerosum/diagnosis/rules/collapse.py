"""Rules about diversity: mode collapse, missing modes, and ignored latents or classes."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import (
    combine,
    first_applicable,
    only_if,
    restore_batch_size,
    restore_recipe_defaults,
    scale_setting,
    set_value,
)
from zerosum.diagnosis.rules.shared import NOT_IMPROVING
from zerosum.diagnosis.rules.signals import get_fact, ratio, signal


def uses_concat_condition(history: LogHistory) -> bool:
    """Return whether the discriminator gets the class by concatenation."""
    return get_fact(history, "settings", "discriminator", "condition") == "concat"


DIVERSITY_MESSAGE = "the mean distance of two samples is {value:.2f} of that of two real examples"
DUPLICATES_MESSAGE = "{value:.0%} of the samples have a near duplicate among them"
COVERAGE_MESSAGE = "samples cover {value:.0%} of the held-out examples that real examples cover"
LOW_DIVERSITY = Criterion("sample diversity", signal("monitor/diversity"), 0.35, 0.5, DIVERSITY_MESSAGE)
LOW_FEATURE_DIVERSITY = Criterion(
    "diversity in the discriminator's features", signal("monitor/feature_diversity"), 0.35, 0.5,
    "in the discriminator's features, samples vary {value:.2f} times as much as real examples",
)  # fmt: skip
NEAR_DUPLICATES = Criterion(
    "near duplicates among samples", signal("monitor/near_duplicates"), 0.5, 0.25, DUPLICATES_MESSAGE
)
LOW_COVERAGE = Criterion(
    "coverage relative to the floor", ratio("monitor/coverage", "monitor/coverage_floor"), 0.3, 0.45, COVERAGE_MESSAGE
)
STABILIZE_TRAINING = combine(
    restore_batch_size,
    restore_recipe_defaults("optimizer", "terms", "objective", "game", "generator", "discriminator"),
    scale_setting("optimizer.lr", 0.5, "slower updates, so that each player can follow the other"),
)
RULES = (
    Rule(
        "latent-ignored", Severity.SEVERE, "The generator ignores its latent",
        "All latents give the same sample. Either the latent does not reach the network (it is multiplied by zero or "
        "not passed on), or the generator has collapsed completely. Check first how the latent enters the generator.",
        (
            Criterion("latent sensitivity", signal("monitor/latent_sensitivity"), 0.01, 0.03,
                      "a unit change of the latent moves samples by {value:.4f} of the mean distance of real examples"),
            Criterion("sample diversity", signal("monitor/diversity"), 0.02, 0.05,
                      "the mean distance of two samples is {value:.4f} of that of two real examples"),
        ),
        num_mandatory=2, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "mode-collapse", Severity.SEVERE, "Mode collapse: samples are nearly all alike",
        "The generator produces only one or a few samples that the discriminator classifies as real. The "
        "discriminator, which scores each sample by itself or has lost the game, gives it no reason to vary them. A "
        "lower learning rate, a gradient penalty on the discriminator (R1), or a relativistic objective restores "
        "diversity.",
        (LOW_DIVERSITY, NOT_IMPROVING, LOW_FEATURE_DIVERSITY, NEAR_DUPLICATES, LOW_COVERAGE),
        num_mandatory=2, min_criteria=4, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "partial-mode-collapse", Severity.MILD, "Partial mode collapse: samples vary less than the data",
        "Samples have several modes, but are closer together than real examples: part of the data's diversity is "
        "missing. This often precedes mode collapse, and sometimes passes early in training.",
        (
            Criterion("sample diversity", signal("monitor/diversity"), 0.7, 0.8, DIVERSITY_MESSAGE, consecutive=3),
            NOT_IMPROVING,
            Criterion("near duplicates among samples", signal("monitor/near_duplicates"), 0.1, 0.05,
                      DUPLICATES_MESSAGE, consecutive=3),
            Criterion("coverage relative to the floor", ratio("monitor/coverage", "monitor/coverage_floor"), 0.5, 0.65,
                      COVERAGE_MESSAGE, consecutive=3),
        ),
        num_mandatory=2, min_criteria=3, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "missing-modes", Severity.MILD, "Some modes of the data are missing",
        "Some modes of the data (classes, or clusters where there are none) hardly occur among the samples, while "
        "others occur too often. `zerosum evaluate` shows examples of the missing modes.",
        (
            Criterion("fraction of missing modes", ratio("monitor/missing_modes", "monitor/num_modes"), 0.12, 0.06,
                      "{value:.0%} of the modes are hardly generated", consecutive=3),
            NOT_IMPROVING,
            Criterion("Jensen-Shannon divergence of modes", signal("monitor/mode_js_divergence"), 0.12, 0.08,
                      "the divergence of the mode frequencies from the data's is {value:.2f} nats", consecutive=3),
        ),
        num_mandatory=2, min_criteria=3, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "class-collapse", Severity.MILD, "Mode collapse within a class",
        "For one class the generator produces nearly the same sample each time: classes differ, but there is no "
        "diversity within a class. This is common where the weight of a classifier term is too high: it favors samples "
        "that are easy to classify.",
        (
            Criterion("diversity of the least diverse class", signal("monitor/min_class_diversity"), 0.3, 0.45,
                      "within this class, samples vary {value:.2f} times as much as real examples", consecutive=3),
            NOT_IMPROVING,
            Criterion("diversity of the median class", signal("monitor/median_class_diversity"), 0.5, 0.65,
                      "within the median class, samples vary {value:.2f} times as much as real examples",
                      consecutive=3),
            NEAR_DUPLICATES,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=combine(
            restore_recipe_defaults("terms", "generator.condition", "discriminator.condition"),
            scale_setting("terms.classify_fake.weight", 0.1, "less preference for samples that are easy to classify"),
        ),
    ),
    Rule(
        "condition-ignored", Severity.MILD, "The class condition is ignored",
        "Samples do not depend on the requested class, or the discriminator cannot distinguish right from wrong "
        "classes. Either the labels do not match the data (are they shuffled?), or the class does not reach both "
        "networks.",
        (
            Criterion("class consistency", ratio("monitor/class_consistency", "monitor/class_consistency_real"),
                      0.5, 0.65, "samples match the requested class {value:.2f} times as often as real examples",
                      consecutive=3),
            Criterion("class ranking of the discriminator", signal("monitor/class_ranking_accuracy"), 0.6, 0.7,
                      "a held-out example scores higher with its own class than with another in {value:.0%} of cases",
                      consecutive=3),
            Criterion("class sensitivity of the discriminator", signal("monitor/discriminator_class_sensitivity"),
                      0.1, 0.2, "another class changes its score by {value:.2f} standard deviations", consecutive=3),
            Criterion("class sensitivity of the generator",
                      ratio("monitor/generator_class_sensitivity", "monitor/diversity", 1e-6), 0.75, 0.85,
                      "another class changes a sample {value:.2f} times as much as another latent", consecutive=3),
            Criterion("Jensen-Shannon divergence of modes", signal("monitor/mode_js_divergence"), 0.3, 0.2,
                      "the divergence of the mode frequencies from the data's is {value:.2f} nats", consecutive=3),
        ),
        remedy=first_applicable(
            restore_recipe_defaults("generator.condition", "discriminator.condition"),
            only_if(uses_concat_condition,
                    set_value("discriminator.condition", "projection", "the class weights the features of the input")),
        ),
    ),
)  # fmt: skip
