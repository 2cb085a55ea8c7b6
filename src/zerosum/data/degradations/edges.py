"""Edge maps that look like pencil drawings: dark lines on white where the luminance changes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.data.degradations.resampling import gaussian_blur, luma

# The line strength that is drawn darkest is the largest of three:
_DARKEST_QUANTILE = 0.97  # this quantile of the line strength of all pixels
_MIN_FRACTION_OF_PEAK = 0.25  # this fraction of the strongest line, so that one strong line makes others faint
_MIN_DARKEST_GRADIENT = 3.0  # levels per pixel, so that an image without strong lines is not filled with its noise
_LINE_THRESHOLD = 0.06  # lines weaker than this fraction of the darkest are not drawn: flat regions stay white


def edges(levels: Tensor, seed: Tensor) -> Tensor:
    """Draw the edges of images: (N, 3 or 1, H, W) to (N, 1, H, W)."""
    side = min(levels.shape[2:])
    sigma = max(0.7, side / 180)
    gradient = _sobel_magnitude(_uniform_blur(luma(levels), sigma))
    strength = (gradient - 0.8 * _uniform_blur(gradient, 2 * sigma)).clamp_(min=0)  # excess over the surroundings
    ranked = strength.flatten(1).sort(1).values  # a rank, unlike a mean, is exact in whatever order it is computed
    darkest = torch.maximum(
        ranked[:, int(_DARKEST_QUANTILE * ranked.shape[1])], _MIN_FRACTION_OF_PEAK * ranked[:, -1]
    ).clamp(min=_MIN_DARKEST_GRADIENT)
    line = (strength / darkest[:, None, None, None] - _LINE_THRESHOLD).clamp_(0, 1)
    return round_levels_(255 * (1 - 0.9 * line.pow(0.8)))


def _uniform_blur(values: Tensor, sigma: float) -> Tensor:
    """Blur all images (N, C, H, W) by the same `sigma` in pixels."""
    sigmas = torch.full((len(values),), sigma, device=values.device)
    return gaussian_blur(values, sigmas, max(1, round(2.5 * sigma)))


def _sobel_magnitude(luminance: Tensor) -> Tensor:
    """Compute the magnitude of the Sobel gradient in levels per pixel: (N, 1, H, W) to the same shape."""
    padded = functional.pad(luminance, (1, 1, 1, 1), mode="replicate")
    height, width = luminance.shape[2:]
    at = [[padded[..., y : y + height, x : x + width] for x in range(3)] for y in range(3)]
    horizontal = (at[0][2] + 2 * at[1][2] + at[2][2]) - (at[0][0] + 2 * at[1][0] + at[2][0])
    vertical = (at[2][0] + 2 * at[2][1] + at[2][2]) - (at[0][0] + 2 * at[0][1] + at[0][2])
    return (horizontal.square() + vertical.square()).sqrt_() / 8
