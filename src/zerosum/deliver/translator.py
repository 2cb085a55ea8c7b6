"""A trained translator, ready to turn pictures of any size into others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game.translation import translated

WHOLE = 512 * 512
"""Pixels of what is given up to which a picture goes through in one piece."""
TILE = 192
"""Pixels a side of a tile, without what it overlaps its neighbours by."""


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
        reach = getattr(self.network, "reach", None)
        if reach is None or given.shape[2] * given.shape[3] <= whole:
            return self._at_once(given, seed)
        return self._in_tiles(given, seed, tile, int(reach))

    def _at_once(self, given: Tensor, seed: Tensor | None) -> Tensor:
        return translated(self.network, given, seed).float().clamp(-1, 1).cpu()

    def _in_tiles(self, given: Tensor, seed: Tensor | None, tile: int, reach: int) -> Tensor:
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
