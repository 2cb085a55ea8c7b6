"""Images as samples: bytes to [-1, 1] and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerosum.data.codec import Codec, Items
from zerosum.data.images.pixels import bytes_to_unit, unit_to_bytes
from zerosum.data.images.thumbnails import thumbnail_features
from zerosum.game.sample_spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.run_folder import Json


@dataclass(frozen=True)
class ImageCodec(Codec):
    """Encodes images uint8 (N, H, W, C) as samples (N, C, H, W) in [-1, 1]."""

    shape: tuple[int, int, int]
    """(C, H, W)"""

    @classmethod
    def of_images(cls, images: Items) -> ImageCodec:
        """Return the codec of images (N, H, W, C)."""
        _, height, width, channels = images.shape
        return cls((channels, height, width))

    @property
    def spec(self) -> TensorSpec:
        """An image (C, H, W), bounded."""
        return TensorSpec(self.shape, bounded=True)

    def encode(self, raw: Tensor) -> Tensor:  # type: ignore[override]
        """Scale bytes (N, H, W, C) to (N, C, H, W) in [-1, 1], a permuted view without a copy in channels_last."""
        return bytes_to_unit(raw)

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        """Round samples (N, C, H, W) to bytes (N, H, W, C); values outside are clipped, NaN becomes mid gray."""
        return unit_to_bytes(sample)

    def embed(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        """Return thumbnails (N, D) of images (N, C, H, W)."""
        return thumbnail_features(sample)

    def settings(self) -> Mapping[str, Json]:
        """Return the shape."""
        return {"shape": self.shape}
