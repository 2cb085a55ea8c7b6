"""Test modulated convolution against its definition, a grouped convolution with the weights of each sample."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.networks.modulated_conv import modulated_conv2d


def grouped_modulated_conv2d(sample: Tensor, style: Tensor, weight: Tensor, demodulate: bool) -> Tensor:
    """Equations 1 and 3 of arXiv:1912.04958, written out."""
    count, channels, height, width = sample.shape
    weights = weight[None] * style[:, None, :, None, None]  # (N, O, C, k, k)
    if demodulate:
        weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    kernel_size = weight.shape[-1]
    convolved = functional.conv2d(
        sample.reshape(1, count * channels, height, width),
        weights.reshape(-1, channels, kernel_size, kernel_size),
        padding=kernel_size // 2,
        groups=count,
    )
    return convolved.reshape(count, -1, height, width)


def draw_inputs(kernel_size: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    shapes = ((3, 4, 5, 6), (3, 4), (7, 4, kernel_size, kernel_size))
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_output_and_gradients_equal_the_grouped_form(kernel_size: int, demodulate: bool) -> None:
    sample, style, weight = draw_inputs(kernel_size)
    output, expected = (
        implementation(sample, style, weight, demodulate)
        for implementation in (modulated_conv2d, grouped_modulated_conv2d)
    )
    # float64; the two forms round differently
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(result.sin().sum(), (sample, style, weight)) for result in (output, expected)]
    for gradient, expected_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


def test_demodulated_outputs_have_unit_variance() -> None:
    """Use inputs of unit variance (equation 2); 6,400 outputs per channel estimate the mean square to within 0.02."""
    torch.manual_seed(0)
    output = modulated_conv2d(torch.randn(3, 64, 80, 80), torch.rand(3, 64) * 5, torch.randn(7, 64, 3, 3))[
        ..., 1:-1, 1:-1
    ]
    torch.testing.assert_close(output.square().mean((2, 3)), torch.ones(3, 7), rtol=0.1, atol=0)


def test_second_derivatives_are_correct() -> None:
    torch.manual_seed(1)
    shapes = ((2, 2, 3, 3), (2, 2), (2, 2, 3, 3))
    inputs = tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    assert torch.autograd.gradcheck(modulated_conv2d, inputs)
    assert torch.autograd.gradgradcheck(modulated_conv2d, inputs)
