"""The inception score: does a classifier see clear classes in the images, and many of them?

Salimans et al. 2016, arXiv:1606.03498, section 4. It never looks at real images.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.score import Score, jackknife


class _Sums(NamedTuple):
    """What the score needs to know of some rows, for each of P parts of them."""

    counts: Tensor
    """(P,) rows"""
    chances: Tensor
    """(P, K) sums of probabilities p"""
    certainties: Tensor
    """(P,) sums of p log p over rows and classes"""


def inception_score(chances: Table, splits: int = 1, groups: int = 10) -> Score:
    """The exponential of the mean KL(p || q), for rows p of probabilities and q their mean: 1 to K, more is better.

    With one split it is of all rows, and its standard error is by the delete-a-group jackknife: group g is the rows
    g, g + groups, ... With more splits it is the mean over contiguous parts, as in the paper, and the standard error of
    that mean. Few rows bias it downwards, so it falls with more splits.

    Args:
        chances: (N, K) probabilities; rows are divided by their sums, which float32 leaves near 1.
        splits: parts that are scored one by one.
        groups: of the jackknife; the error is NaN of fewer rows.

    Raises:
        BadInput: rows that do not add up to 1, no rows, or fewer rows than splits.
    """
    rows = len(chances)
    if not 1 <= splits <= rows:
        raise BadInput(f"{rows} images cannot be divided into {splits} splits; ask for 1 to {rows}.")
    if splits > 1:
        parts = _scores(_sums(chances, torch.arange(splits).repeat_interleave(_sizes(rows, splits)), splits))
        return Score(float(parts.mean()), float(parts.std()) / math.sqrt(splits))
    sums = _sums(chances, torch.arange(rows) % groups, groups)
    whole = _Sums(*(part.sum(0, keepdim=True) for part in sums))
    value = float(_scores(whole)[0])
    if rows < max(groups, 2) or groups < 2:
        return Score(value)
    rest = _Sums(*(everything - part for everything, part in zip(whole, sums, strict=True)))
    return jackknife(value, _scores(rest).tolist())


def _sizes(rows: int, splits: int) -> Tensor:
    """Rows of each split (splits,), as even as can be."""
    return (torch.arange(1, splits + 1) * rows // splits).diff(prepend=torch.zeros(1, dtype=torch.int64))


def _sums(chances: Table, part: Tensor, parts: int) -> _Sums:
    """The sums over each part, by each row's part (N,)."""
    totals, certainties = torch.zeros(parts, chances.width, dtype=torch.float64), torch.zeros(parts).double()
    for start, block in zip(chances.starts, chances.blocks(), strict=True):
        here, rows = part[start : start + len(block)], block.double()
        sums = rows.sum(1, keepdim=True)
        if not ((sums - 1).abs() < 1e-3).all() or (rows < 0).any():
            raise BadInput("The probabilities of an image's classes are not positive numbers that add up to 1.")
        rows /= sums
        totals.index_add_(0, here, rows)
        certainties.index_add_(0, here, torch.xlogy(rows, rows).sum(1))
    return _Sums(torch.bincount(part, minlength=parts).double(), totals, certainties)


def _scores(sums: _Sums) -> Tensor:
    """(P,) The exponential of the mean KL.

    As q is the mean of p, it is the mean of sum p log p less sum q log q.
    """
    middle = sums.chances / sums.counts[:, None]
    return (sums.certainties / sums.counts - torch.xlogy(middle, middle).sum(1)).exp()
