"""Frequencies and strengths of augmentations, against the papers' distributions.

With correct code each test fails with probability 10^-6 or less.
"""

import math

import pytest
import torch
from augment_cases import SINGLE_TRANSFORMS, draws_of, enable_only, random_images

from zerosum.game.augment import transforms, warp
from zerosum.game.augment.transforms import AffineTransform
from zerosum.game.seeded_rng import derive_seeds


def kolmogorov_statistic(values: torch.Tensor, cdf: torch.Tensor) -> float:
    """Return sqrt(n) times the largest distance of the CDFs; P(> 2.7) = 2 exp(-2 * 2.7^2) < 10^-6."""
    n = len(values)
    sorted_cdf = cdf[values.argsort()].double()
    grid = torch.arange(n + 1).double() / n
    return float(torch.maximum((sorted_cdf - grid[:-1]).abs(), (sorted_cdf - grid[1:]).abs()).max() * math.sqrt(n))


def normal_cdf(values: torch.Tensor, std: float) -> torch.Tensor:
    return torch.special.ndtr(values.double() / std)


def uniform_cdf(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
    assert low <= values.min()
    assert values.max() <= high
    return (values.double() - low) / (high - low)


# ---------------------------------------------------------------------- frequencies


@pytest.mark.parametrize(
    ("draw_transform", "gate", "column", "fraction"),
    [
        (transforms.blit_transform, "blit_gate", 0, 1 / 2),
        (transforms.blit_transform, "blit_gate", 1, 3 / 4),
        (transforms.blit_transform, "blit_gate", 2, 1 - 1 / 64),  # a shift of 0 has probability 1 / 8 per axis
        (transforms.geometry_transform, "geometry_gate", 0, 1.0),
        (transforms.geometry_transform, "geometry_gate", 2, 1.0),
        (transforms.geometry_transform, "geometry_gate", 4, 1.0),
    ],
)
def test_fraction_of_geometrically_transformed_samples(draw_transform, gate: str, column: int, fraction: float) -> None:
    n, p = 20_000, 0.3
    matrix, shift = draw_transform(enable_only(draws_of(n), gate, column), p, 32, 32)
    transformed = ((matrix != torch.eye(2)).flatten(1).any(1) | (shift != 0).any(1)).double().mean()
    assert abs(transformed - p * fraction) < 5 * math.sqrt(p * fraction * (1 - p * fraction) / n)


def test_at_least_one_rotation_has_probability_p() -> None:
    n, p = 20_000, 0.3
    first_rotation = transforms.geometry_transform(enable_only(draws_of(n), "geometry_gate", 1), p, 32, 32).matrix
    gate = draws_of(n).geometry_gate.clone()
    gate[:, ::2] = 1.0
    rotations = transforms.geometry_transform(draws_of(n)._replace(geometry_gate=gate), torch.tensor(p), 32, 32).matrix
    for matrix, probability in ((first_rotation, 1 - math.sqrt(1 - p)), (rotations, p)):
        rotated = (matrix != torch.eye(2)).flatten(1).any(1).double().mean()
        assert abs(rotated - probability) < 5 * math.sqrt(probability * (1 - probability) / n)


@pytest.mark.parametrize(("column", "fraction"), [(0, 1.0), (1, 1.0), (2, 0.5), (3, 1.0), (4, 1.0)])
def test_fraction_of_color_transformed_samples(column: int, fraction: float) -> None:
    n, p = 20_000, 0.3
    matrix, offset = transforms.color_transform(enable_only(draws_of(n), "color_gate", column), p, 3)
    transformed = ((matrix != torch.eye(3)).flatten(1).any(1) | (offset.flatten() != 0)).double().mean()
    assert abs(transformed - p * fraction) < 5 * math.sqrt(p * fraction * (1 - p * fraction) / n)


@pytest.mark.parametrize(
    ("name", "fraction"), [("ada-cutout", 1.0), ("diffaugment-translation", 1 - 1 / 25), ("diffaugment-color", 1.0)]
)
def test_fraction_of_augmented_images(name: str, fraction: float) -> None:
    n, p = 6_000, 0.3  # at 16 pixels, a translation is one of 5 per axis
    sample = random_images(n, 1, 16)
    augmented = SINGLE_TRANSFORMS[name].apply(sample, derive_seeds(0, 0, n), p)
    changed = (augmented != sample).flatten(1).any(1).double().mean()
    assert abs(changed - p * fraction) < 5 * math.sqrt(p * fraction * (1 - p * fraction) / n)


def test_augmentation_does_not_leak() -> None:
    """Fractions of orientations after augmentation are an invertible mixture of the fractions before it.

    Over the four orientations the mixing matrix is (1 - p) I + p / 4, whose smallest eigenvalue is 1 - p: it can be
    inverted, and the upright orientation stays the most frequent; at p = 1 it cannot.
    """
    n, side = 20_000, 16
    sample = torch.zeros(n, 1, side, side)
    sample[:, :, 0, 0] = 1  # upright: the top left corner is marked
    for p in (0.3, 0.79):
        rotated = rotate_by_quarter_turns(sample, p)
        fractions = torch.stack([rotated[:, 0, row, column].double().mean() for row in (0, -1) for column in (0, -1)])
        upright, other = 1 - 0.75 * p, p / 4
        bound = 5.2 * torch.tensor([upright * (1 - upright), *[other * (1 - other)] * 3]).div(n).sqrt()
        assert ((fractions - torch.tensor([upright, other, other, other])).abs() < bound).all()
        assert fractions[0] > 1.5 * fractions[1:].max()


def rotate_by_quarter_turns(sample: torch.Tensor, p: float) -> torch.Tensor:
    affine = transforms.blit_transform(enable_only(draws_of(len(sample)), "blit_gate", 1), p, *sample.shape[2:])
    return warp.warp(sample, warp.affine_grid(*affine, *sample.shape[2:]))


# ---------------------------------------------------------------------- strengths


def test_distributions_of_geometric_transforms() -> None:
    n = 50_000
    scale = -single_geometry_transform(n, 0).matrix.det().log2() / 2
    assert kolmogorov_statistic(scale, normal_cdf(scale, 0.2)) < 2.7
    stretch = single_geometry_transform(n, 2).matrix
    assert torch.allclose(stretch.det(), torch.ones(n), atol=1e-5)
    assert not stretch[:, 0, 1].any()
    assert kolmogorov_statistic(-stretch[:, 0, 0].log2(), normal_cdf(-stretch[:, 0, 0].log2(), 0.2)) < 2.7
    for column in (1, 3):
        rotation = single_geometry_transform(n, column).matrix
        angle = torch.atan2(rotation[:, 1, 0], rotation[:, 0, 0])
        assert torch.allclose(rotation.mT @ rotation, torch.eye(2).expand(n, 2, 2), atol=1e-6)
        assert kolmogorov_statistic(angle, uniform_cdf(angle, -math.pi - 1e-6, math.pi + 1e-6)) < 2.7
    shift = single_geometry_transform(n, 4).shift / 2  # in sides
    for axis in range(2):
        assert kolmogorov_statistic(shift[:, axis], normal_cdf(shift[:, axis], 0.125)) < 2.7
    assert abs((shift[:, 0] * shift[:, 1]).mean()) < 5 * 0.125**2 / math.sqrt(n)


def single_geometry_transform(count: int, column: int) -> AffineTransform:
    return transforms.geometry_transform(enable_only(draws_of(count), "geometry_gate", column), 1.0, 32, 32)


def test_distribution_of_translations_by_whole_pixels() -> None:
    n = 50_000
    shift = transforms.blit_transform(enable_only(draws_of(n), "blit_gate", 2), 1.0, 32, 32).shift * 16  # in pixels
    assert torch.equal(shift, shift.round())
    for axis in range(2):
        fraction = torch.bincount((shift[:, axis] + 4).long(), minlength=9).double() / n
        expected = torch.tensor([1 / 16, *[1 / 8] * 7, 1 / 16]).double()
        assert ((fraction - expected).abs() < 5.5 * (expected * (1 - expected) / n).sqrt()).all()


def test_distributions_of_color_transforms() -> None:
    n = 50_000
    brightness, contrast, flip, hue, saturation = (
        transforms.color_transform(enable_only(draws_of(n), "color_gate", column), 1.0, 3) for column in range(5)
    )
    assert torch.equal(brightness.matrix, torch.eye(3).expand(n, 3, 3))
    assert kolmogorov_statistic(brightness.offset.flatten(), normal_cdf(brightness.offset.flatten(), 0.2)) < 2.7
    octaves = contrast.matrix[:, 0, 0].log2()
    assert kolmogorov_statistic(octaves, normal_cdf(octaves, 0.5)) < 2.7
    luma = flip.matrix.sum(2)[:, 0]
    assert abs((luma < 0).double().mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
    # red is mapped to 1/3 + 2/3 cos(angle) of red; green and blue differ by 2 sin(angle) / sqrt(3)
    red = hue.matrix[:, :, 0]
    angle = torch.atan2((red[:, 1] - red[:, 2]) * math.sqrt(3) / 2, (red[:, 0] - 1 / 3) * 1.5)
    assert kolmogorov_statistic(angle, uniform_cdf(angle, -math.pi - 1e-5, math.pi + 1e-5)) < 2.7
    chroma = (saturation.matrix[:, 0, 0] - saturation.matrix[:, 0, 1]).log2()
    assert kolmogorov_statistic(chroma, normal_cdf(chroma, 1.0)) < 2.7


def test_distributions_of_color_jitter() -> None:
    n, draws = 20_000, draws_of(20_000)
    brightness = transforms.apply_color_jitter(torch.zeros(n, 1, 2, 2), draws, 1.0)[:, 0, 0, 0]
    assert kolmogorov_statistic(brightness, uniform_cdf(brightness, -0.5, 0.5)) < 2.7
    gray_levels = torch.tensor([0.7, -0.1]).view(1, 1, 1, 2).expand(n, 1, 2, 2)
    pixels = transforms.apply_color_jitter(gray_levels, draws, 1.0)[:, 0, 0]
    contrast = (pixels[:, 0] - pixels[:, 1]) / 0.8
    assert kolmogorov_statistic(contrast, uniform_cdf(contrast, 0.5 - 1e-5, 1.5 + 1e-5)) < 2.7
    assert torch.allclose(pixels.mean(1), 0.3 + brightness, atol=1e-6)  # only brightness changes the mean
    colors = torch.tensor([0.9, 0.1, -0.4]).view(1, 3, 1, 1).expand(n, 3, 2, 2)
    jittered = transforms.apply_color_jitter(colors, draws, 1.0)[:, :, 0, 0]
    saturation = (jittered[:, 0] - jittered[:, 2]) / 1.3 / contrast
    assert kolmogorov_statistic(saturation, uniform_cdf(saturation, -1e-5, 2 + 1e-5)) < 2.7


def test_distribution_of_diffaugment_translations() -> None:
    n, side = 20_000, 16
    sample = torch.zeros(n, 1, side, side)
    sample[:, :, 8, 8] = 1
    translated = transforms.apply_translation(sample, draws_of(n), 1.0).flatten(1)
    assert torch.equal(translated.sum(1), torch.ones(n))
    for shift in (translated.argmax(1) // side - 8, translated.argmax(1) % side - 8):
        fraction = torch.bincount(shift + 2, minlength=5).double() / n  # -2 .. 2
        assert len(fraction) == 5
        assert ((fraction - 0.2).abs() < 5.2 * math.sqrt(0.16 / n)).all()


def test_distribution_of_cutout() -> None:
    n, side = 20_000, 16
    remaining = transforms.apply_cutout(torch.ones(n, 1, side, side), draws_of(n), 1.0)[:, 0]
    assert set(remaining.unique().tolist()) == {0.0, 1.0}
    removed = 1 - remaining.double()
    rows, columns = removed.amax(2).sum(1), removed.amax(1).sum(1)
    assert torch.equal(rows * columns, removed.sum((1, 2)))  # a rectangle
    # its center is at 0 .. 16, so 4 .. 8 of its 8 rows are inside the image; the middle rows are removed 8 times of 17
    for count in (rows, columns):
        fraction = torch.bincount(count.long(), minlength=9).double()[4:] / n
        expected = torch.tensor([2, 2, 2, 2, 9]).double() / 17
        assert ((fraction - expected).abs() < 5.2 * (expected * (1 - expected) / n).sqrt()).all()
    middle, probability = removed[:, 8, 8].mean(), (8 / 17) ** 2
    assert abs(middle - probability) < 5 * math.sqrt(probability * (1 - probability) / n)
