"""Means over items, and counts of the classes that a classifier predicts for them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.score import Score, mean_score


def mean_per_class(values: NDArray[np.generic], labels: NDArray[np.int64], num_classes: int) -> list[Score]:
    """Return the mean of values (N,) over the items of each class.

    Example: `mean_per_class(scores.coverage_mask, labels, 10)` is the coverage of each class.

    Args:
        values: (N,) one value per item.
        labels: (N,) class indices of the items.
        num_classes: number of classes.

    Raises:
        BadInput: a label is not in 0 to `num_classes` - 1, or the numbers of labels and values differ.
    """
    if len(labels) != len(values):
        raise BadInput(f"there are {len(labels)} labels for {len(values)} items: give one label per item")
    _check_labels(labels, num_classes)
    return [mean_score(values[labels == label]) for label in range(num_classes)]


def count_classes(predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Return how often each class occurs among predicted labels (N,): (num_classes,).

    Raises:
        BadInput: a label is not in 0 to `num_classes` - 1.
    """
    _check_labels(predicted, num_classes)
    return np.bincount(predicted, minlength=num_classes).astype(np.int64)


def class_kl_divergence(counts: NDArray[np.int64], reference_counts: NDArray[np.int64]) -> float:
    """Return KL(q || p) in nats, of the class distribution q of fakes from that of reals p, by their counts (K,).

    This is the "reverse KL" of the literature on mode collapse (Srivastava et al. 2017, arXiv:1705.07761, and later),
    in which the fakes come first. It is 0 where the distributions agree. A class missing from the fakes contributes
    nothing (0 log 0 = 0), and a class that only the fakes have makes it infinite: there is no smoothing. By chance
    alone it is about (K - 1) (1 / N + 1 / M) / 2 for N reals and M fakes of the same distribution.

    Args:
        counts: (K,) fakes of each class.
        reference_counts: (K,) reals of each class.

    Raises:
        BadInput: one of the sets has no items, or the numbers of classes differ.
    """
    if len(counts) != len(reference_counts):
        raise BadInput(f"{len(counts)} and {len(reference_counts)} classes cannot be compared: use one classifier")
    if not (counts.sum() and reference_counts.sum()):
        raise BadInput("there are no items to count classes of: give at least one real and one generated item")
    occurs = counts > 0
    if (reference_counts[occurs] == 0).any():
        return math.inf
    fractions, reference = counts[occurs] / counts.sum(), reference_counts[occurs] / reference_counts.sum()
    return max(0.0, float((fractions * np.log(fractions / reference)).sum()))


def accuracy(predicted: NDArray[np.int64], target: NDArray[np.int64]) -> Score:
    """Return the fraction of items (N,) whose predicted class is the target class: 0 to 1.

    Raises:
        BadInput: the numbers of predicted and target labels differ.
    """
    if len(predicted) != len(target):
        raise BadInput(f"there are {len(target)} target labels for {len(predicted)} items: give one label per item")
    return mean_score(predicted == target)


def confident_fraction(probabilities: FeatureTable, threshold: float = 0.9) -> Score:
    """Return the fraction of items whose largest class probability, of (N, K), is above `threshold`."""
    return mean_score(
        np.concatenate([(block.amax(1) > threshold).numpy() for block in probabilities.blocks()] or [np.empty(0)])
    )


def _check_labels(labels: NDArray[np.int64], num_classes: int) -> None:
    invalid = labels[(labels < 0) | (labels >= num_classes)]
    if len(invalid):
        raise BadInput(f"label {invalid[0]} is not one of {num_classes} classes: labels go from 0 to {num_classes - 1}")
