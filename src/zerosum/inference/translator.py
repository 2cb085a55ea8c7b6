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

from zerosum.data.host_memory import physical_memory
from zerosum.errors import BadInput
from zerosum.game.translation import translated

WHOLE = 512 * 512
"""Pixels of what is given up to which a picture goes through in one piece."""
TILE = 192
"""Pixels a side of a tile, without what it overlaps its neighbours by."""
KEPT, SPARE = 6, 0.7
"""Maps of the largest size that are in memory at once; the share of memory that they may take."""


@dataclass(frozen=True)
class Translator:
    """A network of one way in evaluation mode. Previews, judgements and `zerosum apply` show what it makes."""

    network: nn.Module
    given: tuple[int, ...]
    """(Ci, h, w): what it was trained on; any h and w will do."""
    wanted: tuple[int, ...]
    """(C, H, W): what it makes of that."""
    checkpoint: str
    """The name of the checkpoint it came from: images seen."""

    @property
    def factor(self) -> int:
        """How many times larger its pictures are than what it is given."""
        return self.wanted[1] // self.given[1]

    def __call__(self, given: Tensor, seed: Tensor | None = None, tile: int = TILE, whole: int = WHOLE) -> Tensor:
        """Pictures (N, Ci, h, w) in [-1, 1] to (N, C, factor h, factor w) in [-1, 1], on the CPU.

        Args:
            given: pictures, all of one size, whatever it is.
            seed: (N,) int64, for what is left to chance; left out: always the same.
            tile: larger pictures are cut into squares of so many pixels, where a place of what is made depends on a
                neighbourhood alone. Tiles overlap by that neighbourhood, so there are no seams.
            whole: pixels up to which nothing is cut.

        Raises:
            BadInput: it is given other channels.
        """
        if given.dim() != 4 or given.shape[1] != self.given[0]:
            raise BadInput(
                f"pictures are shaped {tuple(given.shape)}: this translator takes (N, {self.given[0]}, h, w)"
            )
        pixels = given.shape[2] * given.shape[3]
        if pixels <= whole:
            return self._at_once(given, seed)
        if self.reach is None:
            self._refuse_vast(pixels)
            return self._at_once(given, seed)
        return self._in_tiles(given, seed, self._whole_cells(tile), self._whole_cells(self.reach))

    @property
    def reach(self) -> int | None:
        """How far around a place of what is given a place of what is made depends on; None: on the whole picture."""
        found: int | None = self.network.reach  # type: ignore[assignment]
        return found

    def _whole_cells(self, length: int) -> int:
        """A length in pixels, or a little more, at whose multiples the network's coarsest places begin.

        A network that halves the size sees a tile as it sees the picture only where both begin at such a place.
        """
        cell: int = self.network.multiple  # type: ignore[assignment]
        return -(-length // cell) * cell

    def _refuse_vast(self, pixels: int) -> None:
        """Refuse a picture that cannot go through in one piece here, before the system ends the program for it.

        Raises:
            BadInput: it needs more memory than there is.
        """
        if next(self.network.parameters()).device.type != "cpu":
            return
        needed, here = pixels * self._bytes_per_pixel, physical_memory() * SPARE
        if needed > here:
            side = math.floor(min(self.given[1:]) * (here / needed * pixels / math.prod(self.given[1:])) ** 0.5)
            raise BadInput(
                f"a picture of {pixels:,} pixels would take about {needed / 2**30:.0f} GiB, since this network sees it "
                f"as a whole; bring pictures to a smaller size first (--side {side})"
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
            self._at_once(torch.zeros(1, *self.given), None)
        finally:
            for hook in hooks:
                hook.remove()
        return 4 * KEPT * max(sizes) / math.prod(self.given[1:])

    def _at_once(self, given: Tensor, seed: Tensor | None) -> Tensor:
        return translated(self.network, given, seed).float().clamp(-1, 1).cpu()

    def _in_tiles(self, given: Tensor, seed: Tensor | None, tile: int, reach: int) -> Tensor:
        """In tiles of so many pixels, which look at `reach` more on each side."""
        count, _, height, width = given.shape
        factor = self.factor
        made = torch.empty(count, self.wanted[0], factor * height, factor * width)
        for top, left in product(range(0, height, tile), range(0, width, tile)):
            rows, columns = _span(top, tile, height, reach), _span(left, tile, width, reach)
            part = self._at_once(given[:, :, rows.first : rows.last, columns.first : columns.last], seed)
            inner = part[:, :, rows.inner(factor), columns.inner(factor)]
            made[:, :, rows.outer(factor), columns.outer(factor)] = inner
        return made


@dataclass(frozen=True)
class _Span:
    """A tile along one side: what it makes, and what it looks at."""

    begin: int
    end: int
    first: int
    last: int

    def outer(self, factor: int) -> slice:
        """Where it stands in what is made."""
        return slice(factor * self.begin, factor * self.end)

    def inner(self, factor: int) -> slice:
        """Where that is in what the tile makes."""
        return slice(factor * (self.begin - self.first), factor * (self.end - self.first))


def _span(begin: int, tile: int, side: int, reach: int) -> _Span:
    end = min(begin + tile, side)
    return _Span(begin, end, max(0, begin - reach), min(side, end + reach))


def brought(given: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """What is given as a picture of the wanted shape, as far as that goes without a network: the thing to beat.

    Args:
        given: (N, Ci, h, w); a last channel beyond the wanted ones (a mask) is left out.
        wanted: (C, H, W).
    """
    channels, height, width = wanted
    pictures = given[:, :channels] if given.shape[1] > channels else given
    if pictures.shape[2:] != (height, width):
        pictures = functional.interpolate(pictures, (height, width), mode="bicubic", antialias=False).clamp(-1, 1)
    if pictures.shape[1] == channels:
        return pictures
    grey = pictures.mean(1, keepdim=True)
    return grey.expand(-1, channels, -1, -1)


def batches(count: int, batch: int) -> Iterator[range]:
    """The numbers 0 to `count` - 1, so many at a time."""
    for first in range(0, count, batch):
        yield range(first, min(first + batch, count))


def spread_over(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """So many of these rows at most, evenly spread: neighbours in number may be tiles of one picture."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)
    return rows[places]
