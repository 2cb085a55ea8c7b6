"""Judged class by class: what samples are, by a classifier of the data's own classes, and which classes they reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics import class_counts
from zerosum.evaluation.metrics.manifold import Pairwise, kernel_distance

Labels = NDArray[np.int64]
FEWEST = 30
"""Images of a class on either side below which its kernel distance says nothing."""


def predicted(chances: Table) -> Labels:
    """The likeliest class of each row: (N,)."""
    return np.concatenate([block.argmax(1).numpy() for block in chances.blocks()])


def by_class(
    names: Sequence[str],
    chances: tuple[Table, Table],
    features: tuple[Table, Table],
    labels: Labels | None,
    asked: Labels | None,
    rows: Pairwise,
) -> dict[str, Any]:
    """Shares, accuracy, kernel distance, recall and coverage of each class, for scores.jsonl.

    Args:
        names: the K classes.
        chances: the classifier's, of real images (N, K) and of samples (M, K).
        features: of the same (N, D) and (M, D), by which distances are measured.
        labels: (N,) the real images' classes; None: what the classifier takes them for.
        asked: (M,) the classes that the samples were asked to be; None: none was asked for.
        rows: which real images samples reach and cover.
    """
    real, made = (predicted(each) for each in chances)
    labels = real if labels is None else labels
    tally, expected = (class_counts.class_counts(each, len(names)) for each in (made, labels))
    divergence = class_counts.class_divergence(tally, expected)
    kinds = made if asked is None else asked
    row = {
        "names": list(names),
        "made": tally.tolist(),
        "real": expected.tolist(),
        "kl": divergence if math.isfinite(divergence) else None,
        "sure": class_counts.sure(chances[1]).value,
        "sure_real": class_counts.sure(chances[0]).value,
        "accuracy": None if asked is None else class_counts.accuracy(made, asked).value,
        "kid": [_distance(features, labels == k, kinds == k) for k in range(len(names))],
    }
    for name, seen in (("recall", rows.reached), ("coverage", rows.covered)):
        shares = [score.value for score in class_counts.by_class(seen, labels, len(names))]
        row[name] = [share if math.isfinite(share) else None for share in shares]
    return row


def _distance(features: tuple[Table, Table], real: NDArray[np.bool_], made: NDArray[np.bool_]) -> float | None:
    """The kernel distance of the rows chosen on both sides; None where they are too few."""
    if min(real.sum(), made.sum()) < FEWEST:
        return None
    parts = (Table.of(table.take(np.flatnonzero(which))) for table, which in zip(features, (real, made), strict=True))
    return kernel_distance(*parts).value
