"""Numbers that run away, and games that go round in circles."""

import numpy as np

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import History, Series
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import as_the_recipe, put, small_batch, times, together
from zerosum.diagnosis.rules.shared import FAR, POOR, STUCK
from zerosum.diagnosis.rules.signals import apart, of, size, steps, straightness, usual


def lost(history: History) -> Series:
    """How many of the log's numbers were not finite, from the first one on."""
    rounds = history["round"]
    since = sorted(when for name, when in history.lost.items())
    count = np.searchsorted(np.array(since), rounds.images, side="right").astype(float)
    if "not_finite" in history.notes and len(count):
        count[-1] += 1
    return rounds.map(count)


def unmade(history: History) -> Series:
    """1 where samples were not finite."""
    series = history["exam/finite"]
    return series.map(1 - series.values)


SLOWER = together(
    small_batch,
    as_the_recipe(
        "optimizer",
        "terms",
        "objective",
    ),
    times("optimizer.lr", 0.3, "smaller steps do not run away"),
)
RULES = (
    Rule(
        "not-finite", Severity.SEVERE, "A number is no longer finite",
        "A loss, a weight or a sample became infinite or not a number, and all that follows from it too. Usually the "
        "learning rate is too high, a penalty is missing, or numbers in 16 bits have overflowed. The last good "
        "checkpoint is kept.",
        (
            Sign("numbers of the log that are not finite", lost, 0.5, 0.5,
                 "{value:.0f} of the log's signals are not finite", hold=1),
            Sign("samples that are not finite", unmade, 0.5, 0.5, "samples are not finite", hold=1),
        ),
        needs=1, must=0,
        prescribe=together(put("training.precision", "float32", "32 bits do not overflow so soon"), SLOWER),
        after=0,
    ),
    Rule(
        "diverging", Severity.SEVERE, "The game diverges",
        "Scores or gradients grow without end: the players answer each other's steps with larger ones. It ends in "
        "numbers that are not finite, or in samples that are nothing.",
        (
            Sign("growth of scores", usual("signals/fake_score"), 25.0, 8.0,
                 "scores are {value:.0f} times what they were", hold=3),
            Sign("the discriminator's gradient", usual("exam/gradient/discriminator"), 30.0, 10.0,
                 "its gradient is {value:.0f} times what it was"),
            Sign("the generator's gradient", usual("exam/gradient/generator"), 30.0, 10.0,
                 "its gradient is {value:.0f} times what it was"),
            Sign("distance of scores", apart("signals/real_score", "signals/fake_score"), 1000.0, 200.0,
                 "real examples and samples score {value:.3g} apart", hold=3),
            Sign("size of the discriminator's loss", size("discriminator/score"), 1000.0, 200.0,
                 "its loss is {value:.3g}", hold=3),
            POOR,
        ),
        must=0, needs=3, prescribe=SLOWER,
        after=20,
    ),
    Rule(
        "oscillation", Severity.MILD, "The game goes round in circles",
        "Samples change much from one look to the next without getting anywhere: each player undoes what the other has "
        "just answered to. An average of the generator hides it; slower steps, a penalty on the discriminator's slope "
        "or less momentum (beta1) end it.",
        (
            Sign("way of the samples' middle", steps("exam/middle/"), 0.25, 0.15,
                 "between two looks the middle of all samples moves by {value:.2f} of the distance between real "
                 "examples", hold=3),
            STUCK,
            FAR,
            Sign("straightness of that way", straightness("exam/middle/"), 0.5, 0.7,
                 "of the way it went, {value:.0%} led anywhere", hold=2),
            Sign("way of single samples", steps("exam/trace/"), 0.8, 0.6,
                 "between two looks a sample moves by {value:.2f} of the distance between real examples", hold=3),
        ),
        must=3, needs=4, prescribe=SLOWER,
    ),
    Rule(
        "learning-rate-too-high", Severity.SEVERE, "The learning rate is too high",
        "Each round changes the weights by a large part of their size, and samples leap about: what was learned is "
        "overwritten before it can be built on.",
        (
            POOR,
            STUCK,
            Sign("the generator's step", of("exam/stride/generator"), 0.02, 0.012,
                 "a round changes its weights by {value:.1%} of their size"),
            Sign("the discriminator's step", of("exam/stride/discriminator"), 0.02, 0.012,
                 "a round changes its weights by {value:.1%} of their size"),
            Sign("way of single samples", steps("exam/trace/"), 0.8, 0.6,
                 "between two looks a sample moves by {value:.2f} of the distance between real examples"),
        ),
        must=2, needs=3, prescribe=SLOWER,
    ),
)  # fmt: skip
