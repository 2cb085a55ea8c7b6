"""Values themselves as features: no weights, no download, and no understanding of what is in a picture."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from zerosum.evaluation.features.base import Seen
from zerosum.evaluation.features.resample import antialiased_bicubic

_SIDE = 32


class Pixels:
    """Images as rows of their own values, made smaller first where a side is over 32 px; points pass unchanged."""

    name: ClassVar[str] = "pixels"
    steady: ClassVar[bool] = True
    version: ClassVar[str] = "00000001"
    """To be raised whenever the same image would get other features."""
    resize: ClassVar[str] = f"bicubic, antialiased, to {_SIDE} px where larger"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Seen:
        """Images (N, C, H, W) to features (N, C * h * w), h and w at most 32; points (N, F) to themselves."""
        if images.dim() == 4 and max(images.shape[2:]) > _SIDE:
            images = antialiased_bicubic(images, _SIDE)
        return Seen(images.flatten(1))
