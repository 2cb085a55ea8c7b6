"""Rules about what every row of the log holds: the weights and their changes, scores, and the statistics of samples.

They need no probe, so they hold from the first rows of a run on, and in runs that are too short or have too few
examples to be probed. Where the same finding also follows from probes, its other rule has the same name.
"""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.log import ALWAYS_RIGHT, recent_maximum, recent_minimum, recent_rise
from zerosum.diagnosis.rules.regularization import RESTORE_LOSS_DEFAULTS, logged_penalty_ratio
from zerosum.diagnosis.rules.remedies import (
    combine,
    first_applicable,
    restore_batch_size,
    restore_recipe_defaults,
    scale_gradient_penalties,
    scale_setting,
    set_value,
)
from zerosum.diagnosis.rules.shared import POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    absolute_difference,
    distance_from_equilibrium,
    generates_from_latents,
    has_bounded_values,
    magnitude,
    maximum,
    minimum,
    ratio,
    signal,
)
from zerosum.diagnosis.rules.weights import (
    approach,
    ema_of_initial_weights,
    mismatch,
    norm_change,
    norm_growth,
    parameter_ratio,
    penalty_weight_ratio,
    trained_update,
)

UPDATE_MESSAGE = "a round changes its weights by {value:.1e} of their size"
NORM_MESSAGE = "since the row before, the size of its weights has changed by {value:.1e} of itself"
GAP = "the mean scores of real examples and samples differ by {value:.3f}"
DIFFERENT_VALUES = Criterion(
    "difference of samples from real examples, by variance and contrast",
    recent_minimum(maximum(mismatch("variance"), mismatch("contrast"))), 2.0, 1.5,
    "the variance or the contrast of samples is {value:.1f} times off that of real examples", consecutive=1,
)  # fmt: skip
NO_GAP = Criterion(
    "difference of scores", recent_maximum(absolute_difference("signals/real_score", "signals/fake_score")), 0.1, 0.2,
    GAP, consecutive=1,
)  # fmt: skip
AT_EQUILIBRIUM = Criterion(
    "distance of the discriminator's loss from equilibrium", recent_maximum(distance_from_equilibrium("discriminator")),
    0.02, 0.04, "for long its loss has been within {value:.1%} of its value at the equilibrium", consecutive=1,
)  # fmt: skip
RESTORE_NETWORKS = restore_recipe_defaults("generator", "discriminator")


def frozen_rule(player: str) -> Rule:
    """Return the rule about a player whose weights do not change at all."""
    return Rule(
        f"{player}-not-updating", Severity.SEVERE, f"The {player}'s weights do not change (by the log)",
        f"A round does not change the {player}'s weights: no gradient reaches them, or their learning rate is zero.",
        (
            Criterion(f"update of the {player}", trained_update(player), 1e-9, 1e-8, UPDATE_MESSAGE, consecutive=3),
            Criterion(f"change of the {player}'s norm", norm_change(player), 1e-9, 1e-8, NORM_MESSAGE, consecutive=2),
        ),
        num_mandatory=2, min_rounds=0, remedy=restore_recipe_defaults("optimizer"),
    )  # fmt: skip


RULES = (
    frozen_rule("generator"),
    frozen_rule("discriminator"),
    Rule(
        "learning-rate-too-low", Severity.SEVERE, "The learning rate is far too low",
        "A round changes the weights so little that nothing will be learned: thousands of rounds leave them as they "
        "were initialized. Usual learning rates of Adam are 1e-4 to 2e-3.",
        (
            Criterion("update of the weights", maximum(trained_update("generator"), trained_update("discriminator")),
                      3e-5, 1e-4, "a round changes the weights of either player by at most {value:.1e} of their size",
                      consecutive=3),
            Criterion("change of the weights so far", maximum(norm_growth("generator"), norm_growth("discriminator")),
                      1.01, 1.02, "since the first row the size of the weights has changed by a factor of {value:.4f}",
                      consecutive=3),
        ),
        num_mandatory=2, min_rounds=10,
        remedy=first_applicable(restore_recipe_defaults("optimizer"), scale_setting("optimizer.lr", 100.0, "learns")),
    ),
    Rule(
        "learning-rate-too-high", Severity.SEVERE, "The learning rate is too high (by the log)",
        "Each round changes the weights of a player by a large part of their size, and its weights or losses grow far "
        "beyond the usual: what was learned is overwritten.",
        (
            Criterion("update of the weights", maximum(trained_update("generator"), trained_update("discriminator")),
                      0.05, 0.03, "a round changes the weights of a player by {value:.1%} of their size",
                      consecutive=3),
            Criterion("size of the discriminator's loss", magnitude("discriminator/objective"), 20.0, 10.0,
                      "its loss is {value:.3g}", consecutive=3),
        ),
        num_mandatory=1, min_rounds=20,
        remedy=combine(restore_batch_size, restore_recipe_defaults("optimizer", "terms", "objective"),
                       scale_setting("optimizer.lr", 0.3, "smaller steps do not diverge")),
    ),
    Rule(
        "ema-too-slow", Severity.MILD, "The EMA stays at the initial weights",
        "Samples and exports come from the EMA of the generator's weights. Its half-life is so long that even at the "
        "end of the run it is largely made of the weights before training.",
        (
            Criterion("part of the initial weights at the end of the run", ema_of_initial_weights, 0.5, 0.4,
                      "at the planned end, {value:.0%} of the EMA are still the weights before training",
                      consecutive=1),
            Criterion("distance of the EMA from the weights", signal("weights/ema_distance/generator"), 0.05, 0.03,
                      "the weights and their EMA differ by {value:.0%} of their size"),
        ),
        num_mandatory=2, min_rounds=10, has_safe_remedy=True,
        remedy=first_applicable(
            restore_recipe_defaults("ema"), set_value("ema.half_life", 1000, "a short half-life follows quickly"),
        ),
    ),
    Rule(
        "constant-output", Severity.SEVERE, "All samples are the same",
        "For long, samples have not differed from each other: the generator has died or collapsed completely. Where "
        "their values lie at one end of a range, as of white images, its output layer is saturated and gets no "
        "gradient back: a norm in the generator, a lower learning rate or a smaller weight of what pulls it there "
        "(l1 of a target that is mostly white) keeps it alive.",
        (
            Criterion("variance of samples", recent_maximum(ratio("signals/fake_variance", "signals/real_variance")),
                      0.01, 0.03, "for long, samples have varied at most {value:.4f} times as much as real examples",
                      consecutive=1),
            Criterion("rise of this variance",
                      recent_rise(ratio("signals/fake_variance", "signals/real_variance"), 1e-4), 1.5, 2.0,
                      "recently it is at most {value:.2f} times what it was before", consecutive=1),
            Criterion("contrast of samples", recent_maximum(ratio("signals/fake_contrast", "signals/real_contrast")),
                      0.1, 0.2, "the contrast within samples is at most {value:.3f} times that of real examples",
                      consecutive=1),
            Criterion("saturation of samples", recent_minimum(signal("signals/fake_saturation")), 0.95, 0.9,
                      "at least {value:.0%} of the samples' values are at an end of the range", consecutive=1),
        ),
        num_mandatory=2,
        remedy=combine(restore_batch_size,
                       restore_recipe_defaults("optimizer", "terms", "objective", "game", "generator", "discriminator"),
                       scale_setting("optimizer.lr", 0.3, "smaller steps do not push outputs to the end of the range")),
    ),
    Rule(
        "saturated-outputs", Severity.MILD, "Samples are saturated (by the log)",
        "Most values of the samples lie at the ends of the range [-1, 1], far more than in the data, and samples have "
        "hardly any contrast or hardly differ: the output layer passes hardly any gradient.",
        (
            Criterion("saturation of samples", recent_minimum(signal("signals/fake_saturation")), 0.9, 0.8,
                      "at least {value:.0%} of the samples' values are at an end of the range", consecutive=1),
            DIFFERENT_VALUES,
        ),
        num_mandatory=2, applies_to=has_bounded_values, remedy=restore_recipe_defaults("optimizer", "generator"),
    ),
    Rule(
        "over-regularized", Severity.SEVERE, "A penalty is far larger than the recipe's (by the log)",
        "A penalty of the discriminator has many times the weight that the recipe gives it, and the discriminator's "
        "scores hardly tell real examples from samples, or samples differ much from real examples.",
        (
            Criterion("weight of the penalty", penalty_weight_ratio, 30.0, 20.0,
                      "a penalty's weight is {value:.3g} times the recipe's", consecutive=1),
            NO_GAP,
            Criterion("penalty over objective", recent_minimum(logged_penalty_ratio), 0.5, 0.3,
                      "for long the discriminator's penalties have been {value:.1f} times its loss of the objective",
                      consecutive=1),
            AT_EQUILIBRIUM,
            DIFFERENT_VALUES,
            POOR_COVERAGE,
        ),
        num_mandatory=1, min_criteria=2, min_rounds=50,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS, scale_gradient_penalties(0.1, "a weaker penalty lets the discriminator learn"),
        ),
    ),
    Rule(
        "discriminator-too-weak", Severity.SEVERE, "The discriminator learns nothing (by the log)",
        "The discriminator's scores hardly tell real examples from samples although these differ much: its gradient "
        "penalty may be too strong, its learning rate too low, its network too small, or its loss wrong.",
        (NO_GAP, AT_EQUILIBRIUM, DIFFERENT_VALUES),
        num_mandatory=3, min_criteria=3,
        remedy=restore_recipe_defaults("discriminator", "terms", "optimizer", "game", "objective"),
    ),
    Rule(
        "discriminator-too-strong", Severity.SEVERE, "The discriminator is always right (by the log)",
        "The discriminator is right about all real examples and samples, and samples differ much from real examples: "
        "the generator does not follow. Lower the discriminator's learning rate, penalize its gradient (R1), or "
        "enlarge the generator.",
        (
            Criterion("accuracy of the discriminator",
                      recent_minimum(minimum(signal("signals/real_accuracy"), signal("signals/fake_accuracy"))),
                      0.995, 0.98, "for long it has been right about {value:.1%} of real examples and samples",
                      consecutive=1),
            Criterion("difference of samples from real examples, by variance and contrast",
                      recent_minimum(maximum(mismatch("variance"), mismatch("contrast"))), 3.0, 2.0,
                      "the variance or the contrast of samples is {value:.1f} times off that of real examples",
                      consecutive=1),
            Criterion("approach of the samples", recent_rise(approach, 1e-3), 1.1, 1.2,
                      "in variance and contrast, samples are recently at most {value:.2f} times as close as before",
                      consecutive=1),
        ),
        num_mandatory=3, min_criteria=3,
        remedy=restore_recipe_defaults("optimizer", "game", "discriminator", "generator", "objective", "terms"),
    ),
    Rule(
        "discriminator-too-large", Severity.MILD, "The discriminator is much larger than the generator",
        "The discriminator has many times the weights of the generator, which is too small for what it is asked to "
        "make.",
        (
            Criterion("weights of the discriminator", parameter_ratio, 4.0, 3.0,
                      "it has {value:.0f} times as many as the generator", consecutive=1),
            Criterion("accuracy of the discriminator",
                      minimum(signal("signals/real_accuracy"), signal("signals/fake_accuracy")), 0.8, 0.7,
                      "it is right about {value:.0%} of real examples and samples", consecutive=3),
            ALWAYS_RIGHT,
            DIFFERENT_VALUES,
        ),
        # translation may have few weights in its generator: super-resolution has hardly any
        applies_to=generates_from_latents, has_safe_remedy=True, remedy=RESTORE_NETWORKS,
    ),
)  # fmt: skip
