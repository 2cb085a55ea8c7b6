"""Write translated images in the type of the targets of the training, with the pages and the alpha of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.page_files import add_alpha, count_pages, make_output_codec
from zerosum.errors import BadInput
from zerosum.media.image_files import PNG_CHANNELS, image_suffix, save_pages, save_values

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from zerosum.data.codec import Codec
    from zerosum.data.config import DataConfig


class OutputAlpha(Enum):
    """What becomes of the alpha of an image that is translated."""

    CARRIED = "the file of the output gets it"
    MADE = "the translator makes one of its own"
    DROPPED = "the file of the output does not hold one"


@dataclass(frozen=True, eq=False)
class TranslatedPage:
    """A page of an image that is translated."""

    into: Path
    """The file of the output."""
    index: int
    """The number of the page in its file, from 0."""
    count: int
    """The number of pages of the file."""
    inputs: Tensor
    """(1, Ci, h, w) in [-1, 1]."""
    alpha: Image | None = None
    """The alpha that the output gets; None for none."""


def require_equal_sizes(source: Path, into: Path, sizes: Sequence[tuple[int, int]]) -> None:
    """Raise BadInput if the pages of a file, of these sizes, become one array, and differ in size."""
    if into.suffix.lower() == ".npy" and len(set(sizes)) > 1:
        raise BadInput(f"{source}: its pages have different sizes, and {into.name} is one array; split it by page")


@dataclass(frozen=True)
class OutputWriter:
    """Writes the outputs of a translator."""

    codec: Codec
    dtype: str
    channels: int
    pages_are_bands: bool = False
    written: list[Path] = field(default_factory=list)
    """The files that were written, in order."""
    _pages: list[NDArray[np.generic]] = field(default_factory=list, repr=False)

    @classmethod
    def of_data(cls, data: DataConfig, target_shape: tuple[int, ...]) -> OutputWriter:
        """Return the writer of outputs like the targets of a run.

        Args:
            data: the settings of the data, in the direction of the translation.
            target_shape: (C, H, W) of the outputs in training.
        """
        codec = make_output_codec(target_shape, data.dtype_of_outputs, data.range_of_outputs)
        return cls(codec, data.dtype_of_outputs, target_shape[0], data.pages_are_bands)

    @property
    def default_suffix(self) -> str:
        """The suffix of the file of an image of one page."""
        return image_suffix(self.dtype, self.channels)

    @property
    def alpha(self) -> OutputAlpha:
        """What becomes of the alpha of the inputs: only files of 8 bits hold one."""
        if self.dtype != "uint8" or self.channels > PNG_CHANNELS:
            return OutputAlpha.DROPPED
        return OutputAlpha.MADE if self.channels in (2, PNG_CHANNELS) else OutputAlpha.CARRIED

    def suffix(self, source: Path) -> str:
        """Return the suffix of the output of an image file: .tif for several pages, else as its type needs."""
        has_pages = not self.pages_are_bands and self.default_suffix != ".npy" and count_pages(source) > 1
        return ".tif" if has_pages else self.default_suffix

    def add(self, page: TranslatedPage, output: Tensor) -> None:
        """Add the output (C, H, W) of a page; when it is the last one of its file, the file is written."""
        import torch

        pixels: NDArray[np.generic] = self.codec.decode(output[None], torch.zeros(1, dtype=torch.int64))[0]
        self._pages.append(add_alpha(pixels, page.alpha) if page.alpha else pixels)
        if page.index < page.count - 1:
            return
        page.into.parent.mkdir(parents=True, exist_ok=True)
        if page.count > 1:
            save_pages(self._pages, page.into)
        else:
            save_values(self._pages[0], page.into)
        self._pages.clear()
        self.written.append(page.into)
