"""The summary of a dataset of images, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zerosum.data.file_summary import FileSummary
from zerosum.data.images.size import parse_size
from zerosum.data.text import format_counts, pluralize

CHANNEL_NAMES = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGB with alpha"}
"""Names of images with 1 to 4 channels of 8 bits."""


def describe_channels(channels: int, dtype: str = "uint8") -> str:
    """Return the channels and the type of images in words; more than 4 channels, or 2 or 4 of more bits, are bands.

    Example:
        >>> describe_channels(4), describe_channels(4, "float32"), describe_channels(1, "uint16")
        ('RGB with alpha', '4 bands of float32', 'gray of uint16')
    """
    name = CHANNEL_NAMES.get(channels, "") if dtype == "uint8" or channels in (1, 3) else ""
    return (name or f"{channels} bands") + ("" if dtype == "uint8" else f" of {dtype}")


@dataclass
class ImageSummary(FileSummary):
    """Counts and notes of images; `count` is the number of images that were read."""

    suffix_of: ClassVar[str] = "an image"
    noun: str = "image"
    sizes: dict[str, int] = field(default_factory=dict)
    """The ten most frequent sizes `WIDTHxHEIGHT` of the upright images, with their counts."""
    distinct_sizes: int = 0
    """Number of distinct sizes."""
    short_side: dict[str, int] = field(default_factory=dict)
    """`min`, `median` and `max` of the shorter sides of the images in pixels."""
    pixel_modes: dict[str, int] = field(default_factory=dict)
    """Pillow modes of the stored images, with their counts."""
    formats: dict[str, int] = field(default_factory=dict)
    """File formats by content, with their counts."""
    channels: int = 0
    dtype: str = "uint8"
    """The type of the values that are trained on."""
    size: int | str = 0
    """The side of square examples in pixels, or "WIDTHxHEIGHT"."""
    fit: str = ""
    range: list[float] = field(default_factory=list)
    """The range [low, high] of values of more than 8 bits; [] if it is that of their type."""
    levels: list[int] = field(default_factory=list)
    """The least and the largest level of a sample of images of 8 bits; [] for those of more."""
    clipped: int = 0
    """Number of values outside the range, which were clipped."""
    tiles: int = 0
    """Number of tiles that the images were cut into; 0 if each image is one example."""

    def item_lines(self) -> list[str]:
        """Return the lines about the images."""
        cut = f", cut into {pluralize(self.tiles, 'tile')}" if self.tiles else ""
        text = [
            f"{self.source}: {self.count:,} images from {pluralize(self.files, 'file')}{cut}",
            f"sizes: {format_counts(self.sizes, self.distinct_sizes)}; shorter side {self.short_side['min']} to "
            f"{self.short_side['max']}, median {self.short_side['median']}",
            f"modes: {format_counts(self.pixel_modes)}",
            f"formats: {format_counts(self.formats)}",
            f"read as: {parse_size(self.size)}, {describe_channels(self.channels, self.dtype)}, fit by {self.fit}",
        ]
        if self.range:
            text.append("values: {:.10g} to {:.10g}, {:,} outside clipped".format(*self.range, self.clipped))
        if self.classes:
            text.append(f"classes ({len(self.classes)}): {format_counts(self.classes)}")
        return text + self.exception_lines()
