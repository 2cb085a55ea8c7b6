"""Copies between the sets of an evaluation: samples among real or training items, and real among training items.

A copy is an item of equal content, as the items are compared, or as their files held them. A near-copy is one that was
compressed, scaled or brightened a little: its thumbnail is far nearer than those of different items are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from zerosum.data.codec import Items
from zerosum.data.content_hash import hash_contents, hash_text
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.metrics.nearest_neighbors import nearest_neighbors
from zerosum.evaluation.request import EvaluationTask
from zerosum.evaluation.sample_sets import RealSet, SampleSet
from zerosum.run_folder import Json

NEAR_COPY_RATIO = 0.15
"""A near-copy is nearer than this ratio of the median distance of a real item to its nearest other one.

Of 9,000 digits, which look more alike than most images do, none has another one so near (the nearest: 0.17), and nearly
all copies have that were saved as JPEG of quality 60, scaled to three quarters and back (4 in 10), brightened by 5%, or
given noise of 4 of 255 levels.
"""
ThumbnailFn = Callable[[Items], NDArray[np.float32] | None]
"""Returns thumbnails (N, D) of items, or None if this kind of data has none."""
GENERATED, REAL, TRAIN, TARGET = "generated", "real", "train", "target"
"""Names of sets in records."""


@dataclass(frozen=True, eq=False)
class Contents:
    """What is kept of N items to find copies of them."""

    hashes: NDArray[np.uint64]
    """(N,) hashes of the items as they are compared."""
    thumbnails: NDArray[np.float32] | None
    """(N, D); None if this kind of data has none."""
    are_content_hashes: bool = False
    """Whether the hashes are those that datasets have, so that items which were not read can be compared, too."""

    def __len__(self) -> int:
        return len(self.hashes)


class RecordingSet:
    """A sample set that keeps the contents of the items that are read from it."""

    def __init__(self, sample_set: SampleSet, thumbnails: ThumbnailFn) -> None:
        """Record the items of a set, whose rows are read in blocks, each by one rank."""
        self._sample_set, self._thumbnails = sample_set, thumbnails
        self._blocks: dict[int, Contents] = {}

    @property
    def name(self) -> str:
        """What the items are, in the plural."""
        return self._sample_set.name

    def __len__(self) -> int:
        return len(self._sample_set)

    def take(self, rows: NDArray[np.int64]) -> Items:
        """Return rows (n, ...), whose contents are kept."""
        items = self._sample_set.take(rows)
        self._blocks[int(rows[0])] = Contents(_hash_items(items), self._thumbnails(items), items.dtype.kind == "U")
        return items

    def contents(self) -> Contents:
        """Return the contents of all items, once all have been read; every rank calls this."""
        blocks = self._blocks
        if dist.is_initialized() and dist.get_world_size() > 1:
            of_ranks: list[dict[int, Contents]] = [{}] * dist.get_world_size()
            dist.all_gather_object(of_ranks, blocks)
            blocks = {first: block for of_rank in of_ranks for first, block in of_rank.items()}
        ordered = [blocks[first] for first in sorted(blocks)]
        thumbnails = [block.thumbnails for block in ordered if block.thumbnails is not None]
        return Contents(
            np.concatenate([block.hashes for block in ordered]),
            np.concatenate(thumbnails) if thumbnails else None,
            all(block.are_content_hashes for block in ordered),
        )


def _hash_items(items: Items) -> NDArray[np.uint64]:
    """Return hashes (n,) of the contents of items (n, ...)."""
    if items.dtype.kind == "U":  # an array of texts is as wide as the longest one in it
        return np.array([hash_text(text) for text in items.astype(str).tolist()], np.uint64)
    header = f"{items.shape[1:]} {items.dtype}"
    return hash_contents(header, np.ascontiguousarray(items).view(np.uint8).reshape(len(items), -1))


@dataclass(frozen=True)
class Overlap:
    """How many items of one set are copies of items of another."""

    first: str
    """The set whose items are counted: "generated" or "real"."""
    second: str
    """The set that is searched: "real", "train", or "target" for the targets of translations of pairs."""
    count: int
    """Number of items of the first set."""
    searched: int
    """Number of items of the second set."""
    copies: int
    """Number of items of the first set whose content is in the second."""
    near_copies: int | None
    """Number of further items with a near-copy in the second set; None where near-copies mean nothing."""
    noun: str = "example"
    """One item of the data in words; the plural has an s."""
    by_chance: bool = False
    """Whether items that have nothing to do with each other are equal, too, so that copies alone say nothing."""

    @property
    def is_empty(self) -> bool:
        """Whether no item is in both sets."""
        return not self.copies and not self.near_copies

    def describe(self) -> str:
        """Return a sentence: what was found, what it means, and what to do."""
        first, second = (_items(name, self.noun) for name in (self.first, self.second))
        if self.is_empty:
            kinds = "copy" if self.near_copies is None else "copy or near-copy"
            return f"none of {self.count:,} {first} is a {kinds} of one of {self.searched:,} {second}"
        copies, near = self.copies, self.near_copies or 0
        if not copies:
            found = f"{near:,} of {self.count:,} {first} {_are(near)} nearly equal to {second}"
        else:
            more = f", and {near:,} more {_are(near)} nearly equal to one" if near else ""
            found = f"{copies:,} of {self.count:,} {first} {_are(copies)} among the {second}{more}"
        if self.by_chance:
            return f"{found}; some {self.noun}s equal each other by chance"
        return f"{found}: {_CONSEQUENCES[self.first, self.second].format(noun=self.noun)}"

    def as_dict(self) -> dict[str, Json]:
        """Return the fields for scores.jsonl, with the sentence."""
        return {
            "first": self.first, "second": self.second, "count": self.count, "searched": self.searched,
            "copies": self.copies, "near_copies": self.near_copies, "text": self.describe(),
            "by_chance": self.by_chance,
        }  # fmt: skip


_CONSEQUENCES = {
    (GENERATED, REAL): (
        "the scores compare these {noun}s with themselves and are too good; compare with real {noun}s that are not "
        "among the samples"
    ),
    (GENERATED, TRAIN): (
        "the generator repeats its training data, and its scores say little of new {noun}s; look at the nearest "
        "neighbors, and train on more {noun}s or for a shorter time"
    ),
    (GENERATED, TARGET): (
        "these translations equal a target to the last bit; if that is a surprise, look whether inputs and targets are "
        "the same {noun}s"
    ),
    (REAL, TRAIN): (
        "scores and floor are too good, and memorization cannot be told from quality; give real {noun}s that the "
        "generator was not trained on"
    ),
}


def _items(name: str, noun: str) -> str:
    return {GENERATED: "samples", REAL: f"real {noun}s", TRAIN: f"training {noun}s", TARGET: f"target {noun}s"}[name]


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@dataclass(frozen=True, eq=False)
class SearchedSet:
    """A set in which copies are searched."""

    name: str
    """generated, real or train."""
    contents: Sequence[Contents]
    """The contents of those items that were read, in any number of parts."""
    items: RealSet | None = None
    """All items, whose files are compared too; None for samples of a generator."""

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """The hashes of the items that were read."""
        return np.concatenate([part.hashes for part in self.contents])

    @property
    def thumbnails(self) -> FeatureTable | None:
        """The thumbnails of the items that were read."""
        parts = [part.thumbnails for part in self.contents if part.thumbnails is not None]
        return FeatureTable.from_tensor(torch.from_numpy(np.concatenate(parts))) if parts else None


def median_neighbor_distance(contents: Contents) -> float:
    """Return the median distance of thumbnails to the nearest different one; 0 if there are none."""
    if contents.thumbnails is None:
        return 0.0
    table = FeatureTable.from_tensor(torch.from_numpy(contents.thumbnails))
    distances = nearest_neighbors(table, table, exclude_self=True)[0][:, 0]
    return float(np.median(distances[distances > 0])) if (distances > 0).any() else 0.0


def find_overlap(
    first: SearchedSet,
    second: SearchedSet,
    neighbor_distance: float,
    noun: str = "example",
    by_chance: bool = False,
) -> Overlap:
    """Count the items of one set that are copies of items of another.

    Args:
        first: the items to count, N of them in one part.
        second: the items that they may be copies of.
        neighbor_distance: the distance of the thumbnails of different items, as `median_neighbor_distance` returns it.
        noun: one item of the data in words.
        by_chance: whether items that have nothing to do with each other are equal, too.
    """
    (contents,) = first.contents
    is_copy, searched = np.isin(contents.hashes, second.hashes), len(second.hashes)
    if second.items and (first.items or contents.are_content_hashes):
        own = first.items.content_hashes if first.items else contents.hashes
        is_copy |= np.isin(own, second.items.content_hashes)
        searched = max(searched, len(second.items))
    near_copies = None  # translations are meant to come near their targets
    thumbnails, reference = SearchedSet("", [contents]).thumbnails, second.thumbnails
    if thumbnails is not None and reference is not None and second.name != TARGET:
        distances = nearest_neighbors(thumbnails, reference)[0][:, 0]
        near_copies = int((~is_copy & (distances < NEAR_COPY_RATIO * neighbor_distance)).sum())
    return Overlap(first.name, second.name, len(contents), searched, int(is_copy.sum()), near_copies, noun, by_chance)


def find_overlaps(task: EvaluationTask, contents: Mapping[str, Contents]) -> list[Overlap]:
    """Look for samples among real items, for samples among training items, and for real items among training items.

    Args:
        task: the sets.
        contents: the contents of the sets by their names in the task: "real", "floor", "generated", "train".

    Returns:
        The pairs of sets that can be compared: without those of training items where these are not known, and without
        those of real items where the training items serve as the real ones.
    """
    summary = task.real.dataset.summary
    by_chance = EVALUATION_KINDS.find(summary.kind).has_equal_items
    search = partial(
        find_overlap,
        neighbor_distance=median_neighbor_distance(contents["real"]),
        noun=summary.noun,
        by_chance=by_chance,
    )
    generated_items = task.generated if isinstance(task.generated, RealSet) else None
    generated = SearchedSet(GENERATED, [contents["generated"]], generated_items)
    if task.reference_split == "train":
        return [search(generated, SearchedSet(TRAIN, [contents["real"]], task.real))]
    real_parts = [contents["real"], *([contents["floor"]] if task.reference_split == "half" else [])]
    name = TARGET if task.is_paired else REAL
    overlaps = [search(generated, SearchedSet(name, real_parts, task.real_items or task.real))]
    if task.train_items:
        train = SearchedSet(TRAIN, [contents.get("train", contents["floor"])], task.train_items)
        real = SearchedSet(REAL, [contents["real"]], task.real)
        overlaps += [search(first, train) for first in (generated, real)]
    return overlaps
