"""A trained translator, ready to turn pictures of any size into others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.errors import BadInput
from zerosum.game.translation import translate_images

MAX_WHOLE_PIXELS = 512 * 512
"""Pixels of what is given up to which a picture goes through in one piece."""
TILE_PIXELS = 192
"""Pixels a side of a tile, without what it overlaps its neighbours by."""
LIVE_FEATURE_MAPS, MAX_MEMORY_FRACTION = 6, 0.7
"""Maps of the largest size that are in memory at once; the share of memory that they may take."""


@dataclass(frozen=True)
class Translator:
    """A network of one way in evaluation mode. Previews, judgements and `zerosum apply` show what it makes."""

    network: nn.Module
    input_shape: tuple[int, ...]
    """(Ci, h, w): what it was trained on; any h and w will do."""
    target_shape: tuple[int, ...]
    """(C, H, W): what it makes of that."""
    checkpoint: str
    """The name of the checkpoint it came from: images seen."""

    @property
    def scale_factor(self) -> int:
        """How many times larger its pictures are than what it is given."""
        return self.target_shape[1] // self.input_shape[1]

    def __call__(
        self,
        inputs: Tensor,
        seed: Tensor | None = None,
        tile_pixels: int = TILE_PIXELS,
        max_whole_pixels: int = MAX_WHOLE_PIXELS,
    ) -> Tensor:
        """Pictures (N, Ci, h, w) in [-1, 1] to (N, C, factor h, factor w) in [-1, 1], on the CPU.

        Args:
            inputs: pictures, all of one size, whatever it is.
            seed: (N,) int64, for what is left to chance; left out: always the same.
            tile_pixels: larger pictures are cut into squares of so many pixels, where a place of what is made depends on a
                neighbourhood alone. Tiles overlap by that neighbourhood, so there are no seams.
            max_whole_pixels: pixels up to which nothing is cut.

        Raises:
            BadInput: it is given other channels.
        """
        if inputs.dim() != 4 or inputs.shape[1] != self.input_shape[0]:
            raise BadInput(
                f"pictures are shaped {tuple(inputs.shape)}: this translator takes (N, {self.input_shape[0]}, h, w)"
            )
        pixels = inputs.shape[2] * inputs.shape[3]
        if pixels <= max_whole_pixels:
            return self._translate_whole(inputs, seed)
        if self.receptive_radius is None:
            self._require_enough_memory(pixels)
            return self._translate_whole(inputs, seed)
        return self._translate_tiles(
            inputs, seed, self._round_up_to_stride(tile_pixels), self._round_up_to_stride(self.receptive_radius)
        )

    @property
    def receptive_radius(self) -> int | None:
        """How far around a place of what is given a place of what is made depends on; None: on the whole picture."""
        found: int | None = self.network.receptive_field_radius  # type: ignore[assignment]
        return found

    def _round_up_to_stride(self, pixels: int) -> int:
        """A length in pixels, or a little more, at whose multiples the network's coarsest places begin.

        A network that halves the size sees a tile as it sees the picture only where both begin at such a place.
        """
        cell: int = self.network.size_multiple  # type: ignore[assignment]
        return -(-pixels // cell) * cell

    def _require_enough_memory(self, pixels: int) -> None:
        """Refuse a picture that cannot go through in one piece here, before the system ends the program for it.

        Raises:
            BadInput: it needs more memory than there is.
        """
        if next(self.network.parameters()).device.type != "cpu":
            return
        needed, here = pixels * self._bytes_per_pixel, physical_memory_bytes() * MAX_MEMORY_FRACTION
        if needed > here:
            side = math.floor(
                min(self.input_shape[1:]) * (here / needed * pixels / math.prod(self.input_shape[1:])) ** 0.5
            )
            raise BadInput(
                f"a picture of {pixels:,} pixels would take about {needed / 2**30:.0f} GiB, since this network sees it "
                f"as a whole; bring pictures to a smaller size first (--shorter-side {side})"
            )

    @cached_property
    def _bytes_per_pixel(self) -> float:
        """Memory that a pixel of what is given takes on its way: several of the largest maps are kept at once."""
        sizes: list[int] = []
        hooks = [
            module.register_forward_hook(
                lambda m, given, made: sizes.append(made.numel() if isinstance(made, Tensor) else 0)
            )
            for module in self.network.modules()
        ]
        try:
            self._translate_whole(torch.zeros(1, *self.input_shape), None)
        finally:
            for hook in hooks:
                hook.remove()
        return 4 * LIVE_FEATURE_MAPS * max(sizes) / math.prod(self.input_shape[1:])

    def _translate_whole(self, inputs: Tensor, seed: Tensor | None) -> Tensor:
        return translate_images(self.network, inputs, seed).float().clamp(-1, 1).cpu()

    def _translate_tiles(self, inputs: Tensor, seed: Tensor | None, tile_pixels: int, overlap: int) -> Tensor:
        """In tiles of so many pixels, which look at `overlap` more on each side."""
        count, _, height, width = inputs.shape
        factor = self.scale_factor
        made = torch.empty(count, self.target_shape[0], factor * height, factor * width)
        for top, left in product(range(0, height, tile_pixels), range(0, width, tile_pixels)):
            rows, columns = _tile_span(top, tile_pixels, height, overlap), _tile_span(left, tile_pixels, width, overlap)
            part = self._translate_whole(
                inputs[:, :, rows.padded_start : rows.padded_stop, columns.padded_start : columns.padded_stop], seed
            )
            inner = part[:, :, rows.crop_slice(factor), columns.crop_slice(factor)]
            made[:, :, rows.output_slice(factor), columns.output_slice(factor)] = inner
        return made


@dataclass(frozen=True)
class _TileSpan:
    """A tile along one side: what it makes, and what it looks at."""

    start: int
    stop: int
    padded_start: int
    padded_stop: int

    def output_slice(self, scale_factor: int) -> slice:
        """Where it stands in what is made."""
        return slice(scale_factor * self.start, scale_factor * self.stop)

    def crop_slice(self, scale_factor: int) -> slice:
        """Where that is in what the tile makes."""
        return slice(scale_factor * (self.start - self.padded_start), scale_factor * (self.stop - self.padded_start))


def _tile_span(start: int, tile_pixels: int, length: int, overlap: int) -> _TileSpan:
    end = min(start + tile_pixels, length)
    return _TileSpan(start, end, max(0, start - overlap), min(length, end + overlap))


def bicubic_baseline(inputs: Tensor, target_shape: tuple[int, ...]) -> Tensor:
    """What is given as a picture of the wanted shape, as far as that goes without a network: the thing to beat.

    Args:
        inputs: (N, Ci, h, w); a last channel beyond the wanted ones (a mask) is left out.
        target_shape: (C, H, W).
    """
    channels, height, width = target_shape
    images = inputs[:, :channels] if inputs.shape[1] > channels else inputs
    if images.shape[2:] != (height, width):
        images = functional.interpolate(images, (height, width), mode="bicubic", antialias=False).clamp(-1, 1)
    if images.shape[1] == channels:
        return images
    gray = images.mean(1, keepdim=True)
    return gray.expand(-1, channels, -1, -1)


def batch_ranges(count: int, batch_size: int) -> Iterator[range]:
    """The numbers 0 to `count` - 1, so many at a time."""
    for first in range(0, count, batch_size):
        yield range(first, min(first + batch_size, count))


def subsample_evenly(indices: NDArray[np.int64], max_count: int) -> NDArray[np.int64]:
    """So many of these rows at most, evenly spread: neighbours in number may be tiles of one picture."""
    places = np.linspace(0, len(indices) - 1, min(max_count, len(indices))).round().astype(np.int64)
    return indices[places]
