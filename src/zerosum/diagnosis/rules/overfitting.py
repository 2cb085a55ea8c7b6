"""Rules about overfitting: a discriminator that memorizes training examples, a generator that copies them."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import first_applicable, only_if, scale_setting, set_value
from zerosum.diagnosis.rules.signals import difference, is_translation, signal, supports_augmentation

ADA_REASON = "augments the discriminator's inputs as far as it overfits"
SLOW_REASON = "the discriminator memorizes more slowly"
ENABLE_ADA = only_if(supports_augmentation, set_value("augment.kind", "ada", ADA_REASON))
SLOW_DISCRIMINATOR = only_if(
    is_translation,
    first_applicable(
        scale_setting("optimizer.lr_multipliers.discriminator", 0.5, SLOW_REASON),
        set_value("optimizer.lr_multipliers.discriminator", 0.5, SLOW_REASON),
    ),
)
COPIES = Rule(
    "memorization", Severity.MILD, "The generator copies training {noun}s",
    "Samples are nearer to training {noun}s than held-out {noun}s are: they are copies, not new samples. The "
    "dataset is small, or the generator is far too large for it. `zerosum evaluate` shows samples with their "
    "nearest training examples.",
    (
        Criterion("distance to training examples", signal("monitor/train_nn_distance_ratio"), 0.6, 0.75,
                  "a sample is {value:.2f} times as far from the nearest training example as a held-out one",
                  consecutive=3),
        Criterion("near duplicates among samples", signal("monitor/near_duplicates"), 0.1, 0.05,
                  "{value:.0%} of the samples have a near duplicate among them", consecutive=3),
        Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.6, 0.55,
                  "a training example scores above a held-out one in {value:.0%} of pairs", consecutive=3),
    ),
    remedy=ENABLE_ADA,
)  # fmt: skip
RULES = (
    Rule(
        "discriminator-overfitting", Severity.MILD, "The discriminator overfits the training data",
        "The discriminator scores training examples above held-out examples: it has memorized them, and its scores no "
        "longer guide the generator. More data help, and augmentation of its inputs (ADA) where their kind has one.",
        (
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.7, 0.62,
                      "a training example scores above a held-out one in {value:.0%} of pairs; 50% without overfitting",
                      consecutive=3),
            Criterion("mean score sign, training minus held-out",
                      difference("monitor/score_sign_train", "monitor/score_sign_held_out"), 0.35, 0.2,
                      "the mean score sign of training examples is {value:.2f} above that of held-out ones (at most 2)",
                      consecutive=3),
            Criterion("discriminator AUC, training minus held-out",
                      difference("monitor/auc_train", "monitor/auc_held_out"), 0.1, 0.05,
                      "the AUC on training examples is {value:.2f} above that on held-out ones", consecutive=3),
        ),
        remedy=first_applicable(SLOW_DISCRIMINATOR, ENABLE_ADA,
                                scale_setting("augment.target", 0.7, "stronger augmentation")),
    ),
    COPIES,
    Rule(
        "early-memorization", Severity.MILD, "The generator draws near to training {noun}s",
        "Samples are nearer to training {noun}s than to held-out ones, and nearer than held-out {noun}s are, and the "
        "discriminator knows the training {noun}s: the generator begins to copy them. The dataset is small, the "
        "networks are too large for it, or the training is too long.",
        (
            Criterion("held-out examples nearest to samples", signal("monitor/nearest_held_out_ratio"), 0.65, 0.8,
                      "a held-out {noun} is the nearest real one {value:.2f} times as often as by chance",
                      consecutive=3),
            Criterion("training against held-out scores", signal("monitor/auc_train_vs_held_out"), 0.8, 0.7,
                      "a training {noun} scores above a held-out one in {value:.0%} of pairs", consecutive=3),
            Criterion("distance to training examples", signal("monitor/train_nn_distance_ratio"), 0.95, 0.98,
                      "a sample is {value:.2f} times as far from the nearest training {noun} as a held-out one",
                      consecutive=3),
        ),
        min_criteria=3, num_mandatory=3, remedy=ENABLE_ADA,
        applies_to=lambda history: COPIES(history) is None,
    ),
)  # fmt: skip
