"""Samples without variety: all alike, some kinds missing, one picture a class, deaf to the latent or to the class."""

from zerosum.diagnosis.finding import Severity
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

LOW_DIVERSITY = Criterion(
    "variety of samples", signal("monitor/diversity"), 0.35, 0.5,
    "two samples are {value:.2f} times as far from each other as two real examples",
)  # fmt: skip
LOW_FEATURE_DIVERSITY = Criterion(
    "variety in the discriminator's eyes", signal("monitor/feature_diversity"), 0.35, 0.5,
    "to the discriminator samples differ {value:.2f} times as much as real examples",
)  # fmt: skip
NEAR_DUPLICATES = Criterion(
    "copies among samples",
    signal("monitor/near_duplicates"),
    0.5,
    0.25,
    "{value:.0%} of the samples have a near copy among them",
)
LOW_COVERAGE = Criterion(
    "coverage against real examples'", ratio("monitor/coverage", "monitor/coverage_floor"), 0.3, 0.45,
    "samples come near {value:.0%} of the held-out examples that real ones come near",
)  # fmt: skip
STABILIZE_TRAINING = combine(
    restore_batch_size,
    first_applicable(restore_recipe_defaults("optimizer", "terms", "objective", "game", "generator", "discriminator")),
    scale_setting("optimizer.lr", 0.5, "both move slower, so that each can follow the other"),
)
RULES = (
    Rule(
        "latent-ignored", Severity.SEVERE, "The generator ignores its latent",
        "Whatever latent goes in, the same sample comes out. Either the latent does not reach the network (a layer "
        "multiplies it by zero, or it is never passed on), or the generator has collapsed so far that nothing of it "
        "is left. Look at how the latent enters the generator first.",
        (
            Criterion("answer to the latent", signal("monitor/latent_sensitivity"), 0.01, 0.03,
                 "moving the latent moves samples by {value:.4f} of the distance between real examples"),
            Criterion("variety of samples", signal("monitor/diversity"), 0.02, 0.05,
                 "two samples are {value:.4f} times as far from each other as two real examples"),
        ),
        num_mandatory=2, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "mode-collapse", Severity.SEVERE, "Mode collapse: samples are nearly all alike",
        "The generator has found one or a few samples that the discriminator takes for real, and makes nothing else. "
        "The discriminator gives no reason to vary them: it judges each by itself, or has lost the game. A gentler "
        "learning rate, a penalty on the discriminator's slope (R1), or a relativistic objective bring variety back.",
        (LOW_DIVERSITY, NOT_IMPROVING, LOW_FEATURE_DIVERSITY, NEAR_DUPLICATES, LOW_COVERAGE), num_mandatory=2, min_criteria=4, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "partial-mode-collapse", Severity.MILD, "Samples vary less than the data",
        "Samples are of several kinds, but closer together than real examples are: part of the data's variety is "
        "missing. Often a stage on the way to mode collapse, sometimes only an early stage of training.",
        (
            Criterion("variety of samples", signal("monitor/diversity"), 0.7, 0.8,
                 "two samples are {value:.2f} times as far from each other as two real examples", consecutive=3),
            NOT_IMPROVING,
            Criterion("copies among samples", signal("monitor/near_duplicates"), 0.1, 0.05,
                 "{value:.0%} of the samples have a near copy among them", consecutive=3),
            Criterion("coverage against real examples'", ratio("monitor/coverage", "monitor/coverage_floor"), 0.5, 0.65,
                 "samples come near {value:.0%} of the held-out examples that real ones come near", consecutive=3),
        ),
        num_mandatory=2, min_criteria=3, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "missing-modes", Severity.MILD, "Some kinds of examples are not made",
        "Kinds of the data (classes, or clusters where there are none) hardly occur among the samples, while others "
        "are made too often. `zerosum evaluate` shows a gallery of what is missing.",
        (
            Criterion("kinds that are not made", ratio("monitor/missing_modes", "monitor/num_modes"), 0.12, 0.06,
                 "{value:.0%} of the kinds of examples are hardly made", consecutive=3),
            NOT_IMPROVING,
            Criterion("unevenness of kinds", signal("monitor/mode_js_divergence"), 0.12, 0.08,
                 "the shares of kinds are {value:.2f} nats from the data's", consecutive=3),
        ),
        num_mandatory=2, min_criteria=3, remedy=STABILIZE_TRAINING,
    ),
    Rule(
        "class-collapse", Severity.MILD, "A class is always the same picture",
        "Asked for a class, the generator makes nearly the same sample each time: variety between classes is there, "
        "within a class it is lost. Usual where a classifier's term pulls too hard: samples that are easiest to "
        "classify win.",
        (
            Criterion("variety within the least varied class", signal("monitor/min_class_diversity"), 0.3, 0.45,
                 "within a class samples differ {value:.2f} times as much as real ones", consecutive=3),
            NOT_IMPROVING,
            Criterion("variety within the usual class", signal("monitor/median_class_diversity"), 0.5, 0.65,
                 "within the usual class samples differ {value:.2f} times as much as real ones", consecutive=3),
            NEAR_DUPLICATES,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=combine(
            restore_recipe_defaults("terms", "generator.condition", "discriminator.condition"),
            scale_setting("terms.classify_fake.weight", 0.1, "less pull towards what is easy to classify"),
        ),
    ),
    Rule(
        "condition-ignored", Severity.MILD, "The class asked for is ignored",
        "Samples do not depend on the class they are asked to be of, or the discriminator cannot tell a right class "
        "from a wrong one. Either the labels say nothing about the data (are they shuffled against the pictures?), or "
        "the class does not reach both networks.",
        (
            Criterion("obedience", ratio("monitor/class_consistency", "monitor/class_consistency_real"), 0.5, 0.65,
                 "samples are of the class asked for {value:.2f} times as often as reals are of theirs", consecutive=3),
            Criterion("right classes in the discriminator's eyes", signal("monitor/class_ranking_accuracy"), 0.6, 0.7,
                 "a held-out example scores higher with its own class than another in {value:.0%} of cases", consecutive=3),
            Criterion("the discriminator's ear for classes", signal("monitor/discriminator_class_sensitivity"), 0.1, 0.2,
                 "another class changes its verdict by {value:.2f} of a score's deviation", consecutive=3),
            Criterion("the generator's answer to the class", ratio("monitor/generator_class_sensitivity", "monitor/diversity", 1e-6), 0.75, 0.85,
                 "another class changes a sample {value:.2f} times as much as another latent does", consecutive=3),
            Criterion("kinds of samples", signal("monitor/mode_js_divergence"), 0.3, 0.2,
                 "the shares of kinds are {value:.2f} nats from the data's", consecutive=3),
        ),
        remedy=first_applicable(
            restore_recipe_defaults("generator.condition", "discriminator.condition"),
            only_if(
                lambda history: get_fact(history, "settings", "discriminator", "condition") == "concat",
                set_value("discriminator.condition", "projection", "the judge weighs the class by its features"),
            ),
        ),
    ),
)  # fmt: skip
