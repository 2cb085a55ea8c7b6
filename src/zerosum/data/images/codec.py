"""Images as samples: pixels of any type to [-1, 1] and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.codec import Codec, Items
from zerosum.data.condition_columns import NO_CONDITIONS, Conditions
from zerosum.data.images.pixels import (
    FLOAT_STEPS,
    PixelType,
    bytes_to_unit,
    parse_pixel_type,
    round_to_bytes,
    unit_to_bytes,
    unit_to_values,
    values_to_unit,
)
from zerosum.data.images.thumbnails import thumbnail_features
from zerosum.data.images.value_range import Range, scale_to_8bit
from zerosum.game.sample_spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.run_folder import Json

BYTE_RANGE: Range = (0.0, 255.0)
"""The range of images of 8 bits, which nothing changes."""
MAX_RGB_BANDS = 4
"""Of at most so many bands the first three are shown as RGB; of more, the first, the middle and the last."""


@dataclass(frozen=True)
class ImageCodec(Codec):
    """Encodes images (N, H, W, C) of a type as samples (N, C, H, W) in [-1, 1].

    Example:
        >>> ImageCodec((8, 64, 64), "float32", (0.0, 1.0)).shown_bands
        (0, 4, 7)
    """

    shape: tuple[int, int, int]
    """(C, H, W)"""
    dtype: PixelType = "uint8"
    """The type of the values."""
    value_range: Range = BYTE_RANGE
    """(low, high): the values that are -1 and 1; that of uint8 is always 0 to 255."""
    preview_bands: tuple[int, ...] = ()
    """The band, or the three bands, that are drawn, counted from 1; (): chosen by `shown_bands`."""
    conditions: Conditions = NO_CONDITIONS
    """The columns of `data.conditions`."""

    @classmethod
    def of_images(cls, images: Items, value_range: Range = BYTE_RANGE) -> ImageCodec:
        """Return the codec of images (N, H, W, C) of a range."""
        _, height, width, channels = images.shape
        return cls((channels, height, width), parse_pixel_type(images.dtype.name), value_range)

    @property
    def spec(self) -> TensorSpec:
        """An image (C, H, W), bounded."""
        return TensorSpec(self.shape, bounded=True)

    @property
    def has_bands(self) -> bool:
        """Whether the channels are bands, not gray or RGB with or without alpha of 8 bits."""
        return self.dtype != "uint8" or self.shape[0] > 4

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """The indices of the channels that are drawn and that pretrained networks see, gray or RGB."""
        channels = self.shape[0]
        if self.preview_bands:
            return tuple(band - 1 for band in self.preview_bands)
        if not self.has_bands:
            return tuple(range(channels))
        if channels < 3:
            return (0,)
        return (0, 1, 2) if channels <= MAX_RGB_BANDS else (0, channels // 2, channels - 1)

    @property
    def steps(self) -> float:
        """The number of steps that the type resolves in the range: 255 for bytes."""
        low, high = self.value_range
        return FLOAT_STEPS if self.dtype == "float32" else high - low

    def encode(self, raw: Tensor) -> Tensor:  # type: ignore[override]
        """Scale values (N, H, W, C) to (N, C, H, W) in [-1, 1]: a permuted view, in channels_last without a copy."""
        return bytes_to_unit(raw) if self.dtype == "uint8" else values_to_unit(raw, self.value_range)

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        """Convert samples (N, C, H, W) to images (N, H, W, C) of the type, rounded if it is one of integers.

        Values outside of [-1, 1] are clipped, and NaN becomes the middle of the range.
        """
        return unit_to_bytes(sample) if self.dtype == "uint8" else unit_to_values(sample, self.dtype, self.value_range)

    def preview(self, items: Items) -> Items:
        """Return the shown bands of images (N, H, W, C) with the range scaled to bytes: uint8 (N, H, W, 1 to 4)."""
        if self.shown_bands != tuple(range(items.shape[3])):
            items = items[..., list(self.shown_bands)]
        if items.dtype == np.uint8:
            return items
        return scale_to_8bit(items.astype(np.float64), self.value_range)[0]

    def round(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        """Round samples (N, C, H, W) to the values of the type, as if written to files and loaded again."""
        import torch

        if self.dtype == "uint8":
            return round_to_bytes(sample)
        values = unit_to_values(sample, self.dtype, self.value_range)
        return self.encode(torch.from_numpy(values)).to(sample.device)

    def baseline(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return inputs (N, Ci, h, w) of a translation as images (N, C, H, W) of a shape, without a network."""
        from zerosum.data.images.fit_inputs import fit_inputs

        return fit_inputs(inputs, shape)

    def embed(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        """Return thumbnails (N, D) of images (N, C, H, W)."""
        return thumbnail_features(sample)

    def settings(self) -> Mapping[str, Json]:
        """Return the shape, the type, the range and the shown bands."""
        return {
            "shape": self.shape,
            "dtype": self.dtype,
            "range": self.value_range,
            "preview_bands": self.preview_bands,
            **({"conditions": self.conditions.settings()} if self.conditions.columns else {}),
        }

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the conditions of training images, if there are any."""
        return self.conditions.tensors()

    @property
    def condition_spec(self) -> TensorSpec | None:
        """One row of numbers; None if there are no conditions."""
        return self.conditions.spec

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Tensor | None:
        """Return the conditions (N, M) of random training images, of these classes (N,) if there are any."""
        return self.conditions.draw(seed, label)

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The columns of `data.conditions`."""
        return self.conditions.names

    @property
    def condition_entries(self) -> tuple[str, ...]:
        """The columns of numbers, and the texts of the others, such as "species=cat"."""
        return self.conditions.entries

    @property
    def condition_scales(self) -> Mapping[str, tuple[float, float]]:
        """Mean and standard deviation of the columns of numbers."""
        return self.conditions.scales

    def set_condition(self, condition: Tensor, name: str, value: str) -> Tensor:  # type: ignore[override]
        """Return conditions (N, M) with a value of one column set."""
        return self.conditions.set_value(condition, name, value)
