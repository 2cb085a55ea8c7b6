"""Bytes become values in [-1, 1] and back, exactly."""

import numpy as np
import pytest
import torch

from zerosum.data.images.pixels import bytes_to_unit, levels_to_unit, round_to_bytes, unit_to_bytes, unit_to_levels
from zerosum.errors import BadInput


def test_bytes_invert_the_scaling_of_every_byte() -> None:
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for dtype in (torch.float64, torch.float32):
        assert unit_to_bytes(levels.to(dtype).view(1, 1, 16, 16)).ravel().tolist() == list(range(256))


def test_values_are_clipped_and_channels_moved_last() -> None:
    samples = torch.tensor([-9.0, 9.0, torch.nan, torch.inf]).view(1, 4, 1, 1).requires_grad_()
    array = unit_to_bytes(samples)
    assert array.shape == (1, 1, 1, 4)
    assert array.dtype == np.uint8
    assert array.ravel().tolist() == [0, 255, 128, 255]
    assert unit_to_bytes(torch.zeros(2, 3, 4, 5)).flags.c_contiguous


def test_only_batches_of_images_become_bytes() -> None:
    with pytest.raises(BadInput, match="shape mismatch"):
        unit_to_bytes(torch.zeros(4, 2))


def test_bytes_become_values_from_minus_one_to_one() -> None:
    pixels = torch.arange(240, dtype=torch.uint8).view(2, 5, 8, 3)
    images = bytes_to_unit(pixels)
    assert (images == pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).all()
    assert images.is_contiguous(memory_format=torch.channels_last)  # a view: nothing is moved in memory
    assert (unit_to_bytes(images) == pixels.numpy()).all()
    assert bytes_to_unit(torch.tensor([[[0, 255]]], dtype=torch.uint8)).ravel().tolist() == [-1, 1]
    assert bytes_to_unit(pixels.view(1, 2, 5, 8, 3)).shape == (1, 2, 3, 5, 8)


def test_rounding_gives_what_a_file_would_hold() -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert (round_to_bytes(images) == bytes_to_unit(torch.from_numpy(unit_to_bytes(images)))).all()
    levels = torch.arange(256.0)
    assert (unit_to_levels(levels_to_unit(levels)).round() == levels).all()
