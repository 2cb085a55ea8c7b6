"""Bytes to [-1, 1] and back: the one place that knows how pixels of 8 bits become values of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

HALF_RANGE = 127.5
"""Byte levels in one unit of [-1, 1]."""


def bytes_to_unit(values: Tensor) -> Tensor:
    """Scale images of bytes to [-1, 1], on any device: 0 becomes -1, and 255 becomes 1.

    Args:
        values: uint8 (..., H, W, C).

    Returns:
        float32 (..., C, H, W); a permuted view, so a batch is in channels_last memory format without a copy.
    """
    return values.movedim(-1, -3).float().div_(HALF_RANGE).sub_(1.0)


def unit_to_levels(images: Tensor) -> Tensor:
    """Scale values in [-1, 1] to levels 0 .. 255 of the same shape, not rounded."""
    return images.add(1).mul_(HALF_RANGE)


def levels_to_unit(levels: Tensor) -> Tensor:
    """Scale levels 0 .. 255 to [-1, 1], bit for bit as images are loaded: k / 127.5 - 1."""
    return levels.div(HALF_RANGE).sub_(1)


def unit_to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Convert images of networks to bytes, the inverse of `bytes_to_unit`.

    Args:
        images: float (N, C, H, W) in [-1, 1] on any device; values outside are clipped, NaN becomes mid-gray.

    Returns:
        uint8 (N, H, W, C), C-contiguous.

    Raises:
        BadInput: if `images` has another number of axes.
    """
    if images.dim() != 4:
        raise BadInput(f"shape mismatch: images must be (N, C, H, W), not {tuple(images.shape)}")
    levels = unit_to_levels(images.detach().float().nan_to_num(nan=0.0).clamp(-1, 1)).round_()
    array: NDArray[np.uint8] = np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8))
    return array


def round_to_bytes(images: Tensor) -> Tensor:
    """Round values in [-1, 1] to those that bytes have, as if written to image files and loaded again.

    Values outside are rounded too, and not clipped.
    """
    return levels_to_unit(unit_to_levels(images).round_())
