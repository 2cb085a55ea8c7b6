"""How similar molecules are to each other: internal diversity.

Polykovskiy et al. 2020, arXiv:1811.12823, section 4. The Tanimoto similarity of two fingerprints is the number of their
common bits divided by the number of bits that either has. Products of ones and zeros in float32 count common bits
exactly, and several times as fast as bit operations.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.evaluation.metrics.molecules.analysis import Fingerprints

_BLOCK = 4_096
"""Rows of a tile of similarities, which takes 64 MB."""


def mean_similarities(fingerprints: Fingerprints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean similarity (N,) of each molecule (N, 128) to all of them, and the mean of its square (N,).

    All of them include the molecule itself.
    """
    sums, squares = np.zeros(len(fingerprints)), np.zeros(len(fingerprints))
    starts = range(0, len(fingerprints), _BLOCK)
    for start, rows in zip(starts, _blocks(fingerprints), strict=True):
        for first, others in zip(starts[start // _BLOCK :], _blocks(fingerprints[start:]), strict=True):
            tile = _similarities(rows, others)
            square = tile.square()
            own, other = slice(start, start + len(rows)), slice(first, first + len(others))
            sums[own] += tile.sum(1, dtype=torch.float64).numpy()
            squares[own] += square.sum(1, dtype=torch.float64).numpy()
            if first != start:  # the tile below the diagonal is this one's transpose
                sums[other] += tile.sum(0, dtype=torch.float64).numpy()
                squares[other] += square.sum(0, dtype=torch.float64).numpy()
    return sums / len(fingerprints), squares / len(fingerprints)


def internal_diversity(fingerprints: Fingerprints) -> tuple[float, float]:
    """Return IntDiv with p = 1 and p = 2 of molecules (N, 128): 1 minus a mean similarity of all pairs.

    With p = 2 it is the mean over molecules of the root of the mean square, as MOSES computes its published figures;
    the formula of its paper takes the root of the mean over all pairs, which is a little larger.

    Example:
        >>> internal_diversity(np.packbits(np.eye(2, 1024, dtype=np.uint8), axis=1))[0]
        0.5
    """
    means, squares = mean_similarities(fingerprints)
    return float(1 - means.mean()), float(1 - np.sqrt(squares).mean())


def _blocks(fingerprints: Fingerprints) -> Iterator[Tensor]:
    """Yield blocks (n, 1024) of ones and zeros in float32."""
    for start in range(0, len(fingerprints), _BLOCK):
        yield torch.from_numpy(np.unpackbits(fingerprints[start : start + _BLOCK], axis=1)).float()


def _similarities(rows: Tensor, others: Tensor) -> Tensor:
    """Return the similarities (n, m) of fingerprints (n, 1024) and (m, 1024)."""
    common = rows @ others.T
    union = rows.sum(1)[:, None] + others.sum(1) - common
    return common.div_(union)
