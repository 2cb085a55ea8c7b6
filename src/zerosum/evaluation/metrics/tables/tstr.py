"""Train on synthetic, test on real: how well models that are fitted to samples predict columns of real rows.

Its floor is the same score of models that are fitted to real rows ("train on real, test on real"). Esteban et al. 2017,
arXiv:1706.02633.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.tables.columns import ColumnFacts, Rows, choose_indices
from zerosum.evaluation.metrics.tables.predictors import Predictor, roc_auc

MAX_CLASSES = 10
"""Largest number of values of a target; the rarer ones of more count as one."""
MAX_INPUTS = 100
"""Largest number of columns from which a model predicts."""
MIN_ROWS = 10
"""Least number of rows with a target that a model is fitted to."""


@dataclass(frozen=True)
class PredictionTask:
    """Which columns are predicted, and by how many rows."""

    targets: tuple[int, ...]
    """Indices of the predicted columns, each from all others."""
    max_rows: int
    """Largest number of rows that a model is fitted to, and that it predicts."""


def choose_task(
    columns: Sequence[ColumnFacts], target: str, max_columns: int, max_rows: int, few: int
) -> PredictionTask:
    """Return the task of a target column or, without one, of at most `max_columns` columns in turn.

    Args:
        columns: the columns.
        target: the name of the target; "" for each column in turn.
        max_columns: largest number of targets.
        max_rows: largest number of rows with one target.
        few: largest number of rows with several targets, each of which takes as long as one.
    """
    names = [column.name for column in columns]
    if target in names:
        return PredictionTask((names.index(target),), max_rows)
    return PredictionTask(tuple(choose_indices(len(columns), max_columns).tolist()), few)


def prediction_scores(
    fitted: Rows, real: Rows, columns: Sequence[ColumnFacts], task: PredictionTask, predictor: Predictor
) -> NDArray[np.float64]:
    """Return the score (T,) of each target of a task: of numbers R^2, at least 0; of categories the mean AUC.

    Args:
        fitted: the rows (N, C) that the models are fitted to.
        real: the real rows (M, C) that they predict.
        columns: the columns.
        task: the targets.
        predictor: the model.

    Returns:
        The scores; NaN where a target is the same in all real rows. A model of too few rows, or of rows of one class,
        has the score of a guess: 0 or 0.5.
    """
    fitted, real = fitted[: task.max_rows], real[: task.max_rows]
    return np.array([_target_score(fitted, real, columns, target, predictor) for target in task.targets])


def _target_score(fitted: Rows, real: Rows, columns: Sequence[ColumnFacts], target: int, predictor: Predictor) -> float:
    chosen = choose_indices(len(columns), MAX_INPUTS + 1).tolist()
    others = [index for index in chosen if index != target][:MAX_INPUTS]
    fitted, real = (rows[~np.isnan(rows[:, target])] for rows in (fitted, real))
    if not len(real) or bool((real[:, target] == real[0, target]).all()) or not others:
        return float("nan")
    inputs = (fitted[:, others], real[:, others], [columns[index] for index in others])
    if columns[target].is_numeric:
        return _number_score(*inputs, fitted[:, target], real[:, target], predictor)
    return _class_score(*inputs, *pool_rare(fitted[:, target], real[:, target]), predictor)


def _number_score(
    fitted: Rows, real: Rows, columns: Sequence[ColumnFacts], targets: Rows, truth: Rows, predictor: Predictor
) -> float:
    if len(fitted) < MIN_ROWS:
        return 0.0
    predicted = predictor.numbers(fitted, targets, real, columns)
    return max(0.0, 1 - float(((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()))


def _class_score(
    fitted: Rows,
    real: Rows,
    columns: Sequence[ColumnFacts],
    codes: NDArray[np.int64],
    truth: NDArray[np.int64],
    predictor: Predictor,
) -> float:
    """Return the mean over the real classes of the AUC of each against the others; of two classes, it is that of both.

    A class that no model was fitted to has the AUC of a guess.
    """
    if len(fitted) < MIN_ROWS or len(np.unique(codes)) < 2:
        return 0.5
    classes, scores = predictor.class_scores(fitted, codes, real, columns)
    by_class = dict(zip(classes.tolist(), scores.T, strict=True))
    is_guess = np.zeros(len(real))
    return float(np.mean([roc_auc(by_class.get(code, is_guess), truth == code) for code in np.unique(truth).tolist()]))


def pool_rare(fitted: Rows, real: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the classes (N,) and (M,) of values (N,) and (M,): the most frequent real values, and one for the rest."""
    values, counts = np.unique(real, return_counts=True)
    frequent = np.sort(values[np.argsort(-counts, kind="stable")[:MAX_CLASSES]])
    places = [np.searchsorted(frequent, cells).clip(0, len(frequent) - 1) for cells in (fitted, real)]
    first, second = (
        np.where(frequent[place] == cells, place, len(frequent))
        for place, cells in zip(places, (fitted, real), strict=True)
    )
    return first, second
