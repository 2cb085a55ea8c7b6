"""All rules, by what they are about; see `zerosum.diagnosis.sign`."""

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
