"""Models fitted to samples, and classifiers of samples against real rows."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from zerosum.evaluation.metrics.tables import c2st
from zerosum.evaluation.metrics.tables.columns import ColumnFacts, RowVectors
from zerosum.evaluation.metrics.tables.predictors import GradientBoosting, RidgeModel, ridge_predictions, roc_auc
from zerosum.evaluation.metrics.tables.tstr import PredictionTask, choose_task, pool_rare, prediction_scores

COLUMNS = (ColumnFacts("x"), ColumnFacts("y"), ColumnFacts("sign", 2))
BOOSTING, RIDGE = GradientBoosting(20), RidgeModel()


def make_rows(seed: int, count: int = 600) -> NDArray[np.float64]:
    """Rows of a number, a number that is twice as large but for noise of a tenth of its variance, and its sign."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    return np.stack([x, 2 * x + rng.normal(size=count) * 2 / 3, (x > 0).astype(float)], 1)


def test_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    scores, positive = np.round(rng.normal(size=500), 1), rng.random(500) < 0.3
    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert np.isnan(roc_auc(scores, np.ones(500, bool)))


def test_the_linear_model_is_ridge_regression() -> None:
    rows, others = make_rows(0), make_rows(1)
    vectors = RowVectors.fit(rows[:, [0, 2]], (COLUMNS[0], COLUMNS[2]))
    expected = Ridge(alpha=1).fit(vectors(rows[:, [0, 2]]), rows[:, 1]).predict(vectors(others[:, [0, 2]]))
    own = ridge_predictions(rows[:, [0, 2]], rows[:, 1:2], others[:, [0, 2]], (COLUMNS[0], COLUMNS[2]))
    assert own[:, 0] == pytest.approx(expected, abs=1e-9)


def test_good_samples_predict_and_independent_columns_do_not() -> None:
    """Of y, 90% of the variance is known from x; the sign is known for certain."""
    good, real = make_rows(0), make_rows(1)
    rng = np.random.default_rng(2)
    independent = np.stack([rng.permutation(good[:, index]) for index in range(3)], 1)
    task = PredictionTask((1, 2), 500)
    assert prediction_scores(good, real, COLUMNS, task, BOOSTING) == pytest.approx([0.88, 1.0], abs=0.04)
    assert prediction_scores(good, real, COLUMNS, task, RIDGE) == pytest.approx([0.88, 0.98], abs=0.04)
    assert prediction_scores(independent, real, COLUMNS, task, RIDGE)[0] < 0.1


def test_targets_that_cannot_be_learned() -> None:
    """Collapsed samples have the score of a guess; a constant real column has none; missing cells do not count."""
    real, collapsed = make_rows(0), np.repeat(make_rows(1)[:1], 600, 0)
    task = PredictionTask((1, 2), 600)
    assert prediction_scores(collapsed, real, COLUMNS, task, BOOSTING).tolist() == [0, 0.5]
    constant = real * [1, 0, 1]
    assert np.isnan(prediction_scores(real, constant, COLUMNS, PredictionTask((1,), 600), RIDGE)).all()
    holes = real.copy()
    holes[:595, 1] = np.nan
    assert prediction_scores(holes, real, COLUMNS, PredictionTask((1,), 600), RIDGE).tolist() == [0], "5 rows are left"


def test_a_class_that_samples_lack_is_a_guess() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 900).astype(float)
    real = np.stack([kind + 0.1 * rng.normal(size=900), kind], 1)
    columns = (ColumnFacts("x"), ColumnFacts("kind", 3))
    task = PredictionTask((1,), 900)
    assert prediction_scores(real, real, columns, task, BOOSTING) == pytest.approx([1], abs=0.01)
    lacking = real[kind < 2]
    (score,) = prediction_scores(lacking, real, columns, task, BOOSTING)
    # the first class is told from both others; the third looks more like the second than the second does
    assert score == pytest.approx((1 + 0.5 + 0.5) / 3, abs=0.01)


def test_rare_classes_are_pooled() -> None:
    real = np.repeat(np.arange(30.0), np.arange(30, 0, -1))
    fitted = np.array([0.0, 9, 10, 29, 77])
    codes, truth = pool_rare(fitted, real)
    assert codes.tolist() == [0, 9, 10, 10, 10]
    assert len(np.unique(truth)) == 11


def test_the_targets_of_a_table() -> None:
    assert choose_task(COLUMNS, "sign", 12, 9, 5) == PredictionTask((2,), 9)
    assert choose_task(COLUMNS, "", 12, 9, 5) == PredictionTask((0, 1, 2), 5)
    assert len(choose_task(COLUMNS * 10, "", 12, 9, 5).targets) == 12


def test_a_classifier_tells_other_rows_only() -> None:
    real, same = make_rows(0, 900), make_rows(1, 900)
    equal = c2st.two_sample_auc(real, same)
    assert equal.value == pytest.approx(0.5, abs=4 * equal.error)
    moved = same + np.array([0, 4, 0])
    other = c2st.two_sample_auc(real, moved)
    assert other.value > 0.95
    drops = c2st.column_importances(real, moved, [0, 1, 2])
    assert drops.argmax() == 1
    assert drops[1] > 0.2


def test_the_error_of_an_area() -> None:
    """At 0.5 the variance is (2 n + 1) / (12 n^2), that of the Mann-Whitney statistic."""
    assert c2st.auc_error(0.5, 50) == pytest.approx(np.sqrt((2 * 50 + 1) / 12) / 50)
    assert c2st.auc_error(1.0, 50) == 0
