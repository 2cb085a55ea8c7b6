"""The fully connected pair: shapes, options, variance, derivatives."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig

SHAPES = [(2,), (1, 28, 28), (3, 5, 7)]


def kinds(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_range(shape: tuple[int, ...]) -> None:
    latent = 20 * torch.randn(4, 8)
    bounded = MLPGeneratorConfig(widths=(16, 16)).build(8, shape, bounded=True)(latent)
    free = MLPGeneratorConfig(widths=(16, 16)).build(8, shape, bounded=False)(latent)
    assert bounded.shape == free.shape == (4, *shape)
    assert bounded.abs().max() <= 1 < free.abs().max()
    output = MLPDiscriminatorConfig(widths=(16, 16)).build(shape)(bounded)
    assert output.score.shape == (4,)
    assert output.score.dtype == torch.float32
    assert output.classes is None


def test_samples_may_be_channels_last() -> None:
    judge = MLPDiscriminatorConfig(widths=(16,), dropout=0.0).build((3, 8, 8))
    sample = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(
        judge(sample).score, judge(sample.to(memory_format=torch.channels_last)).score, rtol=0, atol=0
    )


def test_options_are_there_when_set_and_only_then() -> None:
    plain_g = kinds(MLPGeneratorConfig().build(8, (2,), bounded=False))
    plain_d = kinds(MLPDiscriminatorConfig(dropout=0.0).build((2,)))
    for absent in (nn.BatchNorm1d, nn.Dropout, nn.ReLU, nn.Tanh):
        assert absent not in plain_g + plain_d
    assert kinds(MLPGeneratorConfig(norm="batch").build(8, (2,), bounded=False)).count(nn.BatchNorm1d) == 3
    full = MLPDiscriminatorConfig(widths=(8, 8), activation="relu", norm="batch", dropout=0.5).build((2,))
    for present in (nn.BatchNorm1d, nn.Dropout, nn.ReLU):
        assert kinds(full).count(present) == 2
    assert nn.LeakyReLU not in kinds(full)
    assert nn.Dropout in kinds(MLPDiscriminatorConfig().build((2,)))  # the default: 0.3


def test_a_norms_bias_stands_in_for_the_layers() -> None:
    assert MLPGeneratorConfig(norm="batch").build(8, (2,), bounded=False).hidden[0][0].bias is None
    assert MLPGeneratorConfig(norm="none").build(8, (2,), bounded=False).hidden[0][0].bias is not None


def test_first_samples_have_variance_one() -> None:
    torch.manual_seed(0)
    points = MLPGeneratorConfig().build(64, (784,), bounded=False)(torch.randn(64, 64))
    assert points.var().item() == pytest.approx(1.0, rel=0.15)


def test_spectral_norm_bounds_every_layer() -> None:
    torch.manual_seed(0)
    judge = MLPDiscriminatorConfig(widths=(32, 16), dropout=0.0, spectral_norm=True).build((6,))
    for _ in range(50):
        judge(torch.randn(2, 6))
    judge.eval()
    weights = [module.weight for module in judge.modules() if hasattr(module, "parametrizations")]
    assert len(weights) == 3
    for weight in weights:
        assert torch.linalg.svdvals(weight.detach())[0].item() == pytest.approx(1.0, abs=0.02)


def test_the_discriminator_differentiates_twice() -> None:
    torch.manual_seed(0)
    judge = MLPDiscriminatorConfig(widths=(6, 5), dropout=0.0).build((3,)).double()
    sample = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x).score, sample)
    assert gradgradcheck(lambda x: judge(x).score, sample)
