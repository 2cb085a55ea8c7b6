"""Test the StyleGAN2 networks against the paper: sizes, parameter counts, layers, derivatives, export."""

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
from zerosum.game.sample_spec import TensorSpec
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
TINY = {**WIDTH, "style_size": 5, "mapping_layers": 2}
TAPS = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])).double() / 64


def build_generator(side: int = 16, channels: int = 1, classes: int = 0, **settings: Any) -> Generator:
    torch.manual_seed(0)
    config = StyleGAN2GeneratorConfig(**{**TINY, **settings})
    return config.build(4, TensorSpec((channels, side, side), bounded=True), classes).eval()


def build_discriminator(side: int = 16, channels: int = 1, **settings: Any) -> Discriminator:
    torch.manual_seed(0)
    return StyleGAN2DiscriminatorConfig(**{**WIDTH, **settings}).build(TensorSpec((channels, side, side)))


def randomize_zero_weights(network: Generator) -> Generator:
    """Initialize the strengths of the noise and the biases, which start at 0 and would hide errors."""
    for name, parameter in network.named_parameters():
        if name.endswith(("strength", "bias")):
            nn.init.normal_(parameter)
    return network


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------------- sizes


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (32, 2), (64, 3), (128, 4), (256, 3), (512, 2), (1024, 1)])
def test_all_sizes_and_channel_counts(side: int, channels: int) -> None:
    network = build_generator(side, channels, channel_base=16, channel_max=2)
    image = network(torch.randn(1, 4), seed=torch.tensor([3]))
    assert image.shape == (1, channels, side, side)
    assert network.num_layers == 2 * int(math.log2(side)) - 2 == network.styles(torch.randn(1, 4)).shape[1]
    output = build_discriminator(side, channels, channel_base=16, channel_max=2)(image)
    assert output.score.shape == (1,)
    assert output.score.dtype == torch.float32


def test_parameter_counts_of_the_papers_networks() -> None:
    """Check configuration F at 1024 px, with 512 channels up to 64 px; the totals are the authors'."""
    generator = StyleGAN2GeneratorConfig().build(512, TensorSpec((3, 1024, 1024), bounded=True))
    discriminator = StyleGAN2DiscriminatorConfig().build(TensorSpec((3, 1024, 1024)))
    widths = [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert list(StyleGAN2GeneratorConfig().stage_widths(1024)) == widths
    pairs = [(512, 512)]  # 4x4, then two convolutions per size
    for in_channels, out_channels in pairwise(widths):
        pairs += [(in_channels, out_channels), (out_channels, out_channels)]
    mapping_parameters = 8 * (512 * 512 + 512)
    conv_parameters = sum(9 * i * o + o + 1 + 513 * i for i, o in pairs)  # weight, bias, strength of noise, affine
    to_rgb_parameters = sum(3 * w + 3 + 513 * w for w in widths)
    assert (
        count_parameters(generator) == 512 * 16 + mapping_parameters + conv_parameters + to_rgb_parameters == 30_370_060
    )
    block_parameters = sum(9 * o * o + o + 9 * o * i + i + o * i for i, o in pairwise(widths))
    final_parameters = 9 * 513 * 512 + 512 + 16 * 512 * 512 + 512 + 513
    assert count_parameters(discriminator) == 32 * 3 + 32 + block_parameters + final_parameters == 29_012_513
    assert len(generator.affine_weights()) == generator.num_layers == 18


def test_widths_follow_the_papers_rule() -> None:
    assert StyleGAN2GeneratorConfig(channel_base=16384).stage_widths(256) == (512, 512, 512, 512, 256, 128, 64)
    assert StyleGAN2GeneratorConfig(channel_base=8, channel_max=4).stage_widths(32) == (2, 1, 1, 1)


# ---------------------------------------------------------------------- layers


def filter_channels(sample: Tensor, before: int, after: int) -> Tensor:
    """Filter each channel with the kernel of sum 1 and zero padding."""
    channels = sample.shape[1]
    padded = functional.pad(sample, (before, after, before, after))
    return functional.conv2d(padded, TAPS.expand(channels, 1, 4, 4), groups=channels)


def modulate_weights(style: Tensor, weight: Tensor) -> Tensor:
    """Return the weights of each sample, equations 1 and 3: (N, O, C, 3, 3)."""
    modulated = weight[None] * style[:, None, :, None, None]
    return modulated / (modulated.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()


def insert_zeros(sample: Tensor) -> Tensor:
    """Insert zeros between pixels: (N, C, H, W) to (N, C, 2H - 1, 2W - 1)."""
    count, channels, height, width = sample.shape
    enlarged = sample.new_zeros(count, channels, 2 * height, 2 * width)
    enlarged[:, :, ::2, ::2] = sample
    return enlarged[:, :, :-1, :-1]


def test_modulated_upsampling_equals_per_sample_convolutions_and_the_filter() -> None:
    """Compare in float64 with zero insertion, one convolution per sample, and the paper's filter."""
    torch.manual_seed(0)
    sample, style = torch.randn(3, 4, 5, 5).double(), torch.randn(3, 4).double()
    weight = torch.randn(7, 4, 3, 3).double()
    for tensor in (sample, style, weight):
        tensor.requires_grad_()
    convolved = []
    for n, sample_weight in enumerate(modulate_weights(style, weight)):
        # transposing a convolution flips its kernel
        flipped = sample_weight.flip(2, 3)
        convolved.append(functional.conv2d(insert_zeros(sample[n : n + 1]), flipped, padding=2))
    expected = 4 * filter_channels(torch.cat(convolved), 1, 1)
    output = modulated_upsample_conv2d(sample, style, weight)
    assert output.shape == (3, 7, 10, 10)
    assert_close(output, expected)
    gradients = [torch.autograd.grad(result.sin().sum(), (sample, style, weight)) for result in (output, expected)]
    for gradient, expected_gradient in zip(*gradients, strict=True):
        assert_close(gradient, expected_gradient, 1e-9)
    # away from the edges it equals upsampling and then convolving
    upsampled = torch.cat(
        [
            functional.conv2d(layers.Upsample()(sample[n : n + 1]), sample_weight.flip(2, 3), padding=1)
            for n, sample_weight in enumerate(modulate_weights(style, weight))
        ]
    )
    assert_close(output[:, :, 3:-3, 3:-3], upsampled[:, :, 3:-3, 3:-3])


def test_synthesis_layer_equals_its_definition() -> None:
    network = randomize_zero_weights(build_generator()).double()
    layer: SynthesisLayer = network.synthesis_layers[2]
    hidden, style = torch.randn(2, 6, 8, 8).double(), torch.randn(2, 5).double()
    seed = torch.tensor([5, 9])
    scales = style @ layer.affine.weight.T / math.sqrt(5) + layer.affine.bias
    weights = modulate_weights(scales, layer.weight)
    convolved = torch.cat([functional.conv2d(hidden[n : n + 1], weights[n], padding=1) for n in range(2)])
    noise = (
        seeded_rng.normal(seeded_rng.fork_seed(seed, 2), 64, seeded_rng.RandomStream.LAYER_NOISE)
        .view(2, 1, 8, 8)
        .double()
    )
    activation_input = convolved + layer.noise.strength * noise + layer.bias.view(1, -1, 1, 1)
    assert_close(layer(hidden, style, seed), math.sqrt(2) * functional.leaky_relu(activation_input, 0.2), 1e-6)


def test_to_rgb_is_not_demodulated() -> None:
    torch.manual_seed(0)
    to_rgb = ToRGB(6, 3, 5).double()
    nn.init.normal_(to_rgb.bias)
    hidden, style = torch.randn(2, 6, 8, 4).double(), torch.randn(2, 5).double()
    scales = style @ to_rgb.affine.weight.T / math.sqrt(5) + 1
    weights = to_rgb.weight[None] * scales[:, None] / math.sqrt(6)  # (N, 3, 6)
    expected = torch.einsum("noc,nchw->nohw", weights, hidden) + to_rgb.bias.view(1, 3, 1, 1)
    assert_close(to_rgb(hidden, style), expected)


def test_image_is_the_unbounded_sum_over_all_sizes() -> None:
    network = build_generator(side=32, channels=3).double()
    contributions: list[Tensor] = []
    for to_rgb in network.to_rgb:
        to_rgb.register_forward_hook(lambda module, inputs, output: contributions.append(output))
    image = network(torch.randn(2, 4).double())
    assert [contribution.shape[-1] for contribution in contributions] == [4, 8, 16, 32]
    expected = torch.zeros(2, 3, 2, 2).double()
    for contribution in contributions:
        expected = functional.interpolate(expected, scale_factor=2, mode="bilinear") + contribution
    assert_close(image, expected)
    with torch.no_grad():
        for to_rgb in network.to_rgb:
            to_rgb.weight.mul_(100)
            to_rgb.bias.mul_(100)
    assert network(torch.ones(1, 4).double()).abs().max() > 1


def test_layers_start_with_unit_variance() -> None:
    torch.manual_seed(0)
    network = StyleGAN2GeneratorConfig(channel_base=4096, channel_max=128, style_size=64, mapping_layers=2).build(
        64, TensorSpec((3, 32, 32), bounded=True)
    )
    squares = []
    for layer in network.synthesis_layers:
        layer.register_forward_hook(lambda module, inputs, output: squares.append(output.square().mean().item()))
    network.eval()(torch.randn(16, 64))
    # 2 E[leaky(x)^2] is 1.04 for a standard normal x; at 4x4 a sixth of each row or column sum is zero padding.
    # Then upsampling smooths: the variance of independent pixels is multiplied by (10 / 16)^2.
    assert squares[0] == pytest.approx(1.04 * (10 / 12) ** 2, rel=0.1)
    assert all(0.1 < square < 1.0 for square in squares), squares


# ---------------------------------------------------------------------- the discriminator


def test_discriminator_block_equals_its_definition() -> None:
    torch.manual_seed(0)
    block = DiscriminatorBlock(3, 5).double()
    for bias in (block.conv1.bias, block.conv2.bias):
        nn.init.normal_(bias)
    sample = torch.randn(2, 3, 8, 8).double()
    root = math.sqrt(2)
    hidden = functional.conv2d(sample, block.conv1.weight / math.sqrt(27), block.conv1.bias, padding=1)
    hidden = root * functional.leaky_relu(hidden, 0.2)
    hidden = functional.conv2d(
        filter_channels(hidden, 2, 2), block.conv2.weight / math.sqrt(27), block.conv2.bias, stride=2
    )
    hidden = root * functional.leaky_relu(hidden, 0.2)
    downsampled = filter_channels(functional.pad(sample, (1, 1, 1, 1), mode="replicate"), 0, 0)[:, :, ::2, ::2]
    shortcut = functional.conv2d(downsampled, block.shortcut[1].weight / math.sqrt(3))
    assert_close(block(sample), (hidden + shortcut) / root)


def test_minibatch_std_compares_samples_unless_switched_off() -> None:
    assert not StyleGAN2DiscriminatorConfig().per_sample
    assert StyleGAN2DiscriminatorConfig(minibatch_std_group_size=0).per_sample
    sample = torch.randn(4, 1, 16, 16)
    per_sample = build_discriminator(minibatch_std_group_size=0)
    grouped = build_discriminator(minibatch_std_group_size=4)
    assert_close(per_sample(sample).score[:1], per_sample(sample[:1]).score, 1e-5)
    assert (grouped(sample).score[0] - grouped(sample[:1]).score[0]).abs() > 1e-4


@pytest.mark.parametrize("condition", ["none", "projection", "auxiliary-classifier"])
def test_heads_have_an_equalized_learning_rate(condition: str) -> None:
    torch.manual_seed(0)
    discriminator = StyleGAN2DiscriminatorConfig(channel_base=4096, channel_max=256, condition=condition).build(
        TensorSpec((1, 16, 16)), 3
    )
    for name, parameter in discriminator.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert parameter.std().item() == pytest.approx(1.0, rel=0.15), name
    if condition != "auxiliary-classifier":
        assert discriminator.head.score.weight.std().item() == pytest.approx(1 / 16, rel=0.15)
    label = torch.tensor([0, 1])
    output = discriminator(torch.randn(2, 1, 16, 16), *([label] if "label" in discriminator.condition_inputs else []))
    assert output.score.shape == (2,)
    assert output.score.abs().max() < 10


def test_discriminator_is_twice_differentiable() -> None:
    discriminator = build_discriminator(minibatch_std_group_size=2, channel_max=3).double()
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True, atol=1e-4)
    assert gradgradcheck(lambda x: discriminator(x).score, sample, fast_mode=True, atol=1e-4)


def test_gradient_penalty_reaches_every_weight() -> None:
    discriminator = build_discriminator()
    sample = torch.randn(4, 1, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(sample).score.sum(), sample, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in discriminator.named_parameters():
        # the input gradient is piecewise constant in a bias
        if not name.endswith("bias"):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name


# ---------------------------------------------------------------------- in use


def test_memory_format_and_precision() -> None:
    network, discriminator = randomize_zero_weights(build_generator(channels=3)), build_discriminator(channels=3)
    latent, seed = torch.randn(4, 4), torch.arange(4)
    image = network(latent, seed=seed)
    score = discriminator(image).score
    memory_format = torch.channels_last
    network, discriminator = network.to(memory_format=memory_format), discriminator.to(memory_format=memory_format)
    assert_close(network(latent, seed=seed), image, 1e-4)
    assert_close(discriminator(image).score, score, 1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bfloat16_image = network.train()(latent, seed=seed)
        assert discriminator(bfloat16_image).score.dtype == torch.float32
    assert bfloat16_image.isfinite().all()
    assert network.mean_style.dtype == torch.float32


def test_state_dict_restores_both_networks() -> None:
    network = randomize_zero_weights(build_generator(condition="concat", classes=2)).train()
    network(torch.randn(3, 4), torch.tensor([0, 1, 1]), torch.arange(3))
    restored = (
        StyleGAN2GeneratorConfig(**TINY, condition="concat").build(4, TensorSpec((1, 16, 16), bounded=True), 2).eval()
    )
    restored.load_state_dict(copy.deepcopy(network.state_dict()))
    latent, label = torch.randn(2, 4), torch.tensor([1, 0])
    assert torch.equal(restored(latent, label), network.eval()(latent, label))
    assert torch.equal(restored.mean_style, network.mean_style)
    discriminator, restored_discriminator = (
        build_discriminator(),
        StyleGAN2DiscriminatorConfig(**WIDTH).build(TensorSpec((1, 16, 16))),
    )
    restored_discriminator.load_state_dict(discriminator.state_dict())
    sample = torch.randn(4, 1, 16, 16)
    assert torch.equal(restored_discriminator(sample).score, discriminator(sample).score)


def test_affine_weights_equal_the_layers_modulations() -> None:
    network = build_generator(side=32)
    weights = network.affine_weights()
    assert len(weights) == network.num_layers == 8
    style, step = torch.randn(1, 5), torch.randn(1, 5)
    affines = [layer.affine for layer in network.synthesis_layers] + [network.to_rgb[-1].affine]
    for weight, affine in zip(weights, affines, strict=True):
        assert_close(affine(style + step) - affine(style), step @ weight.T, 1e-5)
        assert not weight.requires_grad


def test_generator_exports_to_onnx_with_any_batch_size(tmp_path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = randomize_zero_weights(build_generator(channels=3))
    nn.init.normal_(network.mean_style)
    path = tmp_path / "generator.onnx"
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(
        network, (torch.randn(2, 4),), path, dynamo=True, input_names=["latent"], dynamic_shapes=({0: batch},)
    )
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 2, 7):
        latent = torch.randn(count, 4)
        (image,) = session.run(None, {"latent": latent.numpy()})
        with torch.no_grad():
            assert_close(torch.from_numpy(image), network(latent), 1e-4)
