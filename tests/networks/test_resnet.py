"""The residual pair against the papers: sizes, counts, blocks, what norms are told, spectral norm, derivatives."""

from functools import partial
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from zerosum.errors import BadInput
from zerosum.networks import resnet
from zerosum.networks.attention import SelfAttention
from zerosum.networks.configs.resnet import ResNetDiscriminatorConfig, ResNetGeneratorConfig
from zerosum.networks.layers import LayerFactory, init_kaiming

SIZES = [16, 32, 64, 128, 256, 512, 1024]
PYRAMID = (16, 16, 8, 4, 2, 1)
WEIGHTS = LayerFactory(init_kaiming)
TOLD = {"condition": "norm", "hierarchy": True}
exactly = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-11)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def biggan(multiple: int, latent: int = 120, **settings: Any) -> tuple[nn.Module, nn.Module]:
    """The paper's networks for ImageNet at 128 px, without numbers in them, and so without spectral norm to start."""
    widths = tuple(multiple * width for width in PYRAMID)
    same: dict[str, Any] = {"widths": widths, "attention": 64, "init": "normal", "spectral": False}
    generator = ResNetGeneratorConfig(**same, **{**TOLD, **settings})
    discriminator = ResNetDiscriminatorConfig(**same, condition="projection", last_side=4, extra_blocks=1)
    with torch.device("meta"):
        return generator.build(latent, (3, 128, 128), True, 1000), discriminator.build((3, 128, 128), 1000)


# ---------------------------------------------------------------------- sizes and counts


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_every_size_and_channel_count(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = ResNetGeneratorConfig(widths=(4, 2), **TOLD, attention_side=8).build(12, shape, True, 3)(
        torch.randn(2, 12), label=torch.tensor([0, 2])
    )
    assert image.shape == (2, *shape)
    assert image.abs().max() <= 1
    output = ResNetDiscriminatorConfig(widths=(4, 2), attention_side=8).build(shape)(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.classes is None


def test_parameters_of_the_spectral_norm_gans_cifar_networks() -> None:
    """Table 4 of arXiv:1802.05957: 256 channels up from 4x4; 128 down to 8x8, where two blocks keep the size."""
    with torch.device("meta"):
        generator = ResNetGeneratorConfig().build(128, (3, 32, 32), bounded=True)
        discriminator = ResNetDiscriminatorConfig(spectral_norm=False).build((3, 32, 32))
    up = 2 * (9 * 256 * 256 + 256) + 256 * 256 + 256 + 2 * 2 * 256
    assert count(generator) == (128 + 1) * 4096 + 3 * up + 2 * 256 + 9 * 256 * 3 + 3 == 4_276_739
    mix = 9 * 128 * 128 + 128
    down = 9 * 3 * 128 + 128 + mix + (3 + 1) * 128 + 2 * mix + 128 * 128 + 128
    assert count(discriminator) == down + 4 * mix + 128 + 1 == 1_053_825


def test_parameters_of_biggans_networks() -> None:
    """Those of google/compare_gan, which its authors checked against the original's."""
    generator, discriminator = biggan(96)
    assert count(generator) == 70_433_988
    assert count(discriminator) == 87_982_370


@pytest.mark.parametrize(
    ("multiple", "latent", "hierarchy", "millions"),
    [(96, 120, True, 158.3), (96, 128, False, 160.6), (64, 120, True, 71.3)],
)
def test_parameters_in_biggans_table(multiple: int, latent: int, hierarchy: bool, millions: float) -> None:
    """Table 1 of arXiv:1809.11096, which leaves out the 1000 x 128 numbers of the shared class vectors."""
    both = biggan(multiple, latent, hierarchy=hierarchy)
    assert round((sum(map(count, both)) - 1000 * 128) / 1e6, 1) == millions


def test_widths_are_cut_and_repeated() -> None:
    assert ResNetGeneratorConfig().stage_widths(32) == (256,) * 4
    assert ResNetGeneratorConfig(widths=PYRAMID).stage_widths(64) == (16, 16, 8, 4, 2)
    assert ResNetGeneratorConfig(widths=PYRAMID).stage_widths(256) == (16, 16, 8, 4, 2, 1, 1)
    assert ResNetDiscriminatorConfig().stage_widths(32) == ((128, 128), (128, 128))
    assert ResNetDiscriminatorConfig(widths=PYRAMID, last_side=4, extra_blocks=1).stage_widths(128) == (
        (1, 2, 4, 8, 16),
        (16,),
    )
    # table 6 of arXiv:1802.05957 has 64, 128, 256, 512, 1024, 1024, as BigGAN's 256 px has 1, 2, 4, 8, 8, 16, 16
    deeper = ResNetDiscriminatorConfig(widths=(16, 16, 8, 8, 4, 2, 1), last_side=4, extra_blocks=1).stage_widths(256)
    assert deeper == ((1, 2, 4, 8, 8, 16), (16,))


def test_attention_stands_after_the_map_of_its_side_and_nowhere_else() -> None:
    def sides(network: nn.Module, given: Tensor) -> list[int]:
        seen: list[int] = []
        for module in network.modules():
            if isinstance(module, SelfAttention):
                module.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
        network(given)
        return seen

    for side, wanted in [(0, []), (8, [8]), (16, [16]), (32, [32]), (64, [])]:
        generator = ResNetGeneratorConfig(widths=(2,), attention_side=side).build(8, (1, 32, 32), bounded=True)
        assert sides(generator, torch.randn(2, 8)) == wanted
        judge = ResNetDiscriminatorConfig(widths=(2,), attention_side=side).build((1, 32, 32))
        assert sides(judge, torch.randn(2, 1, 32, 32)) == [each for each in wanted if each < 32]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"norm": "none", "condition": "norm"}, 'norm must be "batch", got "none"'),
        ({"norm": "none", "hierarchy": True}, 'norm must be "batch", got "none"'),
        ({"condition": "concat", "hierarchy": True}, 'set condition to "norm"'),
        ({"attention": 24}, "Input should be 0, 8, 16"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ResNetGeneratorConfig(**settings)


def test_a_latent_too_small_for_its_chunks_is_refused() -> None:
    shape = ResNetGeneratorConfig(widths=(2,), hierarchical_latent=True)
    assert shape.build(4, (1, 32, 32), bounded=True)(torch.randn(3, 4)).shape == (3, 1, 32, 32)
    with pytest.raises(BadInput, match=r"got 3: set `--latent.size 4` or more"):
        shape.build(3, (1, 32, 32), bounded=True)


# ---------------------------------------------------------------------- blocks, written out


def test_an_upward_block_written_out() -> None:
    torch.manual_seed(0)
    block = resnet.GeneratorBlock(3, 5, 0, resnet.UNCONDITIONAL_NORMS["batch"], WEIGHTS).double()
    hidden = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    double = partial(F.interpolate, scale_factor=2.0, mode="nearest")
    branch = block.conv1.conv(double(F.relu(F.batch_norm(hidden, None, None, training=True))))
    branch = block.conv2(F.relu(F.batch_norm(branch, None, None, training=True)))
    exactly(block(hidden, hidden[:, :0, 0, 0]), branch + block.shortcut(double(hidden)))


def test_the_discriminators_blocks_written_out() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    begin, down, flat = (
        make(3, 5, WEIGHTS).double()
        for make in (resnet.build_first_block, resnet.build_downsample_block, resnet.build_same_size_block)
    )
    enter, _, halve = begin.branch
    exactly(
        begin(hidden),
        F.avg_pool2d(halve.convolution(F.relu(enter(hidden))), 2) + F.avg_pool2d(begin.shortcut[1](hidden), 2),
    )
    _, enter, _, halve = down.branch
    exactly(
        down(hidden),
        F.avg_pool2d(halve.convolution(F.relu(enter(F.relu(hidden)))), 2) + F.avg_pool2d(down.shortcut[1](hidden), 2),
    )
    _, enter, _, mix = flat.branch
    exactly(flat(hidden), mix(F.relu(enter(F.relu(hidden)))) + flat.shortcut(hidden))
    same = resnet.build_same_size_block(3, 3, WEIGHTS).double()
    _, enter, _, mix = same.branch
    exactly(same(hidden), mix(F.relu(enter(F.relu(hidden)))) + hidden)


def test_the_last_map_is_summed_up() -> None:
    """A head that adds up the features sees the sum of all of the last map above 0."""
    torch.manual_seed(0)
    judge = ResNetDiscriminatorConfig(widths=(4,), spectral_norm=False).build((1, 16, 16))
    judge.levels[-1].register_forward_hook(lambda _, __, seen: torch.ones_like(seen))
    nn.init.ones_(judge.head.score.weight)
    torch.testing.assert_close(judge(torch.randn(2, 1, 16, 16)).score, torch.full((2,), 4.0 * 8 * 8))


def test_attention_written_out() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(16, WEIGHTS).double()
    hidden = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    exactly(layer(hidden), hidden)  # its gain starts at 0
    nn.init.constant_(layer.gain, 0.7)
    key, value = (F.max_pool2d(each(hidden), 2).flatten(2) for each in (layer.key, layer.value))
    expected = hidden.clone()
    for sample in range(2):
        for place in range(24):
            row, column = divmod(place, 6)
            strength = torch.exp(key[sample].T @ layer.query(hidden)[sample, :, row, column])
            seen = value[sample] @ (strength / strength.sum())
            expected[sample, :, row, column] += 0.7 * layer.out.weight[:, :, 0, 0] @ seen
    assert (expected - hidden).abs().max() > 0.1
    exactly(layer(hidden), expected)


# ---------------------------------------------------------------------- what norms are told


def test_a_conditional_norm_by_hand() -> None:
    torch.manual_seed(0)
    norm = resnet.ConditionalBatchNorm2d(3, 5, WEIGHTS).double()
    hidden, conditioning = torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    mean, variance = hidden.mean((0, 2, 3), keepdim=True), hidden.var((0, 2, 3), unbiased=False, keepdim=True)
    gain = 1 + torch.einsum("nt,ct->nc", conditioning, norm.gain.weight)
    bias = torch.einsum("nt,ct->nc", conditioning, norm.bias.weight)
    expected = gain[:, :, None, None] * (hidden - mean) / (variance + 1e-5).sqrt() + bias[:, :, None, None]
    exactly(norm(hidden, conditioning), expected)


def test_chunks_are_even_and_lose_nothing() -> None:
    chunks = resnet.HierarchicalLatent(10, 3)
    assert (chunks.input_size, chunks.condition_sizes) == (3, (3, 2, 2))
    biggans = resnet.HierarchicalLatent(120, 5)
    assert (biggans.input_size, biggans.condition_sizes) == (20, (20,) * 5)
    latent = torch.randn(2, 10)
    assert torch.equal(torch.cat(chunks(latent), 1), latent)
    conditioning = resnet.ClassConditionedLatent(chunks, 4, 6, WEIGHTS)
    assert conditioning.condition_sizes == (9, 8, 8)
    start, *rest = conditioning(latent, torch.tensor([3, 1]))
    assert torch.equal(start, latent[:, :3])
    for each, chunk in zip(rest, chunks(latent)[1:], strict=True):
        assert torch.equal(each, torch.cat([conditioning.class_embedding(torch.tensor([3, 1])), chunk], 1))


def test_a_block_knows_its_chunk_through_its_norms_alone() -> None:
    torch.manual_seed(0)
    network = (
        ResNetGeneratorConfig(widths=(8,), hierarchical_latent=True)
        .build(12, (1, 32, 32), bounded=True)
        .double()
        .eval()
    )
    latent = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    chunks = [slice(first, first + 3) for first in (0, 3, 6, 9)]

    def reach(output: Tensor) -> list[bool]:
        (slope,) = torch.autograd.grad(output.square().sum(), latent, retain_graph=True)
        return [bool(slope[:, chunk].any()) for chunk in chunks]

    made: list[Tensor] = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, __, output: made.append(output))
    network(latent)
    assert [reach(output) for output in made] == [[True] * 2 + [False] * 2, [True] * 3 + [False], [True] * 4]
    for layer in (network.blocks[1].before, network.blocks[1].between):
        nn.init.zeros_(layer.gain.weight)
        nn.init.zeros_(layer.bias.weight)
    assert reach(network(latent)) == [True, True, False, True]


def test_classes_are_told_by_the_norms() -> None:
    torch.manual_seed(0)
    shape = ResNetGeneratorConfig(widths=(8,), condition="norm", condition_size=6)
    network = shape.build(5, (1, 16, 16), bounded=True, num_classes=3).double().eval()
    assert network.takes == ("label",)
    latent = torch.randn(1, 5, dtype=torch.float64).expand(3, -1)
    images = network(latent, label=torch.arange(3))
    assert min((images[a] - images[b]).abs().max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-3
    exactly(network(latent, label=torch.eye(3, dtype=torch.float64)), images)
    # half way between two classes is told by the mean of their vectors
    between = torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64)
    vectors = network.told.vectors
    exactly(vectors(between)[0], (vectors(torch.tensor([0])) + vectors(torch.tensor([2])))[0] / 2)
    assert not hasattr(network, "label")
    conditioning = {
        name: norm for name, norm in network.named_modules() if isinstance(norm, resnet.ConditionalBatchNorm2d)
    }
    assert len(conditioning) == 4
    for norm in conditioning.values():
        nn.init.zeros_(norm.gain.weight)
        nn.init.zeros_(norm.bias.weight)
    same = network(latent, label=torch.arange(3))
    exactly(same[0], same[1])


def test_without_classes_nothing_asks_for_them() -> None:
    for settings in ({}, {"hierarchy": True}, {"norm": "none"}):
        network = ResNetGeneratorConfig(widths=(4,), **settings).build(8, (1, 16, 16), bounded=True, num_classes=3)
        assert network.takes == ()
        assert network(torch.randn(2, 8)).shape == (2, 1, 16, 16)
    assert ResNetDiscriminatorConfig(widths=(4,)).build((1, 16, 16), num_classes=3).takes == ()
    assert ResNetDiscriminatorConfig(widths=(4,), condition="projection").build((1, 16, 16), num_classes=3).takes == (
        "label",
    )


# ---------------------------------------------------------------------- weights and derivatives


@pytest.mark.parametrize("init", ["scaled", "orthogonal"])
def test_signal_passes_without_norm(init: str) -> None:
    torch.manual_seed(0)
    generator = ResNetGeneratorConfig(widths=(32,), norm="none", init=init).build(64, (1, 64, 64), bounded=False)
    assert 0.05 < generator(torch.randn(64, 64)).var().item() < 2
    judge = ResNetDiscriminatorConfig(widths=(32,), spectral_norm=False, init=init).build((1, 64, 64))
    mean = judge(torch.randn(32, 1, 64, 64)).score / 64  # over the places of the last map
    assert 0.001 < mean.square().mean().item() < 1


def test_spectral_norm_bounds_every_matrix() -> None:
    torch.manual_seed(0)
    label = torch.tensor([0, 3])
    judge = ResNetDiscriminatorConfig(widths=(12, 8), condition="projection", attention_side=8).build(
        (1, 16, 16), num_classes=4
    )
    generator = ResNetGeneratorConfig(widths=(12, 8), **TOLD, spectral_norm=True, attention_side=8).build(
        9, (1, 16, 16), True, 4
    )
    for network, given in ((judge, torch.randn(2, 1, 16, 16)), (generator, torch.randn(2, 9))):
        for _ in range(60):
            network(given, label=label)
        bound = [module for module in network.modules() if hasattr(module, "parametrizations")]
        for module in bound:
            assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.02)
        kept = {id(module.parametrizations.weight.original) for module in bound}
        free = [name for name, each in network.named_parameters() if each.dim() > 1 and id(each) not in kept]
        # the generator's class vectors are looked up, not passed through, and BigGAN leaves them free as well
        assert free == (["told.vectors.table.weight"] if network is generator else [])


def test_the_discriminator_differentiates_twice() -> None:
    torch.manual_seed(0)
    shape = ResNetDiscriminatorConfig(widths=(4, 3), condition="projection", attention_side=8)
    judge = shape.build((1, 16, 16), num_classes=3).double().eval()
    attention = next(module for module in judge.modules() if isinstance(module, SelfAttention))
    nn.init.constant_(attention.gain, 0.8)
    label = torch.tensor([2, 0])
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: judge(x, label).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x, label).score, sample, fast_mode=True)


def test_a_slope_by_torch_func_is_the_slope_by_autograd() -> None:
    torch.manual_seed(0)
    judge = ResNetDiscriminatorConfig(widths=(4,), attention_side=8).build((1, 16, 16)).eval()
    sample = torch.randn(3, 1, 16, 16)
    wanted = sample.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(judge(wanted).score.sum(), wanted)
    torch.testing.assert_close(torch.func.grad(lambda x: judge(x).score.sum())(sample), by_autograd)
    assert torch.func.grad(lambda x: judge.train()(x).score.sum())(sample).isfinite().all()


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    label = torch.tensor([0, 1, 2, 2])
    generator = ResNetGeneratorConfig(widths=(8,), **TOLD, attention_side=8).build(12, (1, 16, 16), True, 3)
    judge = ResNetDiscriminatorConfig(widths=(8,), condition="projection", attention_side=8).build(
        (1, 16, 16), num_classes=3
    )
    for network in (generator, judge):  # a gain of 0 lets nothing behind it learn in the first step
        for module in network.modules():
            if isinstance(module, SelfAttention):
                nn.init.ones_(module.gain)
    judge(generator(torch.randn(4, 12), label=label), label).score.square().sum().backward()
    for name, parameter in [*generator.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_a_score_does_not_depend_on_the_neighbours() -> None:
    torch.manual_seed(0)
    assert ResNetDiscriminatorConfig().per_sample
    judge = ResNetDiscriminatorConfig(widths=(8,), attention_side=8).build((1, 16, 16)).eval()
    sample = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(judge(sample).score[:1], judge(sample[:1]).score, rtol=1e-4, atol=1e-5)


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = ResNetGeneratorConfig(widths=(8, 4), **TOLD, attention_side=16).build(8, (3, 32, 32), True, 3).eval()
    judge = ResNetDiscriminatorConfig(widths=(8, 4), attention_side=16).build((3, 32, 32)).eval()
    latent, label = torch.randn(2, 8), torch.tensor([0, 2])
    image = generator(latent, label)
    score = judge(image).score
    layout = torch.channels_last
    again = generator.to(memory_format=layout)(latent, label)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge.to(memory_format=layout)(again).score, score, rtol=1e-4, atol=1e-5)


def test_scores_are_float32_under_autocast() -> None:
    torch.manual_seed(0)
    judge = ResNetDiscriminatorConfig(widths=(8,), condition="projection", attention_side=8).build(
        (1, 16, 16), num_classes=3
    )
    generator = ResNetGeneratorConfig(widths=(8,), **TOLD, attention_side=8).build(12, (1, 16, 16), True, 3)
    label = torch.tensor([0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        score = judge(generator(torch.randn(2, 12), label), label).score
    assert score.dtype == torch.float32
    assert score.isfinite().all()
