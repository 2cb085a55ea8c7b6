"""Which images are held out: a share by content, whole groups, or the images of a source of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.former_data import FormerSplit
from zerosum.data.images.groups import BY_FOLDER, hash_groups, is_pattern
from zerosum.data.images.joined import JoinedSource
from zerosum.data.images.near_copies import describe_near_copies, find_near_copies
from zerosum.data.images.rows import ExampleMetadata
from zerosum.data.images.sources import Source
from zerosum.data.kind import LoadOptions
from zerosum.data.split import run_start_mask, split_by_content, split_by_group
from zerosum.data.text import pluralize
from zerosum.errors import BadInput


class SplitRows(NamedTuple):
    """The two sides of a split."""

    train: NDArray[np.int64]
    """Rows of the training examples, in order of content."""
    held_out: NDArray[np.int64]
    """Rows of the held-out examples, in order of content."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""


@dataclass(frozen=True)
class ImageSplit:
    """The rule by which examples of images are held out."""

    fraction: float
    """Fraction of the images that is held out, 0 to 0.5; not read if there is a source for validation."""
    groups: str = ""
    """What must not be on both sides, as in `data.groups`; "": equal images only."""
    bounded: bool = True
    """Whether the number of held-out images has bounds: see `split_by_content`."""
    searches_near_copies: bool = False
    """Whether near-copies across the split are looked for; not in data that are only evaluated."""
    former: FormerSplit | None = None
    """The sides on which contents stay, if these are the data of a run after a change; None: there are none."""

    @classmethod
    def of_options(cls, options: LoadOptions, groups: str) -> ImageSplit:
        """Return the rule of the options of loading."""
        former = options.former.split if options.former else None
        return cls(options.held_out_fraction, groups, options.bounded_split, not options.for_evaluation, former)

    def __call__(self, source: Source, metadata: ExampleMetadata) -> SplitRows:
        """Split the examples (N,) of a source.

        Raises:
            BadInput: if an image has no group, all are in one, or the images for validation are also the training set.
        """
        group_hashes = None
        if self.groups and self.fraction:
            parts = source.parts if isinstance(source, JoinedSource) else [source]
            group_hashes = hash_groups(parts, self.groups)[metadata.source_indices]
        sides = self._split(source, metadata, group_hashes)
        if self.former is None:
            return sides
        kept = self.former.keep(metadata.content_hashes, sides.train, sides.held_out, group_hashes)
        return SplitRows(*kept, sides.notes)

    def _split(self, source: Source, metadata: ExampleMetadata, group_hashes: NDArray[np.uint64] | None) -> SplitRows:
        """Split the examples (N,) by the rule alone, or by their groups (N,)."""
        if isinstance(source, JoinedSource) and source.validation_start < len(source.names):
            return _hold_out_validation(source, metadata)
        if group_hashes is None:
            return SplitRows(*split_by_content(metadata.content_hashes, self.fraction, bounded=self.bounded))
        hashes = metadata.content_hashes
        train, held_out = split_by_group(hashes, group_hashes, self.fraction, "data.groups", bounded=self.bounded)
        counts = [pluralize(len(np.unique(group_hashes[rows])), "group") for rows in (train, held_out)]
        note = f"split by {_describe_groups(self.groups)}: {counts[0]} to train on, {counts[1]} held out"
        return SplitRows(train, held_out, (note,))

    def describe_near_copies(
        self, values: NDArray[np.generic], rows: SplitRows, source: Source, metadata: ExampleMetadata
    ) -> list[str]:
        """Return a sentence about held-out examples that are nearly equal to training examples, if there are any."""
        if not self.searches_near_copies:
            return []
        found = find_near_copies(values, rows.train, rows.held_out)
        return describe_near_copies(found, source.names, metadata.source_indices)


def count_training_images(source: Source, metadata: ExampleMetadata) -> int:
    """Return the number of distinct images of the sources for training, before any of them are held out."""
    hashes = metadata.content_hashes
    if isinstance(source, JoinedSource):
        hashes = hashes[metadata.source_indices < source.validation_start]
    return int(np.count_nonzero(run_start_mask(np.sort(hashes))))


def _describe_groups(groups: str) -> str:
    if groups == BY_FOLDER:
        return "folder"
    return f"what {groups} finds in the path" if is_pattern(groups) else f"the column {groups}"


def _hold_out_validation(source: JoinedSource, metadata: ExampleMetadata) -> SplitRows:
    """Hold out the images for validation, and leave copies of them out of the training set."""
    content_hashes = metadata.content_hashes
    order = np.argsort(content_hashes, kind="stable").astype(np.int64, copy=False)
    is_validation = metadata.source_indices >= source.validation_start
    is_copy = ~is_validation & np.isin(content_hashes, content_hashes[is_validation])
    train, held_out = order[~(is_validation | is_copy)[order]], order[is_validation[order]]
    if not len(held_out) or not len(train):
        problem = "none of its images can be read" if not len(held_out) else "it holds all training images"
        raise BadInput(f"`data.validation` {source.validation_name}: {problem}; give other images")
    count = len(np.unique(metadata.source_indices[held_out]))
    notes = [f"held out the {pluralize(count, 'image')} of {source.validation_name}, and nothing else"]
    if copies := int(np.count_nonzero(is_copy)):
        example = source.names[int(metadata.source_indices[np.flatnonzero(is_copy)[0]])]
        notes.append(
            f"left out {pluralize(copies, 'training image')} that {'is' if copies == 1 else 'are'} also in "
            f"{source.validation_name}, such as {example}"
        )
    return SplitRows(train, held_out, tuple(notes))
