"""Masks for inpainting: boxes, free-form brush strokes, or both.

Free-form strokes are those of Yu et al. 2019 (arXiv:1806.03589), drawn here as a distance field instead of on a canvas:
the same seed gives the same hole at any size, and the fraction of the image that is missing is drawn first and kept.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.images.pixels import HALF_RANGE
from zerosum.game.seeded_rng import RandomStream, fork_seed, normal, uniform

HOLE_FRACTION_RANGE = (0.10, 0.45)
"""Range of the random fraction of the image that is missing."""
_GRID_POINTS = 40  # a distance field is nearly linear between grid points, so that few are enough
_STROKE_COUNT, _SEGMENTS_PER_STROKE = 5, 8
_MAX_BOXES = 3
_FAR_DISTANCE = 9.0  # more than any distance in the image, whose shorter side is 1


def masks(levels: Tensor, seed: Tensor) -> Tensor:
    """Cut a hole into each image: levels (N, C, H, W) to (N, C + 1, H, W), with a mid gray hole, and its mask last."""
    missing = hole_mask(seed, levels.shape[2], levels.shape[3])
    return torch.cat((torch.where(missing > 0, HALF_RANGE, levels), 255 * missing), 1)


def hole_mask(seed: Tensor, height: int, width: int) -> Tensor:
    """Return the hole of each seed.

    A third of the holes are boxes, a third strokes, a third both. They are thickened or thinned until the fraction that
    was drawn is missing.

    Args:
        seed: (N,) int64.
        height: height of the images in pixels.
        width: width of the images in pixels.

    Returns:
        (N, 1, height, width) float32, 1 in the hole and 0 around it. Between about 10% and 45% of the pixels are hole.
    """
    low, high = HOLE_FRACTION_RANGE
    kind, fraction = uniform(fork_seed(seed, 0), 2, RandomStream.MASK)[:, :, None].unbind(1)  # (N, 1)
    fraction = low + (high - low) * fraction
    has_boxes, has_strokes = (kind < 2 / 3).float(), (kind > 1 / 3).float()
    fraction_per_kind = fraction / (has_boxes + has_strokes)
    extent = (height / min(height, width), width / min(height, width))
    grid = (round(_GRID_POINTS * extent[0]), round(_GRID_POINTS * extent[1]))
    strokes = _stroke_distance(seed, fraction_per_kind * has_strokes, extent, grid)
    distance = torch.minimum(strokes, _box_distance(seed, fraction_per_kind * has_boxes, extent, grid)).flatten(1)
    rank = (fraction[:, 0] * distance.shape[1]).long()
    level = distance.sort(1).values.gather(1, rank[:, None])[:, :, None, None]
    fine_strokes = functional.interpolate(strokes, size=(height, width), mode="bilinear")
    # distances to boxes are computed again at every pixel, so that their corners stay sharp
    fine_boxes = _box_distance(seed, fraction_per_kind * has_boxes, extent, (height, width))
    return (torch.minimum(fine_strokes, fine_boxes) < level).float()


def _pixel_centers(extent: tuple[float, float], size: tuple[int, int], seed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixel centers in units of the shorter side of the image: y (H, 1) and x (W,)."""
    y, x = ((torch.arange(n, device=seed.device) + 0.5) * (side / n) for n, side in zip(size, extent, strict=True))
    return y[:, None], x


def _box_distance(seed: Tensor, fraction: Tensor, extent: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Compute the signed distance to one to three boxes that cover `fraction` (N, 1) together: (N, 1, H, W)."""
    draws = uniform(fork_seed(seed, 1), 4 * _MAX_BOXES + 1, RandomStream.MASK)
    count = 1 + (draws[:, -1:] * _MAX_BOXES).floor()  # (N, 1)
    grid_y, grid_x = _pixel_centers(extent, size, seed)
    field = torch.full((len(seed), 1, *size), _FAR_DISTANCE, device=seed.device)
    for number, box in enumerate(draws[:, :-1].reshape(len(seed), _MAX_BOXES, 4).unbind(1)):
        area = fraction[:, 0] / count[:, 0] * extent[0] * extent[1] * (0.6 + 0.8 * box[:, 3])
        half = torch.stack((area.sqrt() * torch.exp(box[:, 2] - 0.5), area.sqrt() * torch.exp(0.5 - box[:, 2])), 1) / 2
        image_size = torch.tensor(extent, device=seed.device)
        half = torch.minimum(half, 0.45 * image_size)
        center = half + (image_size - 2 * half) * box[:, :2]  # the box lies within the image
        y, x, half_height, half_width = torch.cat((center, half), 1)[:, :, None, None, None].unbind(1)  # (N, 1, 1, 1)
        distance = torch.maximum((grid_y - y).abs() - half_height, (grid_x - x).abs() - half_width)
        is_used = (number < count) & (fraction > 0)
        torch.minimum(field, torch.where(is_used[:, :, None, None], distance, _FAR_DISTANCE), out=field)
    return field


def _stroke_distance(seed: Tensor, fraction: Tensor, extent: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Compute the signed distance to brush strokes that cover about `fraction` (N, 1): (N, 1, H, W)."""
    n, grid_y, grid_x = len(seed), *_pixel_centers(extent, size, seed)
    points, radius, covered = _stroke_paths(seed, extent)
    field = torch.full((n, 1, *size), _FAR_DISTANCE, device=seed.device)
    for stroke in range(_STROKE_COUNT):
        for segment in range(_SEGMENTS_PER_STROKE):
            start, end = points[:, stroke, segment], points[:, stroke, segment + 1]  # (N, 2)
            direction = end - start
            y, x, dy, dx = torch.cat((start, direction), 1)[:, :, None, None].unbind(1)  # (N, 1, 1) each
            length_sq = (dy.square() + dx.square()).clamp(min=1e-8)
            from_y, from_x = grid_y - y, grid_x - x  # (N, H, 1) and (N, 1, W)
            projection = (from_y * (dy / length_sq) + from_x * (dx / length_sq)).clamp_(0, 1)  # (N, H, W)
            distance = ((from_y - projection * dy).square() + (from_x - projection * dx).square()).sqrt_()
            distance -= radius[:, stroke, None, None]
            is_unused = 0.8 * covered[:, stroke, segment] >= fraction[:, 0] * (extent[0] * extent[1])
            torch.minimum(field[:, 0], distance.masked_fill_(is_unused[:, None, None], _FAR_DISTANCE), out=field[:, 0])
    return field


def _stroke_paths(seed: Tensor, extent: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the random paths of the brush.

    Returns:
        Points (N, strokes, segments + 1, 2), y before x; the radii of the brush (N, strokes); and the area covered
        before each segment (N, strokes, segments), with overlaps counted twice.
    """
    n = len(seed)
    starts = uniform(fork_seed(seed, 2), 4 * _STROKE_COUNT, RandomStream.MASK).reshape(n, _STROKE_COUNT, 4)
    steps = uniform(fork_seed(seed, 3), _STROKE_COUNT * _SEGMENTS_PER_STROKE, RandomStream.MASK).reshape(
        n, _STROKE_COUNT, _SEGMENTS_PER_STROKE
    )
    turns = normal(fork_seed(seed, 4), _STROKE_COUNT * _SEGMENTS_PER_STROKE, RandomStream.MASK).reshape(
        n, _STROKE_COUNT, _SEGMENTS_PER_STROKE
    )
    heading = 2 * math.pi * starts[..., 2:3] + (0.9 * turns).cumsum(2)
    step = (0.06 + 0.16 * steps)[..., None] * torch.stack((torch.sin(heading), torch.cos(heading)), 3)
    image_size = torch.tensor(extent, device=seed.device)
    first = (starts[..., :2] * image_size)[:, :, None]
    unbounded = torch.cat((first, first + step.cumsum(2)), 2)
    points = image_size - (unbounded.remainder(2 * image_size) - image_size).abs()  # reflected at the image's edge
    radius = 0.03 + 0.05 * starts[..., 3]
    area = (2 * radius[..., None] * (0.06 + 0.16 * steps)).flatten(1)
    return points, radius, (area.cumsum(1) - area).reshape(n, _STROKE_COUNT, _SEGMENTS_PER_STROKE)
