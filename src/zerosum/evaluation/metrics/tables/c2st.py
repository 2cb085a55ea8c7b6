"""Classifier two-sample test: how well a classifier tells samples from real rows.

Lopez-Paz and Oquab 2017, arXiv:1610.06545. The score is the area under the ROC curve of rows that the classifier was
not fitted to: 0.5 if samples cannot be told from real rows, 1 if all can. Its standard error is that of Hanley and
McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.metrics.tables.columns import Rows
from zerosum.evaluation.metrics.tables.predictors import GradientBoosting, roc_auc

FOLDS = 3
MAX_ROWS = 5_000
"""Largest number of rows of each side."""
MAX_CELLS = 1_000_000
"""Largest number of cells of each side: fewer rows of many columns are taken."""
BOOSTING = GradientBoosting(iterations=60)
MAX_PERMUTED = 64
"""Largest number of columns whose importance is measured."""


def two_sample_auc(real: Rows, generated: Rows) -> Score:
    """Return the AUC of a classifier of rows (N, C) against samples (M, C), by cross-validation; 0.5 is best."""
    rows, is_generated = _both_sides(real, generated)
    predictions = np.zeros(len(rows))
    for fitted, tested in _folds(len(rows)):
        model = BOOSTING.classifier().fit(rows[fitted], is_generated[fitted])
        predictions[tested] = model.predict_proba(rows[tested])[:, 1]
    auc = roc_auc(predictions, is_generated)
    return Score(auc, auc_error(auc, len(rows) // 2))


def auc_error(auc: float, count: int) -> float:
    """Return the standard error of an AUC of `count` rows of each class."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return math.sqrt(max(0.0, auc * (1 - auc) + (count - 1) * (q1 + q2 - 2 * auc**2))) / count


def column_importances(real: Rows, generated: Rows, candidates: Sequence[int]) -> NDArray[np.float64]:
    """Return by how much (K,) the AUC of rows (N, C) against samples (M, C) falls if a column tells nothing.

    A column's cells are permuted among rows that the classifier was not fitted to.

    Args:
        real: the real rows.
        generated: the samples.
        candidates: indices of the K columns.
    """
    rows, is_generated = _both_sides(real, generated)
    fitted, tested = next(_folds(len(rows)))
    model = BOOSTING.classifier().fit(rows[fitted], is_generated[fitted])
    whole = roc_auc(model.predict_proba(rows[tested])[:, 1], is_generated[tested])
    drops = []
    for index in candidates:
        permuted = rows[tested].copy()
        permuted[:, index] = np.random.default_rng(index).permutation(permuted[:, index])
        drops.append(whole - roc_auc(model.predict_proba(permuted)[:, 1], is_generated[tested]))
    return np.array(drops)


def _both_sides(real: Rows, generated: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """Return as many real rows as samples in an order at random, and which are samples."""
    count = min(len(real), len(generated), MAX_ROWS, max(MAX_CELLS // real.shape[1], 100))
    rows = np.concatenate([real[:count], generated[:count]])
    order = np.random.default_rng(0).permutation(2 * count)
    return rows[order], (np.arange(2 * count) >= count)[order]


def _folds(count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the rows that each classifier is fitted to, and those that it is tested on."""
    fold = np.arange(count) % FOLDS
    return ((np.flatnonzero(fold != index), np.flatnonzero(fold == index)) for index in range(FOLDS))
