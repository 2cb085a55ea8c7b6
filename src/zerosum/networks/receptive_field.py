"""Receptive field of a network: which input pixels affect an output pixel, traced back layer by layer.

All layers here treat rows and columns alike, so one side is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

PixelRange = tuple[int, int]
"""First and last pixel of a range along one side; the map is taken as unbounded."""


@runtime_checkable
class TranslatorNetwork(Protocol):
    """What every translator declares, so that large images can be translated in tiles."""

    condition_inputs: tuple[str, ...]
    """Names of the further arguments of `forward`: () or ("seed",)."""
    receptive_field_radius: int | None
    """How many input pixels on each side can affect an output pixel; None if all can."""
    size_multiple: int
    """The multiple to which it pads images internally, in input pixels."""


def trace_conv(pixel_range: PixelRange, kernel_size: int, dilation: int = 1) -> PixelRange:
    """Return the input range of a size-preserving convolution with an odd `kernel_size`, for these output pixels."""
    margin = dilation * (kernel_size // 2)
    return pixel_range[0] - margin, pixel_range[1] + margin


def trace_strided_conv(pixel_range: PixelRange) -> PixelRange:
    """Return the input range of a 4x4 convolution of stride 2, for these output pixels."""
    return 2 * pixel_range[0] - 1, 2 * pixel_range[1] + 2


def trace_upsample_conv(pixel_range: PixelRange) -> PixelRange:
    """Return the input range of `layers.UpsampleConv`, for these output pixels."""
    return (pixel_range[0] - 1) // 2, (pixel_range[1] + 1) // 2


def trace_pixel_shuffle(pixel_range: PixelRange) -> PixelRange:
    """Return the input range of a pixel shuffle to twice the size, for these output pixels."""
    return pixel_range[0] // 2, pixel_range[1] // 2


def union_ranges(pixel_ranges: list[PixelRange]) -> PixelRange:
    """Return the smallest range that contains all of these."""
    firsts, lasts = zip(*pixel_ranges, strict=True)
    return min(firsts), max(lasts)


def compute_radius(
    trace_input_range: Callable[[PixelRange], PixelRange], size_multiple: int, upscale_factor: int = 1
) -> int:
    """Return how many input pixels on each side can affect an output pixel.

    Args:
        trace_input_range: maps a range of output pixels to the range of input pixels that affect them.
        size_multiple: period, in input pixels, after which the network repeats itself.
        upscale_factor: how many times as large as the input the output is.
    """
    radius = 0
    for pixel in range(size_multiple * upscale_factor):
        first, last = trace_input_range((pixel, pixel))
        radius = max(radius, pixel // upscale_factor - first, last - pixel // upscale_factor)
    return radius
