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


class Source(Protocol):
    """Where examples come from."""

    @property
    def epoch(self) -> int:
        """How many samples an epoch has."""

    @property
    def drawn(self) -> np.ndarray:
        """All that training may draw, each once: (n,) indices."""

    def shuffled(self, dice: np.random.Generator) -> np.ndarray:
        """An epoch's order: (epoch,) indices, or (epoch, 2) couples of them where a sample is made of two."""

    def fetch(self, indices: np.ndarray) -> Tensor:
        """Raw examples (n, ...) or couples (n, 2, ...), as they are stored; called from several threads."""

    def label(self, indices: np.ndarray) -> Tensor | None:
        """Their classes, (n,) int64; None where there are none."""

    def scale(self, raw: Tensor) -> Tensor:
        """What was fetched, on any device, as networks see it; the last axis of images is their width."""

    def lay(self, scaled: Tensor, seed: Tensor) -> Batch:
        """What was scaled, maybe mirrored and turned, as a batch: `real`, and what it is made from, if anything.

        `seed` (n,) int64 draws what is random about it.
        """


def ready(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor where a copy to the device need not wait for anything: a GPU fetches from pinned memory by itself."""
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor


def bring(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, on its way there while the CPU goes on."""
    return ready(tensor, device).to(device, non_blocking=True)


class Fetched(NamedTuple):
    """The makings of a batch."""

    raw: Tensor
    seed: Tensor
    label: Tensor | None


def _turned(pictures: Tensor, seed: Tensor) -> Tensor:
    """Square pictures (n, ..., S, S), each turned by as many quarters as its seed (n,) says."""
    quarters = (4 * seeded_rng.uniform(seed, 1, seeded_rng.Purpose.TURN)).floor().view(-1, *[1] * (pictures.dim() - 1))
    turned = pictures
    for times in (1, 2, 3):
        turned = torch.where(quarters == times, pictures.rot90(times, (-2, -1)), turned)
    return turned


class Stream(Iterator[Batch]):
    """Batches of a source, shuffled anew each epoch.

    Of a source whose epoch is n samples, number s is `shuffled(dice(seed, s // n))[s % n]`, and carries the seed that
    all its randomness derives from. A batch is `batch` consecutive samples; rank r of w takes the r-th of its w parts.
    So two micro-batches are one batch cut in two, and ranks together see what one process would.
    """

    def __init__(
        self,
        source: Source,
        batch: int,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        mirror: bool = False,
        turn: bool = False,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        position: int = 0,
    ) -> None:
        """Begin at sample number `position`; `workers` threads fetch ahead (0: fetch when asked)."""
        assert batch % world == 0, "the batch is shared out evenly: checked when the run is planned"
        self.source, self.batch, self.seed, self.device = source, batch, seed, torch.device(device)
        self.mirror, self.turn, self.rank, self.share = mirror, turn, rank, batch // world
        self.position = position
        self._ahead = workers
        self._pool = ThreadPoolExecutor(workers, "zerosum-data") if workers else None
        self._fetched: deque[Future[Fetched]] = deque()
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def _shuffle(self, epoch: int) -> np.ndarray:
        dice = np.random.default_rng([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, epoch])
        return self.source.shuffled(dice)

    def _indices(self, first: int) -> np.ndarray:
        numbers = np.arange(first, first + self.share)
        epochs, places = np.divmod(numbers, self.source.epoch)
        return np.concatenate([self._order(int(e))[places[epochs == e]] for e in np.unique(epochs)])

    def _fetch(self, position: int) -> Fetched:
        first = position + self.rank * self.share
        indices = self._indices(first)
        raw, label = self.source.fetch(indices), self.source.label(indices)
        seed = seeded_rng.seeds(self.seed, first, self.share, seeded_rng.Series.TRAINING)
        here = None if label is None else ready(label, self.device)
        return Fetched(ready(raw, self.device), ready(seed, self.device), here)

    def __next__(self) -> Batch:
        raw, seed, label = self._next_raw()
        self.position += self.batch
        scaled = self.source.scale(raw.to(self.device, non_blocking=True))
        seed = seed.to(self.device, non_blocking=True)
        if self.mirror:
            flip = seeded_rng.uniform(seed, 1, seeded_rng.Purpose.MIRROR) < 0.5
            scaled = torch.where(flip.view(-1, *[1] * (scaled.dim() - 1)), scaled.flip(-1), scaled)
        scaled = _turned(scaled, seed) if self.turn else scaled
        batch = self.source.lay(scaled, seed) | {"seed": seed}
        return batch if label is None else batch | {"label": label.to(self.device, non_blocking=True)}

    def _next_raw(self) -> Fetched:
        if self._pool is None:
            return self._fetch(self.position)
        while len(self._fetched) <= self._ahead:
            self._fetched.append(self._pool.submit(self._fetch, self.position + len(self._fetched) * self.batch))
        return self._fetched.popleft().result()

    def close(self) -> None:
        """Let the fetching threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
