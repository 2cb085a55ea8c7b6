"""Data that live on the GPU: a batch is then a look-up there, and the bus carries nothing but indices."""

from __future__ import annotations

import gc

import numpy as np
import torch
from torch import Tensor

from zerosum.data.loader import Source, bring
from zerosum.game.types import Batch

SHARE = 4
"""Data live on the GPU where they take at most one part in so many of its free memory."""
BLOCK = 2**26
"""Bytes that are brought there at a time."""


class Resident:
    """What training may draw of a source, on a device, as it is stored there: bytes stay bytes.

    Its batches are those of the source. Examples are numbered anew, in the order of the source's `drawn`.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        """Bring the examples to the device."""
        self._source, self.epoch = source, source.epoch
        drawn = source.drawn
        self.drawn: np.ndarray = np.arange(len(drawn))
        self._place = np.zeros(int(drawn.max()) + 1, np.int64)  # ten million are renumbered at once
        self._place[drawn] = self.drawn
        one = source.fetch(drawn[:1])
        self.values = torch.empty((len(drawn), *one.shape[1:]), dtype=one.dtype, device=device)
        block = max(1, BLOCK // max(1, one.numel() * one.element_size()))
        for first in range(0, len(drawn), block):
            self.values[first : first + block].copy_(source.fetch(drawn[first : first + block]))
        label = source.label(drawn)
        self.labels = None if label is None else label.to(device)

    def shuffled(self, dice: np.random.Generator) -> np.ndarray:
        """The source's order, in these numbers."""
        order: np.ndarray = self._place[self._source.shuffled(dice)]
        return order

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Raw examples (n, ...) or couples (n, 2, ...) on the device; `indices` are of this `drawn`."""
        flat = bring(torch.from_numpy(indices.reshape(-1)), self.values.device)
        return self.values.index_select(0, flat).view(*indices.shape, *self.values.shape[1:])

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Their classes, (n,) int64 on the device; None where there are none."""
        if self.labels is None:
            return None
        return self.labels.index_select(0, bring(torch.from_numpy(indices), self.values.device))

    def scale(self, raw: Tensor) -> Tensor:
        """The source's own."""
        return self._source.scale(raw)

    def lay(self, scaled: Tensor, seed: Tensor) -> Batch:
        """The source's own."""
        return self._source.lay(scaled, seed)


def near(source: Source, device: torch.device) -> Source:
    """The source itself, or its examples on the GPU, where that is the device and has room to spare."""
    if device.type != "cuda" or source.epoch == 0:
        return source
    gc.collect()  # a stream holds itself in a cycle, and its source with it
    torch.cuda.empty_cache()  # what trials have used and given back counts as free
    free, _ = torch.cuda.mem_get_info(device)
    return Resident(source, device) if SHARE * weight(source) <= free else source


def weight(source: Source) -> int:
    """Bytes of what training may draw, as it is stored."""
    one = source.fetch(source.drawn[:1])
    return len(source.drawn) * one.numel() * one.element_size()
