"""Metrics of pairs against torchmetrics and values by hand."""

import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from zerosum.errors import BadInput
from zerosum.evaluation.metrics import paired
from zerosum.evaluation.metrics.paired import l1, psnr, ssim


def make_pairs(count: int, channels: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Target images with some structure, and noisy versions of them, which come first."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(count, channels, height, width, generator=generator).cumsum(2).cumsum(3)
    target = 2 * target / target.amax((2, 3), keepdim=True) - 1
    return (target + 0.1 * torch.randn(target.shape, generator=generator)).clamp(-1, 1), target


SHAPES = [(5, 3, 40, 32), (2, 1, 11, 17), (3, 4, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_equals_torchmetrics(shape: tuple[int, int, int, int]) -> None:
    """Without the 5 pixels along the edges, whose windows torchmetrics pads by reflection."""
    generated, target = make_pairs(*shape)
    _, ssim_map = structural_similarity_index_measure(
        generated.double(), target.double(), data_range=2.0, reduction="none", return_full_image=True
    )
    expected = ssim_map[:, :, 5:-5, 5:-5].mean((1, 2, 3))
    torch.testing.assert_close(ssim(generated, target), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_equals_torchmetrics(shape: tuple[int, int, int, int]) -> None:
    generated, target = make_pairs(*shape)
    expected = peak_signal_noise_ratio(
        generated.double(), target.double(), data_range=2.0, reduction="none", dim=(1, 2, 3)
    )
    torch.testing.assert_close(psnr(generated, target), expected, rtol=1e-6, atol=0)


def test_equal_and_opposite_images() -> None:
    generated, target = make_pairs(4, 3, 20, 20)
    assert (l1(generated, generated) == 0).all()
    assert (psnr(generated, generated) == math.inf).all()
    torch.testing.assert_close(ssim(generated, generated), torch.ones(4).double())
    black, white = -torch.ones(1, 3, 20, 20), torch.ones(1, 3, 20, 20)
    assert l1(black, white).item() == 2
    assert psnr(black, white).item() == 0
    torch.testing.assert_close(l1(generated, target), (generated.double() - target.double()).abs().flatten(1).mean(1))


def test_ssim_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generated, target = make_pairs(7, 3, 20, 20)
    expected = ssim(generated, target)
    monkeypatch.setattr(paired, "SSIM_CHUNK_ELEMENTS", 3000)
    # the order of float64 sums depends on the processor: about 1e-15 per term
    torch.testing.assert_close(ssim(generated, target), expected, rtol=1e-12, atol=0)


def test_unequal_shapes_and_small_images_are_refused() -> None:
    generated, target = make_pairs(3, 3, 20, 20)
    for metric in (l1, psnr, ssim):
        with pytest.raises(BadInput):
            metric(generated, target[:2])
    with pytest.raises(BadInput, match="at least 11 px, and these are 20 x 10"):
        ssim(generated[:, :, :10], target[:, :, :10])
    with pytest.raises(BadInput, match="shape mismatch"):
        l1(generated, target[:, :2])
