"""The StyleGAN2 pair against the paper: sizes, counts, layers written out, derivatives, export."""

import copy
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.game import seeded_rng
from zerosum.networks import layers
from zerosum.networks.configs.stylegan2 import StyleGAN2DiscriminatorConfig, StyleGAN2GeneratorConfig
from zerosum.networks.stylegan2 import (
    Discriminator,
    DiscriminatorBlock,
    Generator,
    SynthesisLayer,
    ToRGB,
    modulated_upsample_conv2d,
)

WIDTH = {"channel_base": 64, "channel_max": 6}
TINY = {**WIDTH, "style": 5, "mapping": 2}
TAPS = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])).double() / 64


def generator(side: int = 16, channels: int = 1, classes: int = 0, **settings: Any) -> Generator:
    torch.manual_seed(0)
    shape = StyleGAN2GeneratorConfig(**{**TINY, **settings})
    return shape.build(4, (channels, side, side), True, classes).eval()  # type: ignore[return-value]


def discriminator(side: int = 16, channels: int = 1, **settings: Any) -> Discriminator:
    torch.manual_seed(0)
    return StyleGAN2DiscriminatorConfig(**{**WIDTH, **settings}).build((channels, side, side))  # type: ignore[return-value]


def awake(network: Generator) -> Generator:
    """Noise starts at strength 0, biases at 0: half of the network would pass unchecked."""
    for name, parameter in network.named_parameters():
        if name.endswith(("strength", "bias")):
            nn.init.normal_(parameter)
    return network


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def close(ours: Tensor, theirs: Tensor, bound: float = 1e-10) -> None:
    torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound)


# ---------------------------------------------------------------------- sizes


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (32, 2), (64, 3), (128, 4), (256, 3), (512, 2), (1024, 1)])
def test_every_size_and_channel_count(side: int, channels: int) -> None:
    network = generator(side, channels, channel_base=16, channel_max=2)
    image = network(torch.randn(1, 4), seed=torch.tensor([3]))
    assert image.shape == (1, channels, side, side)
    assert network.num_layers == 2 * int(math.log2(side)) - 2 == network.styles(torch.randn(1, 4)).shape[1]
    output = discriminator(side, channels, channel_base=16, channel_max=2)(image)
    assert output.score.shape == (1,)
    assert output.score.dtype == torch.float32


def test_parameters_of_the_papers_networks() -> None:
    """Configuration F at 1024 px: 512 channels up to 64 px, then 256, 128, 64, 32. The totals are the authors'."""
    g = StyleGAN2GeneratorConfig().build(512, (3, 1024, 1024), True)
    d = StyleGAN2DiscriminatorConfig().build((3, 1024, 1024))
    widths = [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert list(StyleGAN2GeneratorConfig().stage_widths(1024)) == widths
    pairs = [(512, 512)]  # 4x4, then two convolutions a size
    for inside, outside in pairwise(widths):
        pairs += [(inside, outside), (outside, outside)]
    mapping = 8 * (512 * 512 + 512)
    convolutions = sum(9 * i * o + o + 1 + 513 * i for i, o in pairs)  # weight, bias, strength of noise, affine
    images = sum(3 * w + 3 + 513 * w for w in widths)
    assert count(g) == 512 * 16 + mapping + convolutions + images == 30_370_060
    blocks = sum(9 * o * o + o + 9 * o * i + i + o * i for i, o in pairwise(widths))
    end = 9 * 513 * 512 + 512 + 16 * 512 * 512 + 512 + 513
    assert count(d) == 32 * 3 + 32 + blocks + end == 29_012_513
    assert len(g.affine_weights()) == g.layers == 18


def test_widths_follow_the_papers_rule() -> None:
    assert StyleGAN2GeneratorConfig(channel_base=16384).stage_widths(256) == (512, 512, 512, 512, 256, 128, 64)
    assert StyleGAN2GeneratorConfig(channel_base=8, channel_max=4).stage_widths(32) == (2, 1, 1, 1)


# ---------------------------------------------------------------------- layers


def filtered(sample: Tensor, before: int, after: int) -> Tensor:
    """Each channel under the filter whose numbers add up to 1, with zeros around."""
    channels = sample.shape[1]
    padded = functional.pad(sample, (before, after, before, after))
    return functional.conv2d(padded, TAPS.expand(channels, 1, 4, 4), groups=channels)


def own_weights(style: Tensor, weight: Tensor) -> Tensor:
    """Each sample's weights, equations 1 and 3: (N, O, C, 3, 3)."""
    own = weight[None] * style[:, None, :, None, None]
    return own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()


def spread(sample: Tensor) -> Tensor:
    """Zeros between pixels: (N, C, H, W) to (N, C, 2H - 1, 2W - 1)."""
    n, c, height, width = sample.shape
    wide = sample.new_zeros(n, c, 2 * height, 2 * width)
    wide[:, :, ::2, ::2] = sample
    return wide[:, :, :-1, :-1]


def test_doubling_is_each_samples_own_weights_and_the_filter() -> None:
    """In float64 and by another way: zeros between, each sample convolved by itself, the paper's filter."""
    torch.manual_seed(0)
    sample, style = torch.randn(3, 4, 5, 5).double(), torch.randn(3, 4).double()
    weight = torch.randn(7, 4, 3, 3).double()
    for tensor in (sample, style, weight):
        tensor.requires_grad_()
    parts = []
    for n, own in enumerate(own_weights(style, weight)):
        # transposing a convolution turns its weights round
        turned = own.flip(2, 3)
        parts.append(functional.conv2d(spread(sample[n : n + 1]), turned, padding=2))
    expected = 4 * filtered(torch.cat(parts), 1, 1)
    ours = modulated_upsample_conv2d(sample, style, weight)
    assert ours.shape == (3, 7, 10, 10)
    close(ours, expected)
    slopes = [torch.autograd.grad(out.sin().sum(), (sample, style, weight)) for out in (ours, expected)]
    for mine, other in zip(*slopes, strict=True):
        close(mine, other, 1e-9)
    # away from the edges it is upsampling and then convolving
    upsampled = torch.cat(
        [
            functional.conv2d(layers.Upsample()(sample[n : n + 1]), own.flip(2, 3), padding=1)
            for n, own in enumerate(own_weights(style, weight))
        ]
    )
    close(ours[:, :, 3:-3, 3:-3], upsampled[:, :, 3:-3, 3:-3])


def test_a_layer_written_out() -> None:
    network = awake(generator()).double()
    layer: SynthesisLayer = network.synthesis_layers[2]
    hidden, style = torch.randn(2, 6, 8, 8).double(), torch.randn(2, 5).double()
    seed = torch.tensor([5, 9])
    scales = style @ layer.affine.weight.T / math.sqrt(5) + layer.affine.bias
    own = own_weights(scales, layer.weight)
    convolved = torch.cat([functional.conv2d(hidden[n : n + 1], own[n], padding=1) for n in range(2)])
    drawn = (
        seeded_rng.normal(seeded_rng.fork_seed(seed, 2), 64, seeded_rng.RandomStream.LAYER_NOISE)
        .view(2, 1, 8, 8)
        .double()
    )
    pre = convolved + layer.noise.strength * drawn + layer.bias.view(1, -1, 1, 1)
    close(layer(hidden, style, seed), math.sqrt(2) * functional.leaky_relu(pre, 0.2), 1e-6)


def test_to_rgb_is_not_demodulated() -> None:
    torch.manual_seed(0)
    image = ToRGB(6, 3, 5).double()
    nn.init.normal_(image.bias)
    hidden, style = torch.randn(2, 6, 8, 4).double(), torch.randn(2, 5).double()
    scales = style @ image.affine.weight.T / math.sqrt(5) + 1
    own = image.weight[None] * scales[:, None] / math.sqrt(6)  # (N, 3, 6)
    expected = torch.einsum("noc,nchw->nohw", own, hidden) + image.bias.view(1, 3, 1, 1)
    close(image(hidden, style), expected)


def test_the_picture_is_the_sum_of_all_sizes_and_linear() -> None:
    network = generator(side=32, channels=3).double()
    seen: list[Tensor] = []
    for image in network.to_rgb:
        image.register_forward_hook(lambda module, inputs, out: seen.append(out))
    made = network(torch.randn(2, 4).double())
    assert [part.shape[-1] for part in seen] == [4, 8, 16, 32]
    expected = torch.zeros(2, 3, 2, 2).double()
    for part in seen:
        expected = functional.interpolate(expected, scale_factor=2, mode="bilinear") + part
    close(made, expected)
    with torch.no_grad():
        for image in network.to_rgb:
            image.weight.mul_(100)
            image.bias.mul_(100)
    assert network(torch.ones(1, 4).double()).abs().max() > 1


def test_layers_keep_unit_variance_at_first() -> None:
    torch.manual_seed(0)
    network = StyleGAN2GeneratorConfig(channel_base=4096, channel_max=128, style_size=64, mapping_layers=2).build(
        64, (3, 32, 32), True
    )
    squares = []
    for layer in network.convolutions:
        layer.register_forward_hook(lambda module, inputs, out: squares.append(out.square().mean().item()))
    network.eval()(torch.randn(16, 64))
    # 2 E[leaky(x)^2] is 1.04 for a standard normal x; at 4x4 zeros stand for a sixth of what a row or column sums.
    # Then doubling smooths: what is independent from pixel to pixel keeps (10 / 16)^2 of its variance.
    assert squares[0] == pytest.approx(1.04 * (10 / 12) ** 2, rel=0.1)
    assert all(0.1 < square < 1.0 for square in squares), squares


# ---------------------------------------------------------------------- the discriminator


def test_a_block_written_out() -> None:
    torch.manual_seed(0)
    block = DiscriminatorBlock(3, 5).double()
    for bias in (block.conv1.bias, block.conv2.bias):
        nn.init.normal_(bias)
    sample = torch.randn(2, 3, 8, 8).double()
    root = math.sqrt(2)
    hidden = functional.conv2d(sample, block.conv1.weight / math.sqrt(27), block.conv1.bias, padding=1)
    hidden = root * functional.leaky_relu(hidden, 0.2)
    hidden = functional.conv2d(filtered(hidden, 2, 2), block.conv2.weight / math.sqrt(27), block.conv2.bias, stride=2)
    hidden = root * functional.leaky_relu(hidden, 0.2)
    small = filtered(functional.pad(sample, (1, 1, 1, 1), mode="replicate"), 0, 0)[:, :, ::2, ::2]
    shortcut = functional.conv2d(small, block.shortcut[1].weight / math.sqrt(3))
    close(block(sample), (hidden + shortcut) / root)


def test_samples_are_compared_unless_alone() -> None:
    assert not StyleGAN2DiscriminatorConfig().per_sample
    assert StyleGAN2DiscriminatorConfig(minibatch_std_group_size=0).per_sample
    sample = torch.randn(4, 1, 16, 16)
    alone, together = discriminator(group=0), discriminator(group=4)
    close(alone(sample).score[:1], alone(sample[:1]).score, 1e-5)
    assert (together(sample).score[0] - together(sample[:1]).score[0]).abs() > 1e-4


@pytest.mark.parametrize("condition", ["none", "projection", "classify"])
def test_heads_learn_at_an_equalised_rate(condition: str) -> None:
    torch.manual_seed(0)
    judge = StyleGAN2DiscriminatorConfig(channel_base=4096, channel_max=256, condition=condition).build((1, 16, 16), 3)
    for name, parameter in judge.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert parameter.std().item() == pytest.approx(1.0, rel=0.15), name
    if condition != "classify":
        assert judge.head.score.weight.std().item() == pytest.approx(1 / 16, rel=0.15)
    label = torch.tensor([0, 1])
    output = judge(torch.randn(2, 1, 16, 16), *([label] if "label" in judge.takes else []))
    assert output.score.shape == (2,)
    assert output.score.abs().max() < 10


def test_the_discriminator_differentiates_twice() -> None:
    judge = discriminator(group=2, channel_max=3).double()
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True, atol=1e-4)
    assert gradgradcheck(lambda x: judge(x).score, sample, fast_mode=True, atol=1e-4)


def test_a_penalty_reaches_every_weight() -> None:
    judge = discriminator()
    sample = torch.randn(4, 1, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(judge(sample).score.sum(), sample, create_graph=True)
    slope.square().sum().backward()
    for name, parameter in judge.named_parameters():
        # a bias moves a slope only across a kink
        if not name.endswith("bias"):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name


# ---------------------------------------------------------------------- as they are used


def test_memory_format_and_precision() -> None:
    network, judge = awake(generator(channels=3)), discriminator(channels=3)
    latent, seed = torch.randn(4, 4), torch.arange(4)
    image = network(latent, seed=seed)
    score = judge(image).score
    layout = torch.channels_last
    network, judge = network.to(memory_format=layout), judge.to(memory_format=layout)
    close(network(latent, seed=seed), image, 1e-4)
    close(judge(image).score, score, 1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network.train()(latent, seed=seed)
        assert judge(half).score.dtype == torch.float32
    assert half.isfinite().all()
    assert network.mean_style.dtype == torch.float32


def test_weights_travel() -> None:
    network = awake(generator(condition="concat", classes=2)).train()
    network(torch.randn(3, 4), torch.tensor([0, 1, 1]), torch.arange(3))
    other = StyleGAN2GeneratorConfig(**TINY, condition="concat").build(4, (1, 16, 16), True, 2).eval()
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    latent, label = torch.randn(2, 4), torch.tensor([1, 0])
    assert torch.equal(other(latent, label), network.eval()(latent, label))
    assert torch.equal(other.mean_style, network.mean_style)
    judge, again = discriminator(), StyleGAN2DiscriminatorConfig(**WIDTH).build((1, 16, 16))
    again.load_state_dict(judge.state_dict())
    sample = torch.randn(4, 1, 16, 16)
    assert torch.equal(again(sample).score, judge(sample).score)


def test_affine_weights_are_what_modulates() -> None:
    network = generator(side=32)
    weights = network.affine_weights()
    assert len(weights) == network.num_layers == 8
    style, step = torch.randn(1, 5), torch.randn(1, 5)
    affines = [layer.affine for layer in network.synthesis_layers] + [network.to_rgb[-1].affine]
    for weight, affine in zip(weights, affines, strict=True):
        close(affine(style + step) - affine(style), step @ weight.T, 1e-5)
        assert not weight.requires_grad


def test_the_generator_exports_with_any_batch(tmp_path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = awake(generator(channels=3))
    nn.init.normal_(network.mean_style)
    path = tmp_path / "generator.onnx"
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(
        network, (torch.randn(2, 4),), path, dynamo=True, input_names=["latent"], dynamic_shapes=({0: batch},)
    )
    trainer = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 2, 7):
        latent = torch.randn(n, 4)
        (made,) = trainer.run(None, {"latent": latent.numpy()})
        with torch.no_grad():
            close(torch.from_numpy(made), network(latent), 1e-4)
