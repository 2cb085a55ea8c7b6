"""The R3GAN pair against the paper: sizes, counts, the first weights, derivatives."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.networks.configs import R3GANDiscriminatorConfig, R3GANGeneratorConfig
from zerosum.networks.r3gan import ResidualBlock

SIZES = [16, 32, 64, 128, 256, 512, 1024]
TINY = {"widths": (8, 4), "blocks": 1, "expansion": 2, "group_width": 4}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def blocks_of(network: nn.Module) -> list[ResidualBlock]:
    return [module for module in network.modules() if isinstance(module, ResidualBlock)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_channel_count(size: int, channels: int) -> None:
    shape = (channels, size, size)
    tiny = {**TINY, "widths": (4, 2)}
    image = R3GANGeneratorConfig(**tiny).build(8, shape, bounded=True)(torch.randn(2, 8))
    assert image.shape == (2, *shape)
    output = R3GANDiscriminatorConfig(**tiny).build(shape)(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.classes is None


def test_the_picture_is_linear() -> None:
    generator = R3GANGeneratorConfig(**TINY).build(8, (1, 16, 16), bounded=True)
    assert generator(100 * torch.randn(2, 8)).abs().max() > 1
    assert nn.Tanh not in [type(module) for module in generator.modules()]


def test_widths_are_cut_and_repeated() -> None:
    assert R3GANGeneratorConfig().stage_widths(32) == (768,) * 4
    assert R3GANGeneratorConfig().stage_widths(64) == (768, 768, 768, 768, 384)
    assert R3GANGeneratorConfig().stage_widths(256) == (768, 768, 768, 768, 384, 192, 96)
    assert R3GANGeneratorConfig(widths=(64, 32)).stage_widths(64) == (64, 32, 32, 32, 32)


def test_parameters_of_the_papers_cifar_networks() -> None:
    """768 channels at 4, 8, 16 and 32 pixels, two blocks each, twice as wide inside, 16 channels a group."""
    with torch.device("meta"):
        generator = R3GANGeneratorConfig().build(64, (3, 32, 32), bounded=True)
        discriminator = R3GANDiscriminatorConfig().build((3, 32, 32))
    block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
    assert count(generator) == 8 * block + 768 * 16 + 64 * 768 + 768 * 3 == 20_732_160
    assert count(discriminator) == 8 * block + 3 * 768 + 768 * 16 + 768 == 20_683_776


def test_a_transition_convolves_only_where_the_width_changes() -> None:
    generator = R3GANGeneratorConfig(**{**TINY, "widths": (8, 8, 4)}).build(8, (1, 16, 16), bounded=True)
    assert [type(setup[0]) for setup in generator.stages] == [nn.Identity, nn.Conv2d]


def test_group_width_zero_is_one_dense_group() -> None:
    def mixing(**settings: Any) -> nn.Conv2d:
        return R3GANGeneratorConfig(**{**TINY, **settings}).build(8, (1, 16, 16), True).start[1][0].branch[2]

    assert mixing(group_width=0).groups == 1
    assert mixing(group_width=4).groups == 4  # 8 channels, twice as wide inside, 4 a group


def test_every_block_is_the_identity_at_first() -> None:
    torch.manual_seed(0)
    for network in (
        R3GANGeneratorConfig(**TINY).build(8, (1, 32, 32), bounded=True),
        R3GANDiscriminatorConfig(**TINY).build((1, 32, 32)),
    ):
        assert len(blocks_of(network)) == 4
        for block in blocks_of(network):
            width = block.branch[0].in_channels
            hidden = torch.randn(2, width, 4, 4)
            torch.testing.assert_close(block(hidden), hidden, rtol=0, atol=0)


def test_branches_are_drawn_as_fixup_says() -> None:
    """Gain sqrt(2 / 1.04) times L^(-1/4), for L branches of three layers."""
    torch.manual_seed(0)
    block = ResidualBlock(256, expansion=2, group_width=16, num_blocks=16)
    variance = 2 / 1.04 / 16**0.5
    assert block.branch[0].weight.var().item() == pytest.approx(variance / 256, rel=0.05)
    assert block.branch[2].weight.var().item() == pytest.approx(variance / (16 * 9), rel=0.05)
    assert not block.branch[4].weight.any()


def test_first_variances() -> None:
    torch.manual_seed(0)
    shape = {"widths": (256,), "blocks": 1, "group_width": 0, "expansion": 1}
    generator = R3GANGeneratorConfig(**shape).build(64, (3, 16, 16), bounded=True)
    latent = torch.randn(128, 64)
    assert generator.start(latent).var().item() == pytest.approx(1.0, rel=0.15)
    # Each doubling smooths what is independent from pixel to pixel: (10/16)^2 at first, less later.
    assert 0.1 < generator(latent).var().item() < 1
    score = R3GANDiscriminatorConfig(**shape).build((3, 16, 16))(torch.ones(8, 3, 16, 16)).score
    assert score.isfinite().all()


def test_a_score_does_not_depend_on_the_neighbours() -> None:
    torch.manual_seed(0)
    judge = R3GANDiscriminatorConfig(**TINY).build((1, 16, 16))
    sample = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(judge(sample).score[:1], judge(sample[:1]).score, rtol=1e-4, atol=1e-6)


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = R3GANGeneratorConfig(**TINY).build(8, (3, 32, 32), bounded=True)
    judge = R3GANDiscriminatorConfig(**TINY).build((3, 32, 32))
    latent = torch.randn(2, 8)
    image = generator(latent)
    score = judge(image).score
    layout = torch.channels_last
    again = generator.to(memory_format=layout)(latent)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge.to(memory_format=layout)(again).score, score, rtol=1e-4, atol=1e-5)


def awake(network: nn.Module) -> nn.Module:
    """Branches start at zero, where half of the derivatives would pass unchecked."""
    for block in blocks_of(network):
        nn.init.normal_(block.branch[4].weight, 0, 0.3)
    return network


def test_the_discriminator_differentiates_twice() -> None:
    torch.manual_seed(0)
    judge = awake(R3GANDiscriminatorConfig(**TINY).build((1, 16, 16))).double()
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x).score, sample, fast_mode=True)


def test_penalties_on_real_and_fake_reach_every_weight() -> None:
    torch.manual_seed(0)
    generator = awake(R3GANGeneratorConfig(**TINY).build(8, (1, 16, 16), bounded=True))
    judge = awake(R3GANDiscriminatorConfig(**TINY).build((1, 16, 16)))
    fake = generator(torch.randn(3, 8)).detach()
    for sample in (torch.randn(3, 1, 16, 16), fake):
        judge.zero_grad()
        slope = torch.func.grad(lambda x: judge(x).score.sum())(sample)
        wanted = sample.clone().requires_grad_()
        (expected,) = torch.autograd.grad(judge(wanted).score.sum(), wanted, create_graph=True)
        torch.testing.assert_close(slope, expected)
        expected.square().sum((1, 2, 3)).mean().backward()
        for name, parameter in judge.named_parameters():
            # A bias moves a slope only across a kink: its derivative there is zero, or not there at all.
            if not name.endswith("bias"):
                assert parameter.grad is not None
                assert parameter.grad.abs().sum() > 0, name


def test_scores_are_float32_under_autocast() -> None:
    judge = R3GANDiscriminatorConfig(**TINY).build((1, 16, 16))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert judge(torch.randn(2, 1, 16, 16)).score.dtype == torch.float32
