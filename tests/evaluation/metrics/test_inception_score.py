"""The Inception Score against torchmetrics, closed forms and repeated draws."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.inception_score import inception_score


def draw_logits(rows: int, seed: int, classes: int = 12) -> torch.Tensor:
    return 2 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def draw_table(rows: int, seed: int) -> FeatureTable:
    return FeatureTable.from_tensor(draw_logits(rows, seed).softmax(1))


class Identity(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Metric:UserWarning")
@pytest.mark.filterwarnings("ignore:std:UserWarning")
@pytest.mark.parametrize(("rows", "splits"), [(1300, 1), (1300, 10), (7, 7)])
def test_equals_torchmetrics(rows: int, splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchmetrics takes logits and must not shuffle. Its deviation over splits is our error times sqrt(splits)."""
    metric = InceptionScore(feature=Identity(), splits=splits).set_dtype(torch.float64)
    metric.update(draw_logits(rows, 1).double())
    monkeypatch.setattr(torch, "randperm", torch.arange)
    value, deviation = (float(result) for result in metric.compute())
    score = inception_score(draw_table(rows, 1), splits)
    assert score.value == pytest.approx(value, rel=1e-6)
    if splits > 1 and rows != splits:
        assert score.error * math.sqrt(splits) == pytest.approx(deviation, rel=1e-5)


def test_confident_predictions_of_all_classes_score_their_number_and_of_one_or_none_score_1() -> None:
    assert inception_score(FeatureTable.from_tensor(torch.eye(8).repeat(100, 1))) == pytest.approx((8, 0), abs=1e-9)
    assert inception_score(FeatureTable.from_tensor(torch.eye(8)[:1].repeat(800, 1))) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(FeatureTable.from_tensor(torch.full((800, 8), 1 / 8))) == pytest.approx((1, 0), abs=1e-9)


def test_rows_need_not_add_up_to_1_exactly() -> None:
    probabilities = draw_logits(300, 7).softmax(1)
    unnormalized = probabilities * torch.linspace(0.9995, 1.0005, 300)[:, None]
    assert inception_score(FeatureTable.from_tensor(unnormalized)).value == pytest.approx(
        inception_score(FeatureTable.from_tensor(probabilities)).value, rel=1e-6
    )


def test_number_of_rows_need_not_be_divisible_by_splits() -> None:
    probabilities = draw_logits(103, 2).softmax(1)
    values = [
        inception_score(FeatureTable.from_tensor(probabilities[a:b])).value
        for a, b in [(0, 25), (25, 51), (51, 77), (77, 103)]
    ]
    score = inception_score(FeatureTable.from_tensor(probabilities), splits=4)
    assert score == pytest.approx((np.mean(values), np.std(values, ddof=1) / 2), rel=1e-9)


def test_standard_error_equals_the_jackknife_by_hand() -> None:
    probabilities = draw_logits(103, 3).softmax(1)
    replicates = [
        inception_score(FeatureTable.from_tensor(probabilities[torch.arange(103) % 10 != g])).value for g in range(10)
    ]
    assert inception_score(FeatureTable.from_tensor(probabilities)).error == pytest.approx(
        math.sqrt(9 * np.var(replicates)), rel=1e-6
    )


def test_standard_error_equals_the_deviation_over_repeated_draws() -> None:
    """The root mean square error over 400 draws against their deviation, known to 3.5%; 14% is four times that."""
    scores = [inception_score(draw_table(400, seed)) for seed in range(400)]
    deviation = np.std([score.value for score in scores], ddof=1)
    assert 0.84 < math.sqrt(np.mean([score.error**2 for score in scores])) / deviation < 1.2


def test_standard_error_is_nan_for_few_rows() -> None:
    assert math.isnan(inception_score(draw_table(9, 4)).error)
    assert math.isnan(inception_score(draw_table(1, 4), num_groups=1).error)


def test_invalid_probabilities_and_splits_are_refused() -> None:
    with pytest.raises(BadInput, match="add up to 1"):
        inception_score(FeatureTable.from_tensor(draw_logits(20, 5)))
    with pytest.raises(BadInput):
        inception_score(FeatureTable.from_tensor(torch.full((20, 2), torch.nan)))
    with pytest.raises(BadInput, match="into 30 parts"):
        inception_score(draw_table(20, 6), splits=30)
