"""Pictures that are made from pictures: copies, colours turned round, one answer for all, grids, hidden messages."""

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


def uses_adversarial_loss(history: LogHistory) -> bool:
    """The generator listens to its judge from the beginning."""
    weight = get_fact(history, "settings", "game", "adversarial_weight", default=1.0)
    return is_translation(history) and isinstance(weight, int | float) and weight > 0


def paired_auc(history: LogHistory) -> Series:
    """How well D tells the truth from what is made, where the truth is known."""
    return history["monitor/auc_held_out"] if len(history["monitor/l1_over_mean_image_l1"].values) else Series.empty()


def is_unpaired(history: LogHistory) -> bool:
    """Nobody knows what is wanted of a picture."""
    return get_fact(history, "settings", "data", "pairs") == "unpaired"


def has_unconditional_discriminator(history: LogHistory) -> bool:
    """D could see what a picture is made from, and does not."""
    blind = get_fact(history, "settings", "discriminator", "concat_input") is False
    paired = get_fact(history, "settings", "data", "pairs") == "paired"
    return blind and paired and not get_fact(history, "settings", "game", "replay_buffer", default=0)


def uses_instance_norm(history: LogHistory) -> bool:
    """The generator takes the mean and the deviation out of each of its maps."""
    return get_fact(history, "settings", "generator", "norm") == "instance"


DISCRIMINATOR_SEPARATES = Criterion(
    "how well D tells unseen wanted pictures from what is made", signal("monitor/auc_held_out"), 0.9, 0.85,
    "a held-out wanted picture scores above what is made in {value:.1%} of pairs", consecutive=3,
)  # fmt: skip
WORSE_THAN_MEAN_IMAGE = Criterion(
    "error against the mean picture's", signal("monitor/l1_over_mean_image_l1"), 1.0, 0.95,
    "what is made is {value:.2f} times as far from the truth as always the mean picture", consecutive=3,
)  # fmt: skip
RESTORE_LOSS_DEFAULTS = restore_recipe_defaults("terms", "game", "objective")
RULES = (
    Rule(
        "output-copies-input", Severity.MILD, "What is made is what was given",
        "The generator hands on what it is given: pictures are hardly different from what they are made from, and stay "
        "so. A term that asks it to leave pictures as they are (identity, cycle, contrast) weighs more than what it is "
        "to learn, or the discriminator teaches it nothing.",
        (
            Criterion("difference from what was given", signal("monitor/change_from_input"), 0.08, 0.15,
                 "pictures differ from what they are made from {value:.3f} times as much as wanted ones do", consecutive=3),
            Criterion("rise of that difference", rise_ratio("monitor/change_from_input"), 1.15, 1.4,
                 "lately it is {value:.2f} times the most before"),
            Criterion("error against that of what was given", signal("monitor/l1_over_input_l1"), 0.9, 0.8,
                 "what is made is {value:.2f} times as far from the truth as what was given", consecutive=3),
            DISCRIMINATOR_SEPARATES,
        ),
        num_mandatory=2, min_criteria=3,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS,
            combine(
                scale_setting("terms.identity.weight", 0.2, "less pull to leave pictures as they are"),
                scale_setting("terms.cycle.weight", 0.5, "a copy comes back best: less pull towards it"),
                scale_setting("terms.patch_nce.weight", 0.5, "less pull to keep each place as it was"),
                scale_setting("terms.l1.weight", 3.0, "more pull towards the truth"),
                scale_setting("game.adversarial_weight", 2.0, "more pull towards what is wanted"),
            ),
        ),
    ),
    Rule(
        "colors-inverted", Severity.MILD, "Brightness or colours are turned round",
        "What is bright comes out dark, or a colour as its opposite. Without pairs nothing but the identity term says "
        "which way round is right: a cycle turns them back, and both look real. Severe where the truth is known and "
        "always the mean picture would be nearer to it. Where the wanted pictures are indeed negatives, this is right.",
        (
            # looks at games both ways are dear, so rare, and always at the same pictures: more would not tell more
            Criterion("brightness or colour within pictures", minimum(signal("monitor/brightness_correlation"), signal("monitor/color_correlation")), -0.4, -0.2,
                 "one of them correlates with what it should follow by {value:.2f}", consecutive=2),
            Criterion("brightness or colour from picture to picture", minimum(signal("monitor/brightness_correlation_between"), signal("monitor/color_correlation_between")),
                 -0.5, -0.3, "the means of one of them correlate with what they should follow by {value:.2f}", consecutive=2),
            Criterion("brightness and colour within pictures", maximum(signal("monitor/brightness_correlation"), signal("monitor/color_correlation")), -0.2, -0.1,
                 "both of them correlate with what they should follow by {value:.2f} at most", consecutive=2),
            WORSE_THAN_MEAN_IMAGE,
            Criterion("how well D tells the truth from what is made", paired_auc, 0.9, 0.85,
                 "a held-out truth scores above what is made in {value:.1%} of pairs", consecutive=3),
        ),
        severe_if=WORSE_THAN_MEAN_IMAGE,
        remedy=first_applicable(
            RESTORE_LOSS_DEFAULTS,
            combine(
                scale_setting("terms.identity.weight", 2.0, "wanted pictures are to keep their colours"),
                scale_setting("terms.l1.weight", 3.0, "more pull towards the truth"),
            ),
            only_if(is_unpaired, set_value("terms.identity.weight", 5.0, "wanted pictures are to keep their colours")),
        ),
    ),
    Rule(
        "input-ignored", Severity.MILD, "One picture for whatever is given",
        "Pictures hardly change with what they are made from, while wanted ones vary. The discriminator is content "
        "with one picture that looks real, and no term holds it to what was given; or what was given does not reach "
        "the generator's output. Severe where hardly anything of it is left.",
        (
            Criterion("answer to what is given", signal("monitor/input_sensitivity"), 0.12, 0.25,
                 "pictures differ {value:.3f} times as much as wanted ones", consecutive=3),
            Criterion("rise of that answer", rise_ratio("monitor/input_sensitivity"), 1.15, 1.4,
                 "lately it is {value:.2f} times the most before"),
            Criterion("copies among what is made", signal("monitor/near_duplicates"), 0.5, 0.25,
                 "{value:.0%} of the pictures have a near copy among them", consecutive=3),
            Criterion("error against the mean picture's", signal("monitor/l1_over_mean_image_l1"), 0.9, 0.8,
                 "what is made is {value:.2f} times as far from the truth as always the mean picture", consecutive=3),
            DISCRIMINATOR_SEPARATES,
        ),
        num_mandatory=2, min_criteria=3,
        severe_if=Criterion("answer to what is given", signal("monitor/input_sensitivity"), 0.05, 0.1, "{value:.3f}", consecutive=3),
        remedy=first_applicable(
            restore_recipe_defaults("terms", "game", "objective", "generator", "discriminator"),
            combine(
                scale_setting("terms.l1.weight", 3.0, "more pull towards the truth"),
                scale_setting("terms.cycle.weight", 2.0, "what is made must lead back to what was given"),
                scale_setting("terms.patch_nce.weight", 2.0, "each place must be told by what was there"),
                scale_setting("game.adversarial_weight", 0.3, "less pull towards what looks real whatever was given"),
                only_if(has_unconditional_discriminator, set_value("discriminator.concat_input", True, "the judge sees what a picture is made from")),
                only_if(uses_instance_norm, set_value("generator.norm", "none", "instance norm takes flat pictures' brightness away")),
            ),
        ),
    ),
    Rule(
        "discriminator-overconfident", Severity.MILD, "The judge is too sure to teach",
        "The discriminator tells nearly all that is made from the truth, by far, and in pictures it has not seen, and "
        "what is made comes no nearer to the truth: its slopes say little of which way is better, and may add noise "
        "rather than detail. A faint penalty on its slope keeps it a teacher.",
        (
            DISCRIMINATOR_CONFIDENT,
            Criterion("distance of unseen scores", signal("monitor/score_separation_held_out"), 2.5, 2.0,
                 "unseen truths and what is made score {value:.1f} deviations apart"),
            Criterion("how much nearer to the truth pictures came", stall_ratio("monitor/l1_over_mean_image_l1"), 0.97, 0.95,
                 "pictures come no nearer to the truth: lately {value:.2f} of the least error before"),
        ),
        num_mandatory=3, min_criteria=3, applies_to=uses_adversarial_loss,
        remedy=first_applicable(
            restore_recipe_defaults("terms", "objective", "optimizer", "game", "discriminator"),
            scale_gradient_penalties(3.0, "a gentler slope"),
            combine(
                set_value("terms.r1.weight", 1e-4, "a faint penalty: a patch judge's slopes add up over its patches"),
                set_value("terms.r1.every_rounds", 4, "at about a quarter of the penalty's cost"),
            ),
        ),
    ),
    Rule(
        "checkerboard", Severity.MILD, "A grid lies over the pictures",
        "Pictures carry a pattern of 2 or 4 pixels that real ones do not: neighbouring pixels come from different "
        "weights of an upsampling layer, or the discriminator's strides do not see them. It usually fades with "
        "training; a generator that enlarges first and convolves then (unet, translator) hardly has it.",
        (
            Criterion("peaks of the spectrum against real ones'", ratio("monitor/checkerboard_peak", "monitor/checkerboard_peak_real"), 4.0, 2.5,
                 "at the frequencies of a grid it stands out {value:.1f} times as far as real pictures'", consecutive=3),
            Criterion("strength of the grid", difference("monitor/checkerboard_rms", "monitor/checkerboard_rms_real"), 0.02, 0.01,
                 "it deviates by {value:.3f} more than in real pictures, which span 2", consecutive=3),
        ),
        num_mandatory=2,
        remedy=first_applicable(
            restore_recipe_defaults("generator", "discriminator", "terms", "game", "optimizer"),
            combine(
                scale_setting("terms.perceptual.weight", 0.3, "a network's strides do not see all pixels alike"),
                scale_setting("game.adversarial_weight", 0.5, "nor do the discriminator's"),
            ),
        ),
    ),
    Rule(
        "cycle-steganography", Severity.MILD, "What comes back was hidden in what is made",
        "There and back again pictures are what they were, but only as long as what lies between is handed on to the "
        "last bit: as a file with a little noise it leads back to something else. The way back reads what the way "
        "there hides where nobody sees it, so the cycle no longer holds what is made to what was given. A weaker cycle "
        "hides less; CUT has none. Severe where hardly anything comes back.",
        (
            Criterion("the cycle's error", signal("monitor/cycle_error"), 0.25, 0.4,
                 "pictures come back {value:.2f} times as far from themselves as the mean picture is", consecutive=3),
            Criterion("the same after a little noise", ratio("monitor/cycle_error_noisy", "monitor/cycle_error", 0.01), 2.5, 1.8,
                 "noise that is hardly seen makes that {value:.1f} times as far", consecutive=3),
            Criterion("what comes back after it", signal("monitor/cycle_error_noisy"), 0.3, 0.2,
                 "then they come back {value:.2f} times as far as the mean picture is", consecutive=3),
        ),
        num_mandatory=2, min_criteria=3,
        severe_if=Criterion("what comes back after it", signal("monitor/cycle_error_noisy"), 0.8, 0.6, "{value:.2f}", consecutive=3),
        remedy=first_applicable(RESTORE_LOSS_DEFAULTS, scale_setting("terms.cycle.weight", 0.3, "less need to hide what cannot be shown")),
    ),
)  # fmt: skip
