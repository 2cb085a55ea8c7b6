"""A score with its standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Score(NamedTuple):
    """The value of a metric, and its standard error (NaN if there is none)."""

    value: float
    error: float = math.nan


def jackknife(value: float, replicates: Sequence[float]) -> Score:
    """Return a statistic with its standard error by the delete-a-group jackknife.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11.

    Args:
        value: the statistic of all rows.
        replicates: the statistic with each of g equal groups left out in turn.
    """
    g = len(replicates)
    mean = math.fsum(replicates) / g
    return Score(value, math.sqrt((g - 1) / g * math.fsum((v - mean) ** 2 for v in replicates)))
