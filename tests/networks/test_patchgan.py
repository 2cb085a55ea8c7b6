"""The patch discriminator: how far a place sees, scales, what stands beside the sample, derivatives."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional
from translator_checks import pictures

from zerosum.errors import BadInput
from zerosum.game.play import input_gradient_norm_sq
from zerosum.networks.configs import PatchGANDiscriminatorConfig
from zerosum.networks.patchgan import Discriminator, count_halvings

COLOUR = (3, 32, 32)


def built(shape: tuple[int, ...] = COLOUR, given: tuple[int, ...] = (), seed: int = 0, **fields: Any) -> Discriminator:
    torch.manual_seed(seed)
    judge = PatchGANDiscriminatorConfig(**{"width": 4, "max_width": 8, **fields}).build(shape, 0, given)
    assert isinstance(judge, Discriminator)
    return judge


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_place_sees_its_patch(layers: int, patch: int) -> None:
    """The paper's 70x70 for three halvings (appendix 6.1.2), and its others."""
    side = 1 << (layers + 5)
    judge, sample = built((1, side, side), layers=layers, norm="none").double(), pictures(1, (1, side, side)).double()
    score = judge(sample.requires_grad_(True)).score
    middle = score.shape[2] // 2
    (gradient,) = torch.autograd.grad(score[0, 0, middle, middle], sample)
    for axis in (0, 1):
        touched = (gradient[0, 0].abs().amax(axis) > 0).nonzero().flatten()
        assert int(touched.max() - touched.min()) + 1 == patch


def test_the_papers_network() -> None:
    with torch.device("meta"):
        judge = PatchGANDiscriminatorConfig(norm="none", concat_input=True).build((3, 256, 256), 0, (3, 256, 256))
    widths = [6, 64, 128, 256, 512, 1]
    counts = [16 * a * b + b for a, b in pairwise(widths)]
    assert sum(parameter.numel() for parameter in judge.parameters()) == sum(counts)
    with torch.device("meta"):
        assert judge(torch.zeros(1, 3, 256, 256), given=torch.zeros(1, 3, 256, 256)).score.shape == (1, 1, 30, 30)


@pytest.mark.parametrize("side", [16, 17, 24, 33, 64])
@pytest.mark.parametrize("scales", [1, 2, 3])
def test_small_pictures_have_fewer_layers_and_at_least_four_places(side: int, scales: int) -> None:
    output = built((3, side, side), scales=scales, layers=6)(pictures(2, (3, side, side)))
    assert output.score.dtype == torch.float32
    assert output.score.numel() >= 2 * 4 * scales
    if scales > 1:
        assert output.score.shape[:3] == (2, 1, 1)
    assert 3 <= min(output.seen[-1].shape[2:]) <= 6  # the last convolution takes one more, another halving too much
    assert [count_halvings(size, 3) for size in (4, 7, 8, 16, 31, 32, 1024)] == [0, 0, 1, 2, 2, 3, 3]


def test_scales_judge_smaller_pictures() -> None:
    judge, sample = built(scales=2), pictures(2, COLOUR)
    output = judge(sample)
    small, maps = judge.scales[1](functional.avg_pool2d(sample, 2))
    assert torch.equal(output.score[..., -small[0].numel() :].flatten(1), small.flatten(1))
    assert len(output.seen) == 7
    assert all(torch.equal(*pair) for pair in zip(output.seen[4:], maps, strict=True))


@pytest.mark.parametrize(("given", "detail"), [((1, 32, 32), 0), ((1, 8, 8), 3), ((4, 64, 64), 0)])
def test_what_a_sample_is_made_from_is_seen_beside_it(given: tuple[int, ...], detail: int) -> None:
    judge, sample = built(given=given, beside=True, detail=detail, scales=2), pictures(2, COLOUR)
    assert judge.condition_inputs == ("given",)
    one, other = (judge(sample, given=pictures(2, given, seed)).score for seed in (1, 2))
    assert not torch.isclose(one, other, rtol=1e-4).any()
    assert PatchGANDiscriminatorConfig(concat_input=True).sees_input
    assert not PatchGANDiscriminatorConfig().sees_input
    assert built().condition_inputs == ()


def test_each_sample_is_judged_alone_in_training_and_use() -> None:
    judge, sample = built(scales=2), pictures(3, COLOUR)
    each = torch.cat([judge.train()(one).score for one in sample.split(1)])
    torch.testing.assert_close(judge.eval()(sample).score, each, rtol=1e-4, atol=1e-5)
    assert PatchGANDiscriminatorConfig().per_sample
    assert PatchGANDiscriminatorConfig().capabilities == {"show maps"}


@pytest.mark.parametrize("fields", [{}, {"norm": "none", "spectral": True}, {"scales": 2, "detail": 2}])
def test_a_penalty_of_the_slope_trains_it(fields: dict[str, Any]) -> None:
    judge = built(**fields).train()
    input_gradient_norm_sq(judge, pictures(2, COLOUR))[1].mean().backward()
    weights = [parameter for name, parameter in judge.named_parameters() if parameter.dim() == 4]
    assert all(weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in weights)


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_it_differentiates_twice(norm: str) -> None:
    judge = built((1, 16, 16), (1, 24, 24), norm=norm, beside=True).double()
    sample = pictures(1, (1, 16, 16)).double().requires_grad_(True)
    given = pictures(1, (1, 24, 24), 1).double().requires_grad_(True)
    assert gradcheck(lambda x, y: judge(x, y).score, (sample, given), fast_mode=True)
    assert gradgradcheck(lambda x, y: judge(x, y).score.square(), (sample, given), fast_mode=True)


def test_what_it_cannot_do_is_explained() -> None:
    with pytest.raises(BadInput, match=r"^patch needs pictures of at least 16 pixels a side, got 12 x 16: set"):
        built((3, 12, 16))
    with pytest.raises(BadInput, match=r"made of noise: set beside = false\.$"):
        built(beside=True)
    for fields in ({"width": 8, "max_width": 4}, {"scales": 4}, {"layers": 0}, {"condition": "projection"}):
        with pytest.raises(ValidationError):
            PatchGANDiscriminatorConfig(**fields)
