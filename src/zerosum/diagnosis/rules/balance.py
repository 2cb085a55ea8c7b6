"""One player too strong or too weak, one that stands still, both on the same side."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import combine, first_applicable, restore_recipe_defaults, set_value
from zerosum.diagnosis.rules.shared import FAR_FROM_DATA, NOT_IMPROVING, POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    distance_from_equilibrium,
    ratio,
    relative_to_past_median,
    signal,
    update_ratio,
)

DISCRIMINATOR_CONFIDENT = Criterion(
    "how well D tells unseen reals from samples", signal("monitor/auc_held_out"), 0.95, 0.9,
    "a held-out example scores above a sample in {value:.1%} of pairs", consecutive=3,
)  # fmt: skip
RESTORE_GAME_DEFAULTS = combine(
    restore_recipe_defaults("optimizer", "game", "discriminator", "generator", "objective", "terms"),
)
RULES = (
    Rule(
        "generator-not-updating", Severity.SEVERE, "The generator does not move",
        "A round changes nothing in the generator's weights: no gradient reaches them, or their learning rate is zero. "
        "Nothing can be learned so.",
        (
            Criterion("the generator's step", update_ratio("generator"), 1e-7, 1e-6,
                 "a round changes its weights by {value:.1e} of their size"),
            Criterion("movement of samples", signal("monitor/ema_lag"), 1e-6, 1e-4,
                 "the playing generator and its average are {value:.1e} apart"),
            Criterion("learning rate", signal("rate/generator"), 0.0, 1e-12, "its learning rate is {value:.1e}"),
        ),
        remedy=restore_recipe_defaults("optimizer"),
        min_rounds=0,
    ),
    Rule(
        "discriminator-not-updating", Severity.SEVERE, "The discriminator does not move",
        "A round changes nothing in the discriminator's weights: no gradient reaches them, or their learning rate is "
        "zero. The generator plays against someone who is not there.",
        (
            Criterion("the discriminator's step", update_ratio("discriminator"), 1e-7, 1e-6,
                 "a round changes its weights by {value:.1e} of their size"),
            Criterion("what D tells apart", signal("monitor/auc_held_out"), 0.75, 0.85,
                 "a held-out example scores above a sample in {value:.0%} of pairs"),
            POOR_COVERAGE,
        ),
        remedy=restore_recipe_defaults("optimizer"),
        min_rounds=0,
    ),
    Rule(
        "vanishing-gradient", Severity.SEVERE, "The generator's gradient has vanished",
        "The discriminator is so sure that the generator's objective is flat: whatever the generator changes, it loses "
        "as much. The minimax objective saturates like this; the non-saturating, hinge and relativistic ones do not.",
        (
            Criterion("the objective's pull on samples", ratio("monitor/loss_input_gradient", "monitor/score_input_gradient"), 0.05, 0.1,
                 "the generator's objective passes on {value:.3f} of the discriminator's slope"),
            NOT_IMPROVING,
            Criterion("certainty", signal("monitor/probability_fake"), 0.05, 0.1, "D gives samples {value:.3f} to be real"),
            Criterion("the generator's gradient", relative_to_past_median("monitor/grad_norm/generator"), 0.1, 0.3,
                 "its gradient is {value:.3f} times what it was"),
            POOR_COVERAGE,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(
            restore_recipe_defaults("objective", "optimizer", "game", "terms"),
            set_value("objective.kind", "non-saturating", "it pulls hardest where the discriminator is surest"),
        ),
    ),
    Rule(
        "discriminator-too-strong", Severity.SEVERE, "The discriminator is too strong",
        "The discriminator tells every sample from every real example, and samples are still poor: it has run away, "
        "and its verdicts no longer say which way is better. Slow it down, hold its slope down by a penalty (R1), or "
        "give the generator more capacity.",
        (
            DISCRIMINATOR_CONFIDENT,
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("distance of scores", signal("monitor/score_separation_train"), 2.5, 2.0,
                 "real and fake scores are {value:.1f} deviations apart"),
        ),
        num_mandatory=3, min_criteria=3, remedy=RESTORE_GAME_DEFAULTS,
    ),
    Rule(
        "discriminator-too-weak", Severity.SEVERE, "The discriminator is too weak, or broken",
        "The discriminator cannot tell samples from real examples although they are still poor: the generator has "
        "nobody to learn from. Its network may be too small, its penalty too strong, or its loss wrong.",
        (
            FAR_FROM_DATA,
            NOT_IMPROVING,
            Criterion("the discriminator's slope", signal("monitor/score_input_gradient"), 0.03, 0.1,
                 "over the distance between two real examples its score changes by {value:.3f}", consecutive=3),
            POOR_COVERAGE,
            Criterion("what D tells apart", signal("monitor/auc_train"), 0.6, 0.7,
                 "a training example scores above a sample in {value:.0%} of pairs", consecutive=3),
            Criterion("distance of scores", signal("monitor/score_separation_train"), 0.3, 0.6,
                 "real and fake scores are {value:.2f} deviations apart", consecutive=3),
            Criterion("the discriminator's loss against the equilibrium's", distance_from_equilibrium("discriminator"), 0.02, 0.05,
                 "its loss is {value:.1%} from what it is where nothing can be told", consecutive=3),
        ),
        num_mandatory=2, min_criteria=4,
        remedy=combine(
            restore_recipe_defaults("discriminator", "terms", "optimizer", "game", "objective"),
        ),
    ),
    Rule(
        "wrong-loss-sign", Severity.SEVERE, "The players play for the same side",
        "The discriminator scores samples above real examples, or the generator walks away from what the "
        "discriminator calls real: one of the two losses has the wrong sign.",
        (
            Criterion("what D tells apart", signal("monitor/auc_train"), 0.2, 0.35,
                 "a training example scores above a sample in only {value:.0%} of pairs", consecutive=3),
            Criterion("distance of scores", signal("monitor/score_separation_train"), -1.0, -0.5,
                 "samples score {value:.1f} deviations above real examples", consecutive=3),
            NOT_IMPROVING,
        ),
        num_mandatory=3, min_criteria=3, remedy=restore_recipe_defaults("objective"),
    ),
)  # fmt: skip
