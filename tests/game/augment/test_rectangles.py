"""Augmentation of images that are not square."""

import math

import numpy as np
import pytest
import torch
from augment_cases import PIPELINES, SINGLE_TRANSFORMS, draws_of, enable_only

from zerosum.game.augment import transforms, warp
from zerosum.game.augment.config import ADA
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.seeded_rng import derive_seeds

SIZES = [(16, 32), (32, 16), (48, 64), (20, 28)]


def random_rectangles(count: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize(
    "augment", [*SINGLE_TRANSFORMS.values(), *PIPELINES.values()], ids=lambda augment: augment.kind
)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_transform_keeps_the_shape(augment: ADA, height: int, width: int) -> None:
    augment.check(TensorSpec((3, height, width), bounded=True))
    sample, seed = random_rectangles(6, height, width).requires_grad_(True), derive_seeds(0, 0, 6)
    augmented = augment.apply(sample, seed, 1.0)
    assert augmented.shape == sample.shape
    assert augmented.isfinite().all()
    alone = augment.apply(sample[2:3], seed[2:3], 1.0)  # independent of the rest of the batch
    torch.testing.assert_close(alone, augmented[2:3], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(augment.apply(sample, seed, 0.0), sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(16, 32), (32, 16)])
def test_flips_half_turns_and_translations_map_pixels_to_pixels(height: int, width: int) -> None:
    sample, draws = random_rectangles(200, height, width), draws_of(200)
    affine = transforms.blit_transform(draws, 1.0, height, width)
    warped = warp.warp(sample, warp.affine_grid(*affine, height, width)).numpy()
    for k in range(200):
        flip, turns, right, down = draws.blit[k].tolist()
        image = sample[k].numpy()
        image = image[:, :, ::-1] if flip < 0.5 else image
        image = np.rot90(image, 2 * math.floor(2 * turns), (1, 2))
        x, y = round((2 * right - 1) * width / 8), round((2 * down - 1) * height / 8)
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), "symmetric")
        np.testing.assert_array_equal(warped[k], padded[:, 4 - y : 4 - y + height, 4 - x : 4 - x + width])


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 40)])
def test_rotations_do_not_distort(height: int, width: int) -> None:
    """A disk in the middle stays a disk of the same size."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    disk = ((x.square() + y.square()).sqrt() < 15).float().expand(30, 1, -1, -1)
    affine = transforms.geometry_transform(enable_only(draws_of(30), "geometry_gate", 1), 1.0, height, width)
    turned = warp.warp(disk, warp.affine_grid(*affine, height, width))
    assert affine.matrix[:, 0, 1].abs().max() > 0.5
    near = (x.square() + y.square()).sqrt() < 18  # farther away may be reflections of the disk
    assert (turned - disk)[..., near].abs().mean() < 0.1
    assert ((turned - disk)[..., near].sum(-1) / near.sum()).abs().max() < 0.05


def test_shifts_are_fractions_of_each_side() -> None:
    affine = transforms.geometry_transform(enable_only(draws_of(4000), "geometry_gate", 4), 1.0, 32, 96)
    grid = warp.affine_grid(*affine, 32, 96)
    middle = (grid[:, 15] + grid[:, 16]).mean(1) / 2  # in half sides
    torch.testing.assert_close(middle.std(0), torch.tensor([0.25, 0.25]), rtol=0.06, atol=0)


@pytest.mark.parametrize(("height", "width"), [(16, 32), (12, 20)])
def test_cutout_removes_half_of_each_side(height: int, width: int) -> None:
    left = transforms.apply_cutout(torch.ones(400, 1, height, width), draws_of(400), 1.0)[:, 0]
    rows, columns = (left == 0).any(2).sum(1), (left == 0).any(1).sum(1)
    assert (rows.max(), columns.max()) == (height // 2, width // 2)
    assert (rows.min(), columns.min()) == (height // 4, width // 4)


def test_constant_images_do_not_change() -> None:
    sample = torch.tensor([0.37, -0.8, 1.0])[:, None, None].expand(64, 3, 32, 48)
    augmented = ADA(transforms=("blit", "geometry")).apply(sample, derive_seeds(0, 0, 64), 1.0)
    assert torch.allclose(augmented, sample, atol=1e-6)
