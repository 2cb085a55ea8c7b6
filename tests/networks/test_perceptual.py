"""Test the perceptual distance: zero to itself, growing with noise, differentiable, without state."""

import pytest
import torch
from torch.nn import functional
from translator_checks import random_images

from zerosum.errors import BadInput
from zerosum.networks import efficientnet_lite0
from zerosum.networks.perceptual import PerceptualDistance
from zerosum.networks.projected import FrozenEfficientNet


def smooth_images(count: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    return functional.interpolate(random_images(count, (channels, 4, 4)), (side, side), mode="bicubic").clamp(-1, 1)


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    return PerceptualDistance(32)


def test_distance_equals_equation_1(distance: PerceptualDistance) -> None:
    """Compute equation 1 of Zhang et al. with unit weights, pixel by pixel."""
    image, other_image, features = smooth_images(1), smooth_images(2)[1:], FrozenEfficientNet(32)
    total = 0.0
    for image_map, other_map in zip(features(image), features(other_image), strict=True):
        _, _, height, width = image_map.shape
        for y in range(height):
            for x in range(width):
                a, b = image_map[0, :, y, x], other_map[0, :, y, x]
                total += float((a / a.norm() - b / b.norm()).square().sum()) / (4 * height * width)
    assert distance(image, other_image).item() == pytest.approx(total, rel=1e-4)


def test_distance_grows_with_noise_and_is_per_sample(distance: PerceptualDistance) -> None:
    target, noise = smooth_images(2), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(distance(target, target), torch.zeros(2))
    small_distance, large_distance = (distance(target + amount * noise, target) for amount in (0.02, 0.3))
    assert small_distance.shape == (2,)
    assert (small_distance > 0).all()
    assert (small_distance < large_distance).all()
    assert (large_distance <= 4).all()
    torch.testing.assert_close(
        distance(target[1:] + 0.3 * noise[1:], target[1:]), large_distance[1:], rtol=1e-3, atol=1e-5
    )


def test_gradient_step_reduces_the_distance(distance: PerceptualDistance) -> None:
    target = smooth_images(1)
    image = (target + 0.3 * torch.randn(target.shape, generator=torch.Generator().manual_seed(2))).requires_grad_(True)
    initial_distance = distance(image, target)
    (gradient,) = torch.autograd.grad(initial_distance.sum(), image)
    with torch.no_grad():
        assert distance(image - 0.5 * gradient / gradient.norm(), target).item() < initial_distance.item()
    assert (gradient != 0).float().mean() > 0.99


def test_distance_has_no_state_and_no_parameters(distance: PerceptualDistance) -> None:
    assert distance.state_dict() == {}
    assert list(distance.parameters()) == []
    assert not any(
        weight.requires_grad for module in distance.features.unregistered.modules for weight in module.parameters()
    )


@pytest.mark.parametrize(("side", "resized_side"), [(16, 32), (32, 32), (48, 64), (64, 64), (250, 256), (512, 256)])
def test_images_are_resized_to_a_multiple_of_32(side: int, resized_side: int) -> None:
    assert PerceptualDistance(side).features.side == resized_side


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_channel_counts(distance: PerceptualDistance, channels: int) -> None:
    pair = smooth_images(2, channels)
    assert distance(pair, pair.flip(0)).shape == (2,)
    assert (distance(pair, pair.flip(0)) > 0).all()


def test_rectangular_images_are_resized_to_a_square(distance: PerceptualDistance) -> None:
    pair = random_images(2, (3, 32, 20))
    assert (distance(pair, pair.flip(0)) > 0).all()


def test_missing_package_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"^the perceptual term needs"):
        PerceptualDistance(32)
