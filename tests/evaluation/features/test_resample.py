"""Resizing equals Pillow's and TensorFlow 1's to rounding."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from zerosum.evaluation.features.resample import resize_bicubic_antialiased, resize_bilinear_tensorflow, to_rgb

SIZES = [((32, 32), 96), ((17, 23), 32), ((100, 70), 96), ((300, 28), 32), ((96, 96), 96), ((5, 2), 7), ((1, 9), 4)]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("size", "side"), SIZES)
def test_bicubic_is_pillows(size: tuple[int, int], side: int) -> None:
    images = noise(2, 3, *size)
    ours = resize_bicubic_antialiased(images, side)
    assert ours.shape == (2, 3, side, side)
    for channel, resized in zip(images.flatten(0, 1), ours.flatten(0, 1), strict=True):
        pillow = Image.fromarray(channel.numpy()).resize((side, side), Image.Resampling.BICUBIC)
        torch.testing.assert_close(resized, torch.from_numpy(np.array(pillow)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("size", "side"), [*SIZES, ((32, 32), 299), ((64, 64), 299), ((400, 300), 299)])
def test_bilinear_is_tensorflows(size: tuple[int, int], side: int) -> None:
    images = noise(2, 3, *size)
    theirs = interpolate_bilinear_2d_like_tensorflow1x(images, (side, side), align_corners=False)
    torch.testing.assert_close(resize_bilinear_tensorflow(images, side), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize", [resize_bicubic_antialiased, resize_bilinear_tensorflow])
@pytest.mark.parametrize(("size", "side"), SIZES)
def test_weights_add_up_to_one(resize: object, size: tuple[int, int], side: int) -> None:
    assert callable(resize)
    ones = torch.ones(1, 1, *size)
    torch.testing.assert_close(resize(ones, side), torch.ones(1, 1, side, side), rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize", [resize_bicubic_antialiased, resize_bilinear_tensorflow])
def test_the_same_size_changes_no_bit(resize: object) -> None:
    assert callable(resize)
    images = noise(2, 3, 40, 40).to(memory_format=torch.channels_last)
    assert torch.equal(resize(images, 40), images)


def test_grey_is_repeated_and_alpha_laid_over_white() -> None:
    gray, color = noise(2, 1, 4, 4), noise(2, 3, 4, 4, seed=1)
    clear, opaque = torch.full_like(gray, -1), torch.ones_like(gray)
    assert torch.equal(to_rgb(gray), torch.cat([gray] * 3, 1))
    assert torch.equal(to_rgb(color), color)
    for image in (gray, color):
        assert torch.equal(to_rgb(torch.cat([image, opaque], 1)), image.expand(-1, 3, -1, -1))
        assert torch.equal(to_rgb(torch.cat([image, clear], 1)), torch.ones(2, 3, 4, 4))
    half = to_rgb(torch.cat([color, torch.zeros_like(gray)], 1))
    torch.testing.assert_close(half, (color + 1) / 2)
