"""What is known by heart: by the discriminator, by the generator."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import combine, first_applicable, only_if, scale_setting, set_value
from zerosum.diagnosis.rules.signals import difference, is_translation, signal, supports_augmentation

ENABLE_ADA = only_if(
    supports_augmentation, set_value("augment.kind", "ada", "what the judge sees is varied as far as it overfits")
)
SLOW_DISCRIMINATOR = only_if(
    is_translation,
    first_applicable(
        scale_setting("optimizer.lr_multipliers.discriminator", 0.5, "it learns by heart more slowly"),
        set_value("optimizer.lr_multipliers.discriminator", 0.5, "it learns by heart more slowly"),
    ),
)
RULES = (
    Rule(
        "discriminator-overfitting", Severity.MILD, "The discriminator knows the training data by heart",
        "It scores training examples above held-out ones: it no longer judges what is real, but what it has seen. The "
        "generator learns nothing more from it. More data helps, or varying what both are judged by (ADA).",
        (
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.7, 0.62,
                 "a training example scores above a held-out one in {value:.0%} of pairs; half would be fair", consecutive=3),
            Criterion("gap between r_t and r_v", difference("monitor/score_sign_train", "monitor/score_sign_held_out"), 0.35, 0.2,
                 "training examples are called real {value:.2f} more than held-out ones (of 2)", consecutive=3),
            Criterion("gap between auc on seen and unseen", difference("monitor/auc_train", "monitor/auc_held_out"), 0.1, 0.05,
                 "it tells seen examples from samples better than unseen ones by {value:.2f}", consecutive=3),
        ),
        remedy=first_applicable(SLOW_DISCRIMINATOR, ENABLE_ADA, combine(scale_setting("augment.target", 0.7, "vary more"))),
    ),
    Rule(
        "memorization", Severity.MILD, "The generator copies training examples",
        "Samples lie nearer to training examples than held-out examples do: they are copies rather than new ones. Few "
        "data, or a generator far too large for them. `zerosum evaluate` shows samples beside their neighbours.",
        (
            Criterion("nearness to training examples", signal("monitor/train_nn_distance_ratio"), 0.6, 0.75,
                 "a sample is {value:.2f} times as far from the nearest training example as a held-out one", consecutive=3),
            Criterion("copies among samples", signal("monitor/near_duplicates"), 0.1, 0.05,
                 "{value:.0%} of the samples have a near copy among them", consecutive=3),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.6, 0.55,
                 "a training example scores above a held-out one in {value:.0%} of pairs", consecutive=3),
        ),
        remedy=ENABLE_ADA,
    ),
)  # fmt: skip
