"""An endless loader of batches.

Each batch is a pure function of (seed, sample number), so the position is one integer and resuming is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map

from zerosum.game import seeded_rng
from zerosum.game.types import Batch, Sample


class FetchedPart(TypedDict, total=False):
    """The raw examples (n, ...) of one part of a batch, with what the batch holds besides."""

    raw: Sample
    """The examples as they are stored."""
    raw_inputs: Sample
    """Their inputs, for paired data."""
    label: Tensor
    """(n,) int64 classes."""
    condition: Sample
    """Numeric conditions (n, ...)."""


class BatchSource(Protocol):
    """A dataset that a loader draws batches from.

    A sample may have several parts, each with a row of its own, such as an unpaired input and target.
    """

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch."""

    @property
    def train_rows(self) -> tuple[NDArray[np.int64], ...]:
        """The rows (n,) of all training examples, each once, for each part of a sample."""

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of an epoch: (epoch_size, number of parts)."""

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the raw examples of a part at these rows (n,), as they are stored; called from several threads."""

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return the batch of the fetched parts of n samples, on the device that they are on.

        Args:
            parts: the fetched parts.
            seed: (n,) int64, from which all randomness of the batch derives.
        """


def pin_for_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor in pinned memory if the device is a GPU, so that a copy to it is asynchronous."""
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy of the tensor on the device; the copy is asynchronous on a GPU."""
    return pin_for_device(tensor, device).to(device, non_blocking=True)


def to_device(part: FetchedPart, device: torch.device) -> FetchedPart:
    """Return a fetched part on a device."""
    moved: FetchedPart = tree_map(lambda tensor: tensor.to(device, non_blocking=True), part)
    return moved


class FetchedBatch(NamedTuple):
    """A batch before it is made, on the CPU or where the source caches it."""

    parts: Sequence[FetchedPart]
    seed: Tensor


class BatchLoader(Iterator[Batch]):
    """Batches of a source, shuffled anew in each epoch.

    If an epoch of the source has n samples, sample number s is `epoch_order(rng(seed, s // n))[s % n]`, and carries the
    seed that all its randomness derives from. A batch is `batch_size` consecutive samples; rank r of w takes its
    samples r, r + w, r + 2 w, ... So two micro-batches are one batch cut in two, and all ranks together see the batch
    that a single process would see, with the same groups of samples for minibatch std.
    """

    def __init__(
        self,
        source: BatchSource,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        position: int = 0,
    ) -> None:
        """Start at sample number `position`.

        Args:
            source: the dataset.
            batch_size: samples in a batch of all ranks together; a multiple of `world_size`.
            seed: seed of the order and of the samples' seeds.
            device: the device of the batches.
            workers: number of threads that prefetch batches; 0 fetches each batch when it is requested.
            rank: rank of this process.
            world_size: number of processes.
            position: number of the first sample.
        """
        assert batch_size % world_size == 0, "batches divide evenly among ranks: checked when the run is planned"
        self.source, self.batch_size, self.seed, self.device = source, batch_size, seed, torch.device(device)
        self.rank, self.world_size = rank, world_size
        self.position = position
        self._prefetch = workers
        self._executor = ThreadPoolExecutor(workers, "zerosum-data") if workers else None
        self._pending: deque[Future[FetchedBatch]] = deque()
        self._epoch_order = lru_cache(maxsize=2)(self._shuffle_epoch)

    def _shuffle_epoch(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, epoch])
        return self.source.epoch_order(rng)

    def _sample_rows(self, first: int) -> NDArray[np.int64]:
        """Return the rows (batch_size / world_size, parts) of this rank's samples in the batch from `first` on."""
        sample_numbers = np.arange(first + self.rank, first + self.batch_size, self.world_size)
        epochs, offsets = np.divmod(sample_numbers, self.source.epoch_size)
        return np.concatenate([self._epoch_order(int(e))[offsets[epochs == e]] for e in np.unique(epochs)])

    def _fetch(self, position: int) -> FetchedBatch:
        parts = [self.source.fetch(part, rows) for part, rows in enumerate(self._sample_rows(position).T)]
        seeds = seeded_rng.derive_seeds(self.seed, position, self.batch_size, seeded_rng.SeedSeries.TRAINING)
        seed = seeds[self.rank :: self.world_size].clone()
        pinned: FetchedBatch = tree_map(partial(pin_for_device, device=self.device), FetchedBatch(parts, seed))
        return pinned

    def __next__(self) -> Batch:
        fetched = self._next_fetched_batch()
        self.position += self.batch_size
        parts = [to_device(part, self.device) for part in fetched.parts]
        return self.source.make_batch(parts, fetched.seed.to(self.device, non_blocking=True))

    def _next_fetched_batch(self) -> FetchedBatch:
        if self._executor is None:
            return self._fetch(self.position)
        while len(self._pending) <= self._prefetch:
            self._pending.append(
                self._executor.submit(self._fetch, self.position + len(self._pending) * self.batch_size)
            )
        return self._pending.popleft().result()

    def close(self) -> None:
        """Stop the prefetching threads."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
