"""A score, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Score(NamedTuple):
    """A number, and its standard error where one exists (else NaN)."""

    value: float
    error: float = math.nan


def jackknife(value: float, replicates: Sequence[float]) -> Score:
    """A statistic, and its standard error by the delete-a-group jackknife (Efron and Tibshirani 1993, chapter 11).

    Args:
        value: the statistic on everything.
        replicates: the statistic with one of g equal groups left out, for each of them.
    """
    g = len(replicates)
    middle = math.fsum(replicates) / g
    return Score(value, math.sqrt((g - 1) / g * math.fsum((v - middle) ** 2 for v in replicates)))
