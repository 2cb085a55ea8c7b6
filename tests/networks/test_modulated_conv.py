"""Modulated convolution against its definition: a weight for each sample, convolved in groups."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.networks.modulated_conv import modulated_conv2d


def grouped(sample: Tensor, style: Tensor, weight: Tensor, demodulate: bool) -> Tensor:
    """Equations 1 and 3 of arXiv:1912.04958, written out."""
    n, c, height, width = sample.shape
    own = weight[None] * style[:, None, :, None, None]  # (N, O, C, k, k)
    if demodulate:
        own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    side = weight.shape[-1]
    folded = functional.conv2d(
        sample.reshape(1, n * c, height, width), own.reshape(-1, c, side, side), padding=side // 2, groups=n
    )
    return folded.reshape(n, -1, height, width)


def parts(side: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    shapes = ((3, 4, 5, 6), (3, 4), (7, 4, side, side))
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("side", [1, 3])
def test_it_is_the_grouped_form(side: int, demodulate: bool) -> None:
    sample, style, weight = parts(side)
    ours, theirs = (form(sample, style, weight, demodulate) for form in (modulated_conv2d, grouped))
    # float64; the two forms round at other places
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(out.sin().sum(), (sample, style, weight)) for out in (ours, theirs)]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_demodulated_outputs_have_unit_variance() -> None:
    """Of inputs of unit variance (equation 2); 3 x 7 x 6,400 outputs make the mean square sure to within 0.02."""
    torch.manual_seed(0)
    out = modulated_conv2d(torch.randn(3, 64, 80, 80), torch.rand(3, 64) * 5, torch.randn(7, 64, 3, 3))[..., 1:-1, 1:-1]
    torch.testing.assert_close(out.square().mean((2, 3)), torch.ones(3, 7), rtol=0.1, atol=0)


def test_second_derivatives_are_right() -> None:
    torch.manual_seed(1)
    shapes = ((2, 2, 3, 3), (2, 2), (2, 2, 3, 3))
    inputs = tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    assert torch.autograd.gradcheck(modulated_conv2d, inputs)
    assert torch.autograd.gradgradcheck(modulated_conv2d, inputs)
