"""Old film: scratches along the way it ran, dust, and light that flickers."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.game.seeded_rng import RandomStream, fork_seed, uniform

_MAX_LINES = 4
_SPECK_COUNT = 14
_DARK_LEVEL, _BRIGHT_LEVEL = 12.0, 244.0  # levels of dark and bright damage


def scratches(levels: Tensor, seed: Tensor) -> Tensor:
    """A few near-vertical lines, specks of dust, brighter or darker light: (N, C, H, W) to the same."""
    height, width = levels.shape[2:]
    light = uniform(fork_seed(seed, 0), 2, RandomStream.OLD_FILM)[:, :, None, None, None]
    made = levels * (0.78 + 0.42 * light[:, 0]) + 34 * (light[:, 1] - 0.4)
    lines, specks = _line_coverage(seed, height, width), _dust_coverage(seed, height, width)
    for tone, damage in zip(
        (_BRIGHT_LEVEL, _DARK_LEVEL), torch.maximum(lines, specks)[:, :, None].unbind(1), strict=True
    ):
        made += damage * (tone - made)
    return round_levels_(made)


def _line_coverage(seed: Tensor, height: int, width: int) -> Tensor:
    """How far bright and dark lines cover each pixel: (N, 2, height, width) in [0, 1]. One to four lines a picture."""
    drawn = uniform(fork_seed(seed, 1), 8 * _MAX_LINES + 1, RandomStream.OLD_FILM)
    few = 1 + (drawn[:, -1:] * _MAX_LINES).floor()  # (N, 1)
    down = (torch.arange(height, device=seed.device) + 0.5)[:, None] / height  # (H, 1)
    across = torch.arange(width, device=seed.device) + 0.5
    cover = torch.zeros(len(seed), 2, height, width, device=seed.device)
    for number, line in enumerate(drawn[:, :-1].reshape(len(seed), _MAX_LINES, 8, 1, 1).unbind(1)):
        place, lean, thick, strength, kind, start, long, phase = line.unbind(1)  # (N, 1, 1) each
        middle = width * (place + 0.06 * (lean - 0.5) * (down - 0.5) + 0.004 * torch.sin(7 * down + 6.3 * phase))
        half = (0.25 + 0.4 * thick) * max(1.0, width / 128)
        inside = (half + 0.5 - (across - middle).abs()).clamp_(0, 1)  # (N, H, W): the part of the pixel that is covered
        # over half of the lines run through the whole frame; others begin or end in it, frayed
        first, last = (start - 0.6) * 1.5, 0.3 + long * 1.6
        inside *= ((down - first) * 12).clamp_(0, 1) * ((last - down) * 12).clamp_(0, 1)
        inside *= (0.35 + 0.6 * strength) * (number < few[:, :, None])
        dark = (kind < 0.35).float()
        torch.maximum(cover[:, 0], inside * (1 - dark), out=cover[:, 0])
        torch.maximum(cover[:, 1], inside * dark, out=cover[:, 1])
    return cover


def _dust_coverage(seed: Tensor, height: int, width: int) -> Tensor:
    """How far bright and dark dust covers each pixel: (N, 2, height, width) in [0, 1]."""
    drawn = uniform(fork_seed(seed, 2), 6 * _SPECK_COUNT, RandomStream.OLD_FILM).reshape(len(seed), _SPECK_COUNT, 6)
    unit = max(1.0, min(height, width) / 128)
    down, across = ((torch.arange(side, device=seed.device) + 0.5)[:, None] for side in (height, width))
    cover = torch.zeros(len(seed), 2, height, width, device=seed.device)
    for speck in drawn.unbind(1):
        y, x, size, shape, strength, kind = speck[:, :, None, None].unbind(1)
        radius = unit * (0.4 + 1.4 * size.square())
        stretch = torch.exp(1.2 * (shape - 0.5))
        # a product of two bells, lifted and cut: an ellipse with a soft rim
        tall = torch.exp(-0.5 * ((down - height * y) / (radius * stretch)).square())
        wide = torch.exp(-0.5 * ((across - width * x) / (radius / stretch)).square())
        spot = (1.6 * tall * wide.mT - 0.2).clamp_(0, 1) * (0.3 + 0.65 * strength)
        dark = (kind < 0.45).float()
        torch.maximum(cover[:, 0], spot * (1 - dark), out=cover[:, 0])
        torch.maximum(cover[:, 1], spot * dark, out=cover[:, 1])
    return cover
