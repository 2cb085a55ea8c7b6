"""Values as features: no weights, no download, and no knowledge of image content."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bicubic_antialiased

_MAX_IMAGE_SIZE = 32


class PixelFeatures:
    """Flattened values of images, resized to 32 px if a side is longer; points pass unchanged."""

    name: ClassVar[str] = "pixels"
    is_cacheable: ClassVar[bool] = True
    version: ClassVar[str] = "00000001"
    """Increase this whenever the same image would get other features."""
    resize_mode: ClassVar[str] = f"bicubic, antialiased, to {_MAX_IMAGE_SIZE} px where larger"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, C * h * w) of images (N, C, H, W), h and w at most 32; points (N, F) unchanged."""
        if images.dim() == 4 and max(images.shape[2:]) > _MAX_IMAGE_SIZE:
            images = resize_bicubic_antialiased(images, _MAX_IMAGE_SIZE)
        return FeatureOutput(images.flatten(1))
