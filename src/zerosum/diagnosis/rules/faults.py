"""Rules about faults that single samples have, where their kind of data knows such faults: silence and clicks.

A probe counts them only beyond chance, see `zerosum.diagnosis.fault_probe`, so one probe in a thousand errs, and a
criterion needs two in a row. Outputs of a translation are compared with their targets.
"""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.collapse import STABILIZE_TRAINING
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.signals import generates_from_latents, is_translation, signal

SILENT_MESSAGE = "{value:.0%} of the samples are silent, and hardly a real {noun} is"
CLICK_MESSAGE = "{value:.0%} of the samples have a sharper jump than nearly all real {noun}s"
END_MESSAGE = "{value:.0%} of the samples break off, louder than nearly all real {noun}s end"
SILENT_OUTPUT_MESSAGE = "{value:.0%} of the outputs are silent, and their targets are not"
CLICK_OUTPUT_MESSAGE = "{value:.0%} of the outputs have a sharper jump than their targets"
END_OUTPUT_MESSAGE = "{value:.0%} of the outputs break off, louder than their targets end"
RULES = (
    Rule(
        "silent-samples", Severity.MILD, "Samples are silent",
        "Samples of which nothing is heard are far more frequent than among real {noun}s. The discriminator should "
        "notice this at once: it has lost the game, or silence is all that it takes for real. See to other findings "
        "first, such as mode collapse or divergence; a lower learning rate (`optimizer.lr`) helps, and so do data "
        "without long silence: keep `data.trim`, give a shorter `data.seconds`, or leave out files that are mostly "
        "silent.",
        (
            Criterion("silent samples", signal("monitor/faulty/silence"), 0.15, 0.05, SILENT_MESSAGE),
        ),
        min_criteria=1, remedy=STABILIZE_TRAINING, applies_to=generates_from_latents,
        severe_if=Criterion("silent samples", signal("monitor/faulty/silence"), 0.5, 0.3, SILENT_MESSAGE),
    ),
    Rule(
        "clicks", Severity.MILD, "Samples have clicks",
        "Samples start, end or jump abruptly where real {noun}s that are made of their spectrograms do not. This is "
        "usual early in the training, and passes: train longer (`budget` or `examples`). If it stays, look at the "
        "first and the last columns of the preview, where loud ones are heard as clicks: {noun}s of the data that end "
        "abruptly teach this, so give a `data.seconds` that holds most of them whole. A finer spectrogram "
        "(`data.size` 128) has shorter frames, which make clicks rarer.",
        (
            Criterion("samples with a click", signal("monitor/faulty/clicks"), 0.15, 0.05, CLICK_MESSAGE),
            Criterion("samples that break off", signal("monitor/faulty/abrupt_ends"), 0.15, 0.05, END_MESSAGE),
        ),
        min_criteria=1, num_mandatory=0, applies_to=generates_from_latents,
    ),
    Rule(
        "silent-samples", Severity.MILD, "Outputs are silent",
        "Nothing is heard in outputs whose targets are heard: the outputs no longer follow the inputs. See to "
        "other findings first, such as divergence; a lower learning rate (`optimizer.lr`) helps.",
        (
            Criterion("silent outputs", signal("monitor/faulty/silence"), 0.15, 0.05, SILENT_OUTPUT_MESSAGE),
        ),
        min_criteria=1, remedy=STABILIZE_TRAINING, applies_to=is_translation,
        severe_if=Criterion("silent outputs", signal("monitor/faulty/silence"), 0.5, 0.3, SILENT_OUTPUT_MESSAGE),
    ),
    Rule(
        "clicks", Severity.MILD, "Outputs have clicks",
        "Outputs jump, or break off, where their targets do not. This is usual early in the training, and "
        "passes: train longer (`budget` or `examples`). If it stays, listen to some {noun}s of the data: those that "
        "are clipped, or have clicks of their own, teach this, so leave them out.",
        (
            Criterion("outputs with a click", signal("monitor/faulty/clicks"), 0.15, 0.05, CLICK_OUTPUT_MESSAGE),
            Criterion("outputs that break off", signal("monitor/faulty/abrupt_ends"), 0.15, 0.05, END_OUTPUT_MESSAGE),
        ),
        min_criteria=1, num_mandatory=0, applies_to=is_translation,
    ),
)  # fmt: skip
