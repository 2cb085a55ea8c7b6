"""Test the DCGAN networks against the paper: sizes, parameter counts, positions of norms, derivatives."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.batch_norm import BatchNorm2d
from zerosum.networks.configs import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from zerosum.networks.layers import UpsampleConv

SIZES = [16, 32, 64, 128, 256, 512, 1024]


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def module_types(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_all_sizes_and_channel_counts(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = DCGANGeneratorConfig(width=2, max_width=4).build(8, TensorSpec(shape, bounded=True))(torch.randn(2, 8))
    assert image.shape == (2, *shape)
    output = DCGANDiscriminatorConfig(width=2, max_width=4).build(TensorSpec(shape))(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.class_logits is None


def test_bounded_samples_lie_in_range() -> None:
    latent, config = 50 * torch.randn(2, 8), DCGANGeneratorConfig(width=4, norm="none", init="kaiming")
    assert config.build(8, TensorSpec((1, 16, 16), bounded=True))(latent).abs().max() <= 1
    assert config.build(8, TensorSpec((1, 16, 16)))(latent).abs().max() > 1


def test_parameter_counts_of_the_papers_networks_at_64_pixels() -> None:
    """Check figure 1: 100 latent values, 1024 x 4x4, 512, 256, 128, image; no bias before batch norm."""
    settings = {"width": 128, "max_width": 1024}
    shape = (3, 64, 64)
    conv_weights = 16 * (1024 * 512 + 512 * 256 + 256 * 128)
    with torch.device("meta"):
        generator = DCGANGeneratorConfig(**settings).build(100, TensorSpec(shape, bounded=True))
        discriminator = DCGANDiscriminatorConfig(**settings).build(TensorSpec(shape))
    norm_parameters = 2 * (512 + 256 + 128)
    assert count_parameters(generator) == 100 * 1024 * 16 + conv_weights + 16 * 128 * 3 + 3 + norm_parameters + 2 * 1024
    assert count_parameters(discriminator) == 16 * 3 * 128 + 128 + conv_weights + 16 * 1024 + 1 + 2 * (256 + 512 + 1024)


def test_full_resolution_channels_add_a_convolution_at_full_resolution() -> None:
    shape = (3, 32, 32)
    with torch.device("meta"):
        plain = (
            DCGANGeneratorConfig(width=8).build(8, TensorSpec(shape, bounded=True)),
            DCGANDiscriminatorConfig(width=8).build(TensorSpec(shape)),
        )
        extended = (
            DCGANGeneratorConfig(width=8, full_resolution_channels=4).build(8, TensorSpec(shape, bounded=True)),
            DCGANDiscriminatorConfig(width=8, full_resolution_channels=4).build(TensorSpec(shape)),
        )
        assert extended[1](extended[0](torch.randn(2, 8))).score.shape == (2,)
    # the last doubling ends in 4 channels with a norm, not in 3 with a bias, and a 3x3 convolution follows
    assert count_parameters(extended[0]) - count_parameters(plain[0]) == 16 * 8 * (4 - 3) - 3 + 2 * 4 + 9 * 4 * 3 + 3
    # a 3x3 convolution precedes, and the first halving gets 4 channels, not 3
    assert count_parameters(extended[1]) - count_parameters(plain[1]) == 9 * 3 * 4 + 4 + 16 * 8 * (4 - 3)


def test_parameter_counts_of_the_common_half_width() -> None:
    """The common 64-channel networks have 3,576,704 and 2,765,568 weights; ours add biases where there is no norm."""
    with torch.device("meta"):
        generator = DCGANGeneratorConfig().build(100, TensorSpec((3, 64, 64), bounded=True))
        discriminator = DCGANDiscriminatorConfig().build(TensorSpec((3, 64, 64)))
    assert count_parameters(generator) == 3_576_704 + 3
    assert count_parameters(discriminator) == 2_765_568 + 64 + 1


def test_widths_double_up_to_the_limit() -> None:
    assert DCGANGeneratorConfig(width=24, max_width=96).stage_widths(128) == (24, 48, 96, 96, 96)
    assert DCGANDiscriminatorConfig(width=64).stage_widths(32) == (64, 128, 256)


def test_layers_next_to_the_image_have_no_norm() -> None:
    generator = DCGANGeneratorConfig(width=4).build(8, TensorSpec((1, 32, 32), bounded=True))
    discriminator = DCGANDiscriminatorConfig(width=4).build(TensorSpec((1, 32, 32)))
    assert BatchNorm2d not in module_types(generator.output_layer) + module_types(discriminator.input_layer)
    assert module_types(generator).count(BatchNorm2d) == 3
    assert module_types(discriminator).count(BatchNorm2d) == 2


def test_optional_layers_exist_only_if_set() -> None:
    discriminator = DCGANDiscriminatorConfig(width=4, norm="none").build(TensorSpec((1, 32, 32)))
    assert not {BatchNorm2d, nn.Dropout} & set(module_types(discriminator))
    assert (
        module_types(DCGANDiscriminatorConfig(width=4, dropout=0.2).build(TensorSpec((1, 32, 32)))).count(nn.Dropout)
        == 3
    )
    assert BatchNorm2d not in module_types(
        DCGANGeneratorConfig(width=4, norm="none").build(8, TensorSpec((1, 32, 32), bounded=True))
    )


def test_spectral_norm_bounds_every_layer_also_of_a_copy() -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminatorConfig(width=4, norm="none", spectral_norm=True, init="kaiming").build(
        TensorSpec((1, 16, 16))
    )
    for _ in range(60):
        discriminator(torch.randn(1, 1, 16, 16))
    copied = copy.deepcopy(discriminator).eval()
    copied.load_state_dict(discriminator.state_dict())
    weights = [module.weight for module in copied.modules() if hasattr(module, "parametrizations")]
    assert len(weights) == 3
    for weight in weights:
        top = torch.linalg.svdvals(weight.detach().flatten(1))[0].item()
        assert top == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("init", ["kaiming", "orthogonal"])
def test_signal_passes_through_networks_without_norm(init: str) -> None:
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=16, norm="none", init=init).build(64, TensorSpec((1, 64, 64)))
    assert 0.3 < generator(torch.randn(64, 64)).var().item() < 3
    discriminator = DCGANDiscriminatorConfig(width=16, norm="none", init=init).build(TensorSpec((1, 64, 64)))
    assert 0.1 < discriminator(torch.randn(32, 1, 64, 64)).score.square().mean().item() < 10


def test_narrow_network_without_norm_passes_no_signal_with_the_papers_init() -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminatorConfig(width=16, norm="none", init="normal").build(TensorSpec((1, 64, 64)))
    assert discriminator(torch.randn(32, 1, 64, 64)).score.abs().max() < 1e-2


def test_channels_last_gives_the_same_output() -> None:
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=4).build(8, TensorSpec((3, 32, 32), bounded=True)).eval()
    discriminator = DCGANDiscriminatorConfig(width=4).build(TensorSpec((3, 32, 32))).eval()
    latent = torch.randn(2, 8)
    image = generator(latent)
    score = discriminator(image).score
    memory_format = torch.channels_last
    channels_last_image = generator.to(memory_format=memory_format)(latent)
    assert channels_last_image.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(channels_last_image, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        discriminator.to(memory_format=memory_format)(channels_last_image).score, score, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_discriminator_is_twice_differentiable(norm: str) -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminatorConfig(width=2, norm=norm, init="kaiming").build(TensorSpec((1, 16, 16))).double()
    sample = torch.randn(3, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_gradient_by_torch_func_equals_autograd(spectral_norm: bool) -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminatorConfig(width=4, norm="none", spectral_norm=spectral_norm, init="kaiming").build(
        TensorSpec((1, 16, 16))
    )
    sample = torch.randn(3, 1, 16, 16)
    training_gradient = torch.func.grad(lambda x: discriminator(x).score.sum())(sample)
    assert training_gradient.isfinite().all()
    discriminator.eval()
    differentiable = sample.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(discriminator(differentiable).score.sum(), differentiable)
    by_func = torch.func.grad(lambda x: discriminator(x).score.sum())(sample)
    torch.testing.assert_close(by_func, by_autograd)


def test_nearest_upsampling_repeats_pixels_before_its_convolution() -> None:
    """Check that a constant map stays constant inside, where a transposed convolution makes a checkerboard."""
    torch.manual_seed(0)
    layers = [
        DCGANGeneratorConfig(width=4, upsampling=name, norm="none", init="kaiming").build(8, TensorSpec((1, 16, 16)))
        for name in ("transposed", "nearest")
    ]
    checker = []
    for generator in layers:
        stage = next(iter(generator.stages))
        channels = next(iter(stage.parameters())).shape[1 if isinstance(stage[0], UpsampleConv) else 0]
        inner = stage[0](torch.ones(1, channels, 8, 8))[:, :, 4:-4, 4:-4]
        checker.append((inner - inner.mean((2, 3), keepdim=True)).abs().max().item())
    assert checker[0] > 0.1
    assert checker[1] < 1e-5


@pytest.mark.parametrize("full_resolution_channels", [0, 4])
def test_output_skips_add_the_outputs_of_all_resolutions(full_resolution_channels: int) -> None:
    torch.manual_seed(0)
    config = DCGANGeneratorConfig(
        width=4, norm="none", init="kaiming", full_resolution_channels=full_resolution_channels, output_skips=True
    )
    generator, latent = config.build(8, TensorSpec((3, 32, 64))), torch.randn(2, 8)
    features, sizes, expected = generator.input_layer(latent), [], torch.zeros(2, 3, 32, 64)
    for layer, stage in zip(generator.skip_layers, [*generator.stages, None], strict=False):
        sizes.append(tuple(features.shape[2:]))
        expected = expected + nn.functional.interpolate(layer(features), size=(32, 64))
        features = stage(features) if stage is not None else features
    expected = expected + generator.output_layer[0](features)
    assert sizes == [(4, 8), (8, 16), (16, 32)]
    torch.testing.assert_close(generator(latent), expected)
