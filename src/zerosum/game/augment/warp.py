"""Warping of images by bilinear interpolation, differentiable any number of times.

PyTorch's `grid_sample` has no second derivative, which gradient penalties need. Warping is linear in the image, so its
derivative is the adjoint map, and the derivative of the adjoint is the warping again.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

_GRID_SAMPLE_ARGS = (0, 2, False)
"""Codes of the ATen kernels: bilinear interpolation, reflection padding, align_corners=False."""


def affine_grid(matrix: Tensor, shift: Tensor, height: int, width: int) -> Tensor:
    """Return the source position of each output pixel: matrix @ (x, y) + shift, in half sides from the center.

    In images that are not square, the matrix and the shift are in halves of the shorter side, so that a rotation turns
    without distortion, and the result is in halves of each side.

    Args:
        matrix: (N, 2, 2).
        shift: (N, 2).
        height: height H of the images.
        width: width W of the images.

    Returns:
        (N, H, W, 2), x before y. If H and W are one power of two, maps of pixels to pixels are exact.
    """
    if height != width:
        matrix, shift = _to_half_sides(matrix, shift, height, width)
    x_line, y_line = (
        (2 * torch.arange(side, device=matrix.device) + 1).to(matrix.dtype) / side - 1 for side in (width, height)
    )
    # elementwise products: a matrix product might be rounded to TF32 or bfloat16
    x_column, y_column = (matrix[:, :, axis, None, None] for axis in range(2))
    grid = x_column * x_line + (y_column * y_line[:, None] + shift[:, :, None, None])  # (N, 2, H, W)
    return torch.stack((grid[:, 0], grid[:, 1]), 3)


def _to_half_sides(matrix: Tensor, shift: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Convert matrices (N, 2, 2) and shifts (N, 2) in halves of the shorter side to halves of each side."""
    (xx, xy), (yx, yy) = (row.unbind(1) for row in matrix.unbind(1))
    x, y = shift.unbind(1)
    converted = torch.stack((xx, xy * (height / width), yx * (width / height), yy), 1).view(-1, 2, 2)
    shorter = min(height, width)
    return converted, torch.stack((x * (shorter / width), y * (shorter / height)), 1)


def warp(sample: Tensor, grid: Tensor) -> Tensor:
    """Sample images at the grid positions, with bilinear interpolation and reflection padding.

    Args:
        sample: (N, C, H, W) float32 or float64.
        grid: (N, H, W, 2) of the same type, as from `affine_grid`; it is treated as a constant.

    Returns:
        (N, C, H, W).
    """
    if torch.compiler.is_compiling():
        return _warp_compilable(sample, grid)
    warped: Tensor = _GridSample.apply(sample, grid)  # type: ignore[no-untyped-call]
    return warped


class _Context(Protocol):
    """What `torch.autograd.Function` passes from forward to backward."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for `saved_tensors`."""


class _GridSample(torch.autograd.Function):
    """The warping."""

    @staticmethod
    def forward(sample: Tensor, grid: Tensor) -> Tensor:
        warped: Tensor = torch.ops.aten.grid_sampler_2d(sample, grid, *_GRID_SAMPLE_ARGS)
        return warped

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None]:
        return _GridSampleAdjoint.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


class _GridSampleAdjoint(torch.autograd.Function):
    """The adjoint of the warping: distributes each output pixel to its four source pixels."""

    @staticmethod
    def forward(gradient: Tensor, grid: Tensor) -> Tensor:
        return (
            _adjoint_native(gradient, grid) if gradient.device.type == "cpu" else _adjoint_deterministic(gradient, grid)
        )

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None]:
        return _GridSample.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


def _adjoint_native(gradient: Tensor, grid: Tensor) -> Tensor:
    """Compute the adjoint with the ATen kernel; on a GPU it sums in no fixed order, so runs would differ."""
    image = gradient.new_zeros(()).expand(gradient.shape)  # only the shape is read
    gradients = torch.ops.aten.grid_sampler_2d_backward(gradient, image, grid, *_GRID_SAMPLE_ARGS, [True, False])
    sample_gradient: Tensor = gradients[0]
    return sample_gradient


def _adjoint_deterministic(gradient: Tensor, grid: Tensor) -> Tensor:
    """Compute the adjoint with sums in a fixed order: CUDA's `index_put_` sorts the indices before it accumulates."""
    count, channels, height, width = gradient.shape
    flat = gradient.new_zeros(count * height * width, channels)
    offset = torch.arange(count, device=grid.device).view(-1, 1, 1) * (height * width)
    for index, weight in _bilinear_corners(grid, height, width):
        weighted = (gradient * weight[:, None]).permute(0, 2, 3, 1).reshape(-1, channels)
        flat.index_put_(((offset + index).flatten(),), weighted, accumulate=True)
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2)


def _warp_compilable(sample: Tensor, grid: Tensor) -> Tensor:
    """Warp with elementary operations, which is slower unless compiled.

    A compiled `autograd.Function` under torch.func loses its second derivative, without an error in PyTorch 2.13.
    """
    channels, height, width = sample.shape[1:]
    warped = torch.zeros_like(sample)
    for index, weight in _bilinear_corners(grid, height, width):
        channel_index = index.flatten(1)[:, None].expand(-1, channels, -1)
        warped = warped + sample.flatten(2).gather(2, channel_index).view(sample.shape) * weight[:, None]
    return warped


def _bilinear_corners(grid: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Return the four pixels around each position: flat indices (N, H, W) int64 and weights (N, H, W)."""
    left, right, x = _neighbor_pixels(grid[..., 0], width)
    top, bottom, y = _neighbor_pixels(grid[..., 1], height)
    rows = ((top * width, 1 - y), (bottom * width, y))
    columns = ((left, 1 - x), (right, x))
    return [(row + column, row_weight * column_weight) for row, row_weight in rows for column, column_weight in columns]


def _neighbor_pixels(coordinates: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two pixels (N, H, W) int64 around each coordinate along one axis, and the second one's weight."""
    reflected = ((coordinates + 1) * (size / 2)).remainder(2 * size)
    position = (torch.minimum(reflected, 2 * size - reflected) - 0.5).clamp(0, size - 1)
    first = position.floor()
    return first.long(), (first + 1).clamp(max=size - 1).long(), position - first
