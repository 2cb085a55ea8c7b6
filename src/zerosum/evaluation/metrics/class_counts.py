"""Counting: means over images, and the classes that a network sees in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.score import Score


def mean_score(values: NDArray[Any]) -> Score:
    """The mean of values (N,) of independent images, and its standard error s / sqrt(N).

    NaN for no values; the error is NaN for a single one, and where a value is infinite.
    """
    values = values.astype(np.float64)
    if not len(values):
        return Score(math.nan)
    value = float(values.mean())
    if len(values) < 2 or not math.isfinite(value):
        return Score(value)
    return Score(value, float(values.std(ddof=1)) / math.sqrt(len(values)))


def mean_per_class(values: NDArray[Any], labels: NDArray[np.int64], num_classes: int) -> list[Score]:
    """The mean of values (N,) in each class, by the images' labels (N,): "covered" gives the coverage of each class.

    Raises:
        BadInput: a label is below 0 or not below `num_classes`, or there are not as many labels as values.
    """
    if len(labels) != len(values):
        raise BadInput(f"There are {len(labels)} labels for {len(values)} images; give one label an image.")
    _check_labels(labels, num_classes)
    return [mean_score(values[labels == label]) for label in range(num_classes)]


def count_classes(predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """How often each class occurs among predicted labels (N,): (classes,).

    Raises:
        BadInput: a label is below 0 or not below `num_classes`.
    """
    _check_labels(predicted, num_classes)
    return np.bincount(predicted, minlength=num_classes).astype(np.int64)


def class_kl_divergence(counts: NDArray[np.int64], reference_counts: NDArray[np.int64]) -> float:
    """KL(q || p) in nats, of the fakes' classes q from the reals' classes p, both by their counts (K,).

    The "reverse KL" of the literature on lost modes (Srivastava et al. 2017, arXiv:1705.07761, and after), where the
    fakes come first. 0 where the shares agree; a class lost by the fakes counts little, 0 log 0 being 0, and a class
    that only the fakes have makes it infinite: nothing is smoothed. By chance alone it is about
    (K - 1) (1 / N + 1 / M) / 2 for N reals and M fakes of one distribution.

    Raises:
        BadInput: there are no images on a side, or other numbers of classes.
    """
    if len(counts) != len(reference_counts):
        raise BadInput(f"{len(counts)} and {len(reference_counts)} classes cannot be compared; use one classifier.")
    if not (counts.sum() and reference_counts.sum()):
        raise BadInput("There are no images to count classes of; give some on either side.")
    seen = counts > 0
    if (reference_counts[seen] == 0).any():
        return math.inf
    shares, reference = counts[seen] / counts.sum(), reference_counts[seen] / reference_counts.sum()
    return max(0.0, float((shares * np.log(shares / reference)).sum()))


def accuracy(predicted: NDArray[np.int64], target: NDArray[np.int64]) -> Score:
    """The share of images (N,) seen as the class that they were asked to be: 0 to 1."""
    if len(predicted) != len(target):
        raise BadInput(f"There are {len(target)} wanted labels for {len(predicted)} images; give one label an image.")
    return mean_score(predicted == target)


def confident_fraction(probabilities: FeatureTable, threshold: float = 0.9) -> Score:
    """The share of images of whose class the network is sure: with (N, K) probabilities, the largest over `threshold`."""
    return mean_score(
        np.concatenate([(block.amax(1) > threshold).numpy() for block in probabilities.blocks()] or [np.empty(0)])
    )


def _check_labels(labels: NDArray[np.int64], num_classes: int) -> None:
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong):
        raise BadInput(f"Label {wrong[0]} is not one of {num_classes} classes; labels go from 0 to {num_classes - 1}.")
