"""Test the PatchGAN discriminator: patch size, scales, concatenated inputs, derivatives."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional
from translator_checks import random_images

from zerosum.errors import BadInput
from zerosum.game.play import input_gradient_norm_sq
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import PatchGANDiscriminatorConfig
from zerosum.networks.patchgan import Discriminator, count_halvings

COLOR = (3, 32, 32)


def build_discriminator(
    shape: tuple[int, ...] = COLOR, input_shape: tuple[int, ...] | None = None, seed: int = 0, **fields: Any
) -> Discriminator:
    torch.manual_seed(seed)
    discriminator = PatchGANDiscriminatorConfig(**{"width": 4, "max_width": 8, **fields}).build(
        TensorSpec(shape), 0, TensorSpec(input_shape, bounded=True) if input_shape else None
    )
    assert isinstance(discriminator, Discriminator)
    return discriminator


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_patch_of_a_score_has_the_papers_size(layers: int, patch: int) -> None:
    """Check the paper's 70x70 for three halvings (appendix 6.1.2), and its other sizes."""
    side = 1 << (layers + 5)
    discriminator, sample = (
        build_discriminator((1, side, side), layers=layers, norm="none").double(),
        random_images(1, (1, side, side)).double(),
    )
    score = discriminator(sample.requires_grad_(True)).score
    center = score.shape[2] // 2
    (gradient,) = torch.autograd.grad(score[0, 0, center, center], sample)
    for axis in (0, 1):
        affected = (gradient[0, 0].abs().amax(axis) > 0).nonzero().flatten()
        assert int(affected.max() - affected.min()) + 1 == patch


def test_parameter_count_of_the_papers_network() -> None:
    with torch.device("meta"):
        discriminator = PatchGANDiscriminatorConfig(norm="none", concat_input=True).build(
            TensorSpec((3, 256, 256)), 0, TensorSpec((3, 256, 256), bounded=True)
        )
    widths = [6, 64, 128, 256, 512, 1]
    counts = [16 * a * b + b for a, b in pairwise(widths)]
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == sum(counts)
    with torch.device("meta"):
        assert discriminator(torch.zeros(1, 3, 256, 256), inputs=torch.zeros(1, 3, 256, 256)).score.shape == (
            1,
            1,
            30,
            30,
        )


@pytest.mark.parametrize("side", [16, 17, 24, 33, 64])
@pytest.mark.parametrize("scales", [1, 2, 3])
def test_small_images_have_fewer_layers_and_at_least_2x2_scores(side: int, scales: int) -> None:
    output = build_discriminator((3, side, side), scales=scales, layers=6)(random_images(2, (3, side, side)))
    assert output.score.dtype == torch.float32
    assert output.score.numel() >= 2 * 4 * scales
    if scales > 1:
        assert output.score.shape[:3] == (2, 1, 1)
    assert 3 <= min(output.feature_maps[-1].shape[2:]) <= 6  # the last convolution reduces it by 1
    assert [count_halvings(size, 3) for size in (4, 7, 8, 16, 31, 32, 1024)] == [0, 0, 1, 2, 2, 3, 3]


def test_further_scales_score_smaller_images() -> None:
    discriminator, sample = build_discriminator(scales=2), random_images(2, COLOR)
    output = discriminator(sample)
    small_scores, feature_maps = discriminator.scales[1](functional.avg_pool2d(sample, 2))
    assert torch.equal(output.score[..., -small_scores[0].numel() :].flatten(1), small_scores.flatten(1))
    assert len(output.feature_maps) == 7
    assert all(torch.equal(*pair) for pair in zip(output.feature_maps[4:], feature_maps, strict=True))


@pytest.mark.parametrize(
    ("input_shape", "full_resolution_channels"), [((1, 32, 32), 0), ((1, 8, 8), 3), ((4, 64, 64), 0)]
)
def test_concatenated_input_changes_the_score(input_shape: tuple[int, ...], full_resolution_channels: int) -> None:
    fields = {"concat_input": True, "full_resolution_channels": full_resolution_channels, "scales": 2}
    discriminator, sample = build_discriminator(input_shape=input_shape, **fields), random_images(2, COLOR)
    assert discriminator.condition_inputs == ("inputs",)
    score, other_score = (discriminator(sample, inputs=random_images(2, input_shape, seed)).score for seed in (1, 2))
    assert not torch.isclose(score, other_score, rtol=1e-4).any()
    assert PatchGANDiscriminatorConfig(concat_input=True).sees_input
    assert not PatchGANDiscriminatorConfig().sees_input
    assert build_discriminator().condition_inputs == ()


def test_scores_are_per_sample_in_training_and_evaluation_mode() -> None:
    discriminator, sample = build_discriminator(scales=2), random_images(3, COLOR)
    single_scores = torch.cat([discriminator.train()(image).score for image in sample.split(1)])
    torch.testing.assert_close(discriminator.eval()(sample).score, single_scores, rtol=1e-4, atol=1e-5)
    assert PatchGANDiscriminatorConfig().per_sample
    assert PatchGANDiscriminatorConfig().capabilities == {"feature maps"}


@pytest.mark.parametrize(
    "fields", [{}, {"norm": "none", "spectral_norm": True}, {"scales": 2, "full_resolution_channels": 2}]
)
def test_gradient_penalty_reaches_every_weight(fields: dict[str, Any]) -> None:
    discriminator = build_discriminator(**fields).train()
    input_gradient_norm_sq(discriminator, random_images(2, COLOR))[1].mean().backward()
    weights = [parameter for name, parameter in discriminator.named_parameters() if parameter.dim() == 4]
    assert all(weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in weights)


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_discriminator_is_twice_differentiable(norm: str) -> None:
    discriminator = build_discriminator((1, 16, 16), (1, 24, 24), norm=norm, concat_input=True).double()
    sample = random_images(1, (1, 16, 16)).double().requires_grad_(True)
    inputs = random_images(1, (1, 24, 24), 1).double().requires_grad_(True)
    assert gradcheck(lambda x, y: discriminator(x, y).score, (sample, inputs), fast_mode=True)
    assert gradgradcheck(lambda x, y: discriminator(x, y).score.square(), (sample, inputs), fast_mode=True)


def test_unsupported_settings_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^patchgan .* 16 pixels, got 16x12"):
        build_discriminator((3, 12, 16))
    with pytest.raises(BadInput, match=r"^`discriminator.concat_input` needs input images"):
        build_discriminator(concat_input=True)
    for fields in ({"width": 8, "max_width": 4}, {"scales": 4}, {"layers": 0}, {"condition": "projection"}):
        with pytest.raises(ValidationError):
            PatchGANDiscriminatorConfig(**fields)
