"""What translators have in common: pictures of any size are filled up to one they can halve, and cut out again.

`framed` is the one way in, in training and in use, so that neither is a special case.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with its last rows and columns mirrored below and on the right, to the next multiple each way."""
    height, width = image.shape[2:]
    return _reflect_pad_axis(_reflect_pad_axis(image, 2, 0, -height % multiple), 3, 0, -width % multiple)


def crop(image: Tensor, height: int, width: int) -> Tensor:
    """The picture's first rows and columns: what was not filled up."""
    return image[:, :, :height, :width]


def reflect_pad(image: Tensor, margin: int) -> Tensor:
    """(N, C, H, W) with a mirrored margin: (N, C, H + 2 margin, W + 2 margin)."""
    return _reflect_pad_axis(_reflect_pad_axis(image, 2, margin, margin), 3, margin, margin)


def _reflect_pad_axis(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Mirrored at its ends along an axis, or with the ends repeated where there is too little to mirror.

    Built of slices: the gradient of torch's own padding sums in no fixed order on a GPU. There is no way round it where
    nothing is missing, so that a network exported at one size fills up others.
    """
    size = image.shape[axis]
    if max(before, after) < size:
        first, last = image.narrow(axis, 1, before).flip(axis), image.narrow(axis, size - 1 - after, after)
        return torch.cat([first, image, last.flip(axis)], axis)
    ends = [image.narrow(axis, 0, 1)] * before, [image.narrow(axis, size - 1, 1)] * after
    return torch.cat([*ends[0], image, *ends[1]], axis)


class ReflectPadConv2d(nn.Module):
    """A convolution that sees its input mirrored at the edges, where others see zeros."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        self.conv = conv

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        layer = self.conv
        return functional.conv2d(reflect_pad(hidden, layer.kernel_size[0] // 2), layer.weight, layer.bias)
