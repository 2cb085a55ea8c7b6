"""Image transforms of ADA and DiffAugment.

A transform is a pure function of a sample, its own seed and the probability p; it does not depend on the other samples
of the batch. No transform synchronizes with the device, so p may be a tensor there. Samples are float32 images in
[-1, 1]; a second or fourth channel is alpha, which is moved with the image and whose values do not change.

ADA: Karras et al. 2020, "Training generative adversarial networks with limited data", arXiv:2006.06676, appendix B.
DiffAugment: Zhao et al. 2020, arXiv:2006.10738, appendix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.augment import warp
from zerosum.game.types import at_least_float32

ProbabilityValue = Tensor | float
"""A probability in [0, 1]: a number or a 0-dimensional tensor."""


class UniformDraws(NamedTuple):
    """Uniform numbers (N, k) in (0, 1): each transform has its own, regardless of which others are selected."""

    blit_gate: Tensor
    blit: Tensor
    geometry_gate: Tensor
    angles: Tensor
    scales_and_shifts: Tensor
    color_gate: Tensor
    color: Tensor
    color_gains: Tensor
    cutout_gate: Tensor
    cutout: Tensor


_DRAWS_PER_FIELD = [3, 4, 5, 2, 4, 5, 2, 3, 1, 2]


def draw_uniforms(seed: Tensor) -> UniformDraws:
    """Draw the random numbers of all transforms from seeds (N,) int64."""
    # in one call: on a CPU it costs as much to draw 3 numbers as 30
    return UniformDraws(
        *torch.split(
            seeded_rng.uniform(seed, sum(_DRAWS_PER_FIELD), seeded_rng.RandomStream.AUGMENT), _DRAWS_PER_FIELD, 1
        )
    )


def _uniform_to_normal(uniform: Tensor) -> Tensor:
    """Convert uniform numbers to standard normal ones."""
    return torch.erfinv(2 * uniform - 1) * math.sqrt(2)


def _exp2(octaves: Tensor) -> Tensor:
    """Return 2^x by `exp`: torch.exp2 rounds the last elements of a row differently, depending on the batch size."""
    return torch.exp(octaves * math.log(2))


class AffineTransform(NamedTuple):
    """Source position of each output pixel: matrix @ (x, y) + shift, in halves of the shorter side from the center."""

    matrix: Tensor
    """(N, 2, 2)."""
    shift: Tensor
    """(N, 2)."""

    def compose(self, second: AffineTransform) -> AffineTransform:
        """Return the transform that applies this one first and `second` after it."""
        return AffineTransform(
            _batched_matmul(self.matrix, second.matrix), _batched_matvec(self.matrix, second.shift) + self.shift
        )


def _batched_matmul(left: Tensor, right: Tensor) -> Tensor:
    """Multiply (N, 2, 2) by (N, 2, k) without matmul, which a GPU may round to TF32 and which depends on the batch."""
    return (left[..., None] * right[:, None]).sum(2)


def _batched_matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """Multiply (N, 2, 2) by (N, 2)."""
    return (matrix * vector[:, None]).sum(2)


def _rotation_matrix(angle: Tensor) -> Tensor:
    """Return rotation matrices (N, 2, 2) of angles (N,)."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack((cos, -sin, sin, cos), 1).view(-1, 2, 2)


def _scale_axes(columns: Tensor, x_scale: float, y_scale: float) -> Tensor:
    """Multiply the x of (N, 2) by one number and the y by another."""
    x, y = columns.unbind(1)
    return torch.stack((x * x_scale, y * y_scale), 1)


def blit_transform(draws: UniformDraws, p: ProbabilityValue, height: int, width: int) -> AffineTransform:
    """Return a random flip, a rotation by 0, 90, 180 or 270 degrees, and a translation by up to an eighth of the side.

    It maps pixels to pixels, without interpolation. Images that are not square are rotated by 0 or 180 degrees only.
    """
    flip_gate, rotation_gate, translation_gate = (draws.blit_gate < p).unbind(1)
    flipped = flip_gate & (draws.blit[:, 0] < 0.5)
    step = 1 if height == width else 2
    quarter_turns = step * torch.floor(4 // step * draws.blit[:, 1]) * rotation_gate
    matrix = _rotation_matrix(quarter_turns * (-math.pi / 2)).round()
    flip = torch.stack((1.0 - 2.0 * flipped, torch.ones_like(quarter_turns)), 1)
    pixels = torch.round(_scale_axes(2 * draws.blit[:, 2:] - 1, width / 8, height / 8)) * translation_gate[:, None]
    matrix = flip[:, :, None] * matrix
    return AffineTransform(matrix, _batched_matvec(matrix, pixels * (-2 / min(height, width))))


def geometry_transform(draws: UniformDraws, p: ProbabilityValue, height: int, width: int) -> AffineTransform:
    """Return a random scaling, rotation, anisotropic scaling, second rotation, and translation.

    Each rotation is applied with probability 1 - sqrt(1 - p), so that at least one is applied with probability p.
    """
    gate = draws.geometry_gate
    rotation_gate = 1 - (1 - gate[:, 1::2]).square() < p
    first_angle, second_angle = ((2 * draws.angles - 1) * -math.pi * rotation_gate).unbind(1)
    scale_and_shift_gate = gate[:, ::2] < p
    normal = _uniform_to_normal(draws.scales_and_shifts)
    scale, stretch = (0.2 * normal[:, :2] * scale_and_shift_gate[:, :2]).unbind(1)
    inverse_scale = _exp2(torch.stack((-scale - stretch, stretch - scale), 1))
    matrix = _batched_matmul(_rotation_matrix(first_angle), inverse_scale[:, :, None] * _rotation_matrix(second_angle))
    shorter = min(height, width)
    shift = _scale_axes(normal[:, 2:] * (2 / 8), width / shorter, height / shorter) * scale_and_shift_gate[:, 2:]
    return AffineTransform(matrix, _batched_matvec(matrix, -shift))


AFFINE_TRANSFORMS: dict[str, Callable[[UniformDraws, ProbabilityValue, int, int], AffineTransform]] = {
    "blit": blit_transform,
    "geometry": geometry_transform,
}
"""ADA's geometric transforms, in the order of application."""


class ColorTransform(NamedTuple):
    """An affine map of the color of each pixel: matrix @ color + offset."""

    matrix: Tensor
    """(N, k, k), k = 1 for gray and 3 for color."""
    offset: Tensor
    """(N, 1, 1)."""

    def __call__(self, sample: Tensor) -> Tensor:
        """Transform the color channels, or all bands, of images (N, C, H, W); alpha is unchanged."""
        if _has_bands(sample):
            return self.matrix[..., None] * sample + self.offset[..., None]
        num_colors = self.matrix.shape[1]
        pixels = sample[:, :num_colors].flatten(2)  # (N, k, H W)
        colors = self._apply_matmul(pixels) if sample.device.type == "cpu" else self._apply_elementwise(pixels)
        colors = colors.view(-1, num_colors, *sample.shape[2:])
        return colors if num_colors == sample.shape[1] else torch.cat((colors, sample[:, num_colors:]), 1)

    def _apply_matmul(self, pixels: Tensor) -> Tensor:
        if self.matrix.shape[1] == 1:
            return self.matrix * pixels + self.offset
        with torch.autocast("cpu", enabled=False):
            return torch.baddbmm(self.offset, self.matrix, pixels)

    def _apply_elementwise(self, pixels: Tensor) -> Tensor:
        # a GPU may round the factors of a matrix product to TF32, and then even p = 0 would change the image
        return (self.matrix[..., None] * pixels[:, None]).sum(2) + self.offset


def _color_matrix(color_channels: int, identity_weight: Tensor, gray_weight: Tensor, hue_weight: Tensor) -> Tensor:
    """Return the matrices (N, k, k) of identity_weight x + gray_weight mean(x) + hue_weight R x.

    R rotates the hue by 90 degrees. The weights are (N,).
    """
    identity = torch.eye(color_channels, device=identity_weight.device)
    identity_weight, gray_weight, hue_weight = (
        weight[:, None, None] for weight in (identity_weight, gray_weight, hue_weight)
    )
    if color_channels == 1:
        return identity_weight * identity + gray_weight
    # the cross product with (1, 1, 1) / sqrt(3)
    quarter_turn = (identity.roll(1, 0) - identity.roll(-1, 0)) / math.sqrt(3)
    return identity_weight * identity + gray_weight / 3 + hue_weight * quarter_turn


def color_transform(draws: UniformDraws, p: ProbabilityValue, color_channels: int) -> ColorTransform:
    """Return a random change of brightness, contrast, luma sign, hue and saturation.

    Luma is the component along (1, 1, 1), chroma the rest. The four steps after brightness act separately on luma and
    chroma, so they commute: contrast scales both, the luma flip changes the sign of luma, hue rotates chroma and
    saturation scales it. Gray images have luma only.
    """
    brightness_gate, contrast_gate, flip_gate, hue_gate, saturation_gate = (draws.color_gate < p).unbind(1)
    normal = _uniform_to_normal(draws.color_gains)
    contrast = _exp2(0.5 * normal[:, 1] * contrast_gate)
    luma = contrast * (1.0 - 2.0 * (flip_gate & (draws.color[:, 0] < 0.5)))
    offset = (luma * 0.2 * normal[:, 0] * brightness_gate)[:, None, None]
    hue = (2 * draws.color[:, 1] - 1) * math.pi * hue_gate
    chroma = contrast * _exp2(normal[:, 2] * saturation_gate)
    identity_weight = chroma * torch.cos(hue)
    matrix = _color_matrix(color_channels, identity_weight, luma - identity_weight, chroma * torch.sin(hue))
    return ColorTransform(matrix, offset)


def apply_cutout(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """Set a rectangle of half of each side, with its center anywhere in the image, to 0 (medium gray)."""
    height, width = sample.shape[2:]
    columns = _half_side(draws.cutout[:, 0], width) & (draws.cutout_gate < p)
    rows = _half_side(draws.cutout[:, 1], height)
    return sample * (~_rectangle_mask(rows, columns)).to(sample.dtype)


def _half_side(draw: Tensor, side: int) -> Tensor:
    """Return which pixels (N, side) lie in a half of the side whose center draws (N,) in (0, 1) determine."""
    half = (side + 1) // 2
    center = torch.floor(draw * (side + 1 - half % 2))
    line = torch.arange(side, device=center.device) - (center - half // 2)[:, None]
    return (line >= 0) & (line < half)


def _rectangle_mask(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the mask (N, 1, H, W) of pixels in these rows (N, H) bool and columns (N, W) bool."""
    return rows[:, None, :, None] & columns[:, None, None, :]


def apply_color_jitter(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """Apply DiffAugment's color: brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5)."""
    gate = draws.color_gate[:, 0] < p
    brightness = (draws.color_gains[:, 0] - 0.5) * gate
    saturation = 1 + (2 * draws.color_gains[:, 1] - 1) * gate
    contrast = 1 + (draws.color_gains[:, 2] - 0.5) * gate
    num_colors = _count_color_channels(sample)
    # all in one step: brightness shifts the mean by the same amount, and saturation does not change it
    matrix = _color_matrix(num_colors, contrast * saturation, contrast * (1 - saturation), torch.zeros_like(contrast))
    mean = (sample if _has_bands(sample) else sample[:, :num_colors]).mean((1, 2, 3))
    offset = (1 - contrast).to(sample.dtype) * mean + brightness.to(sample.dtype)
    return ColorTransform(matrix.to(sample.dtype), offset[:, None, None])(sample)


def apply_translation(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """Apply DiffAugment's translation by whole pixels, up to an eighth of the side in each direction, filled with 0."""
    channels, height, width = sample.shape[1:]
    is_moved = draws.blit_gate[:, 2] < p
    x_draw, y_draw = draws.blit[:, 2:].unbind(1)
    rows, columns = _shifted_pixels(y_draw, is_moved, height), _shifted_pixels(x_draw, is_moved, width)
    source_rows, source_columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    index = (source_rows[:, :, None] * width + source_columns[:, None]).flatten(1)[:, None].expand(-1, channels, -1)
    # twice as fast as `warp` on a CPU, forward and backward
    moved = sample.flatten(2).gather(2, index).view(sample.shape)
    return moved * _rectangle_mask(rows == source_rows, columns == source_columns).to(sample.dtype)


def _shifted_pixels(draw: Tensor, is_moved: Tensor, side: int) -> Tensor:
    """Return the source of each pixel (N, side) of a side, moved by up to an eighth of it by draws (N,) in (0, 1)."""
    max_shift = (side + 4) // 8
    pixels = (torch.floor(draw * (2 * max_shift + 1)) - max_shift) * is_moved
    return torch.arange(side, device=pixels.device) - pixels.long()[:, None]


DIFFAUGMENT_TRANSFORMS: dict[str, Callable[[Tensor, UniformDraws, ProbabilityValue], Tensor]] = {
    "color": apply_color_jitter,
    "translation": apply_translation,
    "cutout": apply_cutout,
}
"""DiffAugment's transforms, in the paper's order."""


def _has_bands(sample: Tensor) -> bool:
    """Return True if the channels are bands, which have no color and are changed alike: more than RGB with alpha."""
    return sample.shape[1] > 4


def _count_color_channels(sample: Tensor) -> int:
    """Return the number of channels without alpha that mix: 1 for gray images and for bands, 3 for color images."""
    return 1 if _has_bands(sample) or sample.shape[1] < 3 else 3


def _to_contiguous_float32(sample: Tensor) -> Tensor:
    """Convert to contiguous, at least float32: positions are exact, and warping is a third faster than in NHWC."""
    return at_least_float32(sample).contiguous()


def apply_diffaugment(sample: Tensor, seed: Tensor, p: ProbabilityValue, policy: Collection[str]) -> Tensor:
    """Apply DiffAugment's transforms.

    Args:
        sample: (N, C, H, W) float.
        seed: (N,) int64.
        p: probability of each transform.
        policy: keys of `DIFFAUGMENT_TRANSFORMS`.

    Returns:
        (N, C, H, W), at least float32.
    """
    draws = draw_uniforms(seed)
    augmented = _to_contiguous_float32(sample)
    for name, transform in DIFFAUGMENT_TRANSFORMS.items():
        if name in policy:
            augmented = transform(augmented, draws, p)
    return augmented


def apply_ada(
    sample: Tensor, seed: Tensor, p: ProbabilityValue, transforms: Collection[str], color_fraction: float
) -> Tensor:
    """Apply ADA's transforms.

    The geometric transforms of an image are composed and applied together, so that it is interpolated once.

    Args:
        sample: (N, C, H, W) float.
        seed: (N,) int64.
        p: probability of each transform.
        transforms: keys of `AFFINE_TRANSFORMS`, "color", "cutout".
        color_fraction: factor on p for color transforms.

    Returns:
        (N, C, H, W), at least float32.
    """
    draws = draw_uniforms(seed)
    augmented, (height, width) = _to_contiguous_float32(sample), sample.shape[2:]
    affine_transforms = [
        draw(draws, p, height, width) for name, draw in AFFINE_TRANSFORMS.items() if name in transforms
    ]
    if affine_transforms:
        affine = affine_transforms[0]
        if len(affine_transforms) > 1:
            affine = affine.compose(affine_transforms[1])
        augmented = warp.warp(augmented, warp.affine_grid(*affine, height, width).to(augmented.dtype))
    if "color" in transforms:
        matrix, offset = color_transform(draws, p * color_fraction, _count_color_channels(sample))
        augmented = ColorTransform(matrix.to(augmented.dtype), offset.to(augmented.dtype))(augmented)
    return apply_cutout(augmented, draws, p) if "cutout" in transforms else augmented
