"""Test FastGAN's networks against the paper: sizes, channels, excitation, noise, windows, decoders, derivatives."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.seeded_rng import RandomStream, normal
from zerosum.networks.configs.fastgan import FastGANDiscriminatorConfig, FastGANGeneratorConfig
from zerosum.networks.fastgan import (
    GLU,
    Decoder,
    Discriminator,
    GatedLinearUnit,
    Generator,
    NoiseInjection,
    SkipLayerExcitation,
    _extract_windows_by_index,
    _extract_windows_by_unfold,
    choose_excitation_sources,
)
from zerosum.networks.layers import NORMS_2D, LayerFactory, init_kaiming

TINY = {"width": 1}  # four channels everywhere but at 4x4 and 8x8
TINY_DISCRIMINATOR = {**TINY, "decoder_width": 1}
FACTORY = LayerFactory(init_kaiming)


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def set_noise_strength(generator: nn.Module, strength: float = 0.5) -> nn.Module:
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            nn.init.constant_(module.strength, strength)
    return generator.eval()


@pytest.mark.parametrize(
    ("size", "channels"), [(16, 1), (16, 2), (16, 3), (16, 4), (32, 1), (64, 3), (128, 1), (256, 3), (1024, 1)]
)
def test_all_sizes(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = FastGANGeneratorConfig(**TINY).build(8, TensorSpec(shape, bounded=True))(
        torch.randn(2, 8), seed=torch.arange(2)
    )
    assert image.shape == (2, *shape)
    output = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec(shape))(image)
    assert output.score.shape == (2, 1, 5, 5)
    assert output.score.dtype == torch.float32
    num_decoders, side = (2 if size >= 32 else 1), min(size // 2, 128)
    assert output.reconstructions.shape == (2, num_decoders * channels, side, side)


def test_reconstruction_side_is_a_setting() -> None:
    shape = (1, 64, 64)
    for side, num_decoders in ((8, 1), (16, 2), (32, 2), (64, 2)):
        output = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR, reconstruction_side=side).build(TensorSpec(shape))(
            torch.zeros(1, *shape)
        )
        assert output.reconstructions.shape == (1, num_decoders, min(side, 32), min(side, 32))


def test_only_a_bounded_generator_ends_with_tanh() -> None:
    torch.manual_seed(0)
    latent = torch.randn(4, 8)
    unbounded, bounded = (
        FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 16, 16), bounded=bounded)) for bounded in (False, True)
    )
    for network in (unbounded, bounded):
        network.output_layer[0].weight.data *= 100
    bounded.load_state_dict(unbounded.state_dict())
    torch.testing.assert_close(bounded(latent), unbounded(latent).tanh())
    assert unbounded(latent).abs().max() > 1


def test_unsupported_shapes_are_refused() -> None:
    for config in (FastGANGeneratorConfig(), FastGANDiscriminatorConfig()):
        with pytest.raises(BadInput, match="fastgan"):
            config.check_shape((2,))
        with pytest.raises(BadInput, match="fastgan"):
            config.check_shape((3, 50, 50))


def test_default_channels_are_the_papers() -> None:
    assert FastGANGeneratorConfig().stage_widths(256) == (1024, 512, 256, 128, 128, 64, 32)
    assert FastGANGeneratorConfig().stage_widths(1024)[-2:] == (16, 8)
    assert FastGANDiscriminatorConfig().stage_widths(256) == (16, 32, 64, 128, 256, 512)
    assert FastGANGeneratorConfig(width=4).stage_widths(1024)[-4:] == (4, 4, 4, 4)


def test_parameter_counts_of_the_papers_networks() -> None:
    """Check 256 px: two gated convolutions at 8, 32 and 128 px, one at 16, 64 and 256, three excitations."""
    with torch.device("meta"):
        generator = FastGANGeneratorConfig().build(256, TensorSpec((3, 256, 256), bounded=True))
        discriminator = FastGANDiscriminatorConfig(norm="batch").build(TensorSpec((3, 256, 256)))
    widths = (1024, 512, 256, 128, 128, 64, 32)
    total = 256 * 2 * 1024 * 16 + 2 * 2048  # a linear layer and its norm
    for stage, (in_channels, out_channels) in enumerate(pairwise(widths)):
        total += in_channels * 2 * out_channels * 9 + 4 * out_channels
        if stage % 2 == 0:
            total += out_channels * 2 * out_channels * 9 + 4 * out_channels + 2  # two strengths of noise
    total += sum(16 * small * large + large * large for small, large in ((1024, 128), (512, 64), (256, 32)))
    assert count_parameters(generator) == total + 32 * 3 * 9 + 3
    widths = (16, 32, 64, 128, 256, 512)
    total = 3 * 16 * 9 + 16
    for in_channels, out_channels in pairwise(widths):
        total += (
            in_channels * out_channels * 16
            + out_channels * out_channels * 9
            + in_channels * out_channels
            + 3 * 2 * out_channels
        )
    total += 512 * 1024 + 2 * 1024 + 1024 * 16 + 1
    for widths in ((512, 128, 64, 64, 32), (256, 64, 64, 32)):
        total += (
            sum(in_channels * 2 * out_channels * 9 + 4 * out_channels for in_channels, out_channels in pairwise(widths))
            + 32 * 3 * 9
            + 3
        )
    assert count_parameters(discriminator) == total


def test_excitation_sources() -> None:
    assert choose_excitation_sources(3) == {2: 0}  # 16 px by 4
    assert choose_excitation_sources(4) == {3: 0}  # 32 px by 4
    assert choose_excitation_sources(5) == {4: 0}  # 64 px by 4
    assert choose_excitation_sources(7) == {4: 0, 5: 1, 6: 2}
    assert choose_excitation_sources(9) == {4: 0, 5: 1, 6: 2, 7: 3}  # 512 px by 32; 1024 px by none


@pytest.mark.parametrize("side", [4, 16])
def test_excitation_equals_the_papers_formula(side: int) -> None:
    """Check y = x_high * sigmoid(1x1 conv(leaky(4x4 conv(adaptive mean to 4x4 of x_low))))."""
    torch.manual_seed(0)
    excitation = SkipLayerExcitation(3, 5, side // 4, 16, FACTORY)
    small, large = torch.randn(2, 3, side, side), torch.randn(2, 5, 6, 6)
    first, _, second, _ = excitation.gate
    gate = functional.conv2d(functional.adaptive_avg_pool2d(small, 4), first.weight.view(5, 3, 4, 4))
    gate = functional.conv2d(functional.leaky_relu(gate, 0.2), second.weight[:, :, None, None]).sigmoid()
    assert gate.shape == (2, 5, 1, 1)
    torch.testing.assert_close(excitation(small, large), large * gate)


def test_small_maps_gate_large_ones() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 64, 64))).eval()
    assert isinstance(generator, Generator)
    generator.excitations[0].gate[2].weight.data.zero_()
    stage_outputs: list[Tensor] = []
    generator.stages[-1].register_forward_hook(lambda module, args, output: stage_outputs.append(output))
    image = generator(torch.randn(2, 8))
    torch.testing.assert_close(image, generator.output_layer(stage_outputs[0] / 2))  # sigmoid(0) = 1/2


def test_gated_linear_unit_equals_torch_and_preserves_the_variance() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(2, 6, 3, 3)
    torch.testing.assert_close(GatedLinearUnit()(hidden), functional.glu(hidden, 1))
    scaled = GLU.gain * torch.randn(1, 2, 1000, 1000, dtype=torch.float64)
    assert GatedLinearUnit()(scaled).var().item() == pytest.approx(1, rel=0.01)


def test_initial_variances() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(width=16).build(TensorSpec((3, 32, 32)))
    assert isinstance(discriminator, Discriminator)
    hidden = torch.randn(16, 64, 16, 16)
    branch = discriminator.last_block.strided_branch(
        hidden
    )  # after leaky ReLU half of the mean square is the squared mean
    assert branch.square().mean().item() == pytest.approx(1, rel=0.35)
    reconstructions = Decoder((64, 32, 16), 1, norm=NORMS_2D["none"], factory=FACTORY)(torch.randn(16, 64, 8, 8))
    assert reconstructions[:, :, 4:-4, 4:-4].var().item() == pytest.approx(1, rel=0.5)


# ---------------------------------------------------------------------- noise


def test_noise_starts_at_strength_zero() -> None:
    generator = FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 32, 32), bounded=True)).eval()
    assert generator.condition_inputs == ("seed",)
    latent = torch.randn(2, 8)
    torch.testing.assert_close(generator(latent, seed=torch.arange(2)), generator(latent), rtol=0, atol=0)


def test_noise_is_a_function_of_the_seed() -> None:
    torch.manual_seed(0)
    generator = set_noise_strength(FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 32, 32), bounded=True)))
    latent, seed = torch.randn(3, 8), torch.tensor([5, -(2**60), 7])
    image = generator(latent, seed=seed)
    torch.testing.assert_close(generator(latent, seed=seed), image, rtol=0, atol=0)
    for index in range(3):
        single = generator(latent[index : index + 1], seed=seed[index : index + 1])
        torch.testing.assert_close(single, image[index : index + 1], rtol=1e-4, atol=1e-5)
    assert (generator(latent, seed=seed + 100) - image).abs().amax((1, 2, 3)).min() > 1e-3
    without_noise = generator(latent)
    torch.testing.assert_close(set_noise_strength(generator, 0.0)(latent, seed=seed), without_noise, rtol=0, atol=0)


def test_every_layer_draws_different_noise() -> None:
    generator = FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 32, 32), bounded=True))
    layer_indices = [module.layer_index for module in generator.modules() if isinstance(module, NoiseInjection)]
    assert layer_indices == [0, 1, 4, 5]  # two at 8x8, two at 32x32
    seed = torch.tensor([3, 4])
    noisy = [set_noise_strength(NoiseInjection(index), 2.0)(torch.ones(2, 5, 4, 4), seed) for index in layer_indices]
    assert all(not torch.equal(*pair) for pair in pairwise(noisy))
    expected = 1 + 2 * normal(seed + 4, 16, RandomStream.NOISE_INJECTION).view(2, 1, 4, 4).expand(-1, 5, -1, -1)
    torch.testing.assert_close(noisy[2], expected)


def test_noise_strengths_get_gradients() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 16, 16), bounded=True))
    generator(torch.randn(4, 8), seed=torch.arange(4)).square().sum().backward()
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            assert module.strength.grad is not None
            assert module.strength.grad.abs().item() > 0


# ---------------------------------------------------------------------- the discriminator


def test_window_extraction_equals_a_convolution() -> None:
    torch.manual_seed(0)
    for height, width in ((8, 8), (8, 12), (14, 10)):
        hidden = torch.randn(2, 3, height, width)
        windows = _extract_windows_by_index(hidden)
        torch.testing.assert_close(_extract_windows_by_unfold(hidden), windows, rtol=0, atol=0)
        kernel = torch.randn(1, 3, 4, 4)
        scores = windows @ kernel.permute(2, 3, 1, 0).flatten()
        torch.testing.assert_close(
            scores.view(2, 1, height - 3, width - 3), functional.conv2d(hidden, kernel), rtol=1e-5, atol=1e-5
        )


def test_scores_equal_a_convolution_of_the_last_map() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, 32, 32)))
    maps: list[Tensor] = []
    discriminator.expand.register_forward_hook(lambda module, args, output: maps.append(output))
    score = discriminator(torch.randn(2, 1, 32, 32)).score
    kernel = discriminator.head.score.weight.view(1, 4, 4, -1).permute(0, 3, 1, 2)
    torch.testing.assert_close(score, functional.conv2d(maps[0], kernel, discriminator.head.score.bias))


def test_projection_scores_are_per_sample_and_linear_in_the_class() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR, condition="projection").build(
        TensorSpec((1, 16, 16)), num_classes=3
    )
    assert discriminator.condition_inputs == ("label",)
    sample, label = torch.randn(2, 1, 16, 16), torch.tensor([2, 0])
    score = discriminator(sample, label).score
    for index in range(2):
        single = discriminator(sample[index : index + 1], label[index : index + 1]).score
        torch.testing.assert_close(single, score[index : index + 1], rtol=1e-4, atol=1e-5)
    one_hot = functional.one_hot(label, 3).float()
    torch.testing.assert_close(discriminator(sample, one_hot).score, score)
    interpolated = discriminator(
        sample, one_hot.lerp(one_hot.roll(1, 1), 0.5)
    ).score  # the projection is linear in the class
    torch.testing.assert_close(
        interpolated, (score + discriminator(sample, (label + 1) % 3).score) / 2, rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(interpolated, score)


def test_class_logits_are_the_mean_over_windows() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR, condition="auxiliary-classifier").build(
        TensorSpec((1, 16, 16)), num_classes=3
    )
    logits: list[Tensor] = []
    discriminator.head.classifier.register_forward_hook(lambda module, args, output: logits.append(output))
    output = discriminator(torch.randn(2, 1, 16, 16))
    torch.testing.assert_close(output.class_logits, logits[0].view(2, 25, 3).mean(1))


def test_class_planes_are_not_reconstructed() -> None:
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR, condition="concat", condition_size=4).build(
        TensorSpec((3, 32, 32)), num_classes=2
    )
    output = discriminator(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    assert output.reconstructions.shape == (2, 2 * 3, 16, 16)


def count_decoder_runs(discriminator: nn.Module, sample: Tensor) -> tuple[int, bool]:
    """Return how many decoders ran, and whether the output has their reconstructions."""
    runs: list[None] = []
    hooks = [decoder.register_forward_hook(lambda *_: runs.append(None)) for decoder in discriminator.decoders]
    has_reconstructions = discriminator(sample).reconstructions is not None
    for hook in hooks:
        hook.remove()
    return len(runs), has_reconstructions


def test_decoders_run_only_at_the_discriminators_own_move() -> None:
    discriminator, sample = (
        FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, 32, 32))),
        torch.randn(2, 1, 32, 32),
    )
    assert count_decoder_runs(discriminator, sample) == (2, True)
    assert count_decoder_runs(discriminator.requires_grad_(False), sample) == (0, False)  # the generator's move
    assert count_decoder_runs(discriminator.requires_grad_(True).eval(), sample) == (0, False)
    with torch.no_grad():
        assert count_decoder_runs(discriminator.train(), sample) == (2, True)


def test_decoders_are_optional() -> None:
    config = FastGANDiscriminatorConfig(**TINY, decoder_width=0)
    assert not config.capabilities
    assert FastGANDiscriminatorConfig().capabilities == {"reconstruction decoder"}
    assert config.build(TensorSpec((1, 32, 32)))(torch.zeros(1, 1, 32, 32)).reconstructions is None


def test_both_feature_maps_are_decoded() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, 32, 32)))
    maps: dict[str, Tensor] = {}
    discriminator.early_blocks.register_forward_hook(lambda module, args, output: maps.update(middle=output))
    discriminator.last_block.register_forward_hook(lambda module, args, output: maps.update(small=output))
    reconstructions = discriminator(torch.randn(2, 1, 32, 32)).reconstructions
    assert (maps["small"].shape[-1], maps["middle"].shape[-1]) == (8, 16)
    expected = [decoder(maps[name]) for decoder, name in zip(discriminator.decoders, ("small", "middle"), strict=True)]
    torch.testing.assert_close(reconstructions, torch.cat(expected, 1))


def test_outputs_are_per_sample_without_batch_norm() -> None:
    torch.manual_seed(0)
    assert not FastGANDiscriminatorConfig(norm="batch").per_sample
    config = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR)
    assert config.per_sample
    discriminator, sample = config.build(TensorSpec((1, 16, 16))), torch.randn(4, 1, 16, 16)
    batch, single = discriminator(sample), discriminator(sample[:1])
    torch.testing.assert_close(batch.score[:1], single.score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(batch.reconstructions[:1], single.reconstructions, rtol=1e-4, atol=1e-5)


def test_spectral_norm_bounds_every_weight() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR, spectral_norm=True).build(TensorSpec((1, 16, 16)))
    sample = torch.randn(2, 1, 16, 16)
    for _ in range(30):
        discriminator(sample)
    discriminator.eval()
    layers = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 7
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_channels_last_gives_the_same_output() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, TensorSpec((3, 32, 32), bounded=True)).eval()
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((3, 32, 32)))
    latent = torch.randn(2, 8)
    image = generator(latent)
    output = discriminator(image)
    memory_format: Any = torch.channels_last
    channels_last_image = generator.to(memory_format=memory_format)(latent)
    assert channels_last_image.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(channels_last_image, image, rtol=1e-4, atol=1e-5)
    channels_last_output = discriminator.to(memory_format=memory_format)(channels_last_image)
    torch.testing.assert_close(channels_last_output.score, output.score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(channels_last_output.reconstructions, output.reconstructions, rtol=1e-4, atol=1e-5)


def test_scores_are_float32_under_autocast() -> None:
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, 32, 32)))
    generator = set_noise_strength(FastGANGeneratorConfig(**TINY).build(8, TensorSpec((1, 32, 32), bounded=True)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = generator(torch.randn(2, 8), seed=torch.arange(2))
        assert discriminator(image).score.dtype == torch.float32


@pytest.mark.parametrize("size", [16, 32])
def test_discriminator_is_twice_differentiable(size: int) -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, size, size))).double()
    sample = torch.randn(2, 1, size, size, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)


def test_gradient_penalty_reaches_every_weight_except_the_decoders() -> None:
    torch.manual_seed(0)
    discriminator = FastGANDiscriminatorConfig(**TINY_DISCRIMINATOR).build(TensorSpec((1, 32, 32)))
    sample = torch.randn(3, 1, 32, 32)
    gradient = torch.func.grad(lambda x: discriminator(x).score.sum())(sample)
    differentiable = sample.clone().requires_grad_()
    (expected,) = torch.autograd.grad(discriminator(differentiable).score.sum(), differentiable, create_graph=True)
    torch.testing.assert_close(gradient, expected)
    expected.square().sum((1, 2, 3)).mean().backward()
    for name, parameter in discriminator.named_parameters():
        if name.startswith("decoders"):
            assert parameter.grad is None
        elif not name.endswith("bias"):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name
