"""What augmentation does to pictures: the transforms of ADA and of DiffAugment.

A transform is a pure function of a sample's own seed and of the probability p: what a picture turns into does not
depend on its neighbours in the batch. Nothing waits for the device, so p may be a tensor there. Samples are float32
pictures in [-1, 1]; a second or fourth channel is alpha, which moves with the picture and keeps its values.

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
from zerosum.game.play import at_least_float32

ProbabilityValue = Tensor | float
"""A probability in [0, 1]: a number, or a tensor of no dimensions."""


class UniformDraws(NamedTuple):
    """Uniform numbers in (0, 1), rows (N, k): each transform has its own, whichever others are chosen."""

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
    """All that chance decides about samples of these seeds, (N,) int64."""
    # drawn in one go: on a CPU the draw costs as much for 3 numbers as for 30
    return UniformDraws(
        *torch.split(
            seeded_rng.uniform(seed, sum(_DRAWS_PER_FIELD), seeded_rng.RandomStream.AUGMENT), _DRAWS_PER_FIELD, 1
        )
    )


def _uniform_to_normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones."""
    return torch.erfinv(2 * uniform - 1) * math.sqrt(2)


def _exp2(octaves: Tensor) -> Tensor:
    """2^x by `exp`: PyTorch's exp2 rounds a row's last numbers in another way, and they depend on the batch's size."""
    return torch.exp(octaves * math.log(2))


class AffineTransform(NamedTuple):
    """Where each pixel of the result is found: matrix @ (x, y) + shift, in half sides from the centre."""

    matrix: Tensor
    """(N, 2, 2)."""
    shift: Tensor
    """(N, 2)."""

    def compose(self, second: AffineTransform) -> AffineTransform:
        """The second move made after this one: its places are found first."""
        return AffineTransform(
            _batched_matmul(self.matrix, second.matrix), _batched_matvec(self.matrix, second.shift) + self.shift
        )


def _batched_matmul(left: Tensor, right: Tensor) -> Tensor:
    """(N, 2, 2) by (N, 2, k): no matrix product, which a GPU may round and which depends on the batch."""
    return (left[..., None] * right[:, None]).sum(2)


def _batched_matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """(N, 2, 2) by (N, 2)."""
    return (matrix * vector[:, None]).sum(2)


def _rotation_matrix(angle: Tensor) -> Tensor:
    """(N,) angles to (N, 2, 2)."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack((cos, -sin, sin, cos), 1).view(-1, 2, 2)


def blit_transform(draws: UniformDraws, p: ProbabilityValue, side: int) -> AffineTransform:
    """Pixels to pixels: mirrored (half the time), turned by 0, 90, 180 or 270 degrees, shifted by up to an eighth."""
    mirrors, turns, shifts = (draws.blit_gate < p).unbind(1)
    mirrored = mirrors & (draws.blit[:, 0] < 0.5)
    quarters = torch.floor(4 * draws.blit[:, 1]) * turns
    matrix = _rotation_matrix(quarters * (-math.pi / 2)).round()
    flip = torch.stack((1.0 - 2.0 * mirrored, torch.ones_like(quarters)), 1)
    pixels = torch.round((2 * draws.blit[:, 2:] - 1) * (side / 8)) * shifts[:, None]
    matrix = flip[:, :, None] * matrix
    return AffineTransform(matrix, _batched_matvec(matrix, pixels * (-2 / side)))


def geometry_transform(draws: UniformDraws, p: ProbabilityValue, side: int) -> AffineTransform:
    """Scaled, turned, stretched, turned, shifted, each in any amount.

    Either turn happens with probability 1 - sqrt(1 - p), so that at least one does with probability p.
    """
    acts = draws.geometry_gate
    turns = 1 - (1 - acts[:, 1::2]).square() < p
    before, after = ((2 * draws.angles - 1) * -math.pi * turns).unbind(1)
    happens = acts[:, ::2] < p
    lengths = _uniform_to_normal(draws.scales_and_shifts)
    scale, stretch = (0.2 * lengths[:, :2] * happens[:, :2]).unbind(1)
    shrink = _exp2(torch.stack((-scale - stretch, stretch - scale), 1))
    matrix = _batched_matmul(_rotation_matrix(before), shrink[:, :, None] * _rotation_matrix(after))
    shift = lengths[:, 2:] * (2 / 8) * happens[:, 2:]
    return AffineTransform(matrix, _batched_matvec(matrix, -shift))


AFFINE_TRANSFORMS: dict[str, Callable[[UniformDraws, ProbabilityValue, int], AffineTransform]] = {
    "blit": blit_transform,
    "geometry": geometry_transform,
}
"""In the order in which they are made."""


class ColorTransform(NamedTuple):
    """matrix @ colour + offset, for each pixel."""

    matrix: Tensor
    """(N, k, k), k = 1 for grey and 3 for colour."""
    offset: Tensor
    """(N, 1, 1)."""

    def __call__(self, sample: Tensor) -> Tensor:
        """(N, C, H, W) to the same; alpha is left as it is."""
        colors = self.matrix.shape[1]
        flat = sample[:, :colors].flatten(2)  # (N, k, H W)
        changed = self._apply_matmul(flat) if sample.device.type == "cpu" else self._apply_elementwise(flat)
        changed = changed.view(-1, colors, *sample.shape[2:])
        return changed if colors == sample.shape[1] else torch.cat((changed, sample[:, colors:]), 1)

    def _apply_matmul(self, pixels: Tensor) -> Tensor:
        if self.matrix.shape[1] == 1:
            return self.matrix * pixels + self.offset
        with torch.autocast("cpu", enabled=False):
            return torch.baddbmm(self.offset, self.matrix, pixels)

    def _apply_elementwise(self, pixels: Tensor) -> Tensor:
        # a GPU may round the factors of a matrix product to TF32, and then even p = 0 would change the picture
        return (self.matrix[..., None] * pixels[:, None]).sum(2) + self.offset


def _color_matrix(color_channels: int, identity_weight: Tensor, gray_weight: Tensor, hue_weight: Tensor) -> Tensor:
    """The matrix of own x + grey mean(x) + wheel (x turned by 90 degrees of hue): (N,) each to (N, k, k)."""
    one = torch.eye(color_channels, device=identity_weight.device)
    identity_weight, gray_weight, hue_weight = (
        weight[:, None, None] for weight in (identity_weight, gray_weight, hue_weight)
    )
    if color_channels == 1:
        return identity_weight * one + gray_weight
    quarter = (one.roll(1, 0) - one.roll(-1, 0)) / math.sqrt(3)  # the cross product with (1, 1, 1) / sqrt(3)
    return identity_weight * one + gray_weight / 3 + hue_weight * quarter


def color_transform(draws: UniformDraws, p: ProbabilityValue, color_channels: int) -> ColorTransform:
    """Brightness, contrast, luma flip, hue, saturation.

    Luma is the part along (1, 1, 1), and the other four steps treat it and the rest each in one way, so they commute:
    contrast multiplies both, the flip turns luma's sign, hue turns the rest and saturation multiplies it. Grey
    pictures are luma alone.
    """
    brighter, contrasted, flips, hues, saturated = (draws.color_gate < p).unbind(1)
    normal = _uniform_to_normal(draws.color_gains)
    contrast = _exp2(0.5 * normal[:, 1] * contrasted)
    luma = contrast * (1.0 - 2.0 * (flips & (draws.color[:, 0] < 0.5)))
    offset = (luma * 0.2 * normal[:, 0] * brighter)[:, None, None]
    hue = (2 * draws.color[:, 1] - 1) * math.pi * hues
    chroma = contrast * _exp2(normal[:, 2] * saturated)
    own = chroma * torch.cos(hue)
    return ColorTransform(_color_matrix(color_channels, own, luma - own, chroma * torch.sin(hue)), offset)


def apply_cutout(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """A square of half the side, its centre anywhere in the picture, becomes 0, which is mid grey."""
    side = sample.shape[3]
    half = (side + 1) // 2
    centre = torch.floor(draws.cutout * (side + 1 - half % 2))
    line = torch.arange(side, device=centre.device) - (centre - half // 2)[:, :, None]  # (N, 2, S)
    inside = (line >= 0) & (line < half) & (draws.cutout_gate < p)[:, :, None]
    return sample * (~_rectangle_mask(inside)).to(sample.dtype)


def _rectangle_mask(inside: Tensor) -> Tensor:
    """(N, 2, S) bool, columns and rows, to the (N, 1, S, S) pixels in both."""
    return inside[:, 1, None, :, None] & inside[:, 0, None, None, :]


def apply_color_jitter(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """DiffAugment's colour: brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5) about the mean."""
    happens = draws.color_gate[:, 0] < p
    brightness = (draws.color_gains[:, 0] - 0.5) * happens
    saturation = 1 + (2 * draws.color_gains[:, 1] - 1) * happens
    contrast = 1 + (draws.color_gains[:, 2] - 0.5) * happens
    colors = _count_color_channels(sample)
    # one step: brightness moves the mean along, and saturation leaves it where it is
    matrix = _color_matrix(colors, contrast * saturation, contrast * (1 - saturation), torch.zeros_like(contrast))
    mean = sample[:, :colors].mean((1, 2, 3))
    offset = (1 - contrast).to(sample.dtype) * mean + brightness.to(sample.dtype)
    return ColorTransform(matrix.to(sample.dtype), offset[:, None, None])(sample)


def apply_translation(sample: Tensor, draws: UniformDraws, p: ProbabilityValue) -> Tensor:
    """DiffAugment's shift by whole pixels, up to an eighth of the side each way; what comes in is 0."""
    channels, side = sample.shape[1], sample.shape[3]
    most = (side + 4) // 8
    pixels = (torch.floor(draws.blit[:, 2:] * (2 * most + 1)) - most) * (draws.blit_gate[:, 2:] < p)
    source = torch.arange(side, device=pixels.device) - pixels.long()[:, :, None]  # (N, 2, S)
    within = source.clamp(0, side - 1)
    index = (within[:, 1, :, None] * side + within[:, 0, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
    # twice as fast as `warp` on a CPU, both ways
    moved = sample.flatten(2).gather(2, index).view(sample.shape)
    return moved * _rectangle_mask(source == within).to(sample.dtype)


DIFFAUGMENT_TRANSFORMS: dict[str, Callable[[Tensor, UniformDraws, ProbabilityValue], Tensor]] = {
    "color": apply_color_jitter,
    "translation": apply_translation,
    "cutout": apply_cutout,
}
"""DiffAugment's transforms, in the paper's order."""


def _count_color_channels(sample: Tensor) -> int:
    """How many channels are colour: 1 of grey and grey with alpha, 3 of colour and colour with alpha."""
    return 3 if sample.shape[1] > 2 else 1


def _to_contiguous_float32(sample: Tensor) -> Tensor:
    """At least float32, in which places are exact; a third faster to move than in channels_last."""
    return at_least_float32(sample).contiguous()


def apply_diffaugment(sample: Tensor, seed: Tensor, p: ProbabilityValue, policy: Collection[str]) -> Tensor:
    """DiffAugment's transforms of this policy.

    Args:
        sample: (N, C, S, S) float, C from 1 to 4.
        seed: (N,) int64.
        p: with which probability each transform is made.
        policy: keys of `POLICIES`.

    Returns:
        (N, C, S, S), at least float32.
    """
    drawn = draw_uniforms(seed)
    changed = _to_contiguous_float32(sample)
    for name, transform in DIFFAUGMENT_TRANSFORMS.items():
        if name in policy:
            changed = transform(changed, drawn, p)
    return changed


def apply_ada(
    sample: Tensor, seed: Tensor, p: ProbabilityValue, transforms: Collection[str], color_fraction: float
) -> Tensor:
    """ADA's transforms of these groups.

    All moves of a picture are put together and made in one, so that it is interpolated once.

    Args:
        sample: (N, C, S, S) float, C from 1 to 4.
        seed: (N,) int64.
        p: with which probability each transform is made.
        transforms: keys of `MOVES`, "color", "cutout".
        color_fraction: each transform of colour is made with this share of p.

    Returns:
        (N, C, S, S), at least float32.
    """
    drawn = draw_uniforms(seed)
    changed, side = _to_contiguous_float32(sample), sample.shape[3]
    moves = [make(drawn, p, side) for name, make in AFFINE_TRANSFORMS.items() if name in transforms]
    if moves:
        move = moves[0] if len(moves) == 1 else moves[0].compose(moves[1])
        changed = warp.warp(changed, warp.affine_grid(*move, side).to(changed.dtype))
    if "color" in transforms:
        matrix, offset = color_transform(drawn, p * color_fraction, _count_color_channels(sample))
        changed = ColorTransform(matrix.to(changed.dtype), offset.to(changed.dtype))(changed)
    return apply_cutout(changed, drawn, p) if "cutout" in transforms else changed
