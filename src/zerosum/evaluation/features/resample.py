"""Images as feature networks take them: resized exactly and the same everywhere, and with three channels.

How images are resized moves scores more than most training tricks do (Parmar et al. 2022, arXiv:2104.11222), so it is
written out here rather than left to a library's version. Resizing is two matrix products, one a side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CUBIC_SUPPORT_PIXELS = 2.0  # of the cubic kernel, in pixels
_CACHED_SIZE_PAIRS = 16  # pairs of sizes remembered


def resize_bicubic_antialiased(images: Tensor, size: int) -> Tensor:
    """Resize by cubic convolution with a = -1/2 (Keys 1981), its kernel widened by as much as a side shrinks.

    It is what Pillow's BICUBIC does to floating point images, where nothing is rounded or clipped in between.

    Args:
        images: (N, C, H, W) float32, of any range.
        size: pixels a side of the result, whatever the shape of the images.

    Returns:
        (N, C, side, side) float32; values overshoot a little beside sharp edges.
    """
    return _resize_separable(images, _bicubic_weights(images.shape[2], size), _bicubic_weights(images.shape[3], size))


def resize_bilinear_tensorflow(images: Tensor, size: int) -> Tensor:
    """Resize as TensorFlow 1's resize_bilinear does: what the network of the FID was published with.

    Pixel i of the result lies at i * in / out of the image: corners not aligned, no half-pixel centres, and nothing
    smoothed where a side shrinks (Heusel et al. 2017, arXiv:1706.08500, whose scores all build on it).

    Args:
        images: (N, C, H, W) float32, of any range.
        size: pixels a side of the result, whatever the shape of the images.

    Returns:
        (N, C, side, side) float32, within the range of the images.
    """
    return _resize_separable(images, _bilinear_weights(images.shape[2], size), _bilinear_weights(images.shape[3], size))


def to_rgb(images: Tensor) -> Tensor:
    """Grey is repeated; images with alpha are laid over white.

    Args:
        images: (N, C, H, W) in [-1, 1]: grey, grey and alpha, RGB, or RGBA for C from 1 to 4.

    Returns:
        (N, 3, H, W) in [-1, 1].
    """
    if images.shape[1] in (2, 4):
        cover = (images[:, -1:] + 1) / 2
        images = images[:, :-1] * cover + (1 - cover)
    return images.expand(-1, 3, -1, -1)


def _resize_separable(images: Tensor, row_weights: NDArray[np.float32], column_weights: NDArray[np.float32]) -> Tensor:
    down, across = (torch.from_numpy(matrix).to(images.device) for matrix in (row_weights, column_weights))
    return down @ (images.contiguous() @ across.T)


@lru_cache(_CACHED_SIZE_PAIRS)
def _bicubic_weights(in_size: int, out_size: int) -> NDArray[np.float32]:
    """(outside, inside) weights, each row adding up to 1."""
    scale = in_size / out_size
    centres = (np.arange(out_size) + 0.5) * scale
    away = np.abs(np.arange(in_size) + 0.5 - centres[:, None]) / max(scale, 1.0)
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    weights = np.where(away < 1, near, np.where(away < _CUBIC_SUPPORT_PIXELS, far, 0.0))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)  # type: ignore[no-any-return]


@lru_cache(_CACHED_SIZE_PAIRS)
def _bilinear_weights(in_size: int, out_size: int) -> NDArray[np.float32]:
    """(outside, inside) weights, each row adding up to 1."""
    # in float32, as TensorFlow works: at 299 pixels float64 would move places by up to 1e-5
    places = np.arange(out_size, dtype=np.float32) * np.float32(in_size / out_size)
    before = np.minimum(places.astype(np.int64), in_size - 1)
    after = np.minimum(before + 1, in_size - 1)
    share = places - before.astype(np.float32)
    weights = np.zeros((out_size, in_size), np.float32)
    np.add.at(weights, (np.arange(out_size), before), 1 - share)
    np.add.at(weights, (np.arange(out_size), after), share)
    return weights
