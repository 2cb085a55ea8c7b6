"""Pictures in levels: float32 whole numbers 0 .. 255, as a byte image holds them.

A user gives files, so every degradation ends on these levels: a network must not learn to read what lies between them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_levels(images: Tensor) -> Tensor:
    """(N, C, H, W) in [-1, 1] to the nearest levels, contiguous, in new memory."""
    return round_levels_(images.float().contiguous(memory_format=torch.contiguous_format).add(1).mul_(127.5))


def from_levels(levels: Tensor) -> Tensor:
    """Levels to [-1, 1], bit for bit as images are read: k / 127.5 - 1."""
    return levels.div(127.5).sub_(1)


def round_levels_(values: Tensor) -> Tensor:
    """The nearest levels, in place."""
    return values.round_().clamp_(0, 255)
