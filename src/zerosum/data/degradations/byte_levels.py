"""Images in levels: float32 integers 0 .. 255, as 8-bit images have them.

Users provide 8-bit files, so every degradation rounds its result to these levels: a network must not learn to use
values between them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.data.images.pixels import levels_to_unit, unit_to_levels


def to_levels(images: Tensor) -> Tensor:
    """Convert images (N, C, H, W) in [-1, 1] to the nearest levels, contiguous, in new memory."""
    return round_levels_(unit_to_levels(images.float().contiguous(memory_format=torch.contiguous_format)))


def from_levels(levels: Tensor) -> Tensor:
    """Convert levels k to [-1, 1], bit for bit as images are loaded: k / 127.5 - 1."""
    return levels_to_unit(levels)


def round_levels_(values: Tensor) -> Tensor:
    """Round values to the nearest levels, in place."""
    return values.round_().clamp_(0, 255)
