"""Judgements during training of what answers held-out pictures: no answer beside its own truth."""

import numpy as np
import torch
from torch import Tensor

from zerosum.data.images.summary import DatasetSummary
from zerosum.data.pairs.datasets import PairedDataset
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.manifold import kernel_distance
from zerosum.evaluation.online import OnlineEvaluator, TranslatedSet

HELD = 64
CPU = torch.device("cpu")
PIXELS = load_feature_network("pixels", 8, CPU)


class Right:
    """A game that answers each picture with its negative, which is right."""

    def translate(self, given: Tensor) -> Tensor:
        return -given


def examples(seed: int) -> PairedDataset:
    """Each picture is its partner's negative; keys fall in another order than places."""
    dice = np.random.default_rng(seed)
    values = dice.integers(0, 256, (2 * HELD, 8, 8, 3), dtype=np.uint8)
    keys = dice.integers(0, 2**64, 2 * HELD, dtype=np.uint64)
    order = np.argsort(keys)
    return PairedDataset(
        values, np.zeros(2 * HELD, np.int64), (), keys, order[:HELD], order[HELD:],
        DatasetSummary("made up", "images", 2 * HELD), 255 - values, keys, np.arange(2 * HELD),
    )  # fmt: skip


def test_right_answers_are_at_no_distance() -> None:
    """To the last digits, which tells too that rows belong together; beside their own truths they are far below 0."""
    data = examples(1)
    row = OnlineEvaluator(PIXELS, CPU, data, HELD, TranslatedSet(data))(Right(), 0)
    assert abs(row["distance"]) < 1e-12
    assert row["protocol"]["answers"] is True
    assert row["protocol"]["real"] == row["protocol"]["made"] == HELD
    truths = FeatureTable.from_tensor(PIXELS(data.scale(data.take(data.held_out))).features)
    assert kernel_distance(truths, truths).value < -1e-4


def test_few_answers_stand_beside_as_many_truths() -> None:
    data = examples(2)
    watch = OnlineEvaluator(PIXELS, CPU, data, 20, TranslatedSet(data))
    assert len(watch.real) == 20
    truth = data.scale(torch.from_numpy(watch.real.take(np.arange(20))))
    assert torch.allclose(watch.sample_fn(Right(), 0, 20), truth, atol=1e-6)
