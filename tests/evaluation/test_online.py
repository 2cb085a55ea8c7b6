"""Evaluation during training of a translator: no output is compared with its own target."""

import numpy as np
import torch
from torch import Tensor

from zerosum.data.images.summary import DatasetSummary
from zerosum.data.pairs.datasets import PairedDataset
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.kid import kernel_distance
from zerosum.evaluation.online import OnlineEvaluator, TranslatedSet

NUM_HELD_OUT = 64
CPU = torch.device("cpu")
PIXELS = load_feature_network("pixels", 8, CPU)


class PerfectTranslator:
    """A game that returns the negative of each input, which is its target."""

    def translate(self, inputs: Tensor) -> Tensor:
        return -inputs


def make_paired_dataset(seed: int) -> PairedDataset:
    """Each target is the negative of its input; the order of the keys differs from that of the indices."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (2 * NUM_HELD_OUT, 8, 8, 3), dtype=np.uint8)
    keys = rng.integers(0, 2**64, 2 * NUM_HELD_OUT, dtype=np.uint64)
    order = np.argsort(keys)
    return PairedDataset(
        values,
        np.zeros(2 * NUM_HELD_OUT, np.int64),
        (),
        keys,
        order[:NUM_HELD_OUT],
        order[NUM_HELD_OUT:],
        DatasetSummary("synthetic", "images", 2 * NUM_HELD_OUT),
        255 - values,
        keys,
        np.arange(2 * NUM_HELD_OUT),
    )


def test_perfect_translations_have_distance_zero() -> None:
    """Exactly, which also shows that rows are paired correctly; with their own targets it would be far below 0."""
    dataset = make_paired_dataset(1)
    row = OnlineEvaluator(PIXELS, CPU, dataset, NUM_HELD_OUT, TranslatedSet(dataset))(PerfectTranslator(), 0)
    assert abs(row["distance"]) < 1e-12
    assert row["protocol"]["is_paired"] is True
    assert row["protocol"]["num_real"] == row["protocol"]["num_generated"] == NUM_HELD_OUT
    targets = FeatureTable.from_tensor(PIXELS(dataset.scale(dataset.take(dataset.held_out))).features)
    assert kernel_distance(targets, targets).value < -1e-4


def test_fewer_translations_are_compared_with_as_many_targets() -> None:
    dataset = make_paired_dataset(2)
    evaluator = OnlineEvaluator(PIXELS, CPU, dataset, 20, TranslatedSet(dataset))
    assert len(evaluator.real) == 20
    targets = dataset.scale(torch.from_numpy(evaluator.real.take(np.arange(20))))
    assert torch.allclose(evaluator.sample_fn(PerfectTranslator(), 0, 20), targets, atol=1e-6)
