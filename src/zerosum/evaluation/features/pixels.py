"""Values as features: no weights, no download, and no knowledge of image content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bicubic_antialiased

MAX_IMAGE_SIZE = 32


@dataclass(frozen=True)
class PixelFeatures:
    """Flattened values of images, resized to 32 px if a side is longer; points pass unchanged."""

    max_size: int | None = MAX_IMAGE_SIZE
    """Longest side in pixels; None for values that are not resized."""
    name: ClassVar[str] = "pixels"
    is_cacheable: ClassVar[bool] = True
    version: ClassVar[str] = "00000001"
    """Increase this whenever the same image would get other features."""

    @property
    def resize_mode(self) -> str:
        """How images are resized."""
        return "none" if self.max_size is None else f"bicubic, antialiased, to {self.max_size} px where larger"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, C * h * w) of images (N, C, H, W), h and w at most `max_size`."""
        if self.max_size is not None and max(images.shape[2:]) > self.max_size:
            images = resize_bicubic_antialiased(images, self.max_size)
        return FeatureOutput(images.flatten(1))
