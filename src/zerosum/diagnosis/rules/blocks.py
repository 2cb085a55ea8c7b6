"""Rules about samples of blocks, such as rows: categories that are missing, and columns that do not vary."""

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.collapse import STABILIZE_TRAINING
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.rules.signals import minimum, signal


def name_missing_categories(history: LogHistory) -> str:
    """Return a sentence that names the most frequent of the missing categories; "" if they have no names."""
    names = history.text_values.get("monitor/names_of_missing_categories", "")
    return f"Missing: {names}." if names else ""


def name_constant_columns(history: LogHistory) -> str:
    """Return a sentence that names columns that do not vary; "" if they have no names."""
    names = history.text_values.get("monitor/names_of_constant_columns", "")
    return f"They are: {names}." if names else ""


RULES = (
    Rule(
        "missing-categories", Severity.MILD, "Mode collapse by category: samples lack categories of the data",
        "Categories of at least 1% of the real {noun}s, or numbers as frequent, hardly occur among the samples. "
        "The discriminator gives the generator no reason to produce them: it is too weak or too strong, or the "
        "training is unstable or too short.",
        (
            Criterion("missing categories", signal("monitor/missing_categories"), 1, 0.5,
                      "{value:.0f} categories are missing among the samples of the generator", consecutive=3),
            Criterion("missing categories of the EMA", signal("monitor/ema_missing_categories"), 1, 0.5,
                      "{value:.0f} categories are missing among the samples of its EMA", consecutive=3),
        ),
        num_mandatory=2, remedy=STABILIZE_TRAINING, detail=name_missing_categories,
        severe_if=Criterion(
            "share of the most frequent missing category",
            minimum(signal("monitor/missing_category_share"), signal("monitor/ema_missing_category_share")),
            0.25, 0.2, "{value:.0%} of the real {noun}s have it", consecutive=4,
        ),
    ),
    Rule(
        "constant-columns", Severity.MILD, "Columns do not vary among the samples",
        "Columns that vary among real {noun}s are nearly the same in all samples: the generator has collapsed in them.",
        (
            Criterion("columns that do not vary", signal("monitor/constant_columns"), 1, 0.5,
                      "{value:.0f} columns hardly vary among the samples of the generator", consecutive=3),
            Criterion("columns of the EMA that do not vary", signal("monitor/ema_constant_columns"), 1, 0.5,
                      "{value:.0f} columns hardly vary among the samples of its EMA", consecutive=3),
        ),
        num_mandatory=2, remedy=STABILIZE_TRAINING, detail=name_constant_columns,
        severe_if=Criterion(
            "fraction of the columns that do not vary",
            minimum(signal("monitor/constant_column_fraction"), signal("monitor/ema_constant_column_fraction")),
            0.3, 0.2, "{value:.0%} of the columns hardly vary", consecutive=4,
        ),
    ),
)  # fmt: skip
