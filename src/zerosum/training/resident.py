"""Data that live on the GPU: a batch is then a look-up there, and the bus carries nothing but indices."""

from __future__ import annotations

import gc

import numpy as np
import torch
from torch import Tensor

from zerosum.training.stream import Source, bring

SHARE = 4
"""Data live on the GPU where they take at most one part in so many of its free memory."""
BLOCK = 2**26
"""Bytes that are brought there at a time."""


class Resident:
    """What training may see of a source, on a device, as it is stored there: bytes stay bytes.

    Its batches are those of the source. Examples are numbered anew, in the order of the source's `train`; a shuffle
    does not look at what it shuffles.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        """Bring the examples to the device."""
        self._scale = source.scale
        self.train: np.ndarray = np.arange(len(source.train))
        one = source.take(source.train[:1])
        self.values = torch.empty((len(self.train), *one.shape[1:]), dtype=one.dtype, device=device)
        block = max(1, BLOCK // max(1, one.numel() * one.element_size()))
        for first in range(0, len(self.train), block):
            self.values[first : first + block].copy_(source.take(source.train[first : first + block]))
        label = source.label(source.train)
        self.labels = None if label is None else label.to(device)

    def take(self, indices: np.ndarray) -> Tensor:
        """Raw examples (n, ...) on the device; `indices` (n,) are of this `train`."""
        return self.values.index_select(0, bring(torch.from_numpy(indices), self.values.device))

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Their classes, (n,) int64 on the device; None where there are none."""
        if self.labels is None:
            return None
        return self.labels.index_select(0, bring(torch.from_numpy(indices), self.values.device))

    def scale(self, raw: Tensor) -> Tensor:
        """The source's own."""
        return self._scale(raw)


def near(source: Source, device: torch.device) -> Source:
    """The source itself, or its examples on the GPU, where that is the device and has room to spare."""
    if device.type != "cuda" or len(source.train) == 0:
        return source
    gc.collect()  # a stream holds itself in a cycle, and its source with it
    torch.cuda.empty_cache()  # what trials have used and given back counts as free
    free, _ = torch.cuda.mem_get_info(device)
    return Resident(source, device) if SHARE * weight(source) <= free else source


def weight(source: Source) -> int:
    """Bytes of what training may see, as it is stored."""
    one = source.take(source.train[:1])
    return len(source.train) * one.numel() * one.element_size()
