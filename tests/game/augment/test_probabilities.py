"""How often and how far augmentations act, against the papers' distributions.

Bounds are set so that each test of right code fails once in 10^6 or rarer.
"""

import math

import pytest
import torch
from test_augment import EVERY, drawn, only, pictures

from zerosum.game.augment import transforms, warp
from zerosum.game.augment.transforms import AffineTransform
from zerosum.game.seeded_rng import derive_seeds


def kolmogorov(values: torch.Tensor, cdf: torch.Tensor) -> float:
    """sqrt(n) times the largest distance; above 2.7 once in 10^6: 2 exp(-2 * 2.7^2)."""
    n = len(values)
    places = cdf[values.argsort()].double()
    grid = torch.arange(n + 1).double() / n
    return float(torch.maximum((places - grid[:-1]).abs(), (places - grid[1:]).abs()).max() * math.sqrt(n))


def normal_cdf(values: torch.Tensor, deviation: float) -> torch.Tensor:
    return torch.special.ndtr(values.double() / deviation)


def uniform_cdf(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
    assert low <= values.min()
    assert values.max() <= high
    return (values.double() - low) / (high - low)


# ---------------------------------------------------------------------- how often


@pytest.mark.parametrize(
    ("make", "group", "column", "share"),
    [
        (transforms.blit_transform, "blit_acts", 0, 1 / 2),
        (transforms.blit_transform, "blit_acts", 1, 3 / 4),
        (transforms.blit_transform, "blit_acts", 2, 1 - 1 / 64),  # a shift of 0 has the chance 1 / 8 each way
        (transforms.geometry_transform, "geometry_acts", 0, 1.0),
        (transforms.geometry_transform, "geometry_acts", 2, 1.0),
        (transforms.geometry_transform, "geometry_acts", 4, 1.0),
    ],
)
def test_share_of_moved_samples(make, group: str, column: int, share: float) -> None:
    n, p = 20_000, 0.3
    matrix, shift = make(only(drawn(n), group, column), p, 32)
    moved = ((matrix != torch.eye(2)).flatten(1).any(1) | (shift != 0).any(1)).double().mean()
    assert abs(moved - p * share) < 5 * math.sqrt(p * share * (1 - p * share) / n)


def test_either_turn_acts_with_probability_p() -> None:
    n, p = 20_000, 0.3
    one = transforms.geometry_transform(only(drawn(n), "geometry_acts", 1), p, 32).matrix
    acts = drawn(n).geometry_gate.clone()
    acts[:, ::2] = 1.0
    both = transforms.geometry_transform(drawn(n)._replace(geometry_acts=acts), torch.tensor(p), 32).matrix
    for matrix, chance in ((one, 1 - math.sqrt(1 - p)), (both, p)):
        turned = (matrix != torch.eye(2)).flatten(1).any(1).double().mean()
        assert abs(turned - chance) < 5 * math.sqrt(chance * (1 - chance) / n)


@pytest.mark.parametrize(("column", "share"), [(0, 1.0), (1, 1.0), (2, 0.5), (3, 1.0), (4, 1.0)])
def test_share_of_recoloured_samples(column: int, share: float) -> None:
    n, p = 20_000, 0.3
    matrix, offset = transforms.color_transform(only(drawn(n), "colour_acts", column), p, 3)
    changed = ((matrix != torch.eye(3)).flatten(1).any(1) | (offset.flatten() != 0)).double().mean()
    assert abs(changed - p * share) < 5 * math.sqrt(p * share * (1 - p * share) / n)


@pytest.mark.parametrize(("augment", "share"), [(EVERY[3], 1.0), (EVERY[5], 1 - 1 / 25), (EVERY[4], 1.0)])
def test_share_of_whole_samples(augment, share: float) -> None:
    n, p = 6_000, 0.3  # at 16 pixels, a shift is one of 5 each way
    sample = pictures(n, 1, 16)
    changed = (augment.apply(sample, derive_seeds(0, 0, n), p) != sample).flatten(1).any(1).double().mean()
    assert abs(changed - p * share) < 5 * math.sqrt(p * share * (1 - p * share) / n)


def test_it_does_not_leak() -> None:
    """A generator whose pictures were all turned would be told apart: seen shares are the mixing of true ones.

    Over the four orientations the mixing matrix is (1 - p) I + p / 4, whose smallest eigenvalue is 1 - p, so it can
    be undone and the upright stays the most frequent; at p = 1 it cannot.
    """
    n, side = 20_000, 16
    mark = torch.zeros(n, 1, side, side)
    mark[:, :, 0, 0] = 1  # upright: the corner of a picture is marked
    for p in (0.3, 0.79):
        seen = turned(mark, p)
        shares = torch.stack([seen[:, 0, row, column].double().mean() for row in (0, -1) for column in (0, -1)])
        upright, rest = 1 - 0.75 * p, p / 4
        bound = 5.2 * torch.tensor([upright * (1 - upright), *[rest * (1 - rest)] * 3]).div(n).sqrt()
        assert ((shares - torch.tensor([upright, rest, rest, rest])).abs() < bound).all()
        assert shares[0] > 1.5 * shares[1:].max()


def turned(sample: torch.Tensor, p: float) -> torch.Tensor:
    move = transforms.blit_transform(only(drawn(len(sample)), "blit_acts", 1), p, sample.shape[3])
    return warp.warp(sample, warp.affine_grid(*move, sample.shape[3]))


# ---------------------------------------------------------------------- how far


def test_distributions_of_moves() -> None:
    n = 50_000
    scale = -only_move(n, 0).matrix.det().log2() / 2
    assert kolmogorov(scale, normal_cdf(scale, 0.2)) < 2.7
    stretch = only_move(n, 2).matrix
    assert torch.allclose(stretch.det(), torch.ones(n), atol=1e-5)
    assert not stretch[:, 0, 1].any()
    assert kolmogorov(-stretch[:, 0, 0].log2(), normal_cdf(-stretch[:, 0, 0].log2(), 0.2)) < 2.7
    for column in (1, 3):
        turn = only_move(n, column).matrix
        angle = torch.atan2(turn[:, 1, 0], turn[:, 0, 0])
        assert torch.allclose(turn.mT @ turn, torch.eye(2).expand(n, 2, 2), atol=1e-6)
        assert kolmogorov(angle, uniform_cdf(angle, -math.pi - 1e-6, math.pi + 1e-6)) < 2.7
    shift = only_move(n, 4).shift / 2  # in sides
    for axis in range(2):
        assert kolmogorov(shift[:, axis], normal_cdf(shift[:, axis], 0.125)) < 2.7
    assert abs((shift[:, 0] * shift[:, 1]).mean()) < 5 * 0.125**2 / math.sqrt(n)


def only_move(count: int, column: int) -> AffineTransform:
    return transforms.geometry_transform(only(drawn(count), "geometry_acts", column), 1.0, 32)


def test_distribution_of_whole_shifts() -> None:
    n = 50_000
    shift = transforms.blit_transform(only(drawn(n), "blit_acts", 2), 1.0, 32).shift * 16  # in pixels
    assert torch.equal(shift, shift.round())
    for axis in range(2):
        share = torch.bincount((shift[:, axis] + 4).long(), minlength=9).double() / n
        expected = torch.tensor([1 / 16, *[1 / 8] * 7, 1 / 16]).double()
        assert ((share - expected).abs() < 5.5 * (expected * (1 - expected) / n).sqrt()).all()


def test_distributions_of_colour() -> None:
    n = 50_000
    bright, contrast, flip, hue, saturation = (
        transforms.color_transform(only(drawn(n), "colour_acts", column), 1.0, 3) for column in range(5)
    )
    assert torch.equal(bright.matrix, torch.eye(3).expand(n, 3, 3))
    assert kolmogorov(bright.offset.flatten(), normal_cdf(bright.offset.flatten(), 0.2)) < 2.7
    octaves = contrast.matrix[:, 0, 0].log2()
    assert kolmogorov(octaves, normal_cdf(octaves, 0.5)) < 2.7
    luma = flip.matrix.sum(2)[:, 0]
    assert abs((luma < 0).double().mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
    red = hue.matrix[
        :, :, 0
    ]  # where red goes: 1/3 + 2/3 cos(angle) to itself, the others' difference 2 sin(angle) / sqrt(3)
    angle = torch.atan2((red[:, 1] - red[:, 2]) * math.sqrt(3) / 2, (red[:, 0] - 1 / 3) * 1.5)
    assert kolmogorov(angle, uniform_cdf(angle, -math.pi - 1e-5, math.pi + 1e-5)) < 2.7
    chroma = (saturation.matrix[:, 0, 0] - saturation.matrix[:, 0, 1]).log2()
    assert kolmogorov(chroma, normal_cdf(chroma, 1.0)) < 2.7


def test_distributions_of_jitter() -> None:
    n, numbers = 20_000, drawn(20_000)
    gray = transforms.apply_color_jitter(torch.zeros(n, 1, 2, 2), numbers, 1.0)[:, 0, 0, 0]
    assert kolmogorov(gray, uniform_cdf(gray, -0.5, 0.5)) < 2.7
    two = torch.tensor([0.7, -0.1]).view(1, 1, 1, 2).expand(n, 1, 2, 2)
    pixels = transforms.apply_color_jitter(two, numbers, 1.0)[:, 0, 0]
    contrast = (pixels[:, 0] - pixels[:, 1]) / 0.8
    assert kolmogorov(contrast, uniform_cdf(contrast, 0.5 - 1e-5, 1.5 + 1e-5)) < 2.7
    assert torch.allclose(pixels.mean(1), 0.3 + gray, atol=1e-6)  # the mean is only moved by brightness
    colors = torch.tensor([0.9, 0.1, -0.4]).view(1, 3, 1, 1).expand(n, 3, 2, 2)
    seen = transforms.apply_color_jitter(colors, numbers, 1.0)[:, :, 0, 0]
    saturation = (seen[:, 0] - seen[:, 2]) / 1.3 / contrast
    assert kolmogorov(saturation, uniform_cdf(saturation, -1e-5, 2 + 1e-5)) < 2.7


def test_translations() -> None:
    n, side = 20_000, 16
    sample = torch.zeros(n, 1, side, side)
    sample[:, :, 8, 8] = 1
    moved = transforms.apply_translation(sample, drawn(n), 1.0).flatten(1)
    assert torch.equal(moved.sum(1), torch.ones(n))
    for place in (moved.argmax(1) // side - 8, moved.argmax(1) % side - 8):
        share = torch.bincount(place + 2, minlength=5).double() / n  # -2 .. 2
        assert len(share) == 5
        assert ((share - 0.2).abs() < 5.2 * math.sqrt(0.16 / n)).all()


def test_cutout() -> None:
    n, side = 20_000, 16
    left = transforms.apply_cutout(torch.ones(n, 1, side, side), drawn(n), 1.0)[:, 0]
    assert set(left.unique().tolist()) == {0.0, 1.0}
    gone = 1 - left.double()
    rows, columns = gone.amax(2).sum(1), gone.amax(1).sum(1)
    assert torch.equal(rows * columns, gone.sum((1, 2)))  # a rectangle
    # its centre is at 0 .. 16, so of 8 rows 4 .. 8 are inside; the middle ones are gone in 8 of 17 cases
    for count in (rows, columns):
        share = torch.bincount(count.long(), minlength=9).double()[4:] / n
        expected = torch.tensor([2, 2, 2, 2, 9]).double() / 17
        assert ((share - expected).abs() < 5.2 * (expected * (1 - expected) / n).sqrt()).all()
    middle, chance = gone[:, 8, 8].mean(), (8 / 17) ** 2
    assert abs(middle - chance) < 5 * math.sqrt(chance * (1 - chance) / n)
