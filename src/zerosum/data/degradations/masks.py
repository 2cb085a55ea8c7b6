"""Holes to be painted in: boxes, strokes of a wandering brush, or both.

Free-form strokes are those of Yu et al. 2019 (arXiv:1806.03589), drawn here as a field of distances instead of on a
canvas: the same seed gives the same hole at any size, and how much of the picture is missing is drawn first and kept.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.game.seeded_rng import RandomStream, fork_seed, normal, uniform

HOLE_FRACTION_RANGE = (0.10, 0.45)
"""Between which the hole's share of the picture is drawn."""
_GRID_POINTS = 40  # a field of distances is nearly straight between its points, so that few are enough
_STROKE_COUNT, _SEGMENTS_PER_STROKE = 5, 8
_MAX_BOXES = 3
_FAR_DISTANCE = 9.0  # more than any distance in the picture, whose shorter side is 1


def masks(levels: Tensor, seed: Tensor) -> Tensor:
    """Pictures with a hole: (N, C, H, W) levels to (N, C + 1, H, W): the hole mid grey, and its mask."""
    missing = hole_mask(seed, levels.shape[2], levels.shape[3])
    return torch.cat((torch.where(missing > 0, 127.5, levels), 255 * missing), 1)


def hole_mask(seed: Tensor, height: int, width: int) -> Tensor:
    """Where each seed's hole lies.

    A third are boxes, a third strokes, a third both. They are thickened or thinned until the drawn share is missing.

    Args:
        seed: (N,) int64.
        height: of the pictures.
        width: of the pictures.

    Returns:
        (N, 1, height, width) float32, 1 in the hole and 0 around it. Between about 10% and 45% are hole.
    """
    least, most = HOLE_FRACTION_RANGE
    kind, share = uniform(fork_seed(seed, 0), 2, RandomStream.MASK)[:, :, None].unbind(1)  # (N, 1)
    share = least + (most - least) * share
    boxed, stroked = (kind < 2 / 3).float(), (kind > 1 / 3).float()
    each = share / (boxed + stroked)
    extent = (height / min(height, width), width / min(height, width))
    coarse = (round(_GRID_POINTS * extent[0]), round(_GRID_POINTS * extent[1]))
    strokes = _stroke_distance(seed, each * stroked, extent, coarse)
    rough = torch.minimum(strokes, _box_distance(seed, each * boxed, extent, coarse)).flatten(1)
    rank = (share[:, 0] * rough.shape[1]).long()
    level = rough.sort(1).values.gather(1, rank[:, None])[:, :, None, None]
    fine = functional.interpolate(strokes, size=(height, width), mode="bilinear")
    # boxes are measured again at every pixel: their corners stay sharp
    return (torch.minimum(fine, _box_distance(seed, each * boxed, extent, (height, width))) < level).float()


def _pixel_centers(extent: tuple[float, float], size: tuple[int, int], seed: Tensor) -> tuple[Tensor, Tensor]:
    """Midpoints of the pixels in units of the picture's shorter side: (H, 1) down and (W,) across."""
    down, across = (
        (torch.arange(n, device=seed.device) + 0.5) * (long / n) for n, long in zip(size, extent, strict=True)
    )
    return down[:, None], across


def _box_distance(seed: Tensor, fraction: Tensor, extent: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """How far each place is outside one to three boxes that take `fraction` (N, 1) together: (N, 1, H, W)."""
    drawn = uniform(fork_seed(seed, 1), 4 * _MAX_BOXES + 1, RandomStream.MASK)
    count = 1 + (drawn[:, -1:] * _MAX_BOXES).floor()  # (N, 1)
    down, across = _pixel_centers(extent, size, seed)
    field = torch.full((len(seed), 1, *size), _FAR_DISTANCE, device=seed.device)
    for number, box in enumerate(drawn[:, :-1].reshape(len(seed), _MAX_BOXES, 4).unbind(1)):
        area = fraction[:, 0] / count[:, 0] * extent[0] * extent[1] * (0.6 + 0.8 * box[:, 3])
        half = torch.stack((area.sqrt() * torch.exp(box[:, 2] - 0.5), area.sqrt() * torch.exp(0.5 - box[:, 2])), 1) / 2
        room = torch.tensor(extent, device=seed.device)
        half = torch.minimum(half, 0.45 * room)
        centre = half + (room - 2 * half) * box[:, :2]  # the box lies within the picture
        y, x, tall, wide = torch.cat((centre, half), 1)[:, :, None, None, None].unbind(1)  # (N, 1, 1, 1) each
        outside = torch.maximum((down - y).abs() - tall, (across - x).abs() - wide)
        there = (number < count) & (fraction > 0)
        torch.minimum(field, torch.where(there[:, :, None, None], outside, _FAR_DISTANCE), out=field)
    return field


def _stroke_distance(seed: Tensor, fraction: Tensor, extent: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """How far each place is outside strokes of the brush that take about `fraction` (N, 1): (N, 1, H, W)."""
    n, down, across = len(seed), *_pixel_centers(extent, size, seed)
    points, radius, covered = _stroke_paths(seed, extent)
    field = torch.full((n, 1, *size), _FAR_DISTANCE, device=seed.device)
    for stroke in range(_STROKE_COUNT):
        for leg in range(_SEGMENTS_PER_STROKE):
            start, end = points[:, stroke, leg], points[:, stroke, leg + 1]  # (N, 2)
            along = end - start
            y, x, dy, dx = torch.cat((start, along), 1)[:, :, None, None].unbind(1)  # (N, 1, 1) each
            length = (dy.square() + dx.square()).clamp(min=1e-8)
            down_from, across_from = down - y, across - x  # (N, H, 1) and (N, 1, W)
            part = (down_from * (dy / length) + across_from * (dx / length)).clamp_(0, 1)  # (N, H, W)
            away = ((down_from - part * dy).square() + (across_from - part * dx).square()).sqrt_()
            away -= radius[:, stroke, None, None]
            unused = 0.8 * covered[:, stroke, leg] >= fraction[:, 0] * (extent[0] * extent[1])
            torch.minimum(field[:, 0], away.masked_fill_(unused[:, None, None], _FAR_DISTANCE), out=field[:, 0])
    return field


def _stroke_paths(seed: Tensor, extent: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Where the brush wanders.

    Returns:
        Corners (N, strokes, legs + 1, 2), down before across; the brush's half widths (N, strokes); and the area
        covered before each leg (N, strokes, legs), overlaps counted twice.
    """
    n = len(seed)
    begun = uniform(fork_seed(seed, 2), 4 * _STROKE_COUNT, RandomStream.MASK).reshape(n, _STROKE_COUNT, 4)
    steps = uniform(fork_seed(seed, 3), _STROKE_COUNT * _SEGMENTS_PER_STROKE, RandomStream.MASK).reshape(
        n, _STROKE_COUNT, _SEGMENTS_PER_STROKE
    )
    turns = normal(fork_seed(seed, 4), _STROKE_COUNT * _SEGMENTS_PER_STROKE, RandomStream.MASK).reshape(
        n, _STROKE_COUNT, _SEGMENTS_PER_STROKE
    )
    heading = 2 * math.pi * begun[..., 2:3] + (0.9 * turns).cumsum(2)
    step = (0.06 + 0.16 * steps)[..., None] * torch.stack((torch.sin(heading), torch.cos(heading)), 3)
    room = torch.tensor(extent, device=seed.device)
    first = (begun[..., :2] * room)[:, :, None]
    raw = torch.cat((first, first + step.cumsum(2)), 2)
    points = room - (raw.remainder(2 * room) - room).abs()  # mirrored at the picture's edge
    radius = 0.03 + 0.05 * begun[..., 3]
    area = (2 * radius[..., None] * (0.06 + 0.16 * steps)).flatten(1)
    return points, radius, (area.cumsum(1) - area).reshape(n, _STROKE_COUNT, _SEGMENTS_PER_STROKE)
