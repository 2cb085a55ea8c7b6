"""Pixels to [-1, 1] and back: the one place that knows how pixels of any type become values of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.value_range import Range
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

PixelType = Literal["uint8", "uint16", "int16", "float32"]
"""The type in which the values of images are stored, trained on and written."""
PIXEL_TYPES: tuple[PixelType, ...] = get_args(PixelType)
HALF_RANGE = 127.5
"""Byte levels in one unit of [-1, 1]."""
FLOAT_STEPS = 2.0**24
"""Steps that float32 resolves in a range."""


def parse_pixel_type(name: str) -> PixelType:
    """Return the type of this name.

    Raises:
        ValueError: there is no such type.
    """
    return PIXEL_TYPES[[str(dtype) for dtype in PIXEL_TYPES].index(name)]


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
    levels = _clip(images).add_(1).mul_(HALF_RANGE).round_().byte()  # bytes, before they are moved: a third less time
    array: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


def round_to_bytes(images: Tensor) -> Tensor:
    """Round values in [-1, 1] to those that bytes have, as if written to image files and loaded again.

    Values outside are rounded too, and not clipped.
    """
    return levels_to_unit(unit_to_levels(images).round_())


def values_to_unit(values: Tensor, value_range: Range) -> Tensor:
    """Scale images of any type from a range (low, high) to [-1, 1], on any device.

    Args:
        values: (..., H, W, C) of any type of numbers.
        value_range: the values that become -1 and 1.

    Returns:
        float32 (..., C, H, W), a permuted view of new memory as of `bytes_to_unit`.
    """
    import torch

    low, high = value_range
    if values.dtype is torch.uint16:  # which few operators of GPUs take, and int16 all
        unit = values.view(torch.int16).movedim(-1, -3).to(torch.float32)
        unit += 65536 * (unit < 0)
    else:
        unit = values.movedim(-1, -3).to(torch.float32, copy=True)
    return unit.sub_(low).mul_(2 / (high - low)).sub_(1)


def unit_to_values(images: Tensor, dtype: PixelType, value_range: Range) -> NDArray[np.generic]:
    """Convert images of networks to values of a type, the inverse of `values_to_unit`.

    Args:
        images: float (N, C, H, W) in [-1, 1] on any device; values outside are clipped, NaN becomes the middle.
        dtype: the type; values of integer types are rounded.
        value_range: (low, high): the values of -1 and 1.

    Returns:
        (N, H, W, C) of this type, C-contiguous, within the range.

    Raises:
        BadInput: if `images` has another number of axes.
    """
    low, high = value_range
    unit = _clip(images).permute(0, 2, 3, 1).cpu().numpy().astype(np.float64)
    values = (unit + 1) * ((high - low) / 2) + low
    rounded = values if dtype == "float32" else np.rint(values)
    return np.ascontiguousarray(np.clip(rounded, low, high).astype(dtype))


def _clip(images: Tensor) -> Tensor:
    """Return a copy of images (N, C, H, W) as float32 within [-1, 1], with 0 for NaN."""
    if images.dim() != 4:
        raise BadInput(f"shape mismatch: images must be (N, C, H, W), not {tuple(images.shape)}")
    return images.detach().float().nan_to_num(nan=0.0).clamp_(-1, 1)
