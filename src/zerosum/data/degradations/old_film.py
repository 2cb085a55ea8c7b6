"""Damage of old film: vertical scratches, dust, and varying brightness."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.game.seeded_rng import RandomStream, fork_seed, uniform

_MAX_LINES = 4
_SPECK_COUNT = 14
_DARK_LEVEL, _BRIGHT_LEVEL = 12.0, 244.0  # levels of dark and bright damage


def scratches(levels: Tensor, seed: Tensor) -> Tensor:
    """Add a few near-vertical lines and specks of dust, and change the brightness: (N, C, H, W) to the same shape."""
    height, width = levels.shape[2:]
    brightness = uniform(fork_seed(seed, 0), 2, RandomStream.OLD_FILM)[:, :, None, None, None]
    damaged = levels * (0.78 + 0.42 * brightness[:, 0]) + 34 * (brightness[:, 1] - 0.4)
    lines, specks = _line_coverage(seed, height, width), _dust_coverage(seed, height, width)
    for level, coverage in zip(
        (_BRIGHT_LEVEL, _DARK_LEVEL), torch.maximum(lines, specks)[:, :, None].unbind(1), strict=True
    ):
        damaged += coverage * (level - damaged)
    return round_levels_(damaged)


def _line_coverage(seed: Tensor, height: int, width: int) -> Tensor:
    """Compute how far one to four bright or dark lines cover each pixel: (N, 2, height, width) in [0, 1]."""
    draws = uniform(fork_seed(seed, 1), 8 * _MAX_LINES + 1, RandomStream.OLD_FILM)
    count = 1 + (draws[:, -1:] * _MAX_LINES).floor()  # (N, 1)
    y = (torch.arange(height, device=seed.device) + 0.5)[:, None] / height  # (H, 1)
    x = torch.arange(width, device=seed.device) + 0.5
    coverage = torch.zeros(len(seed), 2, height, width, device=seed.device)
    for number, line in enumerate(draws[:, :-1].reshape(len(seed), _MAX_LINES, 8, 1, 1).unbind(1)):
        position, tilt, thickness, strength, kind, start, length, phase = line.unbind(1)  # (N, 1, 1) each
        line_x = width * (position + 0.06 * (tilt - 0.5) * (y - 0.5) + 0.004 * torch.sin(7 * y + 6.3 * phase))
        half_width = (0.25 + 0.4 * thickness) * max(1.0, width / 128)
        covered = (half_width + 0.5 - (x - line_x).abs()).clamp_(0, 1)  # (N, H, W): the fraction of the pixel
        # over half of the lines run through the whole image; the others start or end in it, with soft ends
        first, last = (start - 0.6) * 1.5, 0.3 + length * 1.6
        covered *= ((y - first) * 12).clamp_(0, 1) * ((last - y) * 12).clamp_(0, 1)
        covered *= (0.35 + 0.6 * strength) * (number < count[:, :, None])
        is_dark = (kind < 0.35).float()
        torch.maximum(coverage[:, 0], covered * (1 - is_dark), out=coverage[:, 0])
        torch.maximum(coverage[:, 1], covered * is_dark, out=coverage[:, 1])
    return coverage


def _dust_coverage(seed: Tensor, height: int, width: int) -> Tensor:
    """Compute how far bright and dark dust covers each pixel: (N, 2, height, width) in [0, 1]."""
    draws = uniform(fork_seed(seed, 2), 6 * _SPECK_COUNT, RandomStream.OLD_FILM).reshape(len(seed), _SPECK_COUNT, 6)
    unit = max(1.0, min(height, width) / 128)
    grid_y, grid_x = ((torch.arange(side, device=seed.device) + 0.5)[:, None] for side in (height, width))
    coverage = torch.zeros(len(seed), 2, height, width, device=seed.device)
    for speck in draws.unbind(1):
        y, x, size, shape, strength, kind = speck[:, :, None, None].unbind(1)
        radius = unit * (0.4 + 1.4 * size.square())
        stretch = torch.exp(1.2 * (shape - 0.5))
        # a product of two Gaussians, scaled and clipped: an ellipse with a soft edge
        vertical = torch.exp(-0.5 * ((grid_y - height * y) / (radius * stretch)).square())
        horizontal = torch.exp(-0.5 * ((grid_x - width * x) / (radius / stretch)).square())
        covered = (1.6 * vertical * horizontal.mT - 0.2).clamp_(0, 1) * (0.3 + 0.65 * strength)
        is_dark = (kind < 0.45).float()
        torch.maximum(coverage[:, 0], covered * (1 - is_dark), out=coverage[:, 0])
        torch.maximum(coverage[:, 1], covered * is_dark, out=coverage[:, 1])
    return coverage
