"""Degradations by resampling: no color, fewer pixels, blur."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.game.seeded_rng import RandomStream, uniform

BLUR_SIGMA_RANGE = (0.6, 3.0)
"""Range of the random standard deviation of the blur, in pixels."""


def luma(levels: Tensor) -> Tensor:
    """Compute the Rec. 601 luma 0.299 R + 0.587 G + 0.114 B: levels (N, 3, H, W) to (N, 1, H, W).

    Images with one channel are returned unchanged. The arithmetic is Pillow's fixed point, so that files that a user
    has converted to gray with Pillow are equal to the last bit.
    """
    if levels.shape[1] == 1:
        return levels
    red, green, blue = levels.int()[:, :, None].unbind(1)  # (N, 1, H, W) each
    luminance: Tensor = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).float()
    return luminance


def gray(levels: Tensor, seed: Tensor) -> Tensor:
    """Convert color images (N, 3, H, W) to gray (N, 1, H, W)."""
    return luma(levels)


def downsample(factor: int, levels: Tensor, seed: Tensor) -> Tensor:
    """Downsample (N, C, H, W) to (N, C, H / factor, W / factor) by a bicubic filter with antialiasing, as Pillow's."""
    size = (levels.shape[2] // factor, levels.shape[3] // factor)
    return round_levels_(functional.interpolate(levels, size=size, mode="bicubic", antialias=True))


def gaussian_blur(values: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur values (N, C, H, W) by a Gaussian of each sample's own `sigma` (N,), truncated at `radius`, both in pixels.

    Edge pixels are replicated. The taps are added one by one: a convolution may add them in another order in another
    batch, and a sample must not depend on its batch.
    """
    offsets = torch.arange(-radius, radius + 1, device=values.device)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None]).square())  # (N, 2 radius + 1)
    weights = (weights / weights.sum(1, keepdim=True))[:, :, None, None, None]
    for axis in (2, 3):
        margin = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        padded, length = functional.pad(values, margin, mode="replicate"), values.shape[axis]
        values = torch.zeros_like(values)
        for tap in range(2 * radius + 1):
            values.addcmul_(padded.narrow(axis, tap, length), weights[:, tap])
    return values


def blur(levels: Tensor, seed: Tensor) -> Tensor:
    """Blur each image by a Gaussian of random width: (N, C, H, W) to the same shape."""
    low, high = BLUR_SIGMA_RANGE
    sigma = low + (high - low) * uniform(seed, 1, RandomStream.BLUR)[:, 0]
    return round_levels_(gaussian_blur(levels, sigma, math.ceil(2.7 * high)))
