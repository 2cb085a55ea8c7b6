"""Padding by indices, as exported networks pad, is that by slices, as they are trained with."""

import pytest
import torch

from zerosum.networks import padding


@pytest.mark.parametrize("size", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("before", [0, 1, 3, 7, 31])
@pytest.mark.parametrize("after", [0, 1, 2, 31])
def test_indices_are_those_of_slices(size: int, before: int, after: int) -> None:
    image = torch.arange(2.0 * size).view(1, 1, size, 2)
    sliced = padding._reflect_pad_axis(image, 2, before, after)
    assert torch.equal(image.index_select(2, padding._pad_indices(image, 2, before, after)), sliced)
