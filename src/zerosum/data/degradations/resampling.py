"""What a lens or a scanner does: colour lost, fewer pixels, blur."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.game.seeded_rng import RandomStream, uniform

BLUR_SIGMA_RANGE = (0.6, 3.0)
"""Between which the blur's standard deviation is drawn, in pixels."""


def luma(levels: Tensor) -> Tensor:
    """Rec. 601 luma, 0.299 R + 0.587 G + 0.114 B: (N, 3, H, W) levels to (N, 1, H, W); one channel is its own luma.

    In Pillow's fixed point, so that the files a user made grey with it are the same to the last bit.
    """
    if levels.shape[1] == 1:
        return levels
    red, green, blue = levels.int()[:, :, None].unbind(1)  # (N, 1, H, W) each
    light: Tensor = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).float()
    return light


def gray(levels: Tensor, seed: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, 1, H, W)."""
    return luma(levels)


def downsample(factor: int, levels: Tensor, seed: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, H / factor, W / factor), bicubic, widened against aliasing as Pillow's."""
    size = (levels.shape[2] // factor, levels.shape[3] // factor)
    return round_levels_(functional.interpolate(levels, size=size, mode="bicubic", antialias=True))


def gaussian_blur(values: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Values (N, C, H, W) under a Gaussian of each sample's own `sigma` (N,) pixels, cut off `radius` pixels away.

    Beyond the edge the picture goes on as it ends. The sum goes tap by tap: a convolution may add up in another order
    in another batch, and a sample must not know its batch.
    """
    offsets = torch.arange(-radius, radius + 1, device=values.device)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None]).square())  # (N, 2 reach + 1)
    weights = (weights / weights.sum(1, keepdim=True))[:, :, None, None, None]
    for axis in (2, 3):
        margin = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        wide, length = functional.pad(values, margin, mode="replicate"), values.shape[axis]
        values = torch.zeros_like(values)
        for tap in range(2 * radius + 1):
            values.addcmul_(wide.narrow(axis, tap, length), weights[:, tap])
    return values


def blur(levels: Tensor, seed: Tensor) -> Tensor:
    """A Gaussian blur of drawn width: (N, C, H, W) to the same."""
    least, most = BLUR_SIGMA_RANGE
    sigma = least + (most - least) * uniform(seed, 1, RandomStream.BLUR)[:, 0]
    return round_levels_(gaussian_blur(levels, sigma, math.ceil(2.7 * most)))
