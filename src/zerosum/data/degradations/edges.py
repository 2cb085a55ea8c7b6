"""A picture as a pencil would draw it: dark lines where the light changes, on white paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.degradations.byte_levels import whole
from zerosum.data.degradations.resampling import luma, smooth

_DARKEST = 0.97  # so many of the pixels have a line softer than the softest that is drawn darkest ..
_OUTSTANDING = 0.25  # .. and that is at least so sharp, of the sharpest: beside one that stands out others are faint
_FAINT = 3.0  # levels a pixel: a picture whose sharpest line is softer is drawn faintly, not filled with its noise
_GRAIN = 0.06  # lines softer than this, of the darkest drawn, are left out: walls and skies are paper


def edges(levels: Tensor, seed: Tensor) -> Tensor:
    """(N, 3 or 1, H, W) to (N, 1, H, W)."""
    side = min(levels.shape[2:])
    fine = max(0.7, side / 180)
    slope = _slope(_even(luma(levels), fine))
    ridge = (slope - 0.8 * _even(slope, 2 * fine)).clamp_(min=0)  # what stands out of its surroundings is a line
    ranked = ridge.flatten(1).sort(1).values  # a rank, unlike a mean, is exact in whatever order it is worked out
    dark = torch.maximum(ranked[:, int(_DARKEST * ranked.shape[1])], _OUTSTANDING * ranked[:, -1]).clamp(min=_FAINT)
    line = (ridge / dark[:, None, None, None] - _GRAIN).clamp_(0, 1)
    return whole(255 * (1 - 0.9 * line.pow(0.8)))


def _even(values: Tensor, sigma: float) -> Tensor:
    sigmas = torch.full((len(values),), sigma, device=values.device)
    return smooth(values, sigmas, max(1, round(2.5 * sigma)))


def _slope(light: Tensor) -> Tensor:
    """How fast the light changes, in levels a pixel, by Sobel's two filters: (N, 1, H, W) to the same."""
    wide = functional.pad(light, (1, 1, 1, 1), mode="replicate")
    height, width = light.shape[2:]
    at = [[wide[..., y : y + height, x : x + width] for x in range(3)] for y in range(3)]
    across = (at[0][2] + 2 * at[1][2] + at[2][2]) - (at[0][0] + 2 * at[1][0] + at[2][0])
    along = (at[2][0] + 2 * at[2][1] + at[2][2]) - (at[0][0] + 2 * at[0][1] + at[0][2])
    return (across.square() + along.square()).sqrt_() / 8
