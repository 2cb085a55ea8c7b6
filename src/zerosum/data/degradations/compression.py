"""What a sensor and a file format do: noise and JPEG's blocks."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.data.degradations.byte_levels import round_levels_
from zerosum.game.seeded_rng import RandomStream, fork_seed, normal, uniform

JPEG_QUALITY_RANGE = (10, 40)
"""Between which JPEG's quality is drawn, both included."""
READ_NOISE_STD_RANGE = (4.0, 24.0)
"""Between which the standard deviation of a sensor's even noise is drawn, in levels."""
SHOT_NOISE_STD_RANGE = (2.0, 10.0)
"""Between which that of its shot noise is drawn, in levels, at white; it grows with the root of the light."""


def noise(levels: Tensor, seed: Tensor) -> Tensor:
    """A sensor's noise, even and of light together: (N, C, H, W) to the same.

    The Poisson noise of light is taken as a Gaussian whose variance grows with the level, so that both are one draw
    (Foi, Trimeche, Katkovnik and Egiazarian 2008, IEEE TIP).
    """
    place = uniform(seed, 2, RandomStream.SENSOR_NOISE)
    read, shot = (
        (least + (most - least) * place[:, i])[:, None, None, None]
        for i, (least, most) in enumerate((READ_NOISE_STD_RANGE, SHOT_NOISE_STD_RANGE))
    )
    grain = normal(fork_seed(seed, 1), math.prod(levels.shape[1:]), RandomStream.SENSOR_NOISE).view_as(levels)
    return round_levels_(grain * torch.sqrt(read.square() + shot.square() * (levels / 255)) + levels)


def jpeg(levels: Tensor, seed: Tensor) -> Tensor:
    """Through a JPEG file of low quality, picture by picture: (N, C, H, W) of 1 or 3 channels to the same."""
    least, most = JPEG_QUALITY_RANGE
    quality = least + (uniform(seed, 1, RandomStream.JPEG)[:, 0] * (most - least + 1)).long()
    images = levels.permute(0, 2, 3, 1).byte().cpu().numpy()
    squeezed = [_jpeg_round_trip(image, q) for image, q in zip(images, quality.tolist(), strict=True)]
    return torch.from_numpy(np.stack(squeezed)).to(levels.device).permute(0, 3, 1, 2).float().contiguous()


def _jpeg_round_trip(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """One image (H, W, C) written as a JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(image.shape)
