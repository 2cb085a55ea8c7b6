"""The ProGAN pair against the paper: counts, layers written out, equalised rates, derivatives."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.networks import progan
from zerosum.networks.configs.progan import ProGANDiscriminatorConfig, ProGANGeneratorConfig
from zerosum.networks.equalized_lr import EqualizedConv2d, EqualizedLinear
from zerosum.networks.heads import ScoreHead
from zerosum.networks.progan import Discriminator, Generator

SIZES = [16, 32, 64, 128, 256, 512, 1024]
WIDTHS = (6, 5, 4, 3)  # of 32 x 32 pixels: each level's own, so that none is taken for another
GROWTHS = [0, 0.25, 1, 1.5, 2, 2.75, 3]


def count(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def pair(widths: tuple[int, ...] = WIDTHS, channels: int = 2, double: bool = True) -> tuple[Generator, Discriminator]:
    """Networks whose biases are not 0 either, so that none is forgotten unseen."""
    torch.manual_seed(0)
    generator = Generator(7, channels, widths)
    judge = Discriminator(channels, widths, 2, ScoreHead)
    for name, parameter in [*generator.named_parameters(), *judge.named_parameters()]:
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return (generator.double(), judge.double()) if double else (generator, judge)


def drawn(channels: int = 2, side: int = 32, number: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return (
        torch.randn(number, 7, dtype=torch.float64),
        torch.randn(number, channels, side, side, dtype=torch.float64),
    )


# ---------------------------------------------------------------------- shapes and counts


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_channel_count(size: int, channels: int) -> None:
    shape = (channels, size, size)
    generator = ProGANGeneratorConfig(widths=(4, 2)).build(8, shape, bounded=True)
    judge = ProGANDiscriminatorConfig(widths=(4, 2)).build(shape)
    for growth in (generator.levels - 1, 0.5):
        generator.grow(growth)
        judge.grow(growth)
        image = generator(torch.randn(2, 8))
        assert image.shape == (2, *shape)
        output = judge(image)
        assert output.score.shape == (2,)
        assert output.score.dtype == torch.float32
        assert output.classes is None


def test_widths_are_cut_and_repeated() -> None:
    assert ProGANGeneratorConfig().stage_widths(32) == (512,) * 4
    assert ProGANGeneratorConfig().stage_widths(1024) == (512, 512, 512, 512, 256, 128, 64, 32, 16)
    assert ProGANDiscriminatorConfig(widths=(64, 32)).stage_widths(64) == (64, 32, 32, 32, 32)


def test_shapes_say_what_the_networks_can() -> None:
    assert ProGANGeneratorConfig().capabilities == ProGANDiscriminatorConfig().capabilities == {"grow"}
    assert not ProGANDiscriminatorConfig().per_sample
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        ProGANDiscriminatorConfig(minibatch_std_group_size=1)


def said(number: int) -> str:
    """A count as the paper's table 2 gives it: 4.2M, 590k, 9.2k, 51."""
    if number >= 10_000:
        return f"{number / 1e6:.1f}M" if number >= 1_000_000 else f"{number / 1e3:.0f}k"
    return f"{number / 1e3:.1f}k" if number >= 1_000 else str(number)


def layers(*parts: nn.Module) -> Iterator[nn.Module]:
    """The layers with weights, in order."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, EqualizedConv2d | EqualizedLinear | progan._InputLayer):
                yield module


def test_parameters_of_the_papers_networks() -> None:
    """Table 2, row by row: 1024 x 1024 pixels in colour. It counts only the fully grown networks' RGB layers."""
    with torch.device("meta"):
        generator = ProGANGeneratorConfig().build(512, (3, 1024, 1024), bounded=True)
        judge = ProGANDiscriminatorConfig().build((3, 1024, 1024))
    widths = [*pairwise((512, 512, 512, 512, 256, 128, 64, 32, 16))]
    rows = ["4.2M", *["2.4M"] * 7, "1.2M", "590k", "295k", "148k", "74k", "37k", "18k", "9.2k", "4.6k", "2.3k", "51"]
    used = [*layers(generator.start, generator.stages, generator.pictures[-1])]
    assert [said(count(layer)) for layer in used] == rows
    start = 512 * 512 * 16 + 512 + 512 * 512 * 9 + 512
    stages = sum(9 * i * o + o + 9 * o * o + o for i, o in widths)
    assert count(*used) == start + stages + 3 * 16 + 3 == 23_071_507
    assert said(count(*used)) == "23.1M"

    rows = ["64", "2.3k", "4.6k", "9.2k", "18k", "37k", "74k", "148k", "295k", "590k", "1.2M", *["2.4M"] * 7]
    rows += ["4.2M", "513"]
    used = [*layers(judge.pictures[-1], *reversed(judge.stages), judge.end), judge.head.score]
    assert [said(count(layer)) for layer in used] == rows
    end = 9 * 513 * 512 + 512 + 16 * 512 * 512 + 512 + 513
    stages = sum(9 * i * i + i + 9 * i * o + o for o, i in widths)
    assert count(*used) == 3 * 16 + 16 + stages + end == 23_077_137
    assert said(count(*used)) == "23.1M"
    # the other levels' to-RGB and from-RGB layers, which the table leaves out
    coarse = 4 * 512 + 256 + 128 + 64 + 32
    assert count(generator) - 23_071_507 == 3 * coarse + 8 * 3
    assert count(judge) - 23_077_137 == 4 * coarse


# ---------------------------------------------------------------------- against the paper's network, written out


def mixed(layer: Any, hidden: Tensor, gain: float = 2**0.5) -> Tensor:
    """An equalised 1x1 or 3x3 convolution."""
    scale = gain / layer.weight[0].numel() ** 0.5
    return functional.conv2d(hidden, layer.weight * scale, layer.bias, padding=layer.weight.shape[-1] // 2)


def pixels(hidden: Tensor) -> Tensor:
    hidden = functional.leaky_relu(hidden, 0.2)
    return hidden / (hidden.square().mean(1, keepdim=True) + 1e-8).sqrt()


def twice(hidden: Tensor) -> Tensor:
    return hidden.repeat_interleave(2, 2).repeat_interleave(2, 3)


def half(hidden: Tensor) -> Tensor:
    return (hidden[..., ::2, ::2] + hidden[..., ::2, 1::2] + hidden[..., 1::2, ::2] + hidden[..., 1::2, 1::2]) / 4


def made(generator: Generator, latent: Tensor, growth: float) -> Tensor:
    """Figure 2 of the paper and table 2's generator, without any shortcut."""
    matrix = generator.input_layer[0].matrix.weight * (2**0.5 / 4 / latent.shape[1] ** 0.5)
    hidden = (latent / latent.square().mean(1, keepdim=True).sqrt()) @ matrix.T
    hidden = hidden.reshape(len(latent), 4, 4, -1).permute(0, 3, 1, 2) + generator.input_layer[0].bias[:, None, None]
    hidden = pixels(mixed(generator.input_layer[2], pixels(hidden)))
    image = mixed(generator.to_rgb[0], hidden, 1.0)
    for level, setup in enumerate(generator.stages, 1):
        hidden = pixels(mixed(setup[3], pixels(mixed(setup[0], twice(hidden)))))
        share = min(max(growth - level + 1, 0), 1)
        image = (1 - share) * twice(image) + share * mixed(generator.to_rgb[level], hidden, 1.0)
    return image


def judged(judge: Discriminator, sample: Tensor, growth: float) -> Tensor:
    """The same for the discriminator: what has not grown is passed by."""

    def act(hidden: Tensor) -> Tensor:
        return functional.leaky_relu(hidden, 0.2)

    hidden = act(mixed(judge.from_rgb[-1][0], sample))
    for level in range(judge.levels - 1, 0, -1):
        setup = judge.stages[level - 1]
        sample = half(sample)
        share = min(max(growth - level + 1, 0), 1)
        seen = act(half(mixed(setup[2], act(mixed(setup[0], hidden)))))
        hidden = (1 - share) * act(mixed(judge.from_rgb[level - 1][0], sample)) + share * seen
    hidden = act(mixed(judge.final_block[1], beside(hidden)))
    hidden = act(
        hidden.flatten(1) @ judge.final_block[4].weight.T * (2 / judge.final_block[4].weight.shape[1]) ** 0.5
        + judge.final_block[4].bias
    )
    score = judge.head.score
    return (hidden @ score.parametrizations.weight.original.T / hidden.shape[1] ** 0.5 + score.bias)[:, 0]


def beside(hidden: Tensor) -> Tensor:
    """Minibatch deviation in groups of 2 of 4 samples: 0 with 2, and 1 with 3."""
    spread = (((hidden[:2] - hidden[2:]) / 2).square() + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([hidden, torch.cat([spread, spread]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)], 1)


@pytest.mark.parametrize("growth", GROWTHS)
def test_the_networks_are_the_papers(growth: float) -> None:
    generator, judge = pair()
    latent, sample = drawn()
    generator.grow(growth)
    judge.grow(growth)
    # norms and deviations may be worked out in float32
    torch.testing.assert_close(generator(latent), made(generator, latent, growth), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(judge(sample).score, judged(judge, sample, growth), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------------- weights and derivatives


def test_weights_have_unit_variance_and_are_scaled_when_used() -> None:
    torch.manual_seed(0)
    generator = ProGANGeneratorConfig(widths=(64,)).build(64, (3, 16, 16), bounded=True)
    judges = [
        ProGANDiscriminatorConfig(widths=(64,), condition=condition).build((3, 16, 16), num_classes=50)
        for condition in ("none", "projection", "classify")
    ]
    drawn_weights = [
        parameter for network in (generator, *judges) for n, parameter in network.named_parameters() if "weight" in n
    ]
    assert not any(p.any() for g in (generator, *judges) for n, p in g.named_parameters() if "bias" in n)
    for weight in drawn_weights:
        # four standard errors of a variance, each of about 60 weights: a false alarm in 250
        assert weight.var().item() == pytest.approx(1, abs=4 * (2 / weight.numel()) ** 0.5 + 0.02)
    # a leaky ReLU of slope 0.2 keeps (1 + 0.2^2) / 2 of the square of what He's gain of sqrt(2) doubles: 1.04
    hidden = torch.randn(64, 64, 8, 8)
    for layer in (generator.stages[0][3], judges[0].stages[0][0]):
        inner = layer(hidden)[..., 1:-1, 1:-1]
        assert inner.var().item() == pytest.approx(2, rel=0.1)
        assert functional.leaky_relu(inner, 0.2).square().mean().item() == pytest.approx(1.04, rel=0.1)
    # of random labels' vectors, numbers of variance 1 / 64 as the projection head asks
    vectors = judges[1].head.vectors(torch.arange(50))
    assert vectors.var().item() == pytest.approx(1 / 64, rel=0.1)


def test_every_pixel_is_normalised_and_a_latents_length_does_not_count() -> None:
    generator, _ = pair()
    latent, _ = drawn()
    hidden = generator.input_layer(latent)
    for setup in [nn.Identity(), *generator.stages]:
        hidden = setup(hidden)
        lengths = hidden.square().mean(1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=1e-5, atol=0)
    torch.testing.assert_close(generator(3 * latent), generator(latent), rtol=1e-6, atol=1e-6)
    assert nn.Tanh not in [type(module) for module in generator.modules()]


class Exact(nn.Module):
    """`beside` as a layer: the one in use may work in float32, in which differences are no check of derivatives."""

    def forward(self, hidden: Tensor) -> Tensor:
        return beside(hidden)


@pytest.mark.parametrize("growth", [0, 0.5, 1.25, 2])
def test_the_discriminator_differentiates_twice(growth: float) -> None:
    _, judge = pair((4, 3, 3), channels=1)
    judge.final_block[0] = Exact()
    judge.grow(growth)
    sample = drawn(1, 16)[1].requires_grad_()
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x).score, sample, fast_mode=True)


@pytest.mark.parametrize("growth", [0, 1.5, 3])
def test_the_penalty_reaches_every_weight_that_has_grown(growth: float) -> None:
    generator, judge = pair(double=False)
    for network in (generator, judge):
        network.grow(growth)
    fake = generator(torch.randn(4, 7)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(judge(fake).score.sum(), fake, create_graph=True)
    slope.square().sum((1, 2, 3)).mean().backward()
    reached = {n for n, p in judge.named_parameters() if p.grad is not None and p.grad.any()}
    judge.zero_grad()
    judge(fake.detach()).score.sum().backward()
    used = {name for name, p in judge.named_parameters() if p.grad is not None and name.endswith("weight")}
    assert used <= reached


# ---------------------------------------------------------------------- classes, precision, layout


@pytest.mark.parametrize("condition", ["concat", "projection", "classify"])
def test_it_is_told_classes(condition: str) -> None:
    torch.manual_seed(0)
    judge = ProGANDiscriminatorConfig(widths=(6, 4), condition=condition).build((1, 16, 16), num_classes=3)
    (judge.network if condition == "concat" else judge).grow(1.5)
    sample, labels = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 0])
    if condition == "classify":
        assert judge(sample).classes.shape == (4, 3)
        return
    assert judge.takes == ("label",)
    one, other = judge(sample, label=labels).score, judge(sample, label=labels.flip(0)).score
    assert not torch.allclose(one, other)


def test_channels_last_changes_nothing() -> None:
    generator, judge = pair(double=False)
    latent = torch.randn(4, 7)
    generator.grow(2.5)
    judge.grow(2.5)
    image = generator(latent)
    score = judge(image).score
    layout = torch.channels_last
    again = generator.to(memory_format=layout)(latent)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge.to(memory_format=layout)(again).score, score, rtol=1e-4, atol=1e-4)


def test_scores_are_float32_under_autocast() -> None:
    generator, judge = pair(double=False)
    for growth in (1.5, 3):
        generator.grow(growth)
        judge.grow(growth)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert judge(generator(torch.randn(4, 7))).score.dtype == torch.float32
