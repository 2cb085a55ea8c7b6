"""Scores per class: class counts of samples by a classifier of the dataset's classes, and coverage of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics import class_counts
from zerosum.evaluation.metrics.base import PairwiseScores
from zerosum.evaluation.metrics.kid import kernel_distance
from zerosum.run_folder import Json

LabelArray = NDArray[np.int64]
MIN_ITEMS_PER_CLASS = 30
"""Images of a class in each set, below which its kernel distance is not computed."""


def predict_classes(probabilities: FeatureTable) -> LabelArray:
    """Return the most probable class of each row: (N,)."""
    return np.concatenate([block.argmax(1).numpy() for block in probabilities.blocks()])


def evaluate_per_class(
    class_names: Sequence[str],
    probabilities: tuple[FeatureTable, FeatureTable],
    features: tuple[FeatureTable, FeatureTable],
    real_labels: LabelArray | None,
    requested_labels: LabelArray | None,
    pairwise: PairwiseScores,
) -> dict[str, Json]:
    """Return counts, accuracy, kernel distance, recall and coverage of each class, for scores.jsonl.

    Args:
        class_names: names of the K classes.
        probabilities: the classifier's output for N real items (N, K) and for M samples (M, K).
        features: features of the same items (N, D) and (M, D), in which distances are measured.
        real_labels: (N,) classes of the real items; None: use the predicted ones.
        requested_labels: (M,) classes that the samples were conditioned on; None: unconditional.
        pairwise: scores of these sets, which tell which real items are reached and covered.
    """
    num_classes = len(class_names)
    real_predictions, generated_predictions = (predict_classes(table) for table in probabilities)
    real_labels = real_predictions if real_labels is None else real_labels
    generated_counts = class_counts.count_classes(generated_predictions, num_classes)
    real_counts = class_counts.count_classes(real_labels, num_classes)
    divergence = class_counts.class_kl_divergence(generated_counts, real_counts)
    generated_labels = generated_predictions if requested_labels is None else requested_labels
    row: dict[str, Json] = {
        "class_names": list(class_names),
        "generated_counts": generated_counts.tolist(),
        "real_counts": real_counts.tolist(),
        "kl": divergence if math.isfinite(divergence) else None,
        "confident_fraction": class_counts.confident_fraction(probabilities[1]).value,
        "confident_fraction_real": class_counts.confident_fraction(probabilities[0]).value,
        "accuracy": None
        if requested_labels is None
        else class_counts.accuracy(generated_predictions, requested_labels).value,
        "kid": [
            _class_kernel_distance(features, real_labels == label, generated_labels == label)
            for label in range(num_classes)
        ],
    }
    for name, mask in (("recall", pairwise.recall_mask), ("coverage", pairwise.coverage_mask)):
        values = [score.value for score in class_counts.mean_per_class(mask, real_labels, num_classes)]
        row[name] = [value if math.isfinite(value) else None for value in values]
    return row


def _class_kernel_distance(
    features: tuple[FeatureTable, FeatureTable], real_mask: NDArray[np.bool_], generated_mask: NDArray[np.bool_]
) -> float | None:
    """Return the kernel distance of the masked rows; None where there are too few."""
    if min(real_mask.sum(), generated_mask.sum()) < MIN_ITEMS_PER_CLASS:
        return None
    subsets = (
        FeatureTable.from_tensor(table.take(np.flatnonzero(mask)))
        for table, mask in zip(features, (real_mask, generated_mask), strict=True)
    )
    return kernel_distance(*subsets).value
