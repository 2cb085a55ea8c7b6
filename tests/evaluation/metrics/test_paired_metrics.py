"""Likeness of pairs against torchmetrics and by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import sem
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics import paired
from zerosum.evaluation.metrics.paired import PairedMetrics, feature_distances, l1, psnr, ssim


def pairs(count: int, channels: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with some structure, and noisy ones of them."""
    random = torch.Generator().manual_seed(seed)
    wanted = torch.rand(count, channels, height, width, generator=random).cumsum(2).cumsum(3)
    wanted = 2 * wanted / wanted.amax((2, 3), keepdim=True) - 1
    return (wanted + 0.1 * torch.randn(wanted.shape, generator=random)).clamp(-1, 1), wanted


SHAPES = [(5, 3, 40, 32), (2, 1, 11, 17), (3, 4, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_is_torchmetrics(shape: tuple[int, int, int, int]) -> None:
    """Without the 5 pixels along the edges, whose windows it fills up by reflection."""
    made, wanted = pairs(*shape)
    _, whole = structural_similarity_index_measure(
        made.double(), wanted.double(), data_range=2.0, reduction="none", return_full_image=True
    )
    torch.testing.assert_close(ssim(made, wanted), whole[:, :, 5:-5, 5:-5].mean((1, 2, 3)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_is_torchmetrics(shape: tuple[int, int, int, int]) -> None:
    made, wanted = pairs(*shape)
    theirs = peak_signal_noise_ratio(made.double(), wanted.double(), data_range=2.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(made, wanted), theirs, rtol=1e-6, atol=0)


def test_equal_and_opposite_images() -> None:
    made, wanted = pairs(4, 3, 20, 20)
    assert (l1(made, made) == 0).all()
    assert (psnr(made, made) == math.inf).all()
    torch.testing.assert_close(ssim(made, made), torch.ones(4).double())
    black, white = -torch.ones(1, 3, 20, 20), torch.ones(1, 3, 20, 20)
    assert l1(black, white).item() == 2
    assert psnr(black, white).item() == 0
    torch.testing.assert_close(l1(made, wanted), (made.double() - wanted.double()).abs().flatten(1).mean(1))


def test_ssim_in_small_bites_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, wanted = pairs(7, 3, 20, 20)
    whole = ssim(made, wanted)
    monkeypatch.setattr(paired, "PIXELS", 3000)
    # float64 sums, whose order is the processor's: some 1e-15 a term
    torch.testing.assert_close(ssim(made, wanted), whole, rtol=1e-12, atol=0)


def test_gathers_batches() -> None:
    made, wanted = pairs(7, 3, 20, 20)
    gathered = PairedMetrics()
    gathered.update(made[:4], wanted[:4])
    gathered.update(made[4:], wanted[4:])
    scores = gathered.compute()
    assert list(scores) == ["l1", "psnr", "ssim"]
    for name, measure in [("l1", l1), ("psnr", psnr), ("ssim", ssim)]:
        values = measure(made, wanted).numpy()
        # float64 sums, whose order is the processor's: some 1e-15 a term
        np.testing.assert_allclose(gathered.per_pair_values()[name], values, rtol=1e-12)
        assert scores[name] == pytest.approx((values.mean(), sem(values)))


def test_small_images_have_no_ssim_and_equal_ones_an_infinite_psnr() -> None:
    made, wanted = pairs(7, 1, 8, 8)
    gathered = PairedMetrics()
    gathered.update(made, wanted)
    gathered.update(wanted, wanted)
    scores = gathered.compute()
    assert math.isnan(scores["ssim"].value)
    assert scores["psnr"].value == math.inf
    assert scores["l1"].value == pytest.approx(l1(made, wanted).mean().item() / 2)
    assert math.isnan(PairedMetrics().compute()["l1"].value)


def test_distances_of_features() -> None:
    random = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 700, 5, generator=random)
    found = feature_distances(FeatureTable.from_tensor(a), FeatureTable.from_tensor(b))
    # float64 sums, whose order is the processor's: some 1e-15 a term
    np.testing.assert_allclose(found, np.linalg.norm(a.double().numpy() - b.double().numpy(), axis=1), rtol=1e-12)


def test_refuses_what_makes_no_pairs() -> None:
    made, wanted = pairs(3, 3, 20, 20)
    for measure in (l1, psnr, ssim):
        with pytest.raises(BadInput, match="one shape"):
            measure(made, wanted[:2])
    with pytest.raises(BadInput, match="at least 11 px; these are 20 x 10"):
        ssim(made[:, :, :10], wanted[:, :, :10])
    with pytest.raises(BadInput, match="one shape"):
        feature_distances(FeatureTable.from_tensor(torch.ones(3, 2)), FeatureTable.from_tensor(torch.ones(4, 2)))
