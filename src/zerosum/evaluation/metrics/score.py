"""A score with its standard error: the mean of values, or a statistic with the jackknife."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Score(NamedTuple):
    """The value of a metric, and its standard error (NaN if there is none)."""

    value: float
    error: float = math.nan


def mean_score(values: NDArray[np.generic]) -> Score:
    """Return the mean of values (N,) of independent items, and its standard error s / sqrt(N).

    The mean of no values is NaN; the error is NaN for a single value, and where a value is infinite.
    """
    values = values.astype(np.float64)
    if not len(values):
        return Score(math.nan)
    mean = float(values.mean())
    if len(values) < 2 or not math.isfinite(mean):
        return Score(mean)
    return Score(mean, float(values.std(ddof=1)) / math.sqrt(len(values)))


def grouped_mean_score(values: NDArray[np.generic], groups: NDArray[np.generic]) -> Score:
    """Return the mean of values (N,) of items in independent groups, and its standard error.

    The error is the cluster-robust one (Liang and Zeger 1986, "Longitudinal data analysis using generalized linear
    models"): that of the sums of deviations by group, of which there are g. With groups of one item it is that of
    `mean_score`; it is NaN for a single group.

    Args:
        values: the values of items.
        groups: (N,) what each item belongs to.

    Example:
        >>> values = np.array([1.0, 1.0, 3.0, 3.0])
        >>> [round(each.error, 3) for each in (mean_score(values), grouped_mean_score(values, np.array([0, 0, 1, 1])))]
        [0.577, 1.0]
    """
    mean = mean_score(values).value
    _, places = np.unique(groups, return_inverse=True)
    if not math.isfinite(mean) or places.max() == 0:
        return Score(mean)
    sums = np.bincount(places, values.astype(np.float64) - mean)
    return Score(mean, float(sums.std(ddof=1)) * math.sqrt(len(sums)) / len(values))


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
