"""Statistics that compare two samples: energy distance, area under the ROC curve and Cohen's d."""

from __future__ import annotations

import torch
from torch import Tensor


def energy_distance(
    features: Tensor, within_distance: float, reference: Tensor, reference_within_distance: float
) -> float:
    """Return the energy distance of two sets of rows, which is 0 on average for samples of the same distribution.

    It is twice the mean distance between the sets minus the mean distances within them (Székely and Rizzo 2013). Unlike
    nearest-neighbor statistics it is informative even where the sets do not overlap.

    Args:
        features: (N, D) rows.
        within_distance: mean pairwise distance of `features`.
        reference: (M, D) rows.
        reference_within_distance: mean pairwise distance of `reference`.
    """
    mean = reference.mean(0)
    across = float(torch.cdist(features - mean, reference - mean).mean())
    return 2 * across - within_distance - reference_within_distance


def auc(positives: Tensor, negatives: Tensor) -> float:
    """Return the area under the ROC curve of scores.

    It is the probability that a score of `positives` (N,) is above one of `negatives` (M,), where ties count half.
    """
    ordered = torch.sort(negatives.double()).values
    num_below = torch.searchsorted(ordered, positives.double())
    num_not_above = torch.searchsorted(ordered, positives.double(), right=True)
    return float((num_below + num_not_above).double().mean() / (2 * len(negatives)))


def cohens_d(positives: Tensor, negatives: Tensor) -> float:
    """Return the difference of the means of `positives` (N,) and `negatives` (M,) over their pooled deviation."""
    pooled = ((positives.double().var() + negatives.double().var()) / 2).sqrt()
    return float((positives.double().mean() - negatives.double().mean()) / pooled.clamp_min(1e-12))
