"""A picture as a pencil would draw it: dark lines where the light changes, on white paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.data.degradations.resampling import gaussian_blur, luma

_DARKEST_QUANTILE = 0.97  # so many of the pixels have a line softer than the softest that is drawn darkest ..
_MIN_FRACTION_OF_PEAK = (
    0.25  # .. and that is at least so sharp, of the sharpest: beside one that stands out others are faint
)
_MIN_DARKEST_GRADIENT = (
    3.0  # levels a pixel: a picture whose sharpest line is softer is drawn faintly, not filled with its noise
)
_LINE_THRESHOLD = 0.06  # lines softer than this, of the darkest drawn, are left out: walls and skies are paper


def edges(levels: Tensor, seed: Tensor) -> Tensor:
    """(N, 3 or 1, H, W) to (N, 1, H, W)."""
    side = min(levels.shape[2:])
    fine = max(0.7, side / 180)
    slope = _sobel_magnitude(_uniform_blur(luma(levels), fine))
    ridge = (slope - 0.8 * _uniform_blur(slope, 2 * fine)).clamp_(
        min=0
    )  # what stands out of its surroundings is a line
    ranked = ridge.flatten(1).sort(1).values  # a rank, unlike a mean, is exact in whatever order it is worked out
    dark = torch.maximum(
        ranked[:, int(_DARKEST_QUANTILE * ranked.shape[1])], _MIN_FRACTION_OF_PEAK * ranked[:, -1]
    ).clamp(min=_MIN_DARKEST_GRADIENT)
    line = (ridge / dark[:, None, None, None] - _LINE_THRESHOLD).clamp_(0, 1)
    return round_levels_(255 * (1 - 0.9 * line.pow(0.8)))


def _uniform_blur(values: Tensor, sigma: float) -> Tensor:
    sigmas = torch.full((len(values),), sigma, device=values.device)
    return gaussian_blur(values, sigmas, max(1, round(2.5 * sigma)))


def _sobel_magnitude(luminance: Tensor) -> Tensor:
    """How fast the light changes, in levels a pixel, by Sobel's two filters: (N, 1, H, W) to the same."""
    wide = functional.pad(luminance, (1, 1, 1, 1), mode="replicate")
    height, width = luminance.shape[2:]
    at = [[wide[..., y : y + height, x : x + width] for x in range(3)] for y in range(3)]
    across = (at[0][2] + 2 * at[1][2] + at[2][2]) - (at[0][0] + 2 * at[1][0] + at[2][0])
    along = (at[2][0] + 2 * at[2][1] + at[2][2]) - (at[0][0] + 2 * at[0][1] + at[0][2])
    return (across.square() + along.square()).sqrt_() / 8
