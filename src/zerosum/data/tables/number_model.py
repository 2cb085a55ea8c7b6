"""Fit a normal distribution to the numbers of rows, given their categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from zerosum.game.sample_spec import NumberModel, TensorSpec

MAX_ROWS = 20_000
"""Training rows to which the distribution is fitted."""
MAX_NUMBERS, MAX_VALUES = 20, 2_000
"""Largest numbers of columns of numbers, and of values of a sample, for which it is fitted: the numbers of a sample
follow from each other one after the other, and the fit costs the cube of the values."""
RIDGE = 1e-3
"""Weight of the squared coefficients, in fractions of the mean square of the values."""
MIN_DEVIATION = 0.02
"""Least deviation of a number given the others: those that depend on others exactly are not blown up to noise."""
TIGHT = 0.3
"""Fraction of a number's deviation: if what the others leave of it is less, it depends on them tightly."""
FIELDS = ("weights", "offsets", "covariance")
_PREFIX = "numbers."


def can_fit(spec: TensorSpec, num_rows: int) -> bool:
    """Return whether the distribution is fitted to so many rows of this form; known before they are all encoded."""
    is_small = 2 <= len(number_places(spec)) <= MAX_NUMBERS and spec.shape[0] <= MAX_VALUES
    return is_small and num_rows >= 2 * spec.shape[0]


def fit_number_model(sample: Tensor, spec: TensorSpec) -> NumberModel | None:
    """Return the distribution of the numbers of training rows.

    Args:
        sample: (N, K) encoded training rows.
        spec: their form.

    Returns:
        The distribution; None where there are fewer than two numbers, too many, or too few rows.
    """
    places, categories = number_places(spec), _category_places(spec)
    if not can_fit(spec, len(sample)):
        return None
    rows = sample[:MAX_ROWS].double()
    means = rows.mean(0)
    centered = rows - means
    numbers, known = centered[:, places], centered[:, categories]
    weights = torch.zeros(len(places), spec.shape[0], dtype=torch.float64)
    if categories:
        gram = known.T @ known / len(rows)
        ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(categories), dtype=torch.float64)
        weights[:, categories] = torch.linalg.solve(gram + ridge, known.T @ numbers / len(rows)).T
    rest = numbers - known @ weights[:, categories].T
    covariance = rest.T @ rest / len(rows) + MIN_DEVIATION**2 * torch.eye(len(places), dtype=torch.float64)
    return _as_model(weights, means[places] - weights @ means, covariance)


def find_tight(model: NumberModel, sample: Tensor, spec: TensorSpec) -> list[int]:
    """Return the blocks (by number) whose number depends on the others so tightly that little is left of it."""
    deviations = sample[:MAX_ROWS, number_places(spec)].double().std(0)
    precision = torch.linalg.inv(torch.tensor(model.covariance, dtype=torch.float64))
    left = precision.diagonal().rsqrt()  # the deviation of each number given all others
    blocks = [index for index, block in enumerate(spec.blocks) if block.has_value]
    return [index for index, is_tight in zip(blocks, (left < TIGHT * deviations).tolist(), strict=True) if is_tight]


def number_places(spec: TensorSpec) -> list[int]:
    """Return the places of the numbers of a sample."""
    ends = np.cumsum([block.size for block in spec.blocks]) - 1
    return [int(end) for end, block in zip(ends, spec.blocks, strict=True) if block.has_value]


def _category_places(spec: TensorSpec) -> list[int]:
    """Return the places of the categories of blocks without a number: those of blocks with one say what it is."""
    ends = np.cumsum([block.size for block in spec.blocks])
    own = zip(ends, spec.blocks, strict=True)
    return [place for end, block in own if not block.has_value for place in range(int(end) - block.size, int(end))]


def _as_model(weights: Tensor, offsets: Tensor, covariance: Tensor) -> NumberModel:
    return NumberModel(
        tuple(map(tuple, weights.tolist())), tuple(offsets.tolist()), tuple(map(tuple, covariance.tolist()))
    )


def model_tensors(model: NumberModel | None) -> dict[str, Tensor]:
    """Return a distribution as tensors, to be saved."""
    if model is None:
        return {}
    return {_PREFIX + name: torch.tensor(vars(model)[name], dtype=torch.float64) for name in FIELDS}


def restore_model(tensors: Mapping[str, Tensor]) -> NumberModel | None:
    """Return the distribution among saved tensors; None if there is none."""
    if _PREFIX + FIELDS[0] not in tensors:
        return None
    weights, offsets, covariance = (tensors[_PREFIX + name].double() for name in FIELDS)
    return _as_model(weights, offsets, covariance)
