"""An endless loader of batches.

Each batch is a pure function of (seed, sample number), so the position is one integer and resuming is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.types import Batch


class BatchSource(Protocol):
    """A dataset that a loader draws batches from."""

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch."""

    @property
    def train_indices(self) -> np.ndarray:
        """The indices (n,) of all training examples, each once."""

    def epoch_order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the order of an epoch: (epoch_size,) indices, or (epoch_size, 2) if a sample is a pair."""

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Return raw examples (n, ...) or pairs (n, 2, ...), as they are stored; called from several threads."""

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Return the class labels (n,) int64, or None if there are no classes."""

    def scale(self, raw: Tensor) -> Tensor:
        """Scale fetched examples, on any device, for the networks; the last axis of images is their width."""

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Return a batch of scaled, possibly flipped and rotated examples: `real`, and `inputs` if samples have inputs.

        Args:
            scaled: scaled examples (n, ...).
            seed: (n,) int64, from which all randomness of the batch derives.
        """


def pin_for_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor in pinned memory if the device is a GPU, so that a copy to it is asynchronous."""
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy of the tensor on the device; the copy is asynchronous on a GPU."""
    return pin_for_device(tensor, device).to(device, non_blocking=True)


class RawBatch(NamedTuple):
    """A batch before scaling and augmentation, on the CPU."""

    raw: Tensor
    seed: Tensor
    label: Tensor | None


def _random_rotate90(images: Tensor, seed: Tensor) -> Tensor:
    """Rotate each of the square images (n, ..., S, S) by a multiple of 90 degrees that its seed (n,) determines."""
    quarter_turns = (
        (4 * seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.ROTATE90)).floor().view(-1, *[1] * (images.dim() - 1))
    )
    rotated = images
    for k in (1, 2, 3):
        rotated = torch.where(quarter_turns == k, images.rot90(k, (-2, -1)), rotated)
    return rotated


class BatchLoader(Iterator[Batch]):
    """Batches of a source, shuffled anew in each epoch.

    If an epoch of the source has n samples, sample number s is `epoch_order(rng(seed, s // n))[s % n]`, and carries the
    seed that all its randomness derives from. A batch is `batch_size` consecutive samples; rank r of w takes the r-th
    of its w parts. So two micro-batches are one batch cut in two, and all ranks together see the batch that a single
    process would see.
    """

    def __init__(
        self,
        source: BatchSource,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        hflip: bool = False,
        rotate90: bool = False,
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
            hflip: flip each image left to right with probability 0.5.
            rotate90: rotate each image by a random multiple of 90 degrees.
            workers: number of threads that prefetch batches; 0 fetches each batch when it is requested.
            rank: rank of this process.
            world_size: number of processes.
            position: number of the first sample.
        """
        assert batch_size % world_size == 0, "batches divide evenly among ranks: checked when the run is planned"
        self.source, self.batch_size, self.seed, self.device = source, batch_size, seed, torch.device(device)
        self.hflip, self.rotate90, self.rank, self.rank_batch_size = hflip, rotate90, rank, batch_size // world_size
        self.position = position
        self._prefetch = workers
        self._executor = ThreadPoolExecutor(workers, "zerosum-data") if workers else None
        self._pending: deque[Future[RawBatch]] = deque()
        self._epoch_order = lru_cache(maxsize=2)(self._shuffle_epoch)

    def _shuffle_epoch(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, epoch])
        return self.source.epoch_order(rng)

    def _sample_indices(self, first: int) -> np.ndarray:
        sample_numbers = np.arange(first, first + self.rank_batch_size)
        epochs, offsets = np.divmod(sample_numbers, self.source.epoch_size)
        return np.concatenate([self._epoch_order(int(e))[offsets[epochs == e]] for e in np.unique(epochs)])

    def _fetch(self, position: int) -> RawBatch:
        first = position + self.rank * self.rank_batch_size
        indices = self._sample_indices(first)
        raw, label = self.source.fetch(indices), self.source.label(indices)
        seed = seeded_rng.derive_seeds(self.seed, first, self.rank_batch_size, seeded_rng.SeedSeries.TRAINING)
        pinned_label = None if label is None else pin_for_device(label, self.device)
        return RawBatch(pin_for_device(raw, self.device), pin_for_device(seed, self.device), pinned_label)

    def __next__(self) -> Batch:
        raw, seed, label = self._next_raw_batch()
        self.position += self.batch_size
        scaled = self.source.scale(raw.to(self.device, non_blocking=True))
        seed = seed.to(self.device, non_blocking=True)
        if self.hflip:
            flip = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.HFLIP) < 0.5
            scaled = torch.where(flip.view(-1, *[1] * (scaled.dim() - 1)), scaled.flip(-1), scaled)
        scaled = _random_rotate90(scaled, seed) if self.rotate90 else scaled
        batch = self.source.collate(scaled, seed) | {"seed": seed}
        return batch if label is None else batch | {"label": label.to(self.device, non_blocking=True)}

    def _next_raw_batch(self) -> RawBatch:
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
