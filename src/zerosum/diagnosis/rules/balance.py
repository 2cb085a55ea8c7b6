"""Rules about the balance of the game: a player that is too strong, too weak or not updated, and a wrong loss sign."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import first_applicable, restore_recipe_defaults, set_value
from zerosum.diagnosis.rules.shared import FAR_FROM_DATA, NOT_IMPROVING, POOR_COVERAGE
from zerosum.diagnosis.rules.signals import (
    distance_from_equilibrium,
    ratio,
    relative_to_past_median,
    signal,
    update_ratio,
)

DISCRIMINATOR_CONFIDENT = Criterion(
    "discriminator AUC on held-out examples", signal("monitor/auc_held_out"), 0.95, 0.9,
    "a held-out example scores above a sample in {value:.1%} of pairs", consecutive=3,
)  # fmt: skip
RULES = (
    Rule(
        "generator-not-updating", Severity.SEVERE, "The generator's weights do not change",
        "A round does not change the generator's weights: no gradient reaches them, or their learning rate is zero, so "
        "the generator cannot learn.",
        (
            Criterion("update of the generator", update_ratio("generator"), 1e-7, 1e-6,
                      "a round changes its weights by {value:.1e} of their size"),
            Criterion("distance of the EMA generator", signal("monitor/ema_lag"), 1e-6, 1e-4,
                      "samples of the generator and of its EMA are {value:.1e} apart"),
            Criterion("learning rate", signal("lr/generator"), 0.0, 1e-12, "its learning rate is {value:.1e}"),
        ),
        remedy=restore_recipe_defaults("optimizer"),
        min_rounds=0,
    ),
    Rule(
        "discriminator-not-updating", Severity.SEVERE, "The discriminator's weights do not change",
        "A round does not change the discriminator's weights: no gradient reaches them, or their learning rate is "
        "zero. The generator trains against a fixed discriminator.",
        (
            Criterion("update of the discriminator", update_ratio("discriminator"), 1e-7, 1e-6,
                      "a round changes its weights by {value:.1e} of their size"),
            Criterion("discriminator AUC on held-out examples", signal("monitor/auc_held_out"), 0.75, 0.85,
                      "a held-out example scores above a sample in {value:.0%} of pairs"),
            POOR_COVERAGE,
        ),
        remedy=restore_recipe_defaults("optimizer"),
        min_rounds=0,
    ),
    Rule(
        "vanishing-gradient", Severity.SEVERE, "The generator's gradient has vanished",
        "The discriminator is so confident that the generator's loss is flat at its samples. The minimax objective "
        "saturates in this way; the non-saturating, hinge and relativistic objectives do not.",
        (
            Criterion("gradient of the generator's loss over that of the score",
                      ratio("monitor/loss_input_gradient", "monitor/score_input_gradient"), 0.05, 0.1,
                      "the generator's loss keeps {value:.3f} of the gradient of the discriminator's score"),
            NOT_IMPROVING,
            Criterion("probability of samples", signal("monitor/probability_fake"), 0.05, 0.1,
                      "the discriminator gives samples a probability of {value:.3f} of being real"),
            Criterion("growth of the generator's gradient", relative_to_past_median("monitor/grad_norm/generator"),
                      0.1, 0.3, "its gradient is {value:.3f} times its earlier median"),
            POOR_COVERAGE,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(
            restore_recipe_defaults("objective", "optimizer", "game", "terms"),
            set_value("objective.kind", "non-saturating", "its gradient stays large if the discriminator is confident"),
        ),
    ),
    Rule(
        "discriminator-too-strong", Severity.SEVERE, "The discriminator is too strong",
        "The discriminator separates all samples from all real examples while the samples are still poor, so its "
        "scores no longer tell the generator how to improve. Lower its learning rate, penalize its gradient (R1), or "
        "enlarge the generator.",
        (
            DISCRIMINATOR_CONFIDENT,
            POOR_COVERAGE,
            NOT_IMPROVING,
            Criterion("separation of scores", signal("monitor/score_separation_train"), 2.5, 2.0,
                      "real and fake scores are {value:.1f} standard deviations apart"),
        ),
        num_mandatory=3, min_criteria=3,
        remedy=restore_recipe_defaults("optimizer", "game", "discriminator", "generator", "objective", "terms"),
    ),
    Rule(
        "discriminator-too-weak", Severity.SEVERE, "The discriminator is too weak, or broken",
        "The discriminator cannot separate samples from real examples although the samples are still poor, so the "
        "generator gets no useful gradient. The discriminator may be too small, its gradient penalty too strong, or "
        "its loss wrong.",
        (
            FAR_FROM_DATA,
            NOT_IMPROVING,
            Criterion("gradient of the discriminator's score", signal("monitor/score_input_gradient"), 0.03, 0.1,
                      "over the mean distance of two real examples its score changes by {value:.3f}", consecutive=3),
            POOR_COVERAGE,
            Criterion("discriminator AUC on training examples", signal("monitor/auc_train"), 0.6, 0.7,
                      "a training example scores above a sample in {value:.0%} of pairs", consecutive=3),
            Criterion("separation of scores", signal("monitor/score_separation_train"), 0.3, 0.6,
                      "real minus fake score is {value:.2f} standard deviations", consecutive=3),
            Criterion("distance of the discriminator's loss from equilibrium",
                      distance_from_equilibrium("discriminator"), 0.02, 0.05,
                      "its loss is {value:.1%} from its value at the equilibrium", consecutive=3),
        ),
        num_mandatory=2, min_criteria=4,
        remedy=restore_recipe_defaults("discriminator", "terms", "optimizer", "game", "objective"),
    ),
    Rule(
        "wrong-loss-sign", Severity.SEVERE, "A loss has the wrong sign",
        "The discriminator scores samples above real examples, or the generator moves away from what the discriminator "
        "classifies as real: both players optimize the same side of the objective.",
        (
            Criterion("discriminator AUC on training examples", signal("monitor/auc_train"), 0.2, 0.35,
                      "a training example scores above a sample in only {value:.0%} of pairs", consecutive=3),
            Criterion("separation of scores", signal("monitor/score_separation_train"), -1.0, -0.5,
                      "real minus fake score is {value:.1f} standard deviations", consecutive=3),
            NOT_IMPROVING,
        ),
        num_mandatory=3, min_criteria=3, remedy=restore_recipe_defaults("objective"),
    ),
)  # fmt: skip
