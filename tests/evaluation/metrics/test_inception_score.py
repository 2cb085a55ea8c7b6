"""The inception score against torchmetrics, closed forms and redraws."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.inception_score import inception_score


def logits(rows: int, seed: int, classes: int = 12) -> torch.Tensor:
    return 2 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def table(rows: int, seed: int) -> FeatureTable:
    return FeatureTable.from_tensor(logits(rows, seed).softmax(1))


class Same(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Metric:UserWarning")
@pytest.mark.filterwarnings("ignore:std:UserWarning")
@pytest.mark.parametrize(("rows", "splits"), [(1300, 1), (1300, 10), (7, 7)])
def test_is_torchmetrics(rows: int, splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fed logits, and kept from shuffling the rows. Its spread over splits is our error times sqrt(splits)."""
    theirs = InceptionScore(feature=Same(), splits=splits).set_dtype(torch.float64)
    theirs.update(logits(rows, 1).double())
    monkeypatch.setattr(torch, "randperm", torch.arange)
    value, spread = (float(each) for each in theirs.compute())
    found = inception_score(table(rows, 1), splits)
    assert found.value == pytest.approx(value, rel=1e-6)
    if splits > 1 and rows != splits:
        assert found.error * math.sqrt(splits) == pytest.approx(spread, rel=1e-5)


def test_sure_of_all_classes_is_their_number_and_sure_of_one_or_of_none_is_1() -> None:
    assert inception_score(FeatureTable.from_tensor(torch.eye(8).repeat(100, 1))) == pytest.approx((8, 0), abs=1e-9)
    assert inception_score(FeatureTable.from_tensor(torch.eye(8)[:1].repeat(800, 1))) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(FeatureTable.from_tensor(torch.full((800, 8), 1 / 8))) == pytest.approx((1, 0), abs=1e-9)


def test_rows_need_not_add_up_to_1_exactly() -> None:
    chances = logits(300, 7).softmax(1)
    uneven = chances * torch.linspace(0.9995, 1.0005, 300)[:, None]
    assert inception_score(FeatureTable.from_tensor(uneven)).value == pytest.approx(
        inception_score(FeatureTable.from_tensor(chances)).value, rel=1e-6
    )


def test_splits_need_not_be_even() -> None:
    chances = logits(103, 2).softmax(1)
    parts = [
        inception_score(FeatureTable.from_tensor(chances[a:b])).value
        for a, b in [(0, 25), (25, 51), (51, 77), (77, 103)]
    ]
    found = inception_score(FeatureTable.from_tensor(chances), splits=4)
    assert found == pytest.approx((np.mean(parts), np.std(parts, ddof=1) / 2), rel=1e-9)


def test_the_error_is_the_jackknife_by_hand() -> None:
    chances = logits(103, 3).softmax(1)
    without = [inception_score(FeatureTable.from_tensor(chances[torch.arange(103) % 10 != g])).value for g in range(10)]
    assert inception_score(FeatureTable.from_tensor(chances)).error == pytest.approx(
        math.sqrt(9 * np.var(without)), rel=1e-6
    )


def test_the_error_is_that_of_redraws() -> None:
    """The root mean square error over 400 redraws against their spread, known to 3.5%; four of them are 14%."""
    scores = [inception_score(table(400, seed)) for seed in range(400)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert 0.84 < math.sqrt(np.mean([score.error**2 for score in scores])) / spread < 1.2


def test_few_rows_have_no_error() -> None:
    assert math.isnan(inception_score(table(9, 4)).error)
    assert math.isnan(inception_score(table(1, 4), num_groups=1).error)


def test_refuses_what_is_no_probability() -> None:
    with pytest.raises(BadInput, match="add up to 1"):
        inception_score(FeatureTable.from_tensor(logits(20, 5)))
    with pytest.raises(BadInput, match="add up to 1"):
        inception_score(FeatureTable.from_tensor(torch.full((20, 2), torch.nan)))
    with pytest.raises(BadInput, match="into 30 splits"):
        inception_score(table(20, 6), splits=30)
