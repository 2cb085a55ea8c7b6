"""The Inception Score: whether a classifier is confident for each item and predicts many classes overall.

Salimans et al. 2016, arXiv:1606.03498, section 4. It does not use real items.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.base import Comparison, Metric
from zerosum.evaluation.metrics.score import Score, jackknife


class _Sums(NamedTuple):
    """Sums over rows that the score is computed from, for each of P parts of the rows."""

    counts: Tensor
    """(P,) numbers of rows"""
    probabilities: Tensor
    """(P, K) sums of probabilities p"""
    negative_entropies: Tensor
    """(P,) sums of p log p over rows and classes"""


def inception_score(probabilities: FeatureTable, splits: int = 1, num_groups: int = 10) -> Score:
    """Return the exponential of the mean KL(p || q), where q is the mean of the rows p: 1 to K, higher is better.

    With one split it is computed over all rows, and its standard error by the delete-a-group jackknife: group g
    consists of the rows g, g + num_groups, ... With more splits it is the mean over contiguous parts, as in the paper,
    with the standard error of that mean. Few rows bias it downwards, so it falls with more splits.

    Args:
        probabilities: (N, K) class probabilities; rows are divided by their sums, which in float32 are only near 1.
        splits: number of parts that are scored separately.
        num_groups: number of groups of the jackknife; the error is NaN if there are fewer rows.

    Raises:
        BadInput: a row does not add up to 1, or there are fewer rows than splits.

    Example:
        >>> round(inception_score(FeatureTable.from_tensor(torch.eye(4).repeat(10, 1))).value, 6)
        4.0
    """
    num_rows = len(probabilities)
    if not 1 <= splits <= num_rows:
        raise BadInput(f"{num_rows} items cannot be divided into {splits} parts: choose 1 to {num_rows}")
    if splits > 1:
        part_index = torch.arange(splits).repeat_interleave(_split_sizes(num_rows, splits))
        scores = _scores_from_sums(_sum_parts(probabilities, part_index, splits))
        return Score(float(scores.mean()), float(scores.std()) / math.sqrt(splits))
    group_sums = _sum_parts(probabilities, torch.arange(num_rows) % num_groups, num_groups)
    total_sums = _Sums(*(sums.sum(0, keepdim=True) for sums in group_sums))
    value = float(_scores_from_sums(total_sums)[0])
    if num_rows < max(num_groups, 2) or num_groups < 2:
        return Score(value)
    replicate_sums = _Sums(*(total - group for total, group in zip(total_sums, group_sums, strict=True)))
    return jackknife(value, _scores_from_sums(replicate_sums).tolist())


def _split_sizes(num_rows: int, splits: int) -> Tensor:
    """Return the number of rows in each split (splits,), as equal as possible."""
    return (torch.arange(1, splits + 1) * num_rows // splits).diff(prepend=torch.zeros(1, dtype=torch.int64))


def _sum_parts(probabilities: FeatureTable, part_index: Tensor, num_parts: int) -> _Sums:
    """Return the sums over the rows of each part, from the part index of each row (N,)."""
    probability_sums = torch.zeros(num_parts, probabilities.num_columns, dtype=torch.float64)
    negative_entropies = torch.zeros(num_parts).double()
    for start, block in zip(probabilities.block_starts, probabilities.blocks(), strict=True):
        block_parts, rows = part_index[start : start + len(block)], block.double()
        row_sums = rows.sum(1, keepdim=True)
        if not ((row_sums - 1).abs() < 1e-3).all() or (rows < 0).any():
            raise BadInput("the class probabilities of an item are negative or do not add up to 1: apply a softmax")
        rows /= row_sums
        probability_sums.index_add_(0, block_parts, rows)
        negative_entropies.index_add_(0, block_parts, torch.xlogy(rows, rows).sum(1))
    return _Sums(torch.bincount(part_index, minlength=num_parts).double(), probability_sums, negative_entropies)


def _scores_from_sums(sums: _Sums) -> Tensor:
    """Return the exponential of the mean KL of each part: (P,).

    As q is the mean of p, the mean KL is the mean of sum p log p minus sum q log q.
    """
    mean = sums.probabilities / sums.counts[:, None]
    return (sums.negative_entropies / sums.counts - torch.xlogy(mean, mean).sum(1)).exp()


def _score_samples(comparison: Comparison) -> Score | None:
    """Return the Inception Score of the samples; None without class probabilities."""
    probabilities = comparison.generated.probabilities
    return None if probabilities is None else inception_score(probabilities)


METRICS = (
    Metric(
        "is",
        "Inception Score: confident and varied classes, higher is better",
        _score_samples,
        lower_is_better=False,
        is_named_by_features=True,
        position=40,
    ),
)
