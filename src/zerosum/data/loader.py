"""Batches without end. Each is a pure function of (seed, number), so a position is one integer and resume is exact."""

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
    """Where examples come from."""

    @property
    def epoch_size(self) -> int:
        """How many samples an epoch has."""

    @property
    def train_indices(self) -> np.ndarray:
        """All that training may draw, each once: (n,) indices."""

    def epoch_order(self, rng: np.random.Generator) -> np.ndarray:
        """An epoch's order: (epoch,) indices, or (epoch, 2) couples of them where a sample is made of two."""

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Raw examples (n, ...) or couples (n, 2, ...), as they are stored; called from several threads."""

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Their classes, (n,) int64; None where there are none."""

    def scale(self, raw: Tensor) -> Tensor:
        """What was fetched, on any device, as networks see it; the last axis of images is their width."""

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """What was scaled, maybe mirrored and turned, as a batch: `real`, and what it is made from, if anything.

        `seed` (n,) int64 draws what is random about it.
        """


def pin_for_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor where a copy to the device need not wait for anything: a GPU fetches from pinned memory by itself."""
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, on its way there while the CPU goes on."""
    return pin_for_device(tensor, device).to(device, non_blocking=True)


class RawBatch(NamedTuple):
    """The makings of a batch."""

    raw: Tensor
    seed: Tensor
    label: Tensor | None


def _random_rotate90(images: Tensor, seed: Tensor) -> Tensor:
    """Square pictures (n, ..., S, S), each turned by as many quarters as its seed (n,) says."""
    quarters = (
        (4 * seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.ROTATE90)).floor().view(-1, *[1] * (images.dim() - 1))
    )
    turned = images
    for times in (1, 2, 3):
        turned = torch.where(quarters == times, images.rot90(times, (-2, -1)), turned)
    return turned


class BatchLoader(Iterator[Batch]):
    """Batches of a source, shuffled anew each epoch.

    Of a source whose epoch is n samples, number s is `shuffled(dice(seed, s // n))[s % n]`, and carries the seed that
    all its randomness derives from. A batch is `batch_size` consecutive samples; rank r of w takes the r-th of its w parts.
    So two micro-batches are one batch cut in two, and ranks together see what one process would.
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
        """Begin at sample number `position`; `workers` threads fetch ahead (0: fetch when asked)."""
        assert batch_size % world_size == 0, "the batch is shared out evenly: checked when the run is planned"
        self.source, self.batch_size, self.seed, self.device = source, batch_size, seed, torch.device(device)
        self.hflip, self.rotate90, self.rank, self.rank_batch_size = hflip, rotate90, rank, batch_size // world_size
        self.position = position
        self._prefetch = workers
        self._executor = ThreadPoolExecutor(workers, "zerosum-data") if workers else None
        self._pending: deque[Future[RawBatch]] = deque()
        self._epoch_order = lru_cache(maxsize=2)(self._shuffle_epoch)

    def _shuffle_epoch(self, epoch: int) -> np.ndarray:
        dice = np.random.default_rng([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, epoch])
        return self.source.epoch_order(dice)

    def _sample_indices(self, first: int) -> np.ndarray:
        numbers = np.arange(first, first + self.rank_batch_size)
        epochs, places = np.divmod(numbers, self.source.epoch_size)
        return np.concatenate([self._epoch_order(int(e))[places[epochs == e]] for e in np.unique(epochs)])

    def _fetch(self, position: int) -> RawBatch:
        first = position + self.rank * self.rank_batch_size
        indices = self._sample_indices(first)
        raw, label = self.source.fetch(indices), self.source.label(indices)
        seed = seeded_rng.derive_seeds(self.seed, first, self.rank_batch_size, seeded_rng.SeedSeries.TRAINING)
        here = None if label is None else pin_for_device(label, self.device)
        return RawBatch(pin_for_device(raw, self.device), pin_for_device(seed, self.device), here)

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
        """Let the fetching threads go."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
