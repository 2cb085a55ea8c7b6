"""How far a network sees: the pixels of its input that count for one pixel of its output, traced back layer by layer.

All layers here treat rows and columns alike, so one side is enough.
"""

from __future__ import annotations

from collections.abc import Callable

Span = tuple[int, int]
"""The first and the last pixel of a range, along one side; the map it lies in goes on without end."""


def convolved(span: Span, side: int, dilation: int = 1) -> Span:
    """What a convolution of odd side, which keeps the size, sees to make these pixels."""
    margin = dilation * (side // 2)
    return span[0] - margin, span[1] + margin


def halved(span: Span) -> Span:
    """What a 4x4 convolution of stride 2 sees to make these pixels."""
    return 2 * span[0] - 1, 2 * span[1] + 2


def doubled(span: Span) -> Span:
    """What `layers.Doubling` sees to make these pixels: of pixels repeated, one more on each side."""
    return (span[0] - 1) // 2, (span[1] + 1) // 2


def shuffled(span: Span) -> Span:
    """What a pixel shuffle to twice the size takes to make these pixels."""
    return span[0] // 2, span[1] // 2


def union(spans: list[Span]) -> Span:
    """The shortest range that holds these."""
    firsts, lasts = zip(*spans, strict=True)
    return min(firsts), max(lasts)


def farthest(trace: Callable[[Span], Span], multiple: int, factor: int = 1) -> int:
    """How many input pixels to each side can count for an output pixel.

    Args:
        trace: from a range of output pixels to the range of input pixels they are made of.
        multiple: of input pixels, after which the network repeats itself.
        factor: how many times larger the output is.
    """
    reach = 0
    for pixel in range(multiple * factor):
        first, last = trace((pixel, pixel))
        reach = max(reach, pixel // factor - first, last - pixel // factor)
    return reach
