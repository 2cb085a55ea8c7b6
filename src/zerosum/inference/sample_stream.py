"""Write any number of samples to files, batch by batch: each batch is written while the next is generated."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from zerosum.data.codec import GivenValues, Items
from zerosum.data.kind import ProgressFn
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import leaf_specs
from zerosum.game.sample_tree import leaves
from zerosum.game.types import Sample
from zerosum.inference.conditions import repeat_condition
from zerosum.inference.generator import Generator
from zerosum.inference.redraw import DrawCounts, Draws
from zerosum.media.kind import MEDIA_KINDS

SHEET_SAMPLES = 256
"""Samples of the sheet: 16 x 16. More are seen by nobody."""
BATCH_VALUES = 1 << 24
"""Largest number of values in a batch: 64 MiB of float32."""
MIN_DRAWN, MIN_PASSED = 10_000, 1 / 1_000
"""Of samples that are filtered, so many are drawn before fewer than this fraction that pass are too few."""
WAITING_BATCHES = 3
"""Batches for each thread that wait to be written. They bound the memory, however slow the disk is."""
MAX_THREADS = 8


@dataclass(frozen=True)
class ItemBatch:
    """The items of a batch of samples."""

    items: Items
    """(N, ...)"""
    counts: DrawCounts
    """How many of the samples that were drawn for them are valid."""


BatchFn: TypeAlias = Callable[[], ItemBatch]


@dataclass(frozen=True)
class SampleSettings:
    """What samples a generator is asked for: sample i is a function of these and of i alone."""

    seed: int = 0
    truncation: float = math.inf
    label: str | int | None = None
    """The class of all samples, by name or index; None: as `classes_in_turn` says."""
    classes_in_turn: bool = False
    """Whether the classes take turns, so that all are equally frequent; else they are as frequent as in the data."""
    given: Sequence[float] | GivenValues = ()
    """The condition of all samples, or the values of it that are given; (): as in the data."""
    where: str = ""
    """A filter: of the samples, those that pass are written, and numbered in their order; "": all."""

    def labels(self, generator: Generator, first: int, count: int) -> Tensor | None:
        """Return the classes of samples `first` to `first + count - 1`, (count,) int64; None if there are none.

        Raises:
            BadInput: there is no such class, or there are no classes to take turns.
        """
        if not self.classes_in_turn:
            return generator.draw_labels(count, self.seed, first, self.label)
        trained = torch.tensor(generator.trained_class_indices, dtype=torch.int64)
        if not len(trained):
            raise BadInput("`each`: this generator knows no classes; give the number of samples as `num_samples`")
        return trained[torch.arange(first, first + count) % len(trained)]

    def generate(self, generator: Generator, first: int, count: int) -> Sample:
        """Return samples `first` to `first + count - 1`, (count, ...) on the CPU.

        Raises:
            BadInput: there is no such class or condition.
        """
        labels = self.labels(generator, first, count)
        return generator.draw_samples(
            count, seed=self.seed, truncation=self.truncation, label=labels,
            condition=self._conditions(generator, labels, first, count), first=first, batch_size=count,
        )  # fmt: skip

    def _conditions(self, generator: Generator, labels: Tensor | None, first: int, count: int) -> Sample | None:
        """Return the conditions (count, ...) of samples; None if nothing is given."""
        if not self.given:
            return None
        if isinstance(self.given, Mapping):
            return generator.choose_conditions(self.given, count, self.seed, labels, first)
        return repeat_condition(generator.codec, self.given, count)

    def decode(self, generator: Generator, samples: Sample, first: int) -> ItemBatch:
        """Return the items of samples `first`, `first + 1`, ..., after invalid ones were drawn again."""
        count = len(leaves(samples)[0])
        given = self.given if isinstance(self.given, Mapping) else None
        if generator.codec.may_be_invalid:
            draws = self._redraw(generator, samples, first, given)
            batch = ItemBatch(draws.items, draws.counts)
        else:
            batch = ItemBatch(generator.decode(samples, self.seed, first, given), DrawCounts(count, count))
        assert len(batch.items) == count, "a codec makes one item of each sample"
        return batch

    def _redraw(self, generator: Generator, samples: Sample, first: int, given: GivenValues | None) -> Draws:
        count = len(leaves(samples)[0])
        labels = self.labels(generator, first, count)
        return generator.redraw(
            samples, seeded_rng.derive_seeds(self.seed, first, count), truncation=self.truncation, label=labels,
            condition=self._conditions(generator, labels, first, count), given=given,
        )  # fmt: skip

    def batches(self, generator: Generator, first: int, end: int, batch_size: int) -> Iterator[tuple[int, BatchFn]]:
        """Yield the number of the first sample of each batch, and a function that returns its items.

        Samples are generated here, one batch after the other; what is yielded may be called by any thread.

        Raises:
            BadInput: there is no such class or condition, or almost no sample passes the filter.
        """
        if self.where:
            yield from self._filtered_batches(generator, end, batch_size)
            return
        for start in range(first, end, batch_size):
            samples = self.generate(generator, start, min(batch_size, end - start))
            yield start, partial(self.decode, generator, samples, start)

    def _filtered_batches(self, generator: Generator, end: int, batch_size: int) -> Iterator[tuple[int, BatchFn]]:
        """Yield batches of the samples that pass the filter, up to the number `end` of them."""
        passes = generator.codec.parse_filter(self.where)
        passed = drawn = 0
        while passed < end:
            samples = self.generate(generator, drawn, batch_size)
            batch = self.decode(generator, samples, drawn)
            kept = batch.items[passes(batch.items)][: end - passed]
            drawn += batch_size
            if len(kept):
                yield passed, partial(_identity, replace(batch, items=kept))
            passed += len(kept)
            if drawn >= MIN_DRAWN and passed < min(end, drawn * MIN_PASSED):
                raise BadInput(
                    f"`where` {printable(self.where)}: of {drawn:,} samples, {passed:,} pass, and fewer than 1 in "
                    f"{1 / MIN_PASSED:,.0f} are too few to wait for; widen the filter, or ask for values with `given`"
                )


def _identity(batch: ItemBatch) -> ItemBatch:
    return batch


class SampleWriter:
    """Generates samples and writes them into a folder, with the memory of a few batches.

    Attributes:
        end: the number after the last sample of which all before it are written, too.
        counts: how many of the samples that were drawn for what is written are valid.

    An interruption reaches the main thread only, between any two of its steps. So what is written is noted by the
    threads that write: what they have noted is there, and what they have not is not counted.
    """

    def __init__(self, generator: Generator, settings: SampleSettings, folder: Path, first: int = 0) -> None:
        """Prepare to write samples number `first`, `first + 1`, ... into an existing folder."""
        self._generator, self._settings, self._folder = generator, settings, folder
        self._media = MEDIA_KINDS.find(generator.kind)
        self._sheet: dict[int, Items] = {}  # by the first number of a batch
        self._written: dict[int, int] = {}  # sizes of the batches after `end`, by their first numbers
        self._lock = Lock()
        self._first = self.end = first
        self.counts = DrawCounts()
        values = sum(math.prod(leaf.shape) for leaf in leaf_specs(generator.codec.spec))
        self._batch_size = max(1, min(self._media.batch_size, BATCH_VALUES // values))
        has_own_files = self._media.file_name(generator.codec, 0)
        self._num_threads = min(MAX_THREADS, max(1, (os.cpu_count() or 1) // 2)) if has_own_files else 1

    def write(self, count: int, progress: ProgressFn) -> None:
        """Write the next `count` samples; after an interruption, whole files are left, and `end` is right.

        Args:
            count: number of samples.
            progress: called after each batch with the numbers of samples written and of all.

        Raises:
            BadInput: there is no such class or condition.
            OSError: a file cannot be written.
        """
        start, stop = self.end, self.end + count
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._num_threads, "samples") as pool:  # at its end, also after Ctrl-C, all is written
            for first, make_batch in self._settings.batches(self._generator, start, stop, self._batch_size):
                pending.append(pool.submit(self._write_batch, make_batch, first))
                while pending and (len(pending) > WAITING_BATCHES * self._num_threads or pending[0].done()):
                    pending.popleft().result()
                    progress(self.end - start, count)
        for batch in pending:
            batch.result()
        progress(self.end - start, count)

    def sheet(self) -> Items:
        """Return the first samples that were written, up to `SHEET_SAMPLES`, as they are drawn: (N, ...)."""
        return np.concatenate([self._sheet[first] for first in sorted(self._sheet) if first < self.end])

    def _write_batch(self, make_batch: BatchFn, first: int) -> None:
        """Write the samples from number `first` on, and note that they are there."""
        batch = make_batch()
        items = batch.items
        self._media.write(items, self._generator.codec, self._folder, first)
        if first < self._first + SHEET_SAMPLES:
            self._sheet[first] = self._generator.codec.preview(items[: self._first + SHEET_SAMPLES - first])
        with self._lock:
            self.counts += batch.counts
            self._written[first] = len(items)
            while self.end in self._written:
                self.end += self._written.pop(self.end)
