"""The inception score: does a classifier see clear classes in the images, and many of them?

Salimans et al. 2016, arXiv:1606.03498, section 4. It never looks at real images.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.score import Score, jackknife


class _Sums(NamedTuple):
    """What the score needs to know of some rows, for each of P parts of them."""

    counts: Tensor
    """(P,) rows"""
    probabilities: Tensor
    """(P, K) sums of probabilities p"""
    negative_entropies: Tensor
    """(P,) sums of p log p over rows and classes"""


def inception_score(probabilities: FeatureTable, splits: int = 1, num_groups: int = 10) -> Score:
    """The exponential of the mean KL(p || q), for rows p of probabilities and q their mean: 1 to K, more is better.

    With one split it is of all rows, and its standard error is by the delete-a-group jackknife: group g is the rows
    g, g + groups, ... With more splits it is the mean over contiguous parts, as in the paper, and the standard error of
    that mean. Few rows bias it downwards, so it falls with more splits.

    Args:
        probabilities: (N, K) probabilities; rows are divided by their sums, which float32 leaves near 1.
        splits: parts that are scored one by one.
        num_groups: of the jackknife; the error is NaN of fewer rows.

    Raises:
        BadInput: rows that do not add up to 1, no rows, or fewer rows than splits.
    """
    rows = len(probabilities)
    if not 1 <= splits <= rows:
        raise BadInput(f"{rows} images cannot be divided into {splits} splits; ask for 1 to {rows}.")
    if splits > 1:
        parts = _scores_from_sums(
            _sum_parts(probabilities, torch.arange(splits).repeat_interleave(_split_sizes(rows, splits)), splits)
        )
        return Score(float(parts.mean()), float(parts.std()) / math.sqrt(splits))
    sums = _sum_parts(probabilities, torch.arange(rows) % num_groups, num_groups)
    whole = _Sums(*(part.sum(0, keepdim=True) for part in sums))
    value = float(_scores_from_sums(whole)[0])
    if rows < max(num_groups, 2) or num_groups < 2:
        return Score(value)
    rest = _Sums(*(everything - part for everything, part in zip(whole, sums, strict=True)))
    return jackknife(value, _scores_from_sums(rest).tolist())


def _split_sizes(num_rows: int, splits: int) -> Tensor:
    """Rows of each split (splits,), as even as can be."""
    return (torch.arange(1, splits + 1) * num_rows // splits).diff(prepend=torch.zeros(1, dtype=torch.int64))


def _sum_parts(probabilities: FeatureTable, part_index: Tensor, num_parts: int) -> _Sums:
    """The sums over each part, by each row's part (N,)."""
    totals, certainties = (
        torch.zeros(num_parts, probabilities.num_columns, dtype=torch.float64),
        torch.zeros(num_parts).double(),
    )
    for start, block in zip(probabilities.block_starts, probabilities.blocks(), strict=True):
        here, rows = part_index[start : start + len(block)], block.double()
        sums = rows.sum(1, keepdim=True)
        if not ((sums - 1).abs() < 1e-3).all() or (rows < 0).any():
            raise BadInput("The probabilities of an image's classes are not positive numbers that add up to 1.")
        rows /= sums
        totals.index_add_(0, here, rows)
        certainties.index_add_(0, here, torch.xlogy(rows, rows).sum(1))
    return _Sums(torch.bincount(part_index, minlength=num_parts).double(), totals, certainties)


def _scores_from_sums(sums: _Sums) -> Tensor:
    """(P,) The exponential of the mean KL.

    As q is the mean of p, it is the mean of sum p log p less sum q log q.
    """
    middle = sums.probabilities / sums.counts[:, None]
    return (sums.negative_entropies / sums.counts - torch.xlogy(middle, middle).sum(1)).exp()
