"""Thumbnails of images: the cheap features that the monitor compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

THUMBNAIL_SIZE = 16
"""Largest side of a thumbnail in pixels."""


def make_thumbnails(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) averaged down to at most 16 pixels a side, float32 on the CPU."""
    images = images.detach().float()
    if max(images.shape[-2:]) > THUMBNAIL_SIZE:
        from torch.nn.functional import adaptive_avg_pool2d

        images = adaptive_avg_pool2d(images, THUMBNAIL_SIZE)
    return images.cpu()


def thumbnail_features(images: Tensor) -> Tensor:
    """Return thumbnails of images (N, C, H, W) as rows (N, D) float32 on the CPU."""
    return make_thumbnails(images).flatten(1)
