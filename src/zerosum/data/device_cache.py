"""Data that live on the GPU: a batch is then a look-up there, and the bus carries nothing but indices."""

from __future__ import annotations

import gc

import numpy as np
import torch
from torch import Tensor

from zerosum.data.loader import BatchSource, copy_to_device
from zerosum.game.types import Batch

FREE_MEMORY_FACTOR = 4
"""Data live on the GPU where they take at most one part in so many of its free memory."""
CHUNK_BYTES = 2**26
"""Bytes that are brought there at a time."""


class DeviceCache:
    """What training may draw of a source, on a device, as it is stored there: bytes stay bytes.

    Its batches are those of the source. Examples are numbered anew, in the order of the source's `drawn`.
    """

    def __init__(self, source: BatchSource, device: torch.device) -> None:
        """Bring the examples to the device."""
        self._source, self.epoch_size = source, source.epoch_size
        drawn = source.train_indices
        self.train_indices: np.ndarray = np.arange(len(drawn))
        self._new_index = np.zeros(int(drawn.max()) + 1, np.int64)  # ten million are renumbered at once
        self._new_index[drawn] = self.train_indices
        one = source.fetch(drawn[:1])
        self.values = torch.empty((len(drawn), *one.shape[1:]), dtype=one.dtype, device=device)
        block = max(1, CHUNK_BYTES // max(1, one.numel() * one.element_size()))
        for first in range(0, len(drawn), block):
            self.values[first : first + block].copy_(source.fetch(drawn[first : first + block]))
        label = source.label(drawn)
        self.labels = None if label is None else label.to(device)

    def epoch_order(self, rng: np.random.Generator) -> np.ndarray:
        """The source's order, in these numbers."""
        order: np.ndarray = self._new_index[self._source.epoch_order(rng)]
        return order

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Raw examples (n, ...) or couples (n, 2, ...) on the device; `indices` are of this `drawn`."""
        flat = copy_to_device(torch.from_numpy(indices.reshape(-1)), self.values.device)
        return self.values.index_select(0, flat).view(*indices.shape, *self.values.shape[1:])

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Their classes, (n,) int64 on the device; None where there are none."""
        if self.labels is None:
            return None
        return self.labels.index_select(0, copy_to_device(torch.from_numpy(indices), self.values.device))

    def scale(self, raw: Tensor) -> Tensor:
        """The source's own."""
        return self._source.scale(raw)

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """The source's own."""
        return self._source.collate(scaled, seed)


def cache_on_device(source: BatchSource, device: torch.device) -> BatchSource:
    """The source itself, or its examples on the GPU, where that is the device and has room to spare."""
    if device.type != "cuda" or source.epoch_size == 0:
        return source
    gc.collect()  # a stream holds itself in a cycle, and its source with it
    torch.cuda.empty_cache()  # what trials have used and given back counts as free
    free, _ = torch.cuda.mem_get_info(device)
    return DeviceCache(source, device) if FREE_MEMORY_FACTOR * stored_bytes(source) <= free else source


def stored_bytes(source: BatchSource) -> int:
    """Bytes of what training may draw, as it is stored."""
    one = source.fetch(source.train_indices[:1])
    return len(source.train_indices) * one.numel() * one.element_size()
