"""Models that predict a column of a table from others: gradient boosting, and a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.evaluation.metrics.tables.columns import ColumnFacts, Rows, RowVectors
from zerosum.evaluation.metrics.tables.pairs import mean_ranks

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

SEED = 0


def require_scikit_learn() -> None:
    """Raise if scikit-learn is not installed.

    Raises:
        BadInput: it is not.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise BadInput(
            'evaluating tables needs scikit-learn, which is not installed: pip install "zerosum[tables]"'
        ) from error


class Predictor(Protocol):
    """A model that is fitted to rows and predicts others."""

    def class_scores(
        self, rows: Rows, codes: NDArray[np.int64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fit to rows (N, C) with classes (N,) of at least two kinds, and predict other rows (M, C).

        Returns:
            The K different classes, ascending, and their scores (M, K): higher is more likely.
        """
        ...

    def numbers(
        self, rows: Rows, targets: NDArray[np.float64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> NDArray[np.float64]:
        """Fit to rows (N, C) with numbers (N,), and predict those (M,) of other rows (M, C)."""
        ...


@dataclass(frozen=True)
class GradientBoosting:
    """Gradient boosting of histograms; it takes missing cells as they are, and categories by their index."""

    iterations: int

    def classifier(self) -> HistGradientBoostingClassifier:
        """Return a classifier that is not fitted."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=self.iterations, random_state=SEED)

    def regressor(self) -> HistGradientBoostingRegressor:
        """Return a regression that is not fitted."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(max_iter=self.iterations, random_state=SEED)

    def class_scores(
        self, rows: Rows, codes: NDArray[np.int64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fit to rows (N, C) with classes (N,), and predict others; see `Predictor`."""
        model = self.classifier().fit(rows, codes)
        return np.asarray(model.classes_), np.asarray(model.predict_proba(others))

    def numbers(
        self, rows: Rows, targets: NDArray[np.float64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> NDArray[np.float64]:
        """Fit to rows (N, C) with numbers (N,), and predict others; see `Predictor`."""
        return np.asarray(self.regressor().fit(rows, targets).predict(others))


@dataclass(frozen=True)
class RidgeModel:
    """Ridge regression on rows as vectors; of classes it predicts the indicators."""

    def class_scores(
        self, rows: Rows, codes: NDArray[np.int64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fit to rows (N, C) with classes (N,), and predict others; see `Predictor`."""
        classes, indices = np.unique(codes, return_inverse=True)
        return classes, ridge_predictions(rows, np.eye(len(classes))[indices], others, columns)

    def numbers(
        self, rows: Rows, targets: NDArray[np.float64], others: Rows, columns: Sequence[ColumnFacts]
    ) -> NDArray[np.float64]:
        """Fit to rows (N, C) with numbers (N,), and predict others; see `Predictor`."""
        return ridge_predictions(rows, targets[:, None], others, columns)[:, 0]


def ridge_predictions(rows: Rows, targets: Rows, others: Rows, columns: Sequence[ColumnFacts]) -> Rows:
    """Return the predictions (M, K) of ridge regression, fitted to rows (N, C) with targets (N, K).

    The penalty is 1 for each vector entry of deviation 1; the mean is not penalized.
    """
    vectors = RowVectors.fit(rows, columns)
    inputs, center, level = vectors(rows), vectors(rows).mean(0), targets.mean(0)
    inputs = inputs - center
    gram = inputs.T @ inputs + np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (targets - level))
    predicted: Rows = (vectors(others) - center) @ weights + level
    return predicted


def roc_auc(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of scores (N,): the share of pairs in which the positive one is higher.

    Equal scores count half. NaN if only one class occurs.

    Example:
        >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True]))
        0.875
    """
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(mean_ranks(scores)[is_positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
