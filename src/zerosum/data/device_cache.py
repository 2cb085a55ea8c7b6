"""Training examples in GPU memory: a batch is then an index lookup there, and only indices are transferred."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from zerosum.data.loader import BatchSource, FetchedPart, copy_to_device
from zerosum.game.types import Batch

FREE_MEMORY_FACTOR = 4
"""The examples are cached on the GPU if its free memory is at least this many times their size."""
CHUNK_BYTES = 2**26
"""Bytes that are copied to the device at a time."""


class DeviceCache:
    """The training examples of a source on a device, as they are stored: bytes stay bytes.

    Its batches are those of the source. The rows of each part are renumbered in the order of the source's `train_rows`.
    """

    def __init__(self, source: BatchSource, device: torch.device) -> None:
        """Copy the training examples to the device."""
        self._source, self._device, self.epoch_size = source, device, source.epoch_size
        self.train_rows: tuple[NDArray[np.int64], ...] = tuple(np.arange(len(rows)) for rows in source.train_rows)
        self._new_rows = [_inverse(rows) for rows in source.train_rows]
        self.parts = [_copy_part(source, part, device) for part in range(len(source.train_rows))]
        """The examples of each part, (n, ...) on the device."""

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the epoch order of the source in the new numbering."""
        order = self._source.epoch_order(rng)
        return np.stack([new_rows[column] for new_rows, column in zip(self._new_rows, order.T, strict=True)], axis=1)

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the raw examples of a part on the device; `rows` (n,) are in the new numbering."""
        index = copy_to_device(torch.from_numpy(np.ascontiguousarray(rows)), self._device)
        selected: FetchedPart = tree_map(partial(_select_rows, index=index), self.parts[part])
        return selected

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Make a batch as the source does."""
        return self._source.make_batch(parts, seed)


def _select_rows(column: Tensor, index: Tensor) -> Tensor:
    """Return rows of a column; integers of 16 bits without a sign, which few operators take, as if they had one."""
    if column.dtype is torch.uint16:
        return column.view(torch.int16).index_select(0, index).view(torch.uint16)
    return column.index_select(0, index)


def _inverse(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each row among `rows`; an array, to renumber millions at once."""
    positions = np.zeros(int(rows.max()) + 1, np.int64)
    positions[rows] = np.arange(len(rows))
    return positions


def _copy_part(source: BatchSource, part: int, device: torch.device) -> FetchedPart:
    """Copy the training examples of a part to the device, in chunks."""
    rows = source.train_rows[part]
    example = source.fetch(part, rows[:1])
    columns: FetchedPart = tree_map(
        lambda row: torch.empty((len(rows), *row.shape[1:]), dtype=row.dtype, device=device), example
    )
    chunk = max(1, CHUNK_BYTES // max(1, _num_bytes(example)))
    for first in range(0, len(rows), chunk):
        fetched = source.fetch(part, rows[first : first + chunk])
        for column, values in zip(tree_leaves(columns), tree_leaves(fetched), strict=True):
            column[first : first + chunk].copy_(values)
    return columns


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
    return sum(len(rows) * _num_bytes(source.fetch(part, rows[:1])) for part, rows in enumerate(source.train_rows))


def _num_bytes(example: FetchedPart) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(example))
