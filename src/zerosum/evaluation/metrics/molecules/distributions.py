"""How far the distributions of a number are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def wasserstein_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the Wasserstein-1 distance of values (N,) and (M,): the area between their distribution functions.

    Example:
        >>> wasserstein_distance(np.array([0.0, 1.0]), np.array([5.0, 6.0, 5.0, 6.0]))
        5.0
    """
    points = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(np.sort(values), points[:-1], side="right") / len(values) for values in (first, second)]
    return float((np.abs(below[0] - below[1]) * np.diff(points)).sum())
