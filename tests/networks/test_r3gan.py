"""Test the R3GAN networks against the paper: sizes, parameter counts, initial weights, derivatives."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import R3GANDiscriminatorConfig, R3GANGeneratorConfig
from zerosum.networks.r3gan import ResidualBlock

SIZES = [16, 32, 64, 128, 256, 512, 1024]
TINY = {"widths": (8, 4), "blocks": 1, "expansion": 2, "group_width": 4}


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def find_blocks(network: nn.Module) -> list[ResidualBlock]:
    return [module for module in network.modules() if isinstance(module, ResidualBlock)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_all_sizes_and_channel_counts(size: int, channels: int) -> None:
    shape = (channels, size, size)
    tiny = {**TINY, "widths": (4, 2)}
    image = R3GANGeneratorConfig(**tiny).build(8, TensorSpec(shape, bounded=True))(torch.randn(2, 8))
    assert image.shape == (2, *shape)
    output = R3GANDiscriminatorConfig(**tiny).build(TensorSpec(shape))(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.class_logits is None


def test_output_is_unbounded() -> None:
    generator = R3GANGeneratorConfig(**TINY).build(8, TensorSpec((1, 16, 16), bounded=True))
    assert generator(100 * torch.randn(2, 8)).abs().max() > 1
    assert nn.Tanh not in [type(module) for module in generator.modules()]


def test_widths_are_cut_and_the_last_repeated() -> None:
    assert R3GANGeneratorConfig().stage_widths(32) == (768,) * 4
    assert R3GANGeneratorConfig().stage_widths(64) == (768, 768, 768, 768, 384)
    assert R3GANGeneratorConfig().stage_widths(256) == (768, 768, 768, 768, 384, 192, 96)
    assert R3GANGeneratorConfig(widths=(64, 32)).stage_widths(64) == (64, 32, 32, 32, 32)


def test_parameter_counts_of_the_papers_cifar_networks() -> None:
    """Check 768 channels at 4, 8, 16 and 32 pixels, two blocks each, twice as wide inside, 16 channels per group."""
    with torch.device("meta"):
        generator = R3GANGeneratorConfig().build(64, TensorSpec((3, 32, 32), bounded=True))
        discriminator = R3GANDiscriminatorConfig().build(TensorSpec((3, 32, 32)))
    block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
    assert count_parameters(generator) == 8 * block + 768 * 16 + 64 * 768 + 768 * 3 == 20_732_160
    assert count_parameters(discriminator) == 8 * block + 3 * 768 + 768 * 16 + 768 == 20_683_776


def test_transition_convolves_only_where_the_width_changes() -> None:
    generator = R3GANGeneratorConfig(**{**TINY, "widths": (8, 8, 4)}).build(8, TensorSpec((1, 16, 16), bounded=True))
    assert [type(stage[0]) for stage in generator.stages] == [nn.Identity, nn.Conv2d]


def test_group_width_zero_is_one_dense_group() -> None:
    def build_grouped_conv(**settings: Any) -> nn.Conv2d:
        return (
            R3GANGeneratorConfig(**{**TINY, **settings})
            .build(8, TensorSpec((1, 16, 16), bounded=True))
            .input_layer[1][0]
            .branch[2]
        )

    assert build_grouped_conv(group_width=0).groups == 1
    assert build_grouped_conv(group_width=4).groups == 4  # 8 channels, twice as wide inside, 4 a group


def test_every_block_starts_as_the_identity() -> None:
    torch.manual_seed(0)
    for network in (
        R3GANGeneratorConfig(**TINY).build(8, TensorSpec((1, 32, 32), bounded=True)),
        R3GANDiscriminatorConfig(**TINY).build(TensorSpec((1, 32, 32))),
    ):
        assert len(find_blocks(network)) == 4
        for block in find_blocks(network):
            width = block.branch[0].in_channels
            hidden = torch.randn(2, width, 4, 4)
            torch.testing.assert_close(block(hidden), hidden, rtol=0, atol=0)


def test_branches_are_initialized_by_fixup() -> None:
    """Check the gain sqrt(2 / 1.04) * L^(-1/4), for L branches of three layers."""
    torch.manual_seed(0)
    block = ResidualBlock(256, expansion=2, group_width=16, num_blocks=16)
    variance = 2 / 1.04 / 16**0.5
    assert block.branch[0].weight.var().item() == pytest.approx(variance / 256, rel=0.05)
    assert block.branch[2].weight.var().item() == pytest.approx(variance / (16 * 9), rel=0.05)
    assert not block.branch[4].weight.any()


def test_initial_variances() -> None:
    torch.manual_seed(0)
    settings = {"widths": (256,), "blocks": 1, "group_width": 0, "expansion": 1}
    generator = R3GANGeneratorConfig(**settings).build(64, TensorSpec((3, 16, 16), bounded=True))
    latent = torch.randn(128, 64)
    assert generator.input_layer(latent).var().item() == pytest.approx(1.0, rel=0.15)
    # each upsampling reduces the variance of independent pixels: by (10/16)^2 at first, by less later
    assert 0.1 < generator(latent).var().item() < 1
    score = R3GANDiscriminatorConfig(**settings).build(TensorSpec((3, 16, 16)))(torch.ones(8, 3, 16, 16)).score
    assert score.isfinite().all()


def test_score_does_not_depend_on_the_rest_of_the_batch() -> None:
    torch.manual_seed(0)
    discriminator = R3GANDiscriminatorConfig(**TINY).build(TensorSpec((1, 16, 16)))
    sample = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(discriminator(sample).score[:1], discriminator(sample[:1]).score, rtol=1e-4, atol=1e-6)


def test_channels_last_gives_the_same_output() -> None:
    torch.manual_seed(0)
    generator = R3GANGeneratorConfig(**TINY).build(8, TensorSpec((3, 32, 32), bounded=True))
    discriminator = R3GANDiscriminatorConfig(**TINY).build(TensorSpec((3, 32, 32)))
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


def randomize_zero_weights(network: nn.Module) -> nn.Module:
    """Initialize the last layer of every branch, which starts at zero, so that no derivative is trivially zero."""
    for block in find_blocks(network):
        nn.init.normal_(block.branch[4].weight, 0, 0.3)
    return network


def test_discriminator_is_twice_differentiable() -> None:
    torch.manual_seed(0)
    discriminator = randomize_zero_weights(R3GANDiscriminatorConfig(**TINY).build(TensorSpec((1, 16, 16)))).double()
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)


def test_gradient_penalties_on_real_and_fake_reach_every_weight() -> None:
    torch.manual_seed(0)
    generator = randomize_zero_weights(R3GANGeneratorConfig(**TINY).build(8, TensorSpec((1, 16, 16), bounded=True)))
    discriminator = randomize_zero_weights(R3GANDiscriminatorConfig(**TINY).build(TensorSpec((1, 16, 16))))
    fake = generator(torch.randn(3, 8)).detach()
    for sample in (torch.randn(3, 1, 16, 16), fake):
        discriminator.zero_grad()
        gradient = torch.func.grad(lambda x: discriminator(x).score.sum())(sample)
        differentiable = sample.clone().requires_grad_()
        (expected,) = torch.autograd.grad(discriminator(differentiable).score.sum(), differentiable, create_graph=True)
        torch.testing.assert_close(gradient, expected)
        expected.square().sum((1, 2, 3)).mean().backward()
        for name, parameter in discriminator.named_parameters():
            # the input gradient is piecewise constant in a bias: its derivative is zero or undefined
            if not name.endswith("bias"):
                assert parameter.grad is not None
                assert parameter.grad.abs().sum() > 0, name


def test_scores_are_float32_under_autocast() -> None:
    discriminator = R3GANDiscriminatorConfig(**TINY).build(TensorSpec((1, 16, 16)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert discriminator(torch.randn(2, 1, 16, 16)).score.dtype == torch.float32
