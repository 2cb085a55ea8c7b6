"""Resizing and channel conversion of images for feature networks.

How images are resized changes scores more than most training tricks do (Parmar et al. 2022, arXiv:2104.11222), so the
filters are implemented here and do not depend on the version of a library. Resizing is two matrix products, one for
rows and one for columns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CUBIC_SUPPORT_PIXELS = 2.0
_CACHED_SIZE_PAIRS = 16  # (in_size, out_size) pairs whose weights are cached


def resize_bicubic_antialiased(images: Tensor, size: int) -> Tensor:
    """Resize by cubic convolution with a = -1/2 (Keys 1981), with the kernel widened by the downscaling factor.

    It equals Pillow's BICUBIC on floating point images, where nothing is rounded or clipped in between.

    Args:
        images: (N, C, H, W) float32, of any range.
        size: height and width of the result, whatever the shape of the images.

    Returns:
        (N, C, size, size) float32; values overshoot a little near sharp edges.
    """
    return _resize_separable(images, _bicubic_weights(images.shape[2], size), _bicubic_weights(images.shape[3], size))


def resize_bilinear_tensorflow(images: Tensor, size: int) -> Tensor:
    """Resize as TensorFlow 1's resize_bilinear does, with which the FID was published.

    Pixel i of the result lies at i * in_size / out_size of the image: corners not aligned, no half-pixel centers, and
    no antialiasing (Heusel et al. 2017, arXiv:1706.08500, on whose code all FID scores are based).

    Args:
        images: (N, C, H, W) float32, of any range.
        size: height and width of the result, whatever the shape of the images.

    Returns:
        (N, C, size, size) float32, within the range of the images.
    """
    return _resize_separable(images, _bilinear_weights(images.shape[2], size), _bilinear_weights(images.shape[3], size))


def to_rgb(images: Tensor) -> Tensor:
    """Convert images to RGB: repeat a gray channel, and composite images with alpha over white.

    Args:
        images: (N, C, H, W) in [-1, 1]: gray, gray and alpha, RGB, or RGBA for C from 1 to 4.

    Returns:
        (N, 3, H, W) in [-1, 1].
    """
    if images.shape[1] in (2, 4):
        alpha = (images[:, -1:] + 1) / 2
        images = images[:, :-1] * alpha + (1 - alpha)
    return images.expand(-1, 3, -1, -1)


def _resize_separable(images: Tensor, row_weights: NDArray[np.float32], column_weights: NDArray[np.float32]) -> Tensor:
    rows, columns = (torch.from_numpy(matrix).to(images.device) for matrix in (row_weights, column_weights))
    return rows @ (images.contiguous() @ columns.T)


@lru_cache(_CACHED_SIZE_PAIRS)
def _bicubic_weights(in_size: int, out_size: int) -> NDArray[np.float32]:
    """Return weights (out_size, in_size), each row adding up to 1."""
    scale = in_size / out_size
    centers = (np.arange(out_size) + 0.5) * scale
    distance = np.abs(np.arange(in_size) + 0.5 - centers[:, None]) / max(scale, 1.0)
    inner = (1.5 * distance - 2.5) * distance**2 + 1
    outer = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance < 1, inner, np.where(distance < _CUBIC_SUPPORT_PIXELS, outer, 0.0))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)  # type: ignore[no-any-return]


@lru_cache(_CACHED_SIZE_PAIRS)
def _bilinear_weights(in_size: int, out_size: int) -> NDArray[np.float32]:
    """Return weights (out_size, in_size), each row adding up to 1."""
    # float32 as in TensorFlow: at 299 pixels float64 would move positions by up to 1e-5
    positions = np.arange(out_size, dtype=np.float32) * np.float32(in_size / out_size)
    before = np.minimum(positions.astype(np.int64), in_size - 1)
    after = np.minimum(before + 1, in_size - 1)
    fraction = positions - before.astype(np.float32)
    weights = np.zeros((out_size, in_size), np.float32)
    np.add.at(weights, (np.arange(out_size), before), 1 - fraction)
    np.add.at(weights, (np.arange(out_size), after), fraction)
    return weights
