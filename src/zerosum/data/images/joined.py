"""Several sources of images as one set, and the sources that the settings of images name."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import OpenedImage
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.splits import Split
from zerosum.data.images.value_range import Extremes, Range, merge_extremes
from zerosum.data.text import enumerate_names, natural_sort_key, pluralize
from zerosum.errors import BadInput


class JoinedSource:
    """Several sources as one, whose classes of the same name are one class."""

    def __init__(self, sources: Sequence[Source], validation: Source | None = None) -> None:
        """Join sources, and after them the one that is held out, if there is one."""
        parts = [*sources, *([validation] if validation else [])]
        self.parts: Sequence[Source] = sources
        """The sources of the training images."""
        self._parts, self._validation = parts, validation
        self._starts = [0, *itertools.accumulate(len(part.names) for part in parts)]
        self.validation_start = self._starts[len(sources)]
        """The index of the first image that is held out; that behind the last one if there is no such source."""
        self.display_name = enumerate_names([source.display_name for source in sources])
        self.validation_name = validation.display_name if validation else ""
        """The source that is held out."""
        with_folders = len(sources) > 1
        self.names: Sequence[str] = [
            f"{part.display_name.rstrip('/')}/{name}" if with_folders or part is validation else name
            for part in parts
            for name in part.names
        ]
        self.classes, self.labels = _join_classes(parts)
        self.other_files = sum(part.other_files for part in parts)
        self.notes = self._describe()
        states = " ".join([*(part.state_hash for part in parts), str(self.validation_start)])
        self.state_hash = hashlib.blake2b(f"joined {states}".encode(), digest_size=16).hexdigest()

    def open(self, index: int) -> OpenedImage:
        """Open an image."""
        part = bisect.bisect_right(self._starts, index) - 1
        return self._parts[part].open(index - self._starts[part])

    @property
    def extremes(self) -> Extremes | None:
        """The extremes of all arrays of more than 8 bits."""
        return merge_extremes(part.extremes for part in self._parts)

    @property
    def clipped(self) -> int:
        """The number of values of arrays that lie outside their range."""
        return sum(part.clipped for part in self._parts)

    def with_range(self, value_range: Range | None, dtype: PixelType = "uint8") -> Self:
        """Return the same set with another range."""
        validation = self._validation and self._validation.with_range(value_range, dtype)
        return type(self)([source.with_range(value_range, dtype) for source in self.parts], validation)

    def column(self, name: str) -> list[str]:
        """Return a column of the tables of labels, for all images."""
        return [cell for part in self._parts for cell in part.column(name)]

    def _describe(self) -> tuple[str, ...]:
        """Return sentences about what was joined, and those of each source with its name."""
        notes = []
        if len(self.parts) > 1:
            counts = ", ".join(f"{len(source.names):,} of {source.display_name}" for source in self.parts)
            notes.append(f"joined {pluralize(self.validation_start, 'image')}: {counts}")
        if any(part.classes for part in self._parts) and not self.classes:
            without = next(part.display_name for part in self._parts if not part.classes)
            notes.append(f"no classes were read, because {without} has none")
        notes += [f"{part.display_name}: {note}" for part in self._parts for note in part.notes]
        return tuple(notes)


def _join_classes(parts: Sequence[Source]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes of all sources by name, in natural order, and the labels (N,); none if a source has none."""
    if not all(part.classes for part in parts):
        return (), np.zeros(sum(len(part.names) for part in parts), np.int64)
    classes = sorted({name for part in parts for name in part.classes}, key=natural_sort_key)
    label_of_class = {name: label for label, name in enumerate(classes)}
    labels = [np.array([label_of_class[name] for name in part.classes], np.int64)[part.labels] for part in parts]
    return tuple(classes), np.concatenate(labels)


def join_sources(sources: Sequence[Source], validation: Source | None = None) -> Source:
    """Return one source of the training sources and the one that is held out; a single one is returned unchanged."""
    return sources[0] if len(sources) == 1 and validation is None else JoinedSource(sources, validation)


def resolve_training_sources(data: ImageDataConfig, split: Split = Split.TRAINING) -> Source:
    """Return the training images of `data.source` and `data.more_sources` as one source.

    Raises:
        BadInput: if one of them cannot be used, or holds images of another one, which would be read twice.
    """
    sources = data.training_sources
    places = [Path(source).expanduser().resolve() for source in sources]
    for first, second in itertools.combinations(range(len(sources)), 2):
        if places[first].is_relative_to(places[second]) or places[second].is_relative_to(places[first]):
            raise BadInput(
                f"`data.more_sources`: {sources[first]} and {sources[second]} hold the same images, which would be "
                "read twice; leave one of them out"
            )
    return join_sources([resolve_source(source, split, data.label, data.conditions) for source in sources])


def resolve_all_sources(data: ImageDataConfig, split: Split = Split.TRAINING) -> Source:
    """Return the training images of the settings with those for validation.

    Raises:
        BadInput: if a source cannot be used.
    """
    return add_validation(resolve_training_sources(data, split), data)


def add_validation(training: Source, data: ImageDataConfig) -> Source:
    """Return the training images with those of `data.validation`, if it is set, which are held out.

    Of a source that has been split into train/, val/ and the like, they are those for validation, else for a test.

    Raises:
        BadInput: if the source of validation cannot be used.
    """
    if not data.validation:
        return training
    validation = resolve_source(data.validation, Split.VALIDATION, data.label, data.conditions)
    if isinstance(training, JoinedSource):
        return JoinedSource(training.parts, validation)
    return JoinedSource([training], validation)
