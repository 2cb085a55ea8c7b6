"""A trained translator, for images of any size and sounds of any length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.errors import BadInput
from zerosum.game.translation import translate_images
from zerosum.networks.receptive_field import TranslatorNetwork

MAX_WHOLE_PIXELS = 512 * 512
"""Pixels of an input image up to which it is translated in one piece."""
TILE_PIXELS = 192
"""Pixels of a side of a tile, without the overlap with its neighbors."""
PIECE_VALUES, PIECE_RADII = 2**17, 8
"""Least values of the output of a piece of a signal, and least radii of the receptive field, without the overlap with
its neighbors, which is at most a quarter more to compute."""
SIGNAL_AXES = 3
"""Axes of a batch of signals (N, Ci, w); images have one more."""
LIVE_FEATURE_MAPS, MAX_MEMORY_FRACTION = 6, 0.7
"""Largest feature maps in memory at once, and the fraction of the memory that they may take."""


@dataclass(frozen=True)
class Translator:
    """A network of one direction in evaluation mode, as used for evaluation and `zerosum apply`.

    Example:
        >>> from zerosum.inference.load import load_translator
        >>> translator = load_translator("runs/maps")  # doctest: +SKIP
        >>> outputs = translator(torch.zeros(1, 3, 256, 256))  # doctest: +SKIP
    """

    network: nn.Module
    input_shape: tuple[int, ...]
    """(Ci, h, w) of the inputs in training, any h and w of which can be translated; or (Ci, w)."""
    target_shape: tuple[int, ...]
    """(C, H, W) of the outputs for inputs of that shape; or (C, W)."""
    checkpoint: str
    """Name of the checkpoint it was loaded from: examples trained."""

    @property
    def scale_factor(self) -> int:
        """Ratio of the side of an output to the side of its input."""
        return self.target_shape[-1] // self.input_shape[-1]

    def __call__(
        self,
        inputs: Tensor,
        seed: Tensor | None = None,
        tile_pixels: int = TILE_PIXELS,
        max_whole_pixels: int = MAX_WHOLE_PIXELS,
    ) -> Tensor:
        """Translate images (N, Ci, h, w) in [-1, 1] to (N, C, H, W) in [-1, 1] on the CPU; H and W are scaled h and w.

        Signals (N, Ci, w) are translated to (N, C, W), piece by piece; see `stream`.

        Args:
            inputs: images or signals of one size, which may differ from the size in training.
            seed: (N,) int64 seeds of the network's noise; None: always the same noise.
            tile_pixels: side of the square tiles of larger images, if the receptive field of the network is local.
                Tiles overlap by the receptive field, so there are no seams.
            max_whole_pixels: pixels up to which an image is not cut into tiles.

        Raises:
            BadInput: if the number of channels does not match, or an image does not fit into memory.
        """
        if inputs.dim() != 1 + len(self.input_shape) or inputs.shape[1] != self.input_shape[0]:
            axes = ", ".join(("N", str(self.input_shape[0]), *("h", "w")[-len(self.input_shape) + 1 :]))
            raise BadInput(f"shape mismatch: the inputs are {tuple(inputs.shape)}, and this translator takes ({axes})")
        if inputs.dim() == SIGNAL_AXES:
            return torch.cat(list(self.stream(lambda start, stop: inputs[..., start:stop], inputs.shape[2], seed)), 2)
        pixels = math.prod(inputs.shape[2:])
        if pixels <= max_whole_pixels:
            return self._translate_whole(inputs, seed)
        if self.receptive_radius is None:
            self._require_enough_memory(pixels)
            return self._translate_whole(inputs, seed)
        return self._translate_tiles(
            inputs, seed, self._round_up_to_stride(tile_pixels), self._round_up_to_stride(self.receptive_radius)
        )

    def stream(self, read: Callable[[int, int], Tensor], length: int, seed: Tensor | None = None) -> Iterator[Tensor]:
        """Yield consecutive pieces (N, C, t) of the translation of a signal of any length, the same as of the whole.

        Args:
            read: returns positions `start` to `stop` of the input, (N, Ci, stop - start) in [-1, 1].
            length: number of positions of the input.
            seed: (N,) int64 seeds of the network's noise; None: always the same noise.
        """
        piece, overlap = length, 0
        if self.receptive_radius is not None:
            least = max(1, PIECE_VALUES // self.scale_factor, PIECE_RADII * self.receptive_radius)
            piece, overlap = (self._round_up_to_stride(size) for size in (least, self.receptive_radius))
        for start in range(0, length, piece):
            span = _tile_span(start, piece, length, overlap)
            outputs = self._translate_whole(read(span.padded_start, span.padded_stop), seed)
            yield outputs[..., span.crop_slice(self.scale_factor)]

    @property
    def receptive_radius(self) -> int | None:
        """Radius of the receptive field in pixels of the input; None: an output pixel depends on the whole image."""
        return self._declared.receptive_field_radius

    @property
    def size_multiple(self) -> int:
        """The network pads the sides of its inputs to multiples of this number, and crops its outputs."""
        return self._declared.size_multiple

    @property
    def _declared(self) -> TranslatorNetwork:
        """The network as what it declares about its tiles."""
        assert isinstance(self.network, TranslatorNetwork), "a translator declares its receptive field"
        return self.network

    def _round_up_to_stride(self, pixels: int) -> int:
        """Round a length in pixels up to a multiple of the network's total stride.

        A downsampling network computes the same for a tile as for the image only if the tile starts at such a multiple.
        """
        stride = self._declared.size_multiple
        return -(-pixels // stride) * stride

    def _require_enough_memory(self, pixels: int) -> None:
        """Check that an image of so many pixels fits into memory, since the system would kill the process otherwise.

        Raises:
            BadInput: if it needs more memory than there is.
        """
        if next(self.network.parameters()).device.type != "cpu":
            return
        needed, available = pixels * self._bytes_per_pixel, physical_memory_bytes() * MAX_MEMORY_FRACTION
        if needed > available:
            side = math.floor(
                min(self.input_shape[1:]) * (available / needed * pixels / math.prod(self.input_shape[1:])) ** 0.5
            )
            raise BadInput(
                f"out of memory: an image of {pixels:,} pixels would take about {needed / 2**30:.0f} GiB, since this "
                f"network cannot translate it in tiles; reduce the images first (`shorter_side` {side})"
            )

    @cached_property
    def _bytes_per_pixel(self) -> float:
        """Peak memory for each input pixel, estimated as several of the largest feature maps at once."""
        sizes: list[int] = []
        hooks = [
            module.register_forward_hook(
                lambda m, inputs, output: sizes.append(output.numel() if isinstance(output, Tensor) else 0)
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
        """Translate in square tiles of `tile_pixels`, padded by `overlap` pixels on each side."""
        count, _, *sides = inputs.shape
        factor, everything = self.scale_factor, (slice(None), slice(None))
        outputs = torch.empty(count, self.target_shape[0], *(factor * side for side in sides))
        for starts in product(*(range(0, side, tile_pixels) for side in sides)):
            spans = [_tile_span(start, tile_pixels, side, overlap) for start, side in zip(starts, sides, strict=True)]
            padded = self._translate_whole(inputs[(*everything, *(span.input_slice for span in spans))], seed)
            tile = padded[(*everything, *(span.crop_slice(factor) for span in spans))]
            outputs[(*everything, *(span.output_slice(factor) for span in spans))] = tile
        return outputs


@dataclass(frozen=True)
class _TileSpan:
    """The extent of a tile along one axis in input pixels, without and with padding."""

    start: int
    stop: int
    padded_start: int
    padded_stop: int

    @property
    def input_slice(self) -> slice:
        """The padded tile's position in the input."""
        return slice(self.padded_start, self.padded_stop)

    def output_slice(self, scale_factor: int) -> slice:
        """Return the tile's position in the output image."""
        return slice(scale_factor * self.start, scale_factor * self.stop)

    def crop_slice(self, scale_factor: int) -> slice:
        """Return the tile's position in the output of the padded tile."""
        return slice(scale_factor * (self.start - self.padded_start), scale_factor * (self.stop - self.padded_start))


def _tile_span(start: int, tile_pixels: int, length: int, overlap: int) -> _TileSpan:
    stop = min(start + tile_pixels, length)
    return _TileSpan(start, stop, max(0, start - overlap), min(length, stop + overlap))


def batch_ranges(count: int, batch_size: int) -> Iterator[range]:
    """Yield the indices 0 to `count` - 1 in ranges of `batch_size`."""
    for first in range(0, count, batch_size):
        yield range(first, min(first + batch_size, count))


def subsample_evenly(indices: NDArray[np.int64], max_count: int) -> NDArray[np.int64]:
    """Return at most `max_count` of these indices, evenly spaced, since adjacent examples may be tiles of one image."""
    positions = np.linspace(0, len(indices) - 1, min(max_count, len(indices))).round().astype(np.int64)
    return indices[positions]
