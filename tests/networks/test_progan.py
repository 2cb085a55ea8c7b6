"""Test the ProGAN networks against the paper: parameter counts, layers, equalized learning rates, derivatives."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks import progan
from zerosum.networks.configs.progan import ProGANDiscriminatorConfig, ProGANGeneratorConfig
from zerosum.networks.equalized_lr import EqualizedConv2d, EqualizedLinear
from zerosum.networks.heads import ScoreHead
from zerosum.networks.image_grid import ImageGrid
from zerosum.networks.progan import Discriminator, Generator

SIZES = [16, 32, 64, 128, 256, 512, 1024]
GRID = ImageGrid(4, 4, 3)
WIDTHS = (6, 5, 4, 3)  # for 32 x 32 pixels; all different, so that no level is mistaken for another
GROWTHS = [0, 0.25, 1, 1.5, 2, 2.75, 3]


def count_parameters(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def build_pair(
    widths: tuple[int, ...] = WIDTHS, channels: int = 2, double: bool = True
) -> tuple[Generator, Discriminator]:
    """Build networks with nonzero biases, so that a forgotten bias is noticed."""
    torch.manual_seed(0)
    generator = Generator(7, channels, widths, GRID)
    discriminator = Discriminator(channels, widths, GRID, 2, ScoreHead)
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return (generator.double(), discriminator.double()) if double else (generator, discriminator)


def draw_inputs(channels: int = 2, side: int = 32, count: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return (
        torch.randn(count, 7, dtype=torch.float64),
        torch.randn(count, channels, side, side, dtype=torch.float64),
    )


# ---------------------------------------------------------------------- shapes and counts


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_all_sizes_and_channel_counts(size: int, channels: int) -> None:
    shape = (channels, size, size)
    generator = ProGANGeneratorConfig(widths=(4, 2)).build(8, TensorSpec(shape, bounded=True))
    discriminator = ProGANDiscriminatorConfig(widths=(4, 2)).build(TensorSpec(shape))
    for growth in (generator.levels - 1, 0.5):
        generator.set_growth(growth)
        discriminator.set_growth(growth)
        image = generator(torch.randn(2, 8))
        assert image.shape == (2, *shape)
        output = discriminator(image)
        assert output.score.shape == (2,)
        assert output.score.dtype == torch.float32
        assert output.class_logits is None


def test_widths_are_cut_and_the_last_repeated() -> None:
    assert ProGANGeneratorConfig().stage_widths(32) == (512,) * 4
    assert ProGANGeneratorConfig().stage_widths(1024) == (512, 512, 512, 512, 256, 128, 64, 32, 16)
    assert ProGANDiscriminatorConfig(widths=(64, 32)).stage_widths(64) == (64, 32, 32, 32, 32)


def test_configs_declare_progressive_growing() -> None:
    assert ProGANGeneratorConfig().capabilities == ProGANDiscriminatorConfig().capabilities == {"progressive growing"}
    assert not ProGANDiscriminatorConfig().per_sample
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        ProGANDiscriminatorConfig(minibatch_std_group_size=1)


def format_count(number: int) -> str:
    """Format a count as the paper's table 2 does: 4.2M, 590k, 9.2k, 51."""
    if number >= 10_000:
        return f"{number / 1e6:.1f}M" if number >= 1_000_000 else f"{number / 1e3:.0f}k"
    return f"{number / 1e3:.1f}k" if number >= 1_000 else str(number)


def find_layers(*networks: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers with weights, in order."""
    for network in networks:
        for module in network.modules():
            if isinstance(module, EqualizedConv2d | EqualizedLinear | progan._InputLayer):
                yield module


def test_parameter_counts_of_the_papers_networks() -> None:
    """Check table 2 row by row: 1024 x 1024 color pixels. It counts only the fully grown networks' RGB layers."""
    with torch.device("meta"):
        generator = ProGANGeneratorConfig().build(512, TensorSpec((3, 1024, 1024), bounded=True))
        discriminator = ProGANDiscriminatorConfig().build(TensorSpec((3, 1024, 1024)))
    widths = [*pairwise((512, 512, 512, 512, 256, 128, 64, 32, 16))]
    rows = ["4.2M", *["2.4M"] * 7, "1.2M", "590k", "295k", "148k", "74k", "37k", "18k", "9.2k", "4.6k", "2.3k", "51"]
    used = [*find_layers(generator.input_layer, generator.stages, generator.to_rgb[-1])]
    assert [format_count(count_parameters(layer)) for layer in used] == rows
    start_parameters = 512 * 512 * 16 + 512 + 512 * 512 * 9 + 512
    stage_parameters = sum(
        9 * in_channels * out_channels + out_channels + 9 * out_channels * out_channels + out_channels
        for in_channels, out_channels in widths
    )
    assert count_parameters(*used) == start_parameters + stage_parameters + 3 * 16 + 3 == 23_071_507
    assert format_count(count_parameters(*used)) == "23.1M"

    rows = ["64", "2.3k", "4.6k", "9.2k", "18k", "37k", "74k", "148k", "295k", "590k", "1.2M", *["2.4M"] * 7]
    rows += ["4.2M", "513"]
    used = [
        *find_layers(discriminator.from_rgb[-1], *reversed(discriminator.stages), discriminator.final_block),
        discriminator.head.score,
    ]
    assert [format_count(count_parameters(layer)) for layer in used] == rows
    final_parameters = 9 * 513 * 512 + 512 + 16 * 512 * 512 + 512 + 513
    stage_parameters = sum(
        9 * in_channels * in_channels + in_channels + 9 * in_channels * out_channels + out_channels
        for out_channels, in_channels in widths
    )
    assert count_parameters(*used) == 3 * 16 + 16 + stage_parameters + final_parameters == 23_077_137
    assert format_count(count_parameters(*used)) == "23.1M"
    # the other levels' to-RGB and from-RGB layers, which the table leaves out
    coarse = 4 * 512 + 256 + 128 + 64 + 32
    assert count_parameters(generator) - 23_071_507 == 3 * coarse + 8 * 3
    assert count_parameters(discriminator) - 23_077_137 == 4 * coarse


# ---------------------------------------------------------------------- reference implementation


def equalized_conv2d(layer: Any, hidden: Tensor, gain: float = 2**0.5) -> Tensor:
    """Apply an equalized 1x1 or 3x3 convolution."""
    scale = gain / layer.weight[0].numel() ** 0.5
    return functional.conv2d(hidden, layer.weight * scale, layer.bias, padding=layer.weight.shape[-1] // 2)


def activate_and_normalize(hidden: Tensor) -> Tensor:
    hidden = functional.leaky_relu(hidden, 0.2)
    return hidden / (hidden.square().mean(1, keepdim=True) + 1e-8).sqrt()


def upsample(hidden: Tensor) -> Tensor:
    return hidden.repeat_interleave(2, 2).repeat_interleave(2, 3)


def downsample(hidden: Tensor) -> Tensor:
    return (hidden[..., ::2, ::2] + hidden[..., ::2, 1::2] + hidden[..., 1::2, ::2] + hidden[..., 1::2, 1::2]) / 4


def reference_generator(generator: Generator, latent: Tensor, growth: float) -> Tensor:
    """Evaluate the generator of figure 2 and table 2 of the paper directly."""
    weight = generator.input_layer[0].linear.weight * (2**0.5 / 4 / latent.shape[1] ** 0.5)
    hidden = (latent / latent.square().mean(1, keepdim=True).sqrt()) @ weight.T
    hidden = hidden.reshape(len(latent), 4, 4, -1).permute(0, 3, 1, 2) + generator.input_layer[0].bias[:, None, None]
    hidden = activate_and_normalize(equalized_conv2d(generator.input_layer[2], activate_and_normalize(hidden)))
    image = equalized_conv2d(generator.to_rgb[0], hidden, 1.0)
    for level, stage in enumerate(generator.stages, 1):
        hidden = activate_and_normalize(
            equalized_conv2d(stage[3], activate_and_normalize(equalized_conv2d(stage[0], upsample(hidden))))
        )
        alpha = min(max(growth - level + 1, 0), 1)
        image = (1 - alpha) * upsample(image) + alpha * equalized_conv2d(generator.to_rgb[level], hidden, 1.0)
    return image


def reference_discriminator(discriminator: Discriminator, sample: Tensor, growth: float) -> Tensor:
    """Evaluate the discriminator directly; levels that have not grown are bypassed."""

    def leaky_relu(hidden: Tensor) -> Tensor:
        return functional.leaky_relu(hidden, 0.2)

    hidden = leaky_relu(equalized_conv2d(discriminator.from_rgb[-1][0], sample))
    for level in range(discriminator.levels - 1, 0, -1):
        stage = discriminator.stages[level - 1]
        sample = downsample(sample)
        alpha = min(max(growth - level + 1, 0), 1)
        fine = leaky_relu(downsample(equalized_conv2d(stage[2], leaky_relu(equalized_conv2d(stage[0], hidden)))))
        hidden = (1 - alpha) * leaky_relu(equalized_conv2d(discriminator.from_rgb[level - 1][0], sample)) + alpha * fine
    hidden = leaky_relu(equalized_conv2d(discriminator.final_block[1], append_minibatch_std(hidden)))
    linear = discriminator.final_block[4]
    hidden = leaky_relu(hidden.flatten(1) @ linear.weight.T * (2 / linear.weight.shape[1]) ** 0.5 + linear.bias)
    score = discriminator.head.score
    return (hidden @ score.parametrizations.weight.original.T / hidden.shape[1] ** 0.5 + score.bias)[:, 0]


def append_minibatch_std(hidden: Tensor) -> Tensor:
    """Append the minibatch std of 4 samples in groups of 2: sample 0 with 2, and 1 with 3."""
    std = (((hidden[:2] - hidden[2:]) / 2).square() + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([hidden, torch.cat([std, std]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)], 1)


@pytest.mark.parametrize("growth", GROWTHS)
def test_networks_equal_the_reference_implementation(growth: float) -> None:
    generator, discriminator = build_pair()
    latent, sample = draw_inputs()
    generator.set_growth(growth)
    discriminator.set_growth(growth)
    # norms and standard deviations may be computed in float32
    torch.testing.assert_close(generator(latent), reference_generator(generator, latent, growth), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        discriminator(sample).score, reference_discriminator(discriminator, sample, growth), rtol=1e-5, atol=1e-5
    )


# ---------------------------------------------------------------------- weights and derivatives


def test_weights_have_unit_variance_and_are_scaled_when_used() -> None:
    torch.manual_seed(0)
    generator = ProGANGeneratorConfig(widths=(64,)).build(64, TensorSpec((3, 16, 16), bounded=True))
    discriminators = [
        ProGANDiscriminatorConfig(widths=(64,), condition=condition).build(TensorSpec((3, 16, 16)), num_classes=50)
        for condition in ("none", "projection", "auxiliary-classifier")
    ]
    weights = [
        parameter
        for network in (generator, *discriminators)
        for name, parameter in network.named_parameters()
        if "weight" in name
    ]
    assert not any(
        parameter.any()
        for network in (generator, *discriminators)
        for name, parameter in network.named_parameters()
        if "bias" in name
    )
    for weight in weights:
        # four standard errors of a variance, each of about 60 weights: a false alarm in 250
        assert weight.var().item() == pytest.approx(1, abs=4 * (2 / weight.numel()) ** 0.5 + 0.02)
    # a leaky ReLU of slope 0.2 keeps (1 + 0.2^2) / 2 of the square of what He's gain of sqrt(2) doubles: 1.04
    hidden = torch.randn(64, 64, 8, 8)
    for layer in (generator.stages[0][3], discriminators[0].stages[0][0]):
        inner = layer(hidden)[..., 1:-1, 1:-1]
        assert inner.var().item() == pytest.approx(2, rel=0.1)
        assert functional.leaky_relu(inner, 0.2).square().mean().item() == pytest.approx(1.04, rel=0.1)
    # the projection head's class vectors have values of variance 1 / 64
    vectors = discriminators[1].head.class_embedding(torch.arange(50))
    assert vectors.var().item() == pytest.approx(1 / 64, rel=0.1)


def test_pixels_and_latents_are_normalized() -> None:
    generator, _ = build_pair()
    latent, _ = draw_inputs()
    hidden = generator.input_layer(latent)
    for stage in [nn.Identity(), *generator.stages]:
        hidden = stage(hidden)
        lengths = hidden.square().mean(1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=1e-5, atol=0)
    torch.testing.assert_close(generator(3 * latent), generator(latent), rtol=1e-6, atol=1e-6)
    assert nn.Tanh not in [type(module) for module in generator.modules()]


class ExactMinibatchStd(nn.Module):
    """`append_minibatch_std` as a layer: the real one may compute in float32, too inexact for finite differences."""

    def forward(self, hidden: Tensor) -> Tensor:
        return append_minibatch_std(hidden)


@pytest.mark.parametrize("growth", [0, 0.5, 1.25, 2])
def test_discriminator_is_twice_differentiable(growth: float) -> None:
    _, discriminator = build_pair((4, 3, 3), channels=1)
    discriminator.final_block[0] = ExactMinibatchStd()
    discriminator.set_growth(growth)
    sample = draw_inputs(1, 16)[1].requires_grad_()
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)


@pytest.mark.parametrize("growth", [0, 1.5, 3])
def test_gradient_penalty_reaches_every_active_weight(growth: float) -> None:
    generator, discriminator = build_pair(double=False)
    for network in (generator, discriminator):
        network.set_growth(growth)
    fake = generator(torch.randn(4, 7)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(fake).score.sum(), fake, create_graph=True)
    gradient.square().sum((1, 2, 3)).mean().backward()
    reached = {
        name
        for name, parameter in discriminator.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    discriminator.zero_grad()
    discriminator(fake.detach()).score.sum().backward()
    used = {
        name
        for name, parameter in discriminator.named_parameters()
        if parameter.grad is not None and name.endswith("weight")
    }
    assert used <= reached


# ---------------------------------------------------------------------- classes, precision, layout


@pytest.mark.parametrize("condition", ["concat", "projection", "auxiliary-classifier"])
def test_discriminator_is_class_conditional(condition: str) -> None:
    torch.manual_seed(0)
    discriminator = ProGANDiscriminatorConfig(widths=(6, 4), condition=condition).build(
        TensorSpec((1, 16, 16)), num_classes=3
    )
    (discriminator.network if condition == "concat" else discriminator).set_growth(1.5)
    sample, labels = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 0])
    if condition == "auxiliary-classifier":
        assert discriminator(sample).class_logits.shape == (4, 3)
        return
    assert discriminator.condition_inputs == ("label",)
    score, other_score = discriminator(sample, label=labels).score, discriminator(sample, label=labels.flip(0)).score
    assert not torch.allclose(score, other_score)


def test_channels_last_gives_the_same_output() -> None:
    generator, discriminator = build_pair(double=False)
    latent = torch.randn(4, 7)
    generator.set_growth(2.5)
    discriminator.set_growth(2.5)
    image = generator(latent)
    score = discriminator(image).score
    memory_format = torch.channels_last
    channels_last_image = generator.to(memory_format=memory_format)(latent)
    assert channels_last_image.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(channels_last_image, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        discriminator.to(memory_format=memory_format)(channels_last_image).score, score, rtol=1e-4, atol=1e-4
    )


def test_scores_are_float32_under_autocast() -> None:
    generator, discriminator = build_pair(double=False)
    for growth in (1.5, 3):
        generator.set_growth(growth)
        discriminator.set_growth(growth)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert discriminator(generator(torch.randn(4, 7))).score.dtype == torch.float32
