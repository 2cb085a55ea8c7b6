"""Evaluation during training of a translator: no output is compared with its own target."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.data.dataset import as_tensor
from zerosum.data.image_pairs.datasets import PairedDataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.kid import kernel_distance
from zerosum.evaluation.online import OnlineEvaluator, TranslatedSamples
from zerosum.game.translation import TranslationGame

NUM_HELD_OUT = 64
CPU = torch.device("cpu")
PIXELS = PixelFeatures()


class PerfectTranslator(TranslationGame):
    """A game without players that returns the negative of each input, which is its target."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

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
        ImageSummary("synthetic", "image-pairs", 2 * NUM_HELD_OUT),
        ImageCodec((3, 8, 8)),
        input_values=255 - values,
        input_hashes=keys,
        input_rows=np.arange(2 * NUM_HELD_OUT),
    )


def test_perfect_translations_have_distance_zero() -> None:
    """Exactly, which also shows that rows are paired correctly; with their own targets it would be far below 0."""
    dataset = make_paired_dataset(1)
    evaluator = OnlineEvaluator(PIXELS, CPU, dataset, NUM_HELD_OUT, TranslatedSamples(dataset), is_paired=True)
    row = evaluator(PerfectTranslator(), 0)
    assert abs(row["distance"]) < 1e-12
    assert row["protocol"]["is_paired"] is True
    assert row["protocol"]["num_real"] == row["protocol"]["num_generated"] == NUM_HELD_OUT
    targets = FeatureTable.from_tensor(PIXELS(as_tensor(dataset.samples(dataset.held_out))).features)
    assert kernel_distance(targets, targets).value < -1e-4


def test_fewer_translations_are_compared_with_as_many_targets() -> None:
    dataset = make_paired_dataset(2)
    evaluator = OnlineEvaluator(PIXELS, CPU, dataset, 20, TranslatedSamples(dataset), is_paired=True)
    assert len(evaluator.real) == 20
    assert np.array_equal(evaluator.game_samples(PerfectTranslator(), 0, 20), evaluator.real.take(np.arange(20)))


def test_decoding_is_part_of_the_time_of_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_paired_dataset(3)
    decode = ImageCodec.decode

    def decode_slowly(self: ImageCodec, sample: Tensor, seed: Tensor) -> np.ndarray:
        time.sleep(0.01 * len(seed))
        return decode(self, sample, seed)

    monkeypatch.setattr(ImageCodec, "decode", decode_slowly)
    evaluator = OnlineEvaluator(PIXELS, CPU, dataset, NUM_HELD_OUT, TranslatedSamples(dataset), is_paired=True)
    assert evaluator.estimate_seconds() > 0.01 * NUM_HELD_OUT
    undecoded = OnlineEvaluator(PIXELS, CPU, dataset, NUM_HELD_OUT, TranslatedSamples(dataset), sample_network=PIXELS)
    monkeypatch.setattr(ImageCodec, "decode", None)  # which would fail
    assert undecoded.estimate_seconds() > 0
