"""What translators have in common: pictures of any size are filled up to one they can halve, and cut out again.

`framed` is the one way in, in training and in use, so that neither is a special case.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def framed(picture: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with its last rows and columns mirrored below and on the right, to the next multiple each way."""
    height, width = picture.shape[2:]
    return _longer(_longer(picture, 2, 0, -height % multiple), 3, 0, -width % multiple)


def cropped(picture: Tensor, height: int, width: int) -> Tensor:
    """The picture's first rows and columns: what was not filled up."""
    return picture[:, :, :height, :width]


def mirrored(picture: Tensor, margin: int) -> Tensor:
    """(N, C, H, W) with a mirrored margin: (N, C, H + 2 margin, W + 2 margin)."""
    return _longer(_longer(picture, 2, margin, margin), 3, margin, margin)


def _longer(picture: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Mirrored at its ends along an axis, or with the ends repeated where there is too little to mirror.

    Built of slices: the gradient of torch's own padding sums in no fixed order on a GPU. There is no way round it where
    nothing is missing, so that a network exported at one size fills up others.
    """
    size = picture.shape[axis]
    if max(before, after) < size:
        first, last = picture.narrow(axis, 1, before).flip(axis), picture.narrow(axis, size - 1 - after, after)
        return torch.cat([first, picture, last.flip(axis)], axis)
    ends = [picture.narrow(axis, 0, 1)] * before, [picture.narrow(axis, size - 1, 1)] * after
    return torch.cat([*ends[0], picture, *ends[1]], axis)


class Mirrored(nn.Module):
    """A convolution that sees its input mirrored at the edges, where others see zeros."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        assert isinstance(convolution, nn.Conv2d)
        self.convolution = convolution

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        layer = self.convolution
        return functional.conv2d(mirrored(hidden, layer.kernel_size[0] // 2), layer.weight, layer.bias)
