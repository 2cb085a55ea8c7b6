"""Decoded images: the array of examples, a row of metadata for each, and their summary."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.summary import ImageSummary

DAMAGED_FILE_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,  # raised by zipfile for a method of compression that it does not know
)
"""What reading a cut or changed .json, .npy or .npz file raises; such an entry of the cache is made anew."""


class ExampleMetadata(NamedTuple):
    """Metadata of each example (N, ...) of a source."""

    labels: NDArray[np.int64]
    """(N,) class indices."""
    content_hashes: NDArray[np.uint64]
    """(N,) hashes of the images; all tiles of an image share one."""
    source_indices: NDArray[np.int64]
    """(N,) increasing indices of the images in the source; unreadable images are missing."""
    sizes: NDArray[np.int32]
    """(N, 2) widths and heights of the upright images in pixels."""

    def select(self, rows: NDArray[np.int64]) -> ExampleMetadata:
        """Return the metadata of the examples at these rows (n,)."""
        return ExampleMetadata(
            self.labels[rows], self.content_hashes[rows], self.source_indices[rows], self.sizes[rows]
        )


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """All images of a source, before the split."""

    values: NDArray[np.generic]
    """(N, H, W, C)"""
    metadata: ExampleMetadata
    summary: ImageSummary

    @classmethod
    def load(cls, folder: Path, max_bytes_in_memory: int) -> DecodedImages | None:
        """Return the images that were written to a folder, or None if they are absent or damaged.

        Args:
            folder: a folder with the array `values.npy` and what `save_rows` wrote.
            max_bytes_in_memory: images of at most this many bytes are read into memory; more are memory-mapped.
        """
        try:
            summary = ImageSummary.from_dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))
            with np.load(folder / "metadata.npz", allow_pickle=False) as file:
                metadata = ExampleMetadata(*(file[name] for name in ExampleMetadata._fields))
            small = (folder / "values.npy").stat().st_size <= max_bytes_in_memory
            values = np.load(folder / "values.npy", mmap_mode=None if small else "r", allow_pickle=False)
            is_complete = values.ndim == 4 and all(len(column) == len(values) for column in metadata)
        except DAMAGED_FILE_ERRORS:
            return None
        return cls(values, metadata, summary) if is_complete else None


def save_rows(folder: Path, metadata: ExampleMetadata, summary: ImageSummary) -> None:
    """Write the metadata and the summary of images into a folder, next to their array `values.npy`."""
    np.savez(folder / "metadata.npz", **metadata._asdict())
    (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")
