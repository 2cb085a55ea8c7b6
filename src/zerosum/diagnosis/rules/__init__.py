"""All rules, grouped by subject; see `zerosum.diagnosis.rules.engine`."""

from zerosum.diagnosis.rules import (
    balance,
    collapse,
    data,
    dynamics,
    overfitting,
    progress,
    regularization,
    translation,
)

RULES = (
    *dynamics.RULES,
    *balance.RULES,
    *collapse.RULES,
    *overfitting.RULES,
    *regularization.RULES,
    *data.RULES,
    *progress.RULES,
    *translation.RULES,
)
