"""Rules about image-to-image translation: copied, inverted or ignored inputs, checkerboards and steganography."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory, Series
from zerosum.diagnosis.rules.balance import DISCRIMINATOR_CONFIDENT
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.remedies import (
    combine,
    first_applicable,
    only_if,
    restore_recipe_defaults,
    scale_gradient_penalties,
    scale_setting,
    set_value,
)
from zerosum.diagnosis.rules.signals import (
    difference,
    get_fact,
    is_translation,
    maximum,
    minimum,
    ratio,
    rise_ratio,
    signal,
    stall_ratio,
)


def is_translation_with_constant_adversarial_weight(history: LogHistory) -> bool:
    """Return whether the generator's adversarial loss has a constant weight above 0 from the start."""
    weight = get_fact(history, "settings", "game", "adversarial_weight", default=1.0)
    return is_translation(history) and isinstance(weight, int | float) and weight > 0


def paired_auc(history: LogHistory) -> Series:
    """Return the discriminator's AUC of targets against outputs, for paired data."""
    return history["monitor/auc_held_out"] if len(history["monitor/l1_over_mean_image_l1"].values) else Series.empty()


def is_unpaired(history: LogHistory) -> bool:
    """Return whether the training data are unpaired."""
    return get_fact(history, "settings", "data", "pairs") == "unpaired"


def has_unconditional_discriminator(history: LogHistory) -> bool:
    """Return whether the discriminator does not see the input although it could."""
    unconditional = get_fact(history, "settings", "discriminator", "concat_input") is False
    paired = get_fact(history, "settings", "data", "pairs") == "paired"
    return unconditional and paired and not get_fact(history, "settings", "game", "replay_buffer", default=0)


def uses_instance_norm(history: LogHistory) -> bool:
    """Return whether the generator normalizes each feature map to zero mean and unit deviation."""
    return get_fact(history, "settings", "generator", "norm") == "instance"


MEAN_IMAGE_MESSAGE = "outputs are {value:.2f} times as far from the targets as the mean target is"
L1_REASON = "a larger weight of the distance from targets"
IDENTITY_REASON = "the identity term keeps the colors of images of the target domain"
DISCRIMINATOR_SEPARATES = Criterion(
    "discriminator AUC on held-out targets", signal("monitor/auc_held_out"), 0.9, 0.85,
    "a held-out target scores above an output in {value:.1%} of pairs", consecutive=3,
)  # fmt: skip
WORSE_THAN_MEAN_IMAGE = Criterion(
    "L1 error relative to the mean target", signal("monitor/l1_over_mean_image_l1"), 1.0, 0.95,
    MEAN_IMAGE_MESSAGE, consecutive=3,
)  # fmt: skip
RESTORE_LOSS_DEFAULTS = restore_recipe_defaults("terms", "game", "objective")
RULES = (
    Rule(
        "output-copies-input", Severity.MILD, "The output is a copy of the input",
        "The generator copies its input: outputs hardly differ from their inputs, and the difference no longer grows. "
        "A term that keeps the input (identity, cycle, patch NCE) has a higher weight than the terms that change it, "
        "or the discriminator gives no useful gradient.",
        (
            Criterion("change from the input", signal("monitor/change_from_input"), 0.08, 0.15,
                      "outputs differ from their inputs {value:.3f} times as much as targets do", consecutive=3),
            Criterion("rise of this change", rise_ratio("monitor/change_from_input"), 1.15, 1.4,
                      "recently it is {value:.2f} times its maximum before"),
            Criterion("L1 error relative to the input", signal("monitor/l1_over_input_l1"), 0.9, 0.8,
                      "outputs are {value:.2f} times as far from the targets as inputs are", consecutive=3),
            DISCRIMINATOR_SEPARATES,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS,
            combine(
                scale_setting("terms.identity.weight", 0.2, "a smaller weight of keeping images unchanged"),
                scale_setting("terms.cycle.weight", 0.5, "a copy has the smallest cycle error"),
                scale_setting("terms.patch_nce.weight", 0.5, "a smaller weight of keeping each patch"),
                scale_setting("terms.l1.weight", 3.0, L1_REASON),
                scale_setting("game.adversarial_weight", 2.0, "a larger weight of the target domain"),
            ),
        ),
    ),
    Rule(
        "colors-inverted", Severity.MILD, "Brightness or colors are inverted",
        "Bright areas become dark, or colors their opposites. Without pairs, only the identity term prevents this: a "
        "cycle inverts them back, and both look real. Severe with paired data if the mean target would be nearer to "
        "the targets. If the target domain consists of negatives, this is right.",
        (
            # probes of bidirectional games are expensive, so rare, and use the same images: two values are enough
            Criterion("brightness or color correlation within images",
                      minimum(signal("monitor/brightness_correlation"), signal("monitor/color_correlation")),
                      -0.4, -0.2, "the lower correlation with the reference is {value:.2f}", consecutive=2),
            Criterion("brightness or color correlation between images",
                      minimum(signal("monitor/brightness_correlation_between"),
                              signal("monitor/color_correlation_between")),
                      -0.5, -0.3, "the lower correlation of the image means is {value:.2f}", consecutive=2),
            Criterion("brightness and color correlation within images",
                      maximum(signal("monitor/brightness_correlation"), signal("monitor/color_correlation")),
                      -0.2, -0.1, "the higher correlation with the reference is {value:.2f}", consecutive=2),
            WORSE_THAN_MEAN_IMAGE,
            Criterion("discriminator AUC on held-out targets", paired_auc, 0.9, 0.85,
                      "a held-out target scores above an output in {value:.1%} of pairs", consecutive=3),
        ),
        severe_if=WORSE_THAN_MEAN_IMAGE,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS,
            combine(
                scale_setting("terms.identity.weight", 2.0, IDENTITY_REASON),
                scale_setting("terms.l1.weight", 3.0, L1_REASON),
            ),
            only_if(is_unpaired, set_value("terms.identity.weight", 5.0, IDENTITY_REASON)),
        ),
    ),
    Rule(
        "input-ignored", Severity.MILD, "The output does not depend on the input",
        "Outputs hardly change with their inputs, while targets vary. One output looks real enough to the "
        "discriminator and no term compares it with the input, or the input does not reach the generator's output. "
        "Severe if hardly any dependence is left.",
        (
            Criterion("input sensitivity", signal("monitor/input_sensitivity"), 0.12, 0.25,
                      "outputs vary {value:.3f} times as much as targets", consecutive=3),
            Criterion("rise of the input sensitivity", rise_ratio("monitor/input_sensitivity"), 1.15, 1.4,
                      "recently it is {value:.2f} times its maximum before"),
            Criterion("near duplicates among outputs", signal("monitor/near_duplicates"), 0.5, 0.25,
                      "{value:.0%} of the outputs have a near duplicate among them", consecutive=3),
            Criterion("L1 error relative to the mean target", signal("monitor/l1_over_mean_image_l1"), 0.9, 0.8,
                      MEAN_IMAGE_MESSAGE, consecutive=3),
            DISCRIMINATOR_SEPARATES,
        ),
        num_mandatory=2, min_criteria=3,
        severe_if=Criterion(
            "input sensitivity", signal("monitor/input_sensitivity"), 0.05, 0.1, "{value:.3f}", consecutive=3,
        ),
        remedy=first_applicable(
            restore_recipe_defaults("terms", "game", "objective", "generator", "discriminator"),
            combine(
                scale_setting("terms.l1.weight", 3.0, L1_REASON),
                scale_setting("terms.cycle.weight", 2.0, "the input must be recoverable from the output"),
                scale_setting("terms.patch_nce.weight", 2.0, "each output patch must identify its input patch"),
                scale_setting("game.adversarial_weight", 0.3, "a smaller weight of realism alone"),
                only_if(has_unconditional_discriminator,
                        set_value("discriminator.concat_input", True, "the discriminator also sees the input")),
                only_if(uses_instance_norm,
                        set_value("generator.norm", "none", "instance norm removes the brightness of uniform images")),
            ),
        ),
    ),
    Rule(
        "discriminator-overconfident", Severity.MILD, "The discriminator is overconfident",
        "The discriminator separates nearly all outputs from held-out targets by a wide margin, and outputs no longer "
        "approach the targets: its gradient carries little information and may add noise instead of detail. A small "
        "gradient penalty keeps it informative.",
        (
            DISCRIMINATOR_CONFIDENT,
            Criterion("separation of held-out scores", signal("monitor/score_separation_held_out"), 2.5, 2.0,
                      "scores of held-out targets and outputs are {value:.1f} standard deviations apart"),
            Criterion("progress of the L1 error", stall_ratio("monitor/l1_over_mean_image_l1"), 0.97, 0.95,
                      "outputs no longer approach the targets: recently {value:.2f} of the smallest error before"),
        ),
        num_mandatory=3, min_criteria=3, applies_to=is_translation_with_constant_adversarial_weight,
        remedy=first_applicable(
            restore_recipe_defaults("terms", "objective", "optimizer", "game", "discriminator"),
            scale_gradient_penalties(3.0, "a smaller gradient"),
            combine(
                set_value("terms.r1.weight", 1e-4, "a small weight: a PatchGAN's gradients add up over its patches"),
                set_value("terms.r1.every_rounds", 4, "about a quarter of the penalty's cost"),
            ),
        ),
    ),
    Rule(
        "checkerboard", Severity.MILD, "Checkerboard artifacts",
        "Outputs contain a pattern with a period of 2 or 4 pixels that real images do not have: adjacent pixels come "
        "from different weights of an upsampling layer, or the discriminator's strides skip them. It usually fades "
        "with training; generators that resize first and then convolve (unet, resnet-translator) hardly have it.",
        (
            Criterion("spectral peak relative to targets",
                      ratio("monitor/checkerboard_peak", "monitor/checkerboard_peak_real"), 4.0, 2.5,
                      "at the pattern's frequencies the spectrum's peak is {value:.1f} times that of targets",
                      consecutive=3),
            Criterion("strength of the pattern",
                      difference("monitor/checkerboard_rms", "monitor/checkerboard_rms_real"), 0.02, 0.01,
                      "its root mean square is {value:.3f} above that of targets, in a range of 2", consecutive=3),
        ),
        num_mandatory=2,
        remedy=first_applicable(
            restore_recipe_defaults("generator", "discriminator", "terms", "game", "optimizer"),
            combine(
                scale_setting("terms.perceptual.weight", 0.3, "strides of the feature network treat pixels unequally"),
                scale_setting("game.adversarial_weight", 0.5, "strides of the discriminator treat pixels unequally"),
            ),
        ),
    ),
    Rule(
        "cycle-steganography", Severity.MILD, "The cycle hides the input in the output",
        "The cycle reconstructs its inputs, but only from exact outputs: from an 8-bit image with a little noise the "
        "reconstruction fails. The generator hides the input invisibly in its output (steganography), so the cycle "
        "term no longer ties the output to the input. A smaller weight of the cycle hides less; CUT has no cycle. "
        "Severe if the reconstruction from a noisy output hardly resembles the input.",
        (
            Criterion("cycle error", signal("monitor/cycle_error"), 0.25, 0.4,
                      "the reconstruction error is {value:.2f} times that of the mean image", consecutive=3),
            Criterion("growth of the cycle error by noise",
                      ratio("monitor/cycle_error_noisy", "monitor/cycle_error", 0.01), 2.5, 1.8,
                      "barely visible noise makes the error {value:.1f} times as large", consecutive=3),
            Criterion("cycle error with noise", signal("monitor/cycle_error_noisy"), 0.3, 0.2,
                      "with noise, the error is {value:.2f} times that of the mean image", consecutive=3),
        ),
        num_mandatory=2, min_criteria=3,
        severe_if=Criterion(
            "cycle error with noise", signal("monitor/cycle_error_noisy"), 0.8, 0.6, "{value:.2f}", consecutive=3,
        ),
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS, scale_setting("terms.cycle.weight", 0.3, "a smaller weight hides less information"),
        ),
    ),
)  # fmt: skip
