"""All rules, grouped by subject; see `zerosum.diagnosis.rules.engine`."""

from zerosum.diagnosis.rules import (
    balance,
    blocks,
    collapse,
    data,
    dynamics,
    faults,
    items,
    log,
    overfitting,
    progress,
    regularization,
    training,
    translation,
)

RULES = (
    *dynamics.RULES,
    *log.RULES,
    *training.RULES,
    *balance.RULES,
    *collapse.RULES,
    *blocks.RULES,
    *items.RULES,
    *faults.RULES,
    *overfitting.RULES,
    *regularization.RULES,
    *data.RULES,
    *progress.RULES,
    *translation.RULES,
)
