"""What is known by heart: by the discriminator, by the generator."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.engine import Rule, Sign
from zerosum.diagnosis.rules.remedies import first, put, times, together, where
from zerosum.diagnosis.rules.signals import less, of, translates, varied

VARIED = where(varied, put("augment.kind", "ada", "what the judge sees is varied as far as it overfits"))
SLOWER = where(
    translates,
    first(
        times("optimizer.rates.discriminator", 0.5, "it learns by heart more slowly"),
        put("optimizer.rates.discriminator", 0.5, "it learns by heart more slowly"),
    ),
)
RULES = (
    Rule(
        "discriminator-overfitting", Severity.MILD, "The discriminator knows the training data by heart",
        "It scores training examples above held-out ones: it no longer judges what is real, but what it has seen. The "
        "generator learns nothing more from it. More data helps, or varying what both are judged by (ADA).",
        (
            Sign("training against held-out scores", of("exam/known"), 0.7, 0.62,
                 "a training example scores above a held-out one in {value:.0%} of pairs; half would be fair", hold=3),
            Sign("gap between r_t and r_v", less("exam/rt", "exam/rv"), 0.35, 0.2,
                 "training examples are called real {value:.2f} more than held-out ones (of 2)", hold=3),
            Sign("gap between auc on seen and unseen", less("exam/auc", "exam/auc_unseen"), 0.1, 0.05,
                 "it tells seen examples from samples better than unseen ones by {value:.2f}", hold=3),
        ),
        prescribe=first(SLOWER, VARIED, together(times("augment.target", 0.7, "vary more"))),
    ),
    Rule(
        "memorising", Severity.MILD, "The generator copies training examples",
        "Samples lie nearer to training examples than held-out examples do: they are copies rather than new ones. Few "
        "data, or a generator far too large for them. `zerosum evaluate` shows samples beside their neighbours.",
        (
            Sign("nearness to training examples", of("exam/copies"), 0.6, 0.75,
                 "a sample is {value:.2f} times as far from the nearest training example as a held-out one", hold=3),
            Sign("copies among samples", of("exam/echo"), 0.1, 0.05,
                 "{value:.0%} of the samples have a near copy among them", hold=3),
            Sign("training against held-out scores", of("exam/known"), 0.6, 0.55,
                 "a training example scores above a held-out one in {value:.0%} of pairs", hold=3),
        ),
        prescribe=VARIED,
    ),
)  # fmt: skip
