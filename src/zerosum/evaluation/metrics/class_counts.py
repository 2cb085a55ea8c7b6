"""Counting: means over images, and the classes that a network sees in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.score import Score


def mean(values: NDArray[Any]) -> Score:
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


def by_class(values: NDArray[Any], labels: NDArray[np.int64], classes: int) -> list[Score]:
    """The mean of values (N,) in each class, by the images' labels (N,): "covered" gives the coverage of each class.

    Raises:
        BadInput: a label is below 0 or not below `classes`, or there are not as many labels as values.
    """
    if len(labels) != len(values):
        raise BadInput(f"There are {len(labels)} labels for {len(values)} images; give one label an image.")
    _check_labels(labels, classes)
    return [mean(values[labels == label]) for label in range(classes)]


def class_counts(predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each class occurs among predicted labels (N,): (classes,).

    Raises:
        BadInput: a label is below 0 or not below `classes`.
    """
    _check_labels(predicted, classes)
    return np.bincount(predicted, minlength=classes).astype(np.int64)


def class_divergence(counts: NDArray[np.int64], reference_counts: NDArray[np.int64]) -> float:
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


def accuracy(predicted: NDArray[np.int64], wanted: NDArray[np.int64]) -> Score:
    """The share of images (N,) seen as the class that they were asked to be: 0 to 1."""
    if len(predicted) != len(wanted):
        raise BadInput(f"There are {len(wanted)} wanted labels for {len(predicted)} images; give one label an image.")
    return mean(predicted == wanted)


def sure(chances: Table, above: float = 0.9) -> Score:
    """The share of images of whose class the network is sure: with (N, K) probabilities, the largest over `above`."""
    return mean(np.concatenate([(block.amax(1) > above).numpy() for block in chances.blocks()] or [np.empty(0)]))


def _check_labels(labels: NDArray[np.int64], classes: int) -> None:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise BadInput(f"Label {wrong[0]} is not one of {classes} classes; labels go from 0 to {classes - 1}.")
