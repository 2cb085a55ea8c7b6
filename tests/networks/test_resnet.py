"""Test the residual networks against the papers: sizes, parameter counts, blocks, spectral norm, derivatives."""

from functools import partial
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks import resnet
from zerosum.networks.attention import SelfAttention
from zerosum.networks.configs.resnet import ResNetDiscriminatorConfig, ResNetGeneratorConfig
from zerosum.networks.layers import LayerFactory, init_kaiming

SIZES = [16, 32, 64, 128, 256, 512, 1024]
PYRAMID = (16, 16, 8, 4, 2, 1)
FACTORY = LayerFactory(init_kaiming)
CONDITIONAL = {"condition": "conditional-batch-norm", "hierarchical_latent": True}
assert_close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-11)


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build_biggan(multiple: int, latent: int = 120, **settings: Any) -> tuple[nn.Module, nn.Module]:
    """Build the paper's ImageNet networks at 128 px on the meta device, where spectral norm cannot be initialized."""
    widths = tuple(multiple * width for width in PYRAMID)
    common: dict[str, Any] = {"widths": widths, "attention_side": 64, "init": "normal", "spectral_norm": False}
    generator = ResNetGeneratorConfig(**common, **{**CONDITIONAL, **settings})
    discriminator = ResNetDiscriminatorConfig(**common, condition="projection", last_side=4, extra_blocks=1)
    with torch.device("meta"):
        return generator.build(latent, TensorSpec((3, 128, 128), bounded=True), 1000), discriminator.build(
            TensorSpec((3, 128, 128)), 1000
        )


# ---------------------------------------------------------------------- sizes and counts


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_all_sizes_and_channel_counts(size: int, channels: int) -> None:
    shape = (channels, size, size)
    image = ResNetGeneratorConfig(widths=(4, 2), **CONDITIONAL, attention_side=8).build(
        12, TensorSpec(shape, bounded=True), 3
    )(torch.randn(2, 12), label=torch.tensor([0, 2]))
    assert image.shape == (2, *shape)
    assert image.abs().max() <= 1
    output = ResNetDiscriminatorConfig(widths=(4, 2), attention_side=8).build(TensorSpec(shape))(image)
    assert output.score.shape == (2,)
    assert output.score.dtype == torch.float32
    assert output.class_logits is None


def test_parameter_counts_of_the_spectral_norm_gans_cifar_networks() -> None:
    """Check table 4 of arXiv:1802.05957: 256 channels up from 4x4; 128 down to 8x8, then two blocks of that size."""
    with torch.device("meta"):
        generator = ResNetGeneratorConfig().build(128, TensorSpec((3, 32, 32), bounded=True))
        discriminator = ResNetDiscriminatorConfig(spectral_norm=False).build(TensorSpec((3, 32, 32)))
    up_block = 2 * (9 * 256 * 256 + 256) + 256 * 256 + 256 + 2 * 2 * 256
    assert count_parameters(generator) == (128 + 1) * 4096 + 3 * up_block + 2 * 256 + 9 * 256 * 3 + 3 == 4_276_739
    conv = 9 * 128 * 128 + 128
    down_blocks = 9 * 3 * 128 + 128 + conv + (3 + 1) * 128 + 2 * conv + 128 * 128 + 128
    assert count_parameters(discriminator) == down_blocks + 4 * conv + 128 + 1 == 1_053_825


def test_parameter_counts_of_biggans_networks() -> None:
    """Compare with google/compare_gan, which its authors checked against the original."""
    generator, discriminator = build_biggan(96)
    assert count_parameters(generator) == 70_433_988
    assert count_parameters(discriminator) == 87_982_370


@pytest.mark.parametrize(
    ("multiple", "latent", "hierarchical_latent", "millions"),
    [(96, 120, True, 158.3), (96, 128, False, 160.6), (64, 120, True, 71.3)],
)
def test_parameter_counts_of_biggans_table(
    multiple: int, latent: int, hierarchical_latent: bool, millions: float
) -> None:
    """Check table 1 of arXiv:1809.11096, which leaves out the 1000 x 128 values of the shared class vectors."""
    networks = build_biggan(multiple, latent, hierarchical_latent=hierarchical_latent)
    assert round((sum(map(count_parameters, networks)) - 1000 * 128) / 1e6, 1) == millions


def test_widths_are_cut_and_the_last_repeated() -> None:
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


def test_attention_follows_the_map_of_its_side_only() -> None:
    def attention_sides(network: nn.Module, network_input: Tensor) -> list[int]:
        sides: list[int] = []
        for module in network.modules():
            if isinstance(module, SelfAttention):
                module.register_forward_hook(lambda _, inputs, __: sides.append(inputs[0].shape[-1]))
        network(network_input)
        return sides

    for side, expected in [(0, []), (8, [8]), (16, [16]), (32, [32]), (64, [])]:
        generator = ResNetGeneratorConfig(widths=(2,), attention_side=side).build(
            8, TensorSpec((1, 32, 32), bounded=True)
        )
        assert attention_sides(generator, torch.randn(2, 8)) == expected
        discriminator = ResNetDiscriminatorConfig(widths=(2,), attention_side=side).build(TensorSpec((1, 32, 32)))
        assert attention_sides(discriminator, torch.randn(2, 1, 32, 32)) == [
            map_side for map_side in expected if map_side < 32
        ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm": "none", "condition": "conditional-batch-norm"}, '`norm` must be "batch", got "none"'),
        ({"norm": "none", "hierarchical_latent": True}, "`hierarchical_latent`"),
        ({"condition": "concat", "hierarchical_latent": True}, 'set `condition` to "conditional-batch-norm"'),
        ({"attention_side": 24}, "Input should be 0, 8, 16"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ResNetGeneratorConfig(**settings)


def test_latent_too_small_for_its_chunks_is_refused() -> None:
    config = ResNetGeneratorConfig(widths=(2,), hierarchical_latent=True)
    assert config.build(4, TensorSpec((1, 32, 32), bounded=True))(torch.randn(3, 4)).shape == (3, 1, 32, 32)
    with pytest.raises(BadInput, match=r"got 3: set `latent.size` to 4 or more"):
        config.build(3, TensorSpec((1, 32, 32), bounded=True))


# ---------------------------------------------------------------------- blocks


def test_generator_block_equals_its_definition() -> None:
    torch.manual_seed(0)
    block = resnet.GeneratorBlock(3, 5, 0, resnet.UNCONDITIONAL_NORMS["batch"], FACTORY).double()
    hidden = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    upsample = partial(F.interpolate, scale_factor=2.0, mode="nearest")
    branch = block.conv1.conv(upsample(F.relu(F.batch_norm(hidden, None, None, training=True))))
    branch = block.conv2(F.relu(F.batch_norm(branch, None, None, training=True)))
    assert_close(block(hidden, hidden[:, :0, 0, 0]), branch + block.shortcut(upsample(hidden)))


def test_discriminator_blocks_equal_their_definitions() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    first, down, same_size = (
        build(3, 5, FACTORY).double()
        for build in (resnet.build_first_block, resnet.build_downsample_block, resnet.build_same_size_block)
    )
    conv1, _, conv2 = first.branch
    assert_close(
        first(hidden),
        F.avg_pool2d(conv2.conv(F.relu(conv1(hidden))), 2) + F.avg_pool2d(first.shortcut[1](hidden), 2),
    )
    _, conv1, _, conv2 = down.branch
    assert_close(
        down(hidden),
        F.avg_pool2d(conv2.conv(F.relu(conv1(F.relu(hidden)))), 2) + F.avg_pool2d(down.shortcut[1](hidden), 2),
    )
    _, conv1, _, conv2 = same_size.branch
    assert_close(same_size(hidden), conv2(F.relu(conv1(F.relu(hidden)))) + same_size.shortcut(hidden))
    same_width = resnet.build_same_size_block(3, 3, FACTORY).double()
    _, conv1, _, conv2 = same_width.branch
    assert_close(same_width(hidden), conv2(F.relu(conv1(F.relu(hidden)))) + hidden)


def test_last_map_is_summed() -> None:
    """Replace the last map by ones: a head that adds up the features returns its number of values."""
    torch.manual_seed(0)
    discriminator = ResNetDiscriminatorConfig(widths=(4,), spectral_norm=False).build(TensorSpec((1, 16, 16)))
    discriminator.same_size_blocks[-1].register_forward_hook(lambda _, __, output: torch.ones_like(output))
    nn.init.ones_(discriminator.head.score.weight)
    torch.testing.assert_close(discriminator(torch.randn(2, 1, 16, 16)).score, torch.full((2,), 4.0 * 8 * 8))


def test_attention_equals_its_definition() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(16, FACTORY).double()
    hidden = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    assert_close(layer(hidden), hidden)  # its gain starts at 0
    nn.init.constant_(layer.gain, 0.7)
    key, value = (F.max_pool2d(conv(hidden), 2).flatten(2) for conv in (layer.key, layer.value))
    expected = hidden.clone()
    for sample in range(2):
        for pixel in range(24):
            row, column = divmod(pixel, 6)
            weights = torch.exp(key[sample].T @ layer.query(hidden)[sample, :, row, column])
            attended = value[sample] @ (weights / weights.sum())
            expected[sample, :, row, column] += 0.7 * layer.out.weight[:, :, 0, 0] @ attended
    assert (expected - hidden).abs().max() > 0.1
    assert_close(layer(hidden), expected)


# ---------------------------------------------------------------------- weights and derivatives


@pytest.mark.parametrize("init", ["kaiming", "orthogonal"])
def test_signal_passes_through_networks_without_norm(init: str) -> None:
    torch.manual_seed(0)
    generator = ResNetGeneratorConfig(widths=(32,), norm="none", init=init).build(64, TensorSpec((1, 64, 64)))
    assert 0.05 < generator(torch.randn(64, 64)).var().item() < 2
    discriminator = ResNetDiscriminatorConfig(widths=(32,), spectral_norm=False, init=init).build(
        TensorSpec((1, 64, 64))
    )
    mean = discriminator(torch.randn(32, 1, 64, 64)).score / 64  # over the pixels of the last map
    assert 0.001 < mean.square().mean().item() < 1


def test_spectral_norm_bounds_every_matrix() -> None:
    torch.manual_seed(0)
    label = torch.tensor([0, 3])
    discriminator = ResNetDiscriminatorConfig(widths=(12, 8), condition="projection", attention_side=8).build(
        TensorSpec((1, 16, 16)), num_classes=4
    )
    generator = ResNetGeneratorConfig(widths=(12, 8), **CONDITIONAL, spectral_norm=True, attention_side=8).build(
        9, TensorSpec((1, 16, 16), bounded=True), 4
    )
    for network, inputs in ((discriminator, torch.randn(2, 1, 16, 16)), (generator, torch.randn(2, 9))):
        for _ in range(60):
            network(inputs, label=label)
        normed = [module for module in network.modules() if hasattr(module, "parametrizations")]
        for module in normed:
            assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.02)
        ids = {id(module.parametrizations.weight.original) for module in normed}
        others = [name for name, weight in network.named_parameters() if weight.dim() > 1 and id(weight) not in ids]
        # the generator's class vectors are a lookup table, which BigGAN does not normalize either
        assert others == (["conditioning.class_embedding.embedding.weight"] if network is generator else [])


def test_discriminator_is_twice_differentiable() -> None:
    torch.manual_seed(0)
    config = ResNetDiscriminatorConfig(widths=(4, 3), condition="projection", attention_side=8)
    discriminator = config.build(TensorSpec((1, 16, 16)), num_classes=3).double().eval()
    attention = next(module for module in discriminator.modules() if isinstance(module, SelfAttention))
    nn.init.constant_(attention.gain, 0.8)
    label = torch.tensor([2, 0])
    sample = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: discriminator(x, label).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x, label).score, sample, fast_mode=True)


def test_gradient_by_torch_func_equals_autograd() -> None:
    torch.manual_seed(0)
    discriminator = ResNetDiscriminatorConfig(widths=(4,), attention_side=8).build(TensorSpec((1, 16, 16))).eval()
    sample = torch.randn(3, 1, 16, 16)
    differentiable = sample.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(discriminator(differentiable).score.sum(), differentiable)
    torch.testing.assert_close(torch.func.grad(lambda x: discriminator(x).score.sum())(sample), by_autograd)
    assert torch.func.grad(lambda x: discriminator.train()(x).score.sum())(sample).isfinite().all()


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    label = torch.tensor([0, 1, 2, 2])
    generator = ResNetGeneratorConfig(widths=(8,), **CONDITIONAL, attention_side=8).build(
        12, TensorSpec((1, 16, 16), bounded=True), 3
    )
    discriminator = ResNetDiscriminatorConfig(widths=(8,), condition="projection", attention_side=8).build(
        TensorSpec((1, 16, 16)), num_classes=3
    )
    for network in (generator, discriminator):  # with a gain of 0 the layers before it get no gradient
        for module in network.modules():
            if isinstance(module, SelfAttention):
                nn.init.ones_(module.gain)
    discriminator(generator(torch.randn(4, 12), label=label), label).score.square().sum().backward()
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_score_does_not_depend_on_the_rest_of_the_batch() -> None:
    torch.manual_seed(0)
    assert ResNetDiscriminatorConfig().per_sample
    discriminator = ResNetDiscriminatorConfig(widths=(8,), attention_side=8).build(TensorSpec((1, 16, 16))).eval()
    sample = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(discriminator(sample).score[:1], discriminator(sample[:1]).score, rtol=1e-4, atol=1e-5)


def test_channels_last_gives_the_same_output() -> None:
    torch.manual_seed(0)
    generator = (
        ResNetGeneratorConfig(widths=(8, 4), **CONDITIONAL, attention_side=16)
        .build(8, TensorSpec((3, 32, 32), bounded=True), 3)
        .eval()
    )
    discriminator = ResNetDiscriminatorConfig(widths=(8, 4), attention_side=16).build(TensorSpec((3, 32, 32))).eval()
    latent, label = torch.randn(2, 8), torch.tensor([0, 2])
    image = generator(latent, label)
    score = discriminator(image).score
    memory_format = torch.channels_last
    channels_last_image = generator.to(memory_format=memory_format)(latent, label)
    assert channels_last_image.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(channels_last_image, image, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        discriminator.to(memory_format=memory_format)(channels_last_image).score, score, rtol=1e-4, atol=1e-5
    )


def test_scores_are_float32_under_autocast() -> None:
    torch.manual_seed(0)
    discriminator = ResNetDiscriminatorConfig(widths=(8,), condition="projection", attention_side=8).build(
        TensorSpec((1, 16, 16)), num_classes=3
    )
    generator = ResNetGeneratorConfig(widths=(8,), **CONDITIONAL, attention_side=8).build(
        12, TensorSpec((1, 16, 16), bounded=True), 3
    )
    label = torch.tensor([0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        score = discriminator(generator(torch.randn(2, 12), label), label).score
    assert score.dtype == torch.float32
    assert score.isfinite().all()
