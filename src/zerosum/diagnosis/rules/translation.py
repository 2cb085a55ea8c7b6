"""Pictures that are made from pictures: copies, colours turned round, one answer for all, grids, hidden messages."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import History, Series
from zerosum.diagnosis.rules.balance import SURE
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import as_the_recipe, first, penalties, put, times, together, where
from zerosum.diagnosis.rules.signals import fact, higher, less, lower, of, ratio, risen, stalled, translates


def heard(history: History) -> bool:
    """The generator listens to its judge from the beginning."""
    weight = fact(history, "settings", "game", "adversarial_weight", otherwise=1.0)
    return translates(history) and isinstance(weight, int | float) and weight > 0


def told_of_pairs(history: History) -> Series:
    """How well D tells the truth from what is made, where the truth is known."""
    return history["exam/auc_unseen"] if len(history["exam/error"].values) else Series.empty()


def unpaired(history: History) -> bool:
    """Nobody knows what is wanted of a picture."""
    return fact(history, "settings", "data", "pairs") == "unpaired"


def judged_alone(history: History) -> bool:
    """D could see what a picture is made from, and does not."""
    blind = fact(history, "settings", "discriminator", "beside") is False
    paired = fact(history, "settings", "data", "pairs") == "paired"
    return blind and paired and not fact(history, "settings", "game", "replay", otherwise=0)


def normed(history: History) -> bool:
    """The generator takes the mean and the deviation out of each of its maps."""
    return fact(history, "settings", "generator", "norm") == "instance"


TOLD = Sign(
    "how well D tells unseen wanted pictures from what is made", of("exam/auc_unseen"), 0.9, 0.85,
    "a held-out wanted picture scores above what is made in {value:.1%} of pairs", hold=3,
)  # fmt: skip
ASTRAY = Sign(
    "error against the mean picture's", of("exam/error"), 1.0, 0.95,
    "what is made is {value:.2f} times as far from the truth as always the mean picture", hold=3,
)  # fmt: skip
OWN = as_the_recipe("terms", "game", "objective")
RULES = (
    Rule(
        "output-copies-input", Severity.MILD, "What is made is what was given",
        "The generator hands on what it is given: pictures are hardly different from what they are made from, and stay "
        "so. A term that asks it to leave pictures as they are (identity, cycle, contrast) weighs more than what it is "
        "to learn, or the discriminator teaches it nothing.",
        (
            Sign("difference from what was given", of("exam/likeness"), 0.08, 0.15,
                 "pictures differ from what they are made from {value:.3f} times as much as wanted ones do", hold=3),
            Sign("rise of that difference", risen("exam/likeness"), 1.15, 1.4,
                 "lately it is {value:.2f} times the most before"),
            Sign("error against that of what was given", of("exam/l1"), 0.9, 0.8,
                 "what is made is {value:.2f} times as far from the truth as what was given", hold=3),
            TOLD,
        ),
        must=2, needs=3,
        prescribe=first(
            OWN,
            together(
                times("terms.identity.weight", 0.2, "less pull to leave pictures as they are"),
                times("terms.cycle.weight", 0.5, "a copy comes back best: less pull towards it"),
                times("terms.contrast.weight", 0.5, "less pull to keep each place as it was"),
                times("terms.reconstruct.weight", 3.0, "more pull towards the truth"),
                times("game.adversarial_weight", 2.0, "more pull towards what is wanted"),
            ),
        ),
    ),
    Rule(
        "colours-inverted", Severity.MILD, "Brightness or colours are turned round",
        "What is bright comes out dark, or a colour as its opposite. Without pairs nothing but the identity term says "
        "which way round is right: a cycle turns them back, and both look real. Severe where the truth is known and "
        "always the mean picture would be nearer to it. Where the wanted pictures are indeed negatives, this is right.",
        (
            # looks at games both ways are dear, so rare, and always at the same pictures: more would not tell more
            Sign("brightness or colour within pictures", lower(of("exam/tone"), of("exam/hue")), -0.4, -0.2,
                 "one of them correlates with what it should follow by {value:.2f}", hold=2),
            Sign("brightness or colour from picture to picture", lower(of("exam/tone_between"), of("exam/hue_between")),
                 -0.5, -0.3, "the means of one of them correlate with what they should follow by {value:.2f}", hold=2),
            Sign("brightness and colour within pictures", higher(of("exam/tone"), of("exam/hue")), -0.2, -0.1,
                 "both of them correlate with what they should follow by {value:.2f} at most", hold=2),
            ASTRAY,
            Sign("how well D tells the truth from what is made", told_of_pairs, 0.9, 0.85,
                 "a held-out truth scores above what is made in {value:.1%} of pairs", hold=3),
        ),
        severe=ASTRAY,
        prescribe=first(
            OWN,
            together(
                times("terms.identity.weight", 2.0, "wanted pictures are to keep their colours"),
                times("terms.reconstruct.weight", 3.0, "more pull towards the truth"),
            ),
            where(unpaired, put("terms.identity.weight", 5.0, "wanted pictures are to keep their colours")),
        ),
    ),
    Rule(
        "input-ignored", Severity.MILD, "One picture for whatever is given",
        "Pictures hardly change with what they are made from, while wanted ones vary. The discriminator is content "
        "with one picture that looks real, and no term holds it to what was given; or what was given does not reach "
        "the generator's output. Severe where hardly anything of it is left.",
        (
            Sign("answer to what is given", of("exam/answer"), 0.12, 0.25,
                 "pictures differ {value:.3f} times as much as wanted ones", hold=3),
            Sign("rise of that answer", risen("exam/answer"), 1.15, 1.4,
                 "lately it is {value:.2f} times the most before"),
            Sign("copies among what is made", of("exam/echo"), 0.5, 0.25,
                 "{value:.0%} of the pictures have a near copy among them", hold=3),
            Sign("error against the mean picture's", of("exam/error"), 0.9, 0.8,
                 "what is made is {value:.2f} times as far from the truth as always the mean picture", hold=3),
            TOLD,
        ),
        must=2, needs=3,
        severe=Sign("answer to what is given", of("exam/answer"), 0.05, 0.1, "{value:.3f}", hold=3),
        prescribe=first(
            as_the_recipe("terms", "game", "objective", "generator", "discriminator"),
            together(
                times("terms.reconstruct.weight", 3.0, "more pull towards the truth"),
                times("terms.cycle.weight", 2.0, "what is made must lead back to what was given"),
                times("terms.contrast.weight", 2.0, "each place must be told by what was there"),
                times("game.adversarial_weight", 0.3, "less pull towards what looks real whatever was given"),
                where(judged_alone, put("discriminator.beside", True, "the judge sees what a picture is made from")),
                where(normed, put("generator.norm", "none", "instance norm takes flat pictures' brightness away")),
            ),
        ),
    ),
    Rule(
        "judge-too-sure", Severity.MILD, "The judge is too sure to teach",
        "The discriminator tells nearly all that is made from the truth, by far, and in pictures it has not seen, and "
        "what is made comes no nearer to the truth: its slopes say little of which way is better, and may add noise "
        "rather than detail. A faint penalty on its slope keeps it a teacher.",
        (
            SURE,
            Sign("distance of unseen scores", of("exam/separation_unseen"), 2.5, 2.0,
                 "unseen truths and what is made score {value:.1f} deviations apart"),
            Sign("how much nearer to the truth pictures came", stalled("exam/error"), 0.97, 0.95,
                 "pictures come no nearer to the truth: lately {value:.2f} of the least error before"),
        ),
        must=3, needs=3, applies=heard,
        prescribe=first(
            as_the_recipe("terms", "objective", "optimizer", "game", "discriminator"),
            penalties(3.0, "a gentler slope"),
            together(
                put("terms.r1.weight", 1e-4, "a faint penalty: a patch judge's slopes add up over its patches"),
                put("terms.r1.every", 4, "at about a quarter of the penalty's cost"),
            ),
        ),
    ),
    Rule(
        "checkerboard", Severity.MILD, "A grid lies over the pictures",
        "Pictures carry a pattern of 2 or 4 pixels that real ones do not: neighbouring pixels come from different "
        "weights of an upsampling layer, or the discriminator's strides do not see them. It usually fades with "
        "training; a generator that enlarges first and convolves then (unet, translator) hardly has it.",
        (
            Sign("peaks of the spectrum against real ones'", ratio("exam/grid", "exam/grid_real"), 4.0, 2.5,
                 "at the frequencies of a grid it stands out {value:.1f} times as far as real pictures'", hold=3),
            Sign("strength of the grid", less("exam/ripple", "exam/ripple_real"), 0.02, 0.01,
                 "it deviates by {value:.3f} more than in real pictures, which span 2", hold=3),
        ),
        must=2,
        prescribe=first(
            as_the_recipe("generator", "discriminator", "terms", "game", "optimizer"),
            together(
                times("terms.perceptual.weight", 0.3, "a network's strides do not see all pixels alike"),
                times("game.adversarial_weight", 0.5, "nor do the discriminator's"),
            ),
        ),
    ),
    Rule(
        "hidden-information", Severity.MILD, "What comes back was hidden in what is made",
        "There and back again pictures are what they were, but only as long as what lies between is handed on to the "
        "last bit: as a file with a little noise it leads back to something else. The way back reads what the way "
        "there hides where nobody sees it, so the cycle no longer holds what is made to what was given. A weaker cycle "
        "hides less; CUT has none. Severe where hardly anything comes back.",
        (
            Sign("the cycle's error", of("exam/cycle"), 0.25, 0.4,
                 "pictures come back {value:.2f} times as far from themselves as the mean picture is", hold=3),
            Sign("the same after a little noise", ratio("exam/cycle_noisy", "exam/cycle", 0.01), 2.5, 1.8,
                 "noise that is hardly seen makes that {value:.1f} times as far", hold=3),
            Sign("what comes back after it", of("exam/cycle_noisy"), 0.3, 0.2,
                 "then they come back {value:.2f} times as far as the mean picture is", hold=3),
        ),
        must=2, needs=3,
        severe=Sign("what comes back after it", of("exam/cycle_noisy"), 0.8, 0.6, "{value:.2f}", hold=3),
        prescribe=first(OWN, times("terms.cycle.weight", 0.3, "less need to hide what cannot be shown")),
    ),
)  # fmt: skip
