"""FastGAN's networks against the paper: sizes, channels, excitation, noise, windows, decoders, derivatives."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.errors import BadInput
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
JUDGE = {**TINY, "decoder": 1}
WEIGHTS = LayerFactory(init_kaiming)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def speckled(generator: nn.Module, strength: float = 0.5) -> nn.Module:
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            nn.init.constant_(module.strength, strength)
    return generator.eval()


@pytest.mark.parametrize(
    ("size", "channels"), [(16, 1), (16, 2), (16, 3), (16, 4), (32, 1), (64, 3), (128, 1), (256, 3), (1024, 1)]
)
def test_every_size(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = FastGANGeneratorConfig(**TINY).build(8, shape, bounded=True)(torch.randn(2, 8), seed=torch.arange(2))
    assert image.shape == (2, *shape)
    output = FastGANDiscriminatorConfig(**JUDGE).build(shape)(image)
    assert output.score.shape == (2, 1, 5, 5)
    assert output.score.dtype == torch.float32
    decoders, side = (2 if size >= 32 else 1), min(size // 2, 128)
    assert output.rebuilt.shape == (2, decoders * channels, side, side)


def test_smaller_pictures_are_rebuilt_on_demand() -> None:
    shape = (1, 64, 64)
    for side, decoders in ((8, 1), (16, 2), (32, 2), (64, 2)):
        output = FastGANDiscriminatorConfig(**JUDGE, reconstruction_side=side).build(shape)(torch.zeros(1, *shape))
        assert output.rebuilt.shape == (1, decoders, min(side, 32), min(side, 32))


def test_tanh_ends_the_bounded_generator_alone() -> None:
    torch.manual_seed(0)
    latent = torch.randn(4, 8)
    free, bounded = (FastGANGeneratorConfig(**TINY).build(8, (1, 16, 16), bounded) for bounded in (False, True))
    for network in (free, bounded):
        network.picture[0].weight.data *= 100
    bounded.load_state_dict(free.state_dict())
    torch.testing.assert_close(bounded(latent), free(latent).tanh())
    assert free(latent).abs().max() > 1


def test_pictures_alone() -> None:
    for shape in (FastGANGeneratorConfig(), FastGANDiscriminatorConfig()):
        with pytest.raises(BadInput, match="fastgan"):
            shape.check_shape((2,))
        with pytest.raises(BadInput, match="power of two"):
            shape.check_shape((3, 48, 48))


def test_the_papers_channels() -> None:
    assert FastGANGeneratorConfig().stage_widths(256) == (1024, 512, 256, 128, 128, 64, 32)
    assert FastGANGeneratorConfig().stage_widths(1024)[-2:] == (16, 8)
    assert FastGANDiscriminatorConfig().stage_widths(256) == (16, 32, 64, 128, 256, 512)
    assert FastGANGeneratorConfig(width=4).stage_widths(1024)[-4:] == (4, 4, 4, 4)


def test_parameters_of_the_papers_networks() -> None:
    """At 256 px: two gated convolutions at 8, 32 and 128 px, one at 16, 64 and 256, three excitations."""
    with torch.device("meta"):
        generator = FastGANGeneratorConfig().build(256, (3, 256, 256), bounded=True)
        judge = FastGANDiscriminatorConfig(norm="batch").build((3, 256, 256))
    widths = (1024, 512, 256, 128, 128, 64, 32)
    total = 256 * 2 * 1024 * 16 + 2 * 2048  # a linear layer and its norm
    for setup, (inside, outside) in enumerate(pairwise(widths)):
        total += inside * 2 * outside * 9 + 4 * outside
        if setup % 2 == 0:
            total += outside * 2 * outside * 9 + 4 * outside + 2  # and two strengths of noise
    total += sum(16 * small * large + large * large for small, large in ((1024, 128), (512, 64), (256, 32)))
    assert count(generator) == total + 32 * 3 * 9 + 3
    widths = (16, 32, 64, 128, 256, 512)
    total = 3 * 16 * 9 + 16
    for inside, outside in pairwise(widths):
        total += inside * outside * 16 + outside * outside * 9 + inside * outside + 3 * 2 * outside
    total += 512 * 1024 + 2 * 1024 + 1024 * 16 + 1
    for widths in ((512, 128, 64, 64, 32), (256, 64, 64, 32)):
        total += sum(inside * 2 * outside * 9 + 4 * outside for inside, outside in pairwise(widths)) + 32 * 3 * 9 + 3
    assert count(judge) == total


def test_which_maps_are_excited() -> None:
    assert choose_excitation_sources(3) == {2: 0}  # 16 px by 4
    assert choose_excitation_sources(4) == {3: 0}  # 32 px by 4
    assert choose_excitation_sources(5) == {4: 0}  # 64 px by 4
    assert choose_excitation_sources(7) == {4: 0, 5: 1, 6: 2}
    assert choose_excitation_sources(9) == {4: 0, 5: 1, 6: 2, 7: 3}  # 512 px by 32; 1024 px by none


@pytest.mark.parametrize("side", [4, 16])
def test_excitation_is_the_papers_formula(side: int) -> None:
    """y = x_high * sigmoid(1x1 conv(leaky(4x4 conv(adaptive mean to 4x4 of x_low))))."""
    torch.manual_seed(0)
    excitation = SkipLayerExcitation(3, 5, side, WEIGHTS)
    small, large = torch.randn(2, 3, side, side), torch.randn(2, 5, 6, 6)
    first, _, second, _ = excitation.gate
    gate = functional.conv2d(functional.adaptive_avg_pool2d(small, 4), first.weight.view(5, 3, 4, 4))
    gate = functional.conv2d(functional.leaky_relu(gate, 0.2), second.weight[:, :, None, None]).sigmoid()
    assert gate.shape == (2, 5, 1, 1)
    torch.testing.assert_close(excitation(small, large), large * gate)


def test_small_maps_gate_large_ones() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, (1, 64, 64), bounded=False).eval()
    assert isinstance(generator, Generator)
    generator.excitations[0].gate[2].weight.data.zero_()
    seen: list[Tensor] = []
    generator.stages[-1].register_forward_hook(lambda module, args, out: seen.append(out))
    image = generator(torch.randn(2, 8))
    torch.testing.assert_close(image, generator.output_layer(seen[0] / 2))  # sigmoid(0) = 1/2


def test_the_gate() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(2, 6, 3, 3)
    torch.testing.assert_close(GatedLinearUnit()(hidden), functional.glu(hidden, 1))
    wide = GLU.gain * torch.randn(1, 2, 1000, 1000, dtype=torch.float64)
    assert GatedLinearUnit()(wide).var().item() == pytest.approx(1, rel=0.01)


def test_first_variances() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(width=16).build((3, 32, 32))
    assert isinstance(judge, Discriminator)
    hidden = torch.randn(16, 64, 16, 16)
    steep = judge.last_block.strided_branch(hidden)  # leaky: half of the variance lies in the mean's square
    assert steep.square().mean().item() == pytest.approx(1, rel=0.35)
    rebuilt = Decoder((64, 32, 16), 1, norm=NORMS_2D["none"], factory=WEIGHTS)(torch.randn(16, 64, 8, 8))
    assert rebuilt[:, :, 4:-4, 4:-4].var().item() == pytest.approx(1, rel=0.5)


# --- noise


def test_noise_starts_at_nothing() -> None:
    generator = FastGANGeneratorConfig(**TINY).build(8, (1, 32, 32), bounded=True).eval()
    assert generator.takes == ("seed",)
    latent = torch.randn(2, 8)
    torch.testing.assert_close(generator(latent, seed=torch.arange(2)), generator(latent), rtol=0, atol=0)


def test_noise_is_a_function_of_the_seed() -> None:
    torch.manual_seed(0)
    generator = speckled(FastGANGeneratorConfig(**TINY).build(8, (1, 32, 32), bounded=True))
    latent, seed = torch.randn(3, 8), torch.tensor([5, -(2**60), 7])
    image = generator(latent, seed=seed)
    torch.testing.assert_close(generator(latent, seed=seed), image, rtol=0, atol=0)
    for place in range(3):
        alone = generator(latent[place : place + 1], seed=seed[place : place + 1])
        torch.testing.assert_close(alone, image[place : place + 1], rtol=1e-4, atol=1e-5)
    assert (generator(latent, seed=seed + 100) - image).abs().amax((1, 2, 3)).min() > 1e-3
    silent = generator(latent)
    torch.testing.assert_close(speckled(generator, 0.0)(latent, seed=seed), silent, rtol=0, atol=0)


def test_every_layer_draws_noise_of_its_own() -> None:
    generator = FastGANGeneratorConfig(**TINY).build(8, (1, 32, 32), bounded=True)
    places = [module.layer_index for module in generator.modules() if isinstance(module, NoiseInjection)]
    assert places == [0, 1, 4, 5]  # two at 8x8, two at 32x32
    seed = torch.tensor([3, 4])
    drawn = [speckled(NoiseInjection(place), 2.0)(torch.ones(2, 5, 4, 4), seed) for place in places]
    assert all(not torch.equal(one, other) for one, other in pairwise(drawn))
    expected = 1 + 2 * normal(seed + 4, 16, RandomStream.NOISE_INJECTION).view(2, 1, 4, 4).expand(-1, 5, -1, -1)
    torch.testing.assert_close(drawn[2], expected)


def test_strengths_learn() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, (1, 16, 16), bounded=True)
    generator(torch.randn(4, 8), seed=torch.arange(4)).square().sum().backward()
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            assert module.strength.grad is not None
            assert module.strength.grad.abs().item() > 0


# --- the discriminator


def test_windows() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(2, 3, 8, 8)
    windows = _extract_windows_by_index(hidden, 5)
    torch.testing.assert_close(_extract_windows_by_unfold(hidden, 5), windows, rtol=0, atol=0)
    kernel = torch.randn(1, 3, 4, 4)
    scores = windows @ kernel.permute(2, 3, 1, 0).flatten()
    torch.testing.assert_close(scores.view(2, 1, 5, 5), functional.conv2d(hidden, kernel))


def test_scores_are_a_convolution_of_the_last_map() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE).build((1, 32, 32))
    seen: list[Tensor] = []
    judge.wide.register_forward_hook(lambda module, args, out: seen.append(out))
    score = judge(torch.randn(2, 1, 32, 32)).score
    kernel = judge.head.score.weight.view(1, 4, 4, -1).permute(0, 3, 1, 2)
    torch.testing.assert_close(score, functional.conv2d(seen[0], kernel, judge.head.score.bias))


def test_projection_adds_the_fit_of_each_window() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE, condition="projection").build((1, 16, 16), num_classes=3)
    assert judge.takes == ("label",)
    sample, label = torch.randn(2, 1, 16, 16), torch.tensor([2, 0])
    score = judge(sample, label).score
    for place in range(2):
        alone = judge(sample[place : place + 1], label[place : place + 1]).score
        torch.testing.assert_close(alone, score[place : place + 1], rtol=1e-4, atol=1e-5)
    soft = functional.one_hot(label, 3).float()
    torch.testing.assert_close(judge(sample, soft).score, score)
    between = judge(sample, soft.lerp(soft.roll(1, 1), 0.5)).score  # the fit is linear in the class
    torch.testing.assert_close(between, (score + judge(sample, (label + 1) % 3).score) / 2, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(between, score)


def test_classes_are_guessed_of_the_whole_picture() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE, condition="classify").build((1, 16, 16), num_classes=3)
    seen: list[Tensor] = []
    judge.head.classes.register_forward_hook(lambda module, args, out: seen.append(out))
    output = judge(torch.randn(2, 1, 16, 16))
    torch.testing.assert_close(output.classes, seen[0].view(2, 25, 3).mean(1))


def test_planes_of_the_class_are_not_rebuilt() -> None:
    judge = FastGANDiscriminatorConfig(**JUDGE, condition="concat", condition_size=4).build((3, 32, 32), num_classes=2)
    output = judge(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    assert output.rebuilt.shape == (2, 2 * 3, 16, 16)


def decodings(judge: nn.Module, sample: Tensor) -> tuple[int, bool]:
    """How often a decoder ran, and whether the verdict has what it made."""
    ran: list[None] = []
    hooks = [each.register_forward_hook(lambda *_: ran.append(None)) for each in judge.decoders]
    rebuilt = judge(sample).rebuilt is not None
    for hook in hooks:
        hook.remove()
    return len(ran), rebuilt


def test_maps_are_decoded_at_the_discriminators_own_move_alone() -> None:
    judge, sample = FastGANDiscriminatorConfig(**JUDGE).build((1, 32, 32)), torch.randn(2, 1, 32, 32)
    assert decodings(judge, sample) == (2, True)
    assert decodings(judge.requires_grad_(False), sample) == (0, False)  # the generator's move
    assert decodings(judge.requires_grad_(True).eval(), sample) == (0, False)
    with torch.no_grad():
        assert decodings(judge.train(), sample) == (2, True)


def test_no_decoders() -> None:
    shape = FastGANDiscriminatorConfig(**TINY, decoder_width=0)
    assert not shape.capabilities
    assert FastGANDiscriminatorConfig().capabilities == {"rebuild"}
    assert shape.build((1, 32, 32))(torch.zeros(1, 1, 32, 32)).rebuilt is None


def test_both_maps_are_decoded() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE).build((1, 32, 32))
    seen: dict[str, Tensor] = {}
    judge.early.register_forward_hook(lambda module, args, out: seen.update(middle=out))
    judge.last.register_forward_hook(lambda module, args, out: seen.update(small=out))
    rebuilt = judge(torch.randn(2, 1, 32, 32)).rebuilt
    assert (seen["small"].shape[-1], seen["middle"].shape[-1]) == (8, 16)
    whole, parts = (decoder(seen[name]) for decoder, name in zip(judge.decoders, ("small", "middle"), strict=True))
    torch.testing.assert_close(rebuilt, torch.cat([whole, parts], 1))


def test_alone() -> None:
    torch.manual_seed(0)
    assert not FastGANDiscriminatorConfig(norm="batch").per_sample
    shape = FastGANDiscriminatorConfig(**JUDGE)
    assert shape.per_sample
    judge, sample = shape.build((1, 16, 16)), torch.randn(4, 1, 16, 16)
    both, first = judge(sample), judge(sample[:1])
    torch.testing.assert_close(both.score[:1], first.score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both.rebuilt[:1], first.rebuilt, rtol=1e-4, atol=1e-5)


def test_spectral_norm_holds_every_weight() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE, spectral_norm=True).build((1, 16, 16))
    sample = torch.randn(2, 1, 16, 16)
    for _ in range(30):
        judge(sample)
    judge.eval()
    layers = [each for each in judge.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert len(layers) == 7
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = FastGANGeneratorConfig(**TINY).build(8, (3, 32, 32), bounded=True).eval()
    judge = FastGANDiscriminatorConfig(**JUDGE).build((3, 32, 32))
    latent = torch.randn(2, 8)
    image = generator(latent)
    output = judge(image)
    layout: Any = torch.channels_last
    again = generator.to(memory_format=layout)(latent)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, image, rtol=1e-4, atol=1e-5)
    other = judge.to(memory_format=layout)(again)
    torch.testing.assert_close(other.score, output.score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(other.rebuilt, output.rebuilt, rtol=1e-4, atol=1e-5)


def test_scores_are_float32_under_autocast() -> None:
    judge = FastGANDiscriminatorConfig(**JUDGE).build((1, 32, 32))
    generator = speckled(FastGANGeneratorConfig(**TINY).build(8, (1, 32, 32), bounded=True))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = generator(torch.randn(2, 8), seed=torch.arange(2))
        assert judge(image).score.dtype == torch.float32


@pytest.mark.parametrize("size", [16, 32])
def test_the_discriminator_differentiates_twice(size: int) -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE).build((1, size, size)).double()
    sample = torch.randn(2, 1, size, size, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x).score, sample, fast_mode=True)


def test_a_penalty_reaches_every_weight_but_the_decoders() -> None:
    torch.manual_seed(0)
    judge = FastGANDiscriminatorConfig(**JUDGE).build((1, 32, 32))
    sample = torch.randn(3, 1, 32, 32)
    slope = torch.func.grad(lambda x: judge(x).score.sum())(sample)
    wanted = sample.clone().requires_grad_()
    (expected,) = torch.autograd.grad(judge(wanted).score.sum(), wanted, create_graph=True)
    torch.testing.assert_close(slope, expected)
    expected.square().sum((1, 2, 3)).mean().backward()
    for name, parameter in judge.named_parameters():
        if name.startswith("decoders"):
            assert parameter.grad is None
        elif not name.endswith("bias"):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name
