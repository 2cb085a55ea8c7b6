"""One player too strong or too weak, one that stands still, both on the same side."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import as_the_recipe, first, put, together
from zerosum.diagnosis.rules.shared import FAR, POOR, STUCK
from zerosum.diagnosis.rules.signals import from_equilibrium, of, ratio, stride, usual

SURE = Sign(
    "how well D tells unseen reals from samples", of("exam/auc_unseen"), 0.95, 0.9,
    "a held-out example scores above a sample in {value:.1%} of pairs", hold=3,
)  # fmt: skip
GENTLER_DISCRIMINATOR = together(
    as_the_recipe("optimizer", "game", "discriminator", "generator", "objective", "terms"),
)
RULES = (
    Rule(
        "generator-still", Severity.SEVERE, "The generator does not move",
        "A round changes nothing in the generator's weights: no gradient reaches them, or their learning rate is zero. "
        "Nothing can be learned so.",
        (
            Sign("the generator's step", stride("generator"), 1e-7, 1e-6,
                 "a round changes its weights by {value:.1e} of their size"),
            Sign("movement of samples", of("exam/lag"), 1e-6, 1e-4,
                 "the playing generator and its average are {value:.1e} apart"),
            Sign("learning rate", of("rate/generator"), 0.0, 1e-12, "its learning rate is {value:.1e}"),
        ),
        prescribe=as_the_recipe("optimizer"),
        after=0,
    ),
    Rule(
        "discriminator-still", Severity.SEVERE, "The discriminator does not move",
        "A round changes nothing in the discriminator's weights: no gradient reaches them, or their learning rate is "
        "zero. The generator plays against someone who is not there.",
        (
            Sign("the discriminator's step", stride("discriminator"), 1e-7, 1e-6,
                 "a round changes its weights by {value:.1e} of their size"),
            Sign("what D tells apart", of("exam/auc_unseen"), 0.75, 0.85,
                 "a held-out example scores above a sample in {value:.0%} of pairs"),
            POOR,
        ),
        prescribe=as_the_recipe("optimizer"),
        after=0,
    ),
    Rule(
        "vanishing-gradient", Severity.SEVERE, "The generator's gradient has vanished",
        "The discriminator is so sure that the generator's objective is flat: whatever the generator changes, it loses "
        "as much. The minimax objective saturates like this; the non-saturating, hinge and relativistic ones do not.",
        (
            Sign("the objective's pull on samples", ratio("exam/push", "exam/steep"), 0.05, 0.1,
                 "the generator's objective passes on {value:.3f} of the discriminator's slope"),
            STUCK,
            Sign("certainty", of("exam/dgz"), 0.05, 0.1, "D gives samples {value:.3f} to be real"),
            Sign("the generator's gradient", usual("exam/gradient/generator"), 0.1, 0.3,
                 "its gradient is {value:.3f} times what it was"),
            POOR,
        ),
        must=2, needs=3,
        prescribe=first(
            as_the_recipe("objective", "optimizer", "game", "terms"),
            put("objective.kind", "non-saturating", "it pulls hardest where the discriminator is surest"),
        ),
    ),
    Rule(
        "discriminator-too-strong", Severity.SEVERE, "The discriminator is too strong",
        "The discriminator tells every sample from every real example, and samples are still poor: it has run away, "
        "and its verdicts no longer say which way is better. Slow it down, hold its slope down by a penalty (R1), or "
        "give the generator more capacity.",
        (
            SURE,
            POOR,
            STUCK,
            Sign("distance of scores", of("exam/separation"), 2.5, 2.0,
                 "real and fake scores are {value:.1f} deviations apart"),
        ),
        must=3, needs=3, prescribe=GENTLER_DISCRIMINATOR,
    ),
    Rule(
        "discriminator-too-weak", Severity.SEVERE, "The discriminator is too weak, or broken",
        "The discriminator cannot tell samples from real examples although they are still poor: the generator has "
        "nobody to learn from. Its network may be too small, its penalty too strong, or its loss wrong.",
        (
            FAR,
            STUCK,
            Sign("the discriminator's slope", of("exam/steep"), 0.03, 0.1,
                 "over the distance between two real examples its score changes by {value:.3f}", hold=3),
            POOR,
            Sign("what D tells apart", of("exam/auc"), 0.6, 0.7,
                 "a training example scores above a sample in {value:.0%} of pairs", hold=3),
            Sign("distance of scores", of("exam/separation"), 0.3, 0.6,
                 "real and fake scores are {value:.2f} deviations apart", hold=3),
            Sign("the discriminator's loss against the equilibrium's", from_equilibrium("discriminator"), 0.02, 0.05,
                 "its loss is {value:.1%} from what it is where nothing can be told", hold=3),
        ),
        must=2, needs=4,
        prescribe=together(
            as_the_recipe("discriminator", "terms", "optimizer", "game", "objective"),
        ),
    ),
    Rule(
        "players-agree", Severity.SEVERE, "The players play for the same side",
        "The discriminator scores samples above real examples, or the generator walks away from what the "
        "discriminator calls real: one of the two losses has the wrong sign.",
        (
            Sign("what D tells apart", of("exam/auc"), 0.2, 0.35,
                 "a training example scores above a sample in only {value:.0%} of pairs", hold=3),
            Sign("distance of scores", of("exam/separation"), -1.0, -0.5,
                 "samples score {value:.1f} deviations above real examples", hold=3),
            STUCK,
        ),
        must=3, needs=3, prescribe=as_the_recipe("objective"),
    ),
)  # fmt: skip
