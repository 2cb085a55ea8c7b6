"""Judged class by class: what samples are, by a classifier of the data's own classes, and which classes they reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics import class_counts
from zerosum.evaluation.metrics.manifold import PairwiseScores, kernel_distance

LabelArray = NDArray[np.int64]
MIN_IMAGES_PER_CLASS = 30
"""Images of a class on either side below which its kernel distance says nothing."""


def predict_classes(probabilities: FeatureTable) -> LabelArray:
    """The likeliest class of each row: (N,)."""
    return np.concatenate([block.argmax(1).numpy() for block in probabilities.blocks()])


def evaluate_per_class(
    class_names: Sequence[str],
    probabilities: tuple[FeatureTable, FeatureTable],
    features: tuple[FeatureTable, FeatureTable],
    real_labels: LabelArray | None,
    requested_labels: LabelArray | None,
    pairwise: PairwiseScores,
) -> dict[str, Any]:
    """Shares, accuracy, kernel distance, recall and coverage of each class, for scores.jsonl.

    Args:
        class_names: the K classes.
        probabilities: the classifier's, of real images (N, K) and of samples (M, K).
        features: of the same (N, D) and (M, D), by which distances are measured.
        real_labels: (N,) the real images' classes; None: what the classifier takes them for.
        requested_labels: (M,) the classes that the samples were asked to be; None: none was asked for.
        rows: which real images samples reach and cover.
    """
    real, made = (predict_classes(each) for each in probabilities)
    real_labels = real if real_labels is None else real_labels
    tally, expected = (class_counts.count_classes(each, len(class_names)) for each in (made, real_labels))
    divergence = class_counts.class_kl_divergence(tally, expected)
    kinds = made if requested_labels is None else requested_labels
    row = {
        "class_names": list(class_names),
        "generated_counts": tally.tolist(),
        "real_counts": expected.tolist(),
        "kl": divergence if math.isfinite(divergence) else None,
        "confident_fraction": class_counts.confident_fraction(probabilities[1]).value,
        "confident_fraction_real": class_counts.confident_fraction(probabilities[0]).value,
        "accuracy": None if requested_labels is None else class_counts.accuracy(made, requested_labels).value,
        "kid": [_class_kernel_distance(features, real_labels == k, kinds == k) for k in range(len(class_names))],
    }
    for name, seen in (("recall", pairwise.recall_mask), ("coverage", pairwise.coverage_mask)):
        shares = [score.value for score in class_counts.mean_per_class(seen, real_labels, len(class_names))]
        row[name] = [share if math.isfinite(share) else None for share in shares]
    return row


def _class_kernel_distance(
    features: tuple[FeatureTable, FeatureTable], real_mask: NDArray[np.bool_], generated_mask: NDArray[np.bool_]
) -> float | None:
    """The kernel distance of the rows chosen on both sides; None where they are too few."""
    if min(real_mask.sum(), generated_mask.sum()) < MIN_IMAGES_PER_CLASS:
        return None
    parts = (
        FeatureTable.from_tensor(table.take(np.flatnonzero(which)))
        for table, which in zip(features, (real_mask, generated_mask), strict=True)
    )
    return kernel_distance(*parts).value
