"""How far a network sees: the pixels of its input that count for one pixel of its output, traced back layer by layer.

All layers here treat rows and columns alike, so one side is enough.
"""

from __future__ import annotations

from collections.abc import Callable

PixelRange = tuple[int, int]
"""The first and the last pixel of a range, along one side; the map it lies in goes on without end."""


def trace_conv(pixel_range: PixelRange, kernel_size: int, dilation: int = 1) -> PixelRange:
    """What a convolution of odd side, which keeps the size, sees to make these pixels."""
    margin = dilation * (kernel_size // 2)
    return pixel_range[0] - margin, pixel_range[1] + margin


def trace_strided_conv(pixel_range: PixelRange) -> PixelRange:
    """What a 4x4 convolution of stride 2 sees to make these pixels."""
    return 2 * pixel_range[0] - 1, 2 * pixel_range[1] + 2


def trace_upsample_conv(pixel_range: PixelRange) -> PixelRange:
    """What `layers.Doubling` sees to make these pixels: of pixels repeated, one more on each side."""
    return (pixel_range[0] - 1) // 2, (pixel_range[1] + 1) // 2


def trace_pixel_shuffle(pixel_range: PixelRange) -> PixelRange:
    """What a pixel shuffle to twice the size takes to make these pixels."""
    return pixel_range[0] // 2, pixel_range[1] // 2


def union_ranges(pixel_ranges: list[PixelRange]) -> PixelRange:
    """The shortest range that holds these."""
    firsts, lasts = zip(*pixel_ranges, strict=True)
    return min(firsts), max(lasts)


def compute_radius(
    trace_input_range: Callable[[PixelRange], PixelRange], size_multiple: int, upscale_factor: int = 1
) -> int:
    """How many input pixels to each side can count for an output pixel.

    Args:
        trace_input_range: from a range of output pixels to the range of input pixels they are made of.
        size_multiple: of input pixels, after which the network repeats itself.
        upscale_factor: how many times larger the output is.
    """
    reach = 0
    for pixel in range(size_multiple * upscale_factor):
        first, last = trace_input_range((pixel, pixel))
        reach = max(reach, pixel // upscale_factor - first, last - pixel // upscale_factor)
    return reach
