"""Test the fully connected networks: shapes, options, variance, derivatives."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.batch_norm import BatchNorm1d
from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig

SHAPES = [(2,), (1, 28, 28), (3, 5, 7)]


def module_types(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_range(shape: tuple[int, ...]) -> None:
    latent = 20 * torch.randn(4, 8)
    bounded = MLPGeneratorConfig(widths=(16, 16)).build(8, TensorSpec(shape, bounded=True))(latent)
    unbounded = MLPGeneratorConfig(widths=(16, 16)).build(8, TensorSpec(shape))(latent)
    assert bounded.shape == unbounded.shape == (4, *shape)
    assert bounded.abs().max() <= 1 < unbounded.abs().max()
    output = MLPDiscriminatorConfig(widths=(16, 16)).build(TensorSpec(shape))(bounded)
    assert output.score.shape == (4,)
    assert output.score.dtype == torch.float32
    assert output.class_logits is None


def test_discriminator_accepts_channels_last() -> None:
    discriminator = MLPDiscriminatorConfig(widths=(16,), dropout=0.0).build(TensorSpec((3, 8, 8)))
    sample = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(
        discriminator(sample).score, discriminator(sample.to(memory_format=torch.channels_last)).score, rtol=0, atol=0
    )


def test_optional_layers_exist_only_if_set() -> None:
    plain_generator = module_types(MLPGeneratorConfig().build(8, TensorSpec((2,))))
    plain_discriminator = module_types(MLPDiscriminatorConfig(dropout=0.0).build(TensorSpec((2,))))
    for absent in (BatchNorm1d, nn.Dropout, nn.ReLU, nn.Tanh):
        assert absent not in plain_generator + plain_discriminator
    assert module_types(MLPGeneratorConfig(norm="batch").build(8, TensorSpec((2,)))).count(BatchNorm1d) == 3
    discriminator = MLPDiscriminatorConfig(widths=(8, 8), activation="relu", norm="batch", dropout=0.5).build(
        TensorSpec((2,))
    )
    for present in (BatchNorm1d, nn.Dropout, nn.ReLU):
        assert module_types(discriminator).count(present) == 2
    assert nn.LeakyReLU not in module_types(discriminator)
    assert nn.Dropout in module_types(MLPDiscriminatorConfig().build(TensorSpec((2,))))  # the default: 0.3


def test_layers_before_a_norm_have_no_bias() -> None:
    assert MLPGeneratorConfig(norm="batch").build(8, TensorSpec((2,))).hidden_layers[0][0].bias is None
    assert MLPGeneratorConfig(norm="none").build(8, TensorSpec((2,))).hidden_layers[0][0].bias is not None


def test_initial_samples_have_unit_variance() -> None:
    torch.manual_seed(0)
    points = MLPGeneratorConfig().build(64, TensorSpec((784,)))(torch.randn(64, 64))
    assert points.var().item() == pytest.approx(1.0, rel=0.15)


def test_spectral_norm_bounds_every_layer() -> None:
    torch.manual_seed(0)
    discriminator = MLPDiscriminatorConfig(widths=(32, 16), dropout=0.0, spectral_norm=True).build(TensorSpec((6,)))
    for _ in range(50):
        discriminator(torch.randn(2, 6))
    discriminator.eval()
    weights = [module.weight for module in discriminator.modules() if hasattr(module, "parametrizations")]
    assert len(weights) == 3
    for weight in weights:
        assert torch.linalg.svdvals(weight.detach())[0].item() == pytest.approx(1.0, abs=0.02)


def test_discriminator_is_twice_differentiable() -> None:
    torch.manual_seed(0)
    discriminator = MLPDiscriminatorConfig(widths=(6, 5), dropout=0.0).build(TensorSpec((3,))).double()
    sample = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x).score, sample)
    assert gradgradcheck(lambda x: discriminator(x).score, sample)
