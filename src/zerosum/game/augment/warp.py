"""Pictures moved: one linear map of a sample's pixels, differentiable any number of times.

PyTorch's own `grid_sample` has no second derivative, and a penalty on the discriminator's slope asks for it. The map is
linear in the picture, so it is its own derivative, and its adjoint's derivative is the map again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_GRID_SAMPLE_ARGS = (0, 2, False)
"""As PyTorch's kernels count: bilinear, mirrored, pixels are squares."""


def affine_grid(matrix: Tensor, shift: Tensor, side: int) -> Tensor:
    """Where in the picture each pixel of the result is found: matrix @ (x, y) + shift, in half sides from the centre.

    Args:
        matrix: (N, 2, 2).
        shift: (N, 2).
        side: S of the square pictures.

    Returns:
        (N, S, S, 2), x before y. Where S is a power of two and the map takes pixels to pixels, it does so exactly.
    """
    line = (2 * torch.arange(side, device=matrix.device) + 1).to(matrix.dtype) / side - 1
    # products one by one: a matrix product would be rounded to TF32 or bfloat16 where those are allowed
    across, down = (matrix[:, :, axis, None, None] for axis in range(2))
    where = across * line + (down * line[:, None] + shift[:, :, None, None])  # (N, 2, S, S)
    return torch.stack((where[:, 0], where[:, 1]), 3)


def warp(sample: Tensor, grid: Tensor) -> Tensor:
    """The pictures seen at other places, between four pixels in proportion, mirrored beyond the edge.

    Args:
        sample: (N, C, H, W) float32 or float64.
        grid: (N, H, W, 2) of the same type, as from `places`; it is not differentiated.

    Returns:
        (N, C, H, W).
    """
    if torch.compiler.is_compiling():
        return _warp_compilable(sample, grid)
    moved: Tensor = _GridSample.apply(sample, grid)  # type: ignore[no-untyped-call]
    return moved


class _GridSample(torch.autograd.Function):
    """The map itself."""

    @staticmethod
    def forward(sample: Tensor, grid: Tensor) -> Tensor:
        moved: Tensor = torch.ops.aten.grid_sampler_2d(sample, grid, *_GRID_SAMPLE_ARGS)
        return moved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _GridSampleAdjoint.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


class _GridSampleAdjoint(torch.autograd.Function):
    """Each number of the result goes back to the pixels it was made of."""

    @staticmethod
    def forward(gradient: Tensor, grid: Tensor) -> Tensor:
        return (
            _adjoint_native(gradient, grid) if gradient.device.type == "cpu" else _adjoint_deterministic(gradient, grid)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _GridSample.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


def _adjoint_native(gradient: Tensor, grid: Tensor) -> Tensor:
    """The adjoint by PyTorch's own kernel; on a GPU its sums come in no fixed order, so a run would not repeat."""
    image = gradient.new_zeros(()).expand(gradient.shape)  # only its shape matters
    slopes = torch.ops.aten.grid_sampler_2d_backward(gradient, image, grid, *_GRID_SAMPLE_ARGS, [True, False])
    slope: Tensor = slopes[0]
    return slope


def _adjoint_deterministic(gradient: Tensor, grid: Tensor) -> Tensor:
    """The adjoint by sums in a fixed order: CUDA's `index_put_` sorts before it adds."""
    count, channels, height, width = gradient.shape
    flat = gradient.new_zeros(count * height * width, channels)
    first = torch.arange(count, device=grid.device).view(-1, 1, 1) * (height * width)
    for pixel, share in _bilinear_corners(grid, height, width):
        shares = (gradient * share[:, None]).permute(0, 2, 3, 1).reshape(-1, channels)
        flat.index_put_(((first + pixel).flatten(),), shares, accumulate=True)
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2)


def _warp_compilable(sample: Tensor, grid: Tensor) -> Tensor:
    """The map in PyTorch's own steps, slower until compiled.

    Compiled under torch.func, a `Function` loses its second derivative, and PyTorch 2.13 says nothing of it.
    """
    channels, height, width = sample.shape[1:]
    moved = torch.zeros_like(sample)
    for pixel, share in _bilinear_corners(grid, height, width):
        index = pixel.flatten(1)[:, None].expand(-1, channels, -1)
        moved = moved + sample.flatten(2).gather(2, index).view(sample.shape) * share[:, None]
    return moved


def _bilinear_corners(grid: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """The four pixels around each place, (N, H, W) int64 in a picture's rows, and their shares in it."""
    left, right, x = _neighbor_pixels(grid[..., 0], width)
    top, bottom, y = _neighbor_pixels(grid[..., 1], height)
    rows = ((top * width, 1 - y), (bottom * width, y))
    columns = ((left, 1 - x), (right, x))
    return [(row + column, high * wide) for row, high in rows for column, wide in columns]


def _neighbor_pixels(coordinates: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: the pixels on both sides of a place, (N, H, W) int64, and the second one's share in it."""
    beyond = ((coordinates + 1) * (size / 2)).remainder(2 * size)
    place = (torch.minimum(beyond, 2 * size - beyond) - 0.5).clamp(0, size - 1)
    first = place.floor()
    return first.long(), (first + 1).clamp(max=size - 1).long(), place - first
