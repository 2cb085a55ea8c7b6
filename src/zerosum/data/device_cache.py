"""Training examples in GPU memory: a batch is then an index lookup there, and only indices are transferred."""

from __future__ import annotations

import gc

import numpy as np
import torch
from torch import Tensor

from zerosum.data.loader import BatchSource, copy_to_device
from zerosum.game.types import Batch

FREE_MEMORY_FACTOR = 4
"""The examples are cached on the GPU if its free memory is at least this many times their size."""
CHUNK_BYTES = 2**26
"""Bytes that are copied to the device at a time."""


class DeviceCache:
    """The training examples of a source on a device, as they are stored: bytes stay bytes.

    Its batches are those of the source. Examples are renumbered in the order of the source's `train_indices`.
    """

    def __init__(self, source: BatchSource, device: torch.device) -> None:
        """Copy the training examples to the device."""
        self._source, self.epoch_size = source, source.epoch_size
        source_indices = source.train_indices
        self.train_indices: np.ndarray = np.arange(len(source_indices))
        self._new_index = np.zeros(int(source_indices.max()) + 1, np.int64)  # an array, to renumber millions at once
        self._new_index[source_indices] = self.train_indices
        example = source.fetch(source_indices[:1])
        self.values = torch.empty((len(source_indices), *example.shape[1:]), dtype=example.dtype, device=device)
        chunk = max(1, CHUNK_BYTES // max(1, example.numel() * example.element_size()))
        for first in range(0, len(source_indices), chunk):
            self.values[first : first + chunk].copy_(source.fetch(source_indices[first : first + chunk]))
        label = source.label(source_indices)
        self.labels = None if label is None else label.to(device)

    def epoch_order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the epoch order of the source in the new numbering."""
        order: np.ndarray = self._new_index[self._source.epoch_order(rng)]
        return order

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Return raw examples (n, ...) or pairs (n, 2, ...) on the device; `indices` are in the new numbering."""
        flat = copy_to_device(torch.from_numpy(indices.reshape(-1)), self.values.device)
        return self.values.index_select(0, flat).view(*indices.shape, *self.values.shape[1:])

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Return the class labels (n,) int64 on the device, or None if there are no classes."""
        if self.labels is None:
            return None
        return self.labels.index_select(0, copy_to_device(torch.from_numpy(indices), self.values.device))

    def scale(self, raw: Tensor) -> Tensor:
        """Scale fetched examples as the source does."""
        return self._source.scale(raw)

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Collate scaled examples as the source does."""
        return self._source.collate(scaled, seed)


def cache_on_device(source: BatchSource, device: torch.device) -> BatchSource:
    """Return a `DeviceCache` of the source if the device is a GPU with enough free memory, else the source itself."""
    if device.type != "cuda" or source.epoch_size == 0:
        return source
    gc.collect()  # a loader refers to itself in a cycle, which also keeps its source alive
    torch.cuda.empty_cache()  # memory that trial steps have used and released counts as free
    free, _ = torch.cuda.mem_get_info(device)
    return DeviceCache(source, device) if FREE_MEMORY_FACTOR * stored_bytes(source) <= free else source


def stored_bytes(source: BatchSource) -> int:
    """Return the size of the training examples in bytes, as they are stored."""
    example = source.fetch(source.train_indices[:1])
    return len(source.train_indices) * example.numel() * example.element_size()
