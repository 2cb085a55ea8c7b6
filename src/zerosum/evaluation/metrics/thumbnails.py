"""Samples as rough looks, cheap enough to compare many: what an examination knows of the distribution it sees.

A look is a picture shrunk to at most 16 pixels a side, or a point as it is. Distances between looks miss texture, which
`zerosum evaluate` sees with a feature network; they do not miss samples that are all alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.manifold import Side, side

SIDE = 16
NEIGHBOURS = 5
NEAR = 0.25
"""Of the usual distance between neighbouring reals: two samples nearer than this echo each other."""


def looks(samples: Tensor) -> Tensor:
    """Samples (N, C, H, W) or (N, F) as rows (N, D) float32 on the CPU."""
    return shrunk(samples).flatten(1)


def shrunk(samples: Tensor) -> Tensor:
    """Pictures (N, C, H, W) at most 16 pixels a side, points as they are; float32 on the CPU."""
    samples = samples.detach().float()
    if samples.dim() == 4 and samples.shape[-1] > SIDE:
        samples = torch.nn.functional.adaptive_avg_pool2d(samples, SIDE)
    return samples.cpu()


def spread(rows: Tensor) -> float:
    """The mean distance between two of the rows (N, D)."""
    return float(_apart(rows).mean())


def nearest(rows: Tensor) -> Tensor:
    """(N,) the distance from each of the rows (N, D) to its nearest other."""
    return _apart(rows).min(1).values


def _apart(rows: Tensor) -> Tensor:
    """Distances from each of the rows (N, D) to the others: (N, N - 1)."""
    n = len(rows)
    # exact: the way by products has an error that equal rows would show
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)  # all but the diagonal


def far(rows: Tensor, among: Tensor) -> float:
    """The median distance from a row (N, D) to the nearest of others (M, D)."""
    # the way by products finds the nearest, best near the origin; measured anew, for its error would show in copies
    middle = among.mean(0)
    there = among[torch.cdist(rows - middle, among - middle).argmin(1)]
    return float((rows - there).norm(dim=1).median())


def energy(rows: Tensor, spread_of_rows: float, among: Tensor, spread_among: float) -> float:
    """The energy distance of rows (N, D) from others (M, D): 0 on average where both are drawn from the same.

    Twice the mean distance across, less the mean distances within (Székely and Rizzo 2013). It is seen from afar, where
    no sample is anybody's neighbour yet.
    """
    middle = among.mean(0)
    across = float(torch.cdist(rows - middle, among - middle).mean())
    return 2 * across - spread_of_rows - spread_among


class Crowd(NamedTuple):
    """A set of looks, compared with itself."""

    rows: Tensor
    """(N, D)."""
    spread: float
    """The mean distance between two of them."""
    nearest: Tensor
    """(N,) the distance from each to its nearest neighbour."""
    side: Side
    """For precision, recall and coverage."""

    @classmethod
    def of(cls, rows: Tensor) -> Crowd:
        """The crowd of rows (N, D), more than six."""
        return cls(rows, spread(rows), nearest(rows), side(Table.of(rows), NEIGHBOURS))


def echo(fake: Crowd, real: Crowd) -> float:
    """The share of fakes that have a near copy among the fakes; between real samples that is rare.

    The birthday test (Arora and Zhang 2017, arXiv:1706.08224) by a machine's eye: near is a quarter of the median
    distance between neighbouring reals.
    """
    return float((fake.nearest < NEAR * real.nearest.median()).float().mean())


def auc(high: Tensor, low: Tensor) -> float:
    """The chance that a score of `high` (N,) is above one of `low` (M,), equal ones counting half."""
    order = torch.sort(low.double()).values
    below = torch.searchsorted(order, high.double())
    upto = torch.searchsorted(order, high.double(), right=True)
    return float((below + upto).double().mean() / (2 * len(low)))


def separation(high: Tensor, low: Tensor) -> float:
    """How far the mean of `high` (N,) is above that of `low` (M,), in their common standard deviation."""
    pooled = ((high.double().var() + low.double().var()) / 2).sqrt()
    return float((high.double().mean() - low.double().mean()) / pooled.clamp_min(1e-12))
