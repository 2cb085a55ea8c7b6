"""How much of their 256 levels images of 8 bits use: masks of 0 and 1 and label maps of 0 to 3 train as black."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.rows import DecodedImages

_MAX_SAMPLED = 512  # evenly spaced examples that are looked at
_NARROW_SPAN = 32  # levels: all photographs together use more


class Levels(NamedTuple):
    """The least and the largest level of images."""

    low: int
    high: int

    def notes(self, source: str) -> list[str]:
        """Return a sentence for the user if the images of a source hardly use their range."""
        if self.high - self.low >= _NARROW_SPAN:
            return []
        are = f"all {self.low}" if self.low == self.high else f"only {self.low} to {self.high}"
        factor = 255 // max(self.high, 1)
        advice = f"multiply them by {factor} to fill the range" if self.high and factor > 1 else "spread them over it"
        return [f"the values in {source} are {are} of 0 to 255, so that its images hardly differ: {advice}"]


def measure_levels(values: NDArray[np.generic]) -> Levels | None:
    """Return the levels of evenly spaced examples (N, H, W, C), without alpha; None for more than 8 bits."""
    if values.dtype != np.uint8 or not len(values):
        return None
    channels = values.shape[3]
    colors = channels - 1 if channels in (2, 4) else channels
    indices = np.linspace(0, len(values) - 1, min(len(values), _MAX_SAMPLED)).astype(np.int64)
    lows, highs = zip(
        *((image.min(), image.max()) for image in (values[i, ..., :colors] for i in indices)), strict=True
    )
    return Levels(int(min(lows)), int(max(highs)))


def add_levels(decoded: DecodedImages) -> DecodedImages:
    """Return images with their levels in the summary, and a note if they hardly use the 256 that there are."""
    summary, levels = decoded.summary, measure_levels(decoded.values)
    if levels is None or summary.range:  # a range was chosen for values of more than 8 bits
        return decoded
    notes = [*summary.notes, *levels.notes(summary.source)]
    return replace(decoded, summary=replace(summary, levels=list(levels), notes=notes))
