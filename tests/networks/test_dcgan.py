"""The DCGAN pair against the paper: sizes, parameter counts, where norms stand, derivatives."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.networks.configs import DCGANDiscriminatorConfig, DCGANGeneratorConfig

SIZES = [16, 32, 64, 128, 256, 512, 1024]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def kinds(network: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_channel_count(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = DCGANGeneratorConfig(width=2, max_width=4).build(8, shape, bounded=True)(torch.randn(2, 8))
    assert image.shape == (2, *shape)
    output = DCGANDiscriminatorConfig(width=2, max_width=4).build(shape)(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.classes is None


def test_range() -> None:
    latent, scaled = 50 * torch.randn(2, 8), DCGANGeneratorConfig(width=4, norm="none", init="scaled")
    assert scaled.build(8, (1, 16, 16), bounded=True)(latent).abs().max() <= 1
    assert scaled.build(8, (1, 16, 16), bounded=False)(latent).abs().max() > 1


def test_parameters_of_the_papers_networks_at_64_pixels() -> None:
    """Figure 1: 100 latent values, 1024 x 4x4, 512, 256, 128, picture; no bias before batch norm."""
    sizes = {"width": 128, "max_width": 1024}
    shape = (3, 64, 64)
    between = 16 * (1024 * 512 + 512 * 256 + 256 * 128)
    with torch.device("meta"):
        generator = DCGANGeneratorConfig(**sizes).build(100, shape, bounded=True)
        discriminator = DCGANDiscriminatorConfig(**sizes).build(shape)
    norms = 2 * (512 + 256 + 128)
    assert count(generator) == 100 * 1024 * 16 + between + 16 * 128 * 3 + 3 + norms + 2 * 1024
    assert count(discriminator) == 16 * 3 * 128 + 128 + between + 16 * 1024 + 1 + 2 * (256 + 512 + 1024)


def test_detail_is_a_convolution_at_the_pictures_own_size() -> None:
    shape = (3, 32, 32)
    with torch.device("meta"):
        plain = (
            DCGANGeneratorConfig(width=8).build(8, shape, bounded=True),
            DCGANDiscriminatorConfig(width=8).build(shape),
        )
        close = (
            DCGANGeneratorConfig(width=8, full_resolution_channels=4).build(8, shape, bounded=True),
            DCGANDiscriminatorConfig(width=8, full_resolution_channels=4).build(shape),
        )
        assert close[1](close[0](torch.randn(2, 8))).score.shape == (2,)
    # the last doubling ends in 4 channels with their norm, not in 3 with their bias, and 3x3 makes the picture of them
    assert count(close[0]) - count(plain[0]) == 16 * 8 * (4 - 3) - 3 + 2 * 4 + 9 * 4 * 3 + 3
    # 3x3 sees the picture first, and the first halving sees 4 channels, not 3
    assert count(close[1]) - count(plain[1]) == 9 * 3 * 4 + 4 + 16 * 8 * (4 - 3)


def test_parameters_of_the_usual_half_width() -> None:
    """The common 64-channel networks have 3,576,704 and 2,765,568 weights; ours add biases beside no norm."""
    with torch.device("meta"):
        generator = DCGANGeneratorConfig().build(100, (3, 64, 64), bounded=True)
        discriminator = DCGANDiscriminatorConfig().build((3, 64, 64))
    assert count(generator) == 3_576_704 + 3
    assert count(discriminator) == 2_765_568 + 64 + 1


def test_widths_double_to_their_limit() -> None:
    assert DCGANGeneratorConfig(width=24, max_width=96).stage_widths(128) == (24, 48, 96, 96, 96)
    assert DCGANDiscriminatorConfig(width=64).stage_widths(32) == (64, 128, 256)


def test_no_norm_beside_the_picture() -> None:
    generator = DCGANGeneratorConfig(width=4).build(8, (1, 32, 32), bounded=True)
    discriminator = DCGANDiscriminatorConfig(width=4).build((1, 32, 32))
    assert nn.BatchNorm2d not in kinds(generator.picture) + kinds(discriminator.picture)
    assert kinds(generator).count(nn.BatchNorm2d) == 3
    assert kinds(discriminator).count(nn.BatchNorm2d) == 2


def test_options_are_there_when_set_and_only_then() -> None:
    bare = DCGANDiscriminatorConfig(width=4, norm="none").build((1, 32, 32))
    assert not {nn.BatchNorm2d, nn.Dropout} & set(kinds(bare))
    assert kinds(DCGANDiscriminatorConfig(width=4, dropout=0.2).build((1, 32, 32))).count(nn.Dropout) == 3
    assert nn.BatchNorm2d not in kinds(DCGANGeneratorConfig(width=4, norm="none").build(8, (1, 32, 32), True))


def test_spectral_norm_bounds_every_layer_and_survives_a_copy() -> None:
    torch.manual_seed(0)
    judge = DCGANDiscriminatorConfig(width=4, norm="none", spectral_norm=True, init="scaled").build((1, 16, 16))
    for _ in range(60):
        judge(torch.randn(1, 1, 16, 16))
    twin = copy.deepcopy(judge).eval()
    twin.load_state_dict(judge.state_dict())
    weights = [module.weight for module in twin.modules() if hasattr(module, "parametrizations")]
    assert len(weights) == 3
    for weight in weights:
        top = torch.linalg.svdvals(weight.detach().flatten(1))[0].item()
        assert top == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("init", ["scaled", "orthogonal"])
def test_signal_passes_without_norm(init: str) -> None:
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=16, norm="none", init=init).build(64, (1, 64, 64), bounded=False)
    assert 0.3 < generator(torch.randn(64, 64)).var().item() < 3
    judge = DCGANDiscriminatorConfig(width=16, norm="none", init=init).build((1, 64, 64))
    assert 0.1 < judge(torch.randn(32, 1, 64, 64)).score.square().mean().item() < 10


def test_a_narrow_network_without_norm_drawn_by_the_paper_passes_almost_no_signal() -> None:
    torch.manual_seed(0)
    judge = DCGANDiscriminatorConfig(width=16, norm="none", init="normal").build((1, 64, 64))
    assert judge(torch.randn(32, 1, 64, 64)).score.abs().max() < 1e-2


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=4).build(8, (3, 32, 32), bounded=True).eval()
    judge = DCGANDiscriminatorConfig(width=4).build((3, 32, 32)).eval()
    latent = torch.randn(2, 8)
    image = generator(latent)
    score = judge(image).score
    layout = torch.channels_last
    again = generator.to(memory_format=layout)(latent)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge.to(memory_format=layout)(again).score, score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_discriminator_differentiates_twice(norm: str) -> None:
    torch.manual_seed(0)
    judge = DCGANDiscriminatorConfig(width=2, norm=norm, init="scaled").build((1, 16, 16)).double()
    sample = torch.randn(3, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x).score, sample, fast_mode=True)


@pytest.mark.parametrize("spectral", [False, True])
def test_a_slope_by_torch_func_is_the_slope_by_autograd(spectral: bool) -> None:
    torch.manual_seed(0)
    judge = DCGANDiscriminatorConfig(width=4, norm="none", spectral_norm=spectral, init="scaled").build((1, 16, 16))
    sample = torch.randn(3, 1, 16, 16)
    training = torch.func.grad(lambda x: judge(x).score.sum())(sample)
    assert training.isfinite().all()
    judge.eval()
    wanted = sample.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(judge(wanted).score.sum(), wanted)
    by_func = torch.func.grad(lambda x: judge(x).score.sum())(sample)
    torch.testing.assert_close(by_func, by_autograd)
