"""The ingest of images: from a source to an array of examples, with a row of metadata for each and a summary."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from zerosum.data import cache
from zerosum.data.images.arrays import NpySource
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.levels import add_levels
from zerosum.data.images.memmap import MemmapReader
from zerosum.data.images.reader import DecodingReader
from zerosum.data.images.rows import DecodedImages
from zerosum.data.images.sources import Source
from zerosum.data.kind import ProgressFn, ignore_progress


class ImageReader(Protocol):
    """Reads all images of a source, by way of an entry of the cache."""

    def load(self, entry: Path) -> DecodedImages | None:
        """Return the images of an entry of the cache, or None if it is absent or damaged."""
        ...

    def write(self, folder: Path, progress: ProgressFn) -> None:
        """Read the images, and write a new entry of the cache."""
        ...

    def load_uncached(self, progress: ProgressFn, cache_error: str) -> DecodedImages:
        """Read the images, because the cache cannot be written."""
        ...


@dataclass(frozen=True)
class ImageIngest:
    """Reads all images of a source as examples of one format.

    Example:
        >>> from zerosum.data.images.size import ImageSize
        >>> from zerosum.data.images.sources import resolve_source
        >>> form = ExampleFormat(ImageSize.square(32), channels=1, fit="pad")
        >>> ImageIngest(resolve_source("digits"), form).load().values.shape
        (10000, 32, 32, 1)
    """

    source: Source
    form: ExampleFormat
    """The format of the examples."""

    @property
    def key(self) -> str:
        """The name of the entry of the cache: it changes with the source and with each setting."""
        settings = "in place" if self._memmapped else self.form.key
        identity = f"{cache.VERSION} {self.source.state_hash} {settings}"
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    def load(self, progress: ProgressFn = ignore_progress) -> DecodedImages:
        """Return all images: memory-mapped if possible, else from the cache, else decoded now.

        Args:
            progress: called with the number of images done and of all images, from this thread.

        Raises:
            BadInput: if no image can be read, or the images fit neither in the cache nor in memory.
        """
        source = self.source.with_range(self.form.value_range, self.form.dtype)
        reader: ImageReader = self._memmapped or DecodingReader(source, self.form)
        try:
            decoded = cache.load_or_write(self.key, reader.load, partial(reader.write, progress=progress))
        except cache.CacheWriteError as error:
            decoded = reader.load_uncached(progress, str(error))
        return add_levels(decoded)

    @cached_property
    def _memmapped(self) -> MemmapReader | None:
        """The reader that memory-maps the images, or None if they have to be decoded."""
        source, form = self.source, self.form
        if isinstance(source, NpySource) and form.dtype == "uint8" and source.holds_examples(form.size, form.channels):
            return MemmapReader(source, form.fit)
        return None
