"""All rules, grouped by subject; see `zerosum.diagnosis.rules.engine`."""

from zerosum.diagnosis.rules import balance, collapse, data, dynamics, learning, penalties, progress, translation

RULES = (
    *dynamics.RULES,
    *balance.RULES,
    *collapse.RULES,
    *learning.RULES,
    *penalties.RULES,
    *data.RULES,
    *progress.RULES,
    *translation.RULES,
)
