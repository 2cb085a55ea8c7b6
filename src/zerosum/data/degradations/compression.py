"""Degradations by a sensor and a file format: noise and JPEG compression."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.data.images.files import open_image
from zerosum.game.seeded_rng import RandomStream, fork_seed, normal, uniform

JPEG_QUALITY_RANGE = (10, 40)
"""Range of the random JPEG quality, both ends included."""
READ_NOISE_STD_RANGE = (4.0, 24.0)
"""Range of the random standard deviation of a sensor's read noise, in levels."""
SHOT_NOISE_STD_RANGE = (2.0, 10.0)
"""Range of the random standard deviation of its shot noise at white, in levels; it grows with the root of the level."""


def noise(levels: Tensor, seed: Tensor) -> Tensor:
    """Add the read noise and the shot noise of a sensor: (N, C, H, W) to the same shape.

    Poisson shot noise is approximated by a Gaussian whose variance grows with the level, so that both are one random
    draw (Foi, Trimeche, Katkovnik and Egiazarian 2008, IEEE TIP).
    """
    draws = uniform(seed, 2, RandomStream.SENSOR_NOISE)
    read_std, shot_std = (
        (low + (high - low) * draws[:, i])[:, None, None, None]
        for i, (low, high) in enumerate((READ_NOISE_STD_RANGE, SHOT_NOISE_STD_RANGE))
    )
    unit_noise = normal(fork_seed(seed, 1), math.prod(levels.shape[1:]), RandomStream.SENSOR_NOISE).view_as(levels)
    return round_levels_(unit_noise * torch.sqrt(read_std.square() + shot_std.square() * (levels / 255)) + levels)


def jpeg(levels: Tensor, seed: Tensor) -> Tensor:
    """Compress each image as a JPEG of random low quality: (N, C, H, W) with 1 or 3 channels to the same shape."""
    lowest, highest = JPEG_QUALITY_RANGE
    quality = lowest + (uniform(seed, 1, RandomStream.JPEG)[:, 0] * (highest - lowest + 1)).long()
    images = levels.permute(0, 2, 3, 1).byte().cpu().numpy()
    compressed = [_jpeg_round_trip(image, q) for image, q in zip(images, quality.tolist(), strict=True)]
    return torch.from_numpy(np.stack(compressed)).to(levels.device).permute(0, 3, 1, 2).float().contiguous()


def _jpeg_round_trip(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Write an image (H, W, C) as a JPEG and read it again."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
    return np.asarray(open_image(file)).reshape(image.shape)
