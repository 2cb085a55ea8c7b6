"""Padding for translators: pad an image to a size that the network can halve, then crop its output.

Translators call `pad_to_multiple` in training and evaluation mode alike, so neither is a special case.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) at the bottom and right by reflection, up to the next multiple of each side."""
    height, width = image.shape[2:]
    return _reflect_pad_axis(_reflect_pad_axis(image, 2, 0, -height % multiple), 3, 0, -width % multiple)


def crop(image: Tensor, height: int, width: int) -> Tensor:
    """Return the first `height` rows and `width` columns: the part that was not padded."""
    return image[:, :, :height, :width]


def reflect_pad(image: Tensor, margin: int) -> Tensor:
    """Pad (N, C, H, W) by reflection on all sides: (N, C, H + 2 margin, W + 2 margin)."""
    return _reflect_pad_axis(_reflect_pad_axis(image, 2, margin, margin), 3, margin, margin)


def _reflect_pad_axis(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Pad one axis by reflection, or by replication where the axis is too short to reflect.

    It is built of slices because the gradient of torch's own padding is summed in no fixed order on a GPU. An exported
    network takes the pixels by their indices instead: a branch on the size would be that of the size it is traced at.
    """
    if torch.compiler.is_exporting():
        return image.index_select(axis, _pad_indices(image, axis, before, after))
    size = image.shape[axis]
    if max(before, after) < size:
        first, last = image.narrow(axis, 1, before).flip(axis), image.narrow(axis, size - 1 - after, after)
        return torch.cat([first, image, last.flip(axis)], axis)
    ends = [image.narrow(axis, 0, 1)] * before, [image.narrow(axis, size - 1, 1)] * after
    return torch.cat([*ends[0], image, *ends[1]], axis)


def _pad_indices(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Return for each position of a padded axis the index of its pixel: (before + size + after,) int64."""
    last = image.shape[axis] - 1
    positions = torch.arange(-before, last + 1 + after, device=image.device)
    reflected = last - (last - positions.abs()).abs()
    is_too_short = (positions[0] < -last) | (positions[-1] > 2 * last)
    return torch.where(is_too_short, positions.clamp(0, last), reflected)


class ReflectPadConv2d(nn.Module):
    """Replace the zero padding of a convolution by reflection."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        self.conv = conv

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W)."""
        layer = self.conv
        return functional.conv2d(reflect_pad(hidden, layer.kernel_size[0] // 2), layer.weight, layer.bias)
