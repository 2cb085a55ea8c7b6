"""The metrics of pairs of images, accumulated over batches."""

import numpy as np
import pytest
import torch

from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.evaluation.kinds import image_pair_metrics
from zerosum.evaluation.kinds.image_pair_metrics import ImagePairMetrics, rounding_psnr_db
from zerosum.evaluation.metrics.paired import l1, psnr, ssim
from zerosum.evaluation.metrics.score import mean_score


@pytest.fixture(autouse=True)
def _without_lite0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_pair_metrics, "is_lite0_installed", lambda: False)


def targets(side: int) -> Dataset:
    values, none = np.zeros((7, side, side, 3), np.uint8), np.zeros(7, np.int64)
    hashes, summary = np.arange(7, dtype=np.uint64), ImageSummary(source="", kind="images", count=7)
    return Dataset(values, none, (), hashes, none, none[:0], summary, ImageCodec.of_images(values))


def pairs(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (2, 7, 3, side, side), generator=rng).float() / 127.5 - 1
    return levels[0], levels[1]


def test_batches_are_accumulated() -> None:
    generated, target = pairs(20)
    metrics = ImagePairMetrics(targets(20))
    metrics.update(generated[:4], target[:4])
    metrics.update(generated[4:], target[4:])
    scores = metrics.compute(np.arange(7))
    assert list(scores) == ["l1", "psnr", "ssim"]
    for name, metric in [("l1", l1), ("psnr", psnr), ("ssim", ssim)]:
        assert scores[name] == pytest.approx(mean_score(metric(generated, target).numpy()), rel=1e-6)


def test_small_images_have_no_ssim_and_equal_ones_the_psnr_of_rounding() -> None:
    _, target = pairs(8)
    metrics = ImagePairMetrics(targets(8))
    metrics.update(target, target)
    scores = metrics.compute(np.arange(7))
    assert scores["ssim"][0] is None
    assert scores["psnr"][0] == pytest.approx(rounding_psnr_db(255))
    assert scores["l1"][0] == pytest.approx(0, abs=1e-6)
