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


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_bicubic_equals_pillow(shape: tuple[int, int], size: int) -> None:
    images = noise(2, 3, *shape)
    resized = resize_bicubic_antialiased(images, size)
    assert resized.shape == (2, 3, size, size)
    for channel, resized_channel in zip(images.flatten(0, 1), resized.flatten(0, 1), strict=True):
        expected = np.array(Image.fromarray(channel.numpy()).resize((size, size), Image.Resampling.BICUBIC))
        torch.testing.assert_close(resized_channel, torch.from_numpy(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("shape", "size"), [*SIZES, ((32, 32), 299), ((64, 64), 299), ((400, 300), 299)])
def test_bilinear_equals_tensorflow(shape: tuple[int, int], size: int) -> None:
    images = noise(2, 3, *shape)
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, (size, size), align_corners=False)
    torch.testing.assert_close(resize_bilinear_tensorflow(images, size), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize", [resize_bicubic_antialiased, resize_bilinear_tensorflow])
@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_weights_add_up_to_one(resize: object, shape: tuple[int, int], size: int) -> None:
    assert callable(resize)
    ones = torch.ones(1, 1, *shape)
    torch.testing.assert_close(resize(ones, size), torch.ones(1, 1, size, size), rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize", [resize_bicubic_antialiased, resize_bilinear_tensorflow])
def test_resizing_to_the_same_size_changes_no_bit(resize: object) -> None:
    assert callable(resize)
    images = noise(2, 3, 40, 40).to(memory_format=torch.channels_last)
    assert torch.equal(resize(images, 40), images)


def test_gray_is_repeated_and_alpha_is_composited_over_white() -> None:
    gray, color = noise(2, 1, 4, 4), noise(2, 3, 4, 4, seed=1)
    transparent, opaque = torch.full_like(gray, -1), torch.ones_like(gray)
    assert torch.equal(to_rgb(gray), torch.cat([gray] * 3, 1))
    assert torch.equal(to_rgb(color), color)
    for image in (gray, color):
        assert torch.equal(to_rgb(torch.cat([image, opaque], 1)), image.expand(-1, 3, -1, -1))
        assert torch.equal(to_rgb(torch.cat([image, transparent], 1)), torch.ones(2, 3, 4, 4))
    half = to_rgb(torch.cat([color, torch.zeros_like(gray)], 1))
    torch.testing.assert_close(half, (color + 1) / 2)
