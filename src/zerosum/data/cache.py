"""Cache of decoded datasets on disk, so that a second start decodes nothing.

An entry is a folder named by a hash of what it was made from. It is written under a temporary name and then renamed,
so an entry is complete or absent, even if processes race or are killed. The temporary folder of a killed process is
removed a day later.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from zerosum.data.images.summary import DatasetSummary
from zerosum.errors import BadInput

VERSION = 2
"""Increase it whenever the same files would be decoded to other values."""
# survey.json and labels.json are what earlier versions wrote: their entries still count for the limit and are removed
ENTRY_MARKERS = ("summary.json", "features.json", "classifier.json", "survey.json", "labels.json")
"""Each entry holds one of these files: it holds decoded images (or their content hashes), features, or a classifier."""
_TEMP_PREFIX = ".writing-"
_STALE_SECONDS = 24 * 3600.0  # seconds
_DEFAULT_LIMIT_GIB = 20.0
_BYTES_PER_GIB = 2**30


class CacheWriteError(Exception):
    """The cache folder cannot be written; the message says why."""


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
class DecodedSource:
    """The decoded images of a source, before the split."""

    values: NDArray[np.uint8]
    """(N, H, W, C)"""
    metadata: ExampleMetadata
    summary: DatasetSummary


class ArrayWriter(Protocol):
    """A sink for decoded images, one after another."""

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Append one image (H, W, C)."""
        ...


class MemoryArrayWriter:
    """Images in a preallocated array in memory, which grows if it is too small."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        """Allocate memory for `count` images of this shape (H, W, C)."""
        self._buffer = np.empty((count, *shape), np.uint8)
        self._count = 0

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Append one image (H, W, C)."""
        if self._count == len(self._buffer):
            self._buffer.resize((self._count * 3 // 2 + 1, *self._buffer.shape[1:]), refcheck=False)
        self._buffer[self._count] = pixels
        self._count += 1

    def values(self) -> NDArray[np.uint8]:
        """Return the appended images: (n, H, W, C)."""
        return self._buffer[: self._count]


class NpyArrayWriter:
    """Images in an .npy file; memory holds only what the operating system has not written yet."""

    def __init__(self, path: Path, count: int, shape: tuple[int, ...]) -> None:
        """Create the file for about `count` images of this shape (H, W, C)."""
        self._file = path.open("wb")
        self._shape, self._count = shape, 0
        self._data_offset = self._write_header(count)

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Append one image (H, W, C)."""
        self._file.write(np.ascontiguousarray(pixels).data)
        self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> None:
        """Write the final number of images unless an exception was raised, and close the file."""
        with self._file:
            if exc_type is None:
                # NumPy pads the header, so that another length of the first axis fits into it
                assert self._write_header(self._count) == self._data_offset

    def _write_header(self, count: int) -> int:
        self._file.seek(0)
        description = {"descr": "|u1", "fortran_order": False, "shape": (count, *self._shape)}
        npy.write_array_header_1_0(self._file, description)
        return self._file.tell()


def root() -> Path:
    """Return the cache folder: $ZEROSUM_CACHE, or `zerosum` in the user's cache folder."""
    if configured := os.environ.get("ZEROSUM_CACHE"):
        return Path(configured).expanduser()
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "zerosum"


def load_decoded(key: str, max_bytes_in_memory: int) -> DecodedSource | None:
    """Return the decoded images of an entry, or None if the entry is absent or damaged.

    Args:
        key: the name of the entry.
        max_bytes_in_memory: images of at most this many bytes are read into memory; more are memory-mapped.
    """
    entry = root() / key
    try:
        summary = DatasetSummary.from_dict(json.loads((entry / "summary.json").read_text(encoding="utf-8")))
        with np.load(entry / "metadata.npz", allow_pickle=False) as file:
            metadata = ExampleMetadata(*(file[name] for name in ExampleMetadata._fields))
        small = (entry / "values.npy").stat().st_size <= max_bytes_in_memory
        values = np.load(entry / "values.npy", mmap_mode=None if small else "r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if any(len(column) != len(values) for column in metadata):
        return None
    touch(entry)
    return DecodedSource(values, metadata, summary)


def load_content_hashes(key: str) -> tuple[NDArray[np.uint64], DatasetSummary] | None:
    """Return the content hashes (N,) and the summary of an entry, or None if the entry is absent or damaged."""
    entry = root() / key
    try:
        summary = DatasetSummary.from_dict(json.loads((entry / "summary.json").read_text(encoding="utf-8")))
        content_hashes: NDArray[np.uint64] = np.load(entry / "keys.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if len(content_hashes) != summary.images or content_hashes.dtype != np.uint64:
        return None
    touch(entry)
    return content_hashes, summary


def touch(entry: Path) -> None:
    """Mark an entry as used now, so that it is the last to be pruned."""
    with contextlib.suppress(OSError):
        os.utime(entry)


@contextmanager
def write_entry(key: str) -> Iterator[Path]:
    """Yield a new folder that becomes the entry of this name if the block ends without an exception.

    Raises:
        CacheWriteError: if the file system refuses a write.
        BadInput: if $ZEROSUM_CACHE_GB is not a number.
    """
    limit = limit_bytes()
    try:
        root().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_TEMP_PREFIX, dir=root()))
    except OSError as error:
        raise CacheWriteError(f"{root()}: {error.strerror}") from error
    try:
        yield folder
        _commit_entry(folder, root() / key)
    except OSError as error:
        raise CacheWriteError(f"{root()}: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # a failure to prune must not discard the new entry
        prune(limit, keep_key=key)


def save_metadata(folder: Path, metadata: ExampleMetadata, summary: DatasetSummary) -> None:
    """Write the metadata and the summary of an entry of decoded images."""
    np.savez(folder / "metadata.npz", **metadata._asdict())
    (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")


def save_content_hashes(folder: Path, content_hashes: NDArray[np.uint64], summary: DatasetSummary) -> None:
    """Write the content hashes (N,) and the summary of images that are memory-mapped from the user's file."""
    np.save(folder / "keys.npy", content_hashes)
    (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")


def limit_bytes() -> float:
    """Return the largest size of the cache in bytes: $ZEROSUM_CACHE_GB in GiB, or 20 GiB.

    Raises:
        BadInput: if $ZEROSUM_CACHE_GB is not a number.
    """
    text = os.environ.get("ZEROSUM_CACHE_GB", str(_DEFAULT_LIMIT_GIB))
    try:
        return max(0.0, float(text)) * _BYTES_PER_GIB
    except ValueError as error:
        raise BadInput(
            f"the environment variable ZEROSUM_CACHE_GB is {text!r}, which is not a number: set it to a size in GiB, "
            "such as 20"
        ) from error


def prune(max_bytes: float, keep_key: str) -> None:
    """Remove abandoned temporary folders, then the least recently used entries down to `max_bytes` bytes.

    The entry named `keep_key` is kept. A process that has memory-mapped a removed entry can still read it, on operating
    systems that allow its removal.
    """
    entries = []
    for folder in root().iterdir():
        with contextlib.suppress(OSError):  # another process may be removing the same one
            last_used = folder.stat().st_mtime
            if folder.name.startswith(_TEMP_PREFIX):
                if time.time() - last_used > _STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            elif _has_marker(folder):  # any other folder is not ours to remove, wherever $ZEROSUM_CACHE points
                entries.append((last_used, sum(file.stat().st_size for file in folder.iterdir()), folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries, key=lambda entry: entry[0]):
        if total > max_bytes and folder.name != keep_key:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def _commit_entry(folder: Path, entry: Path) -> None:
    try:
        folder.rename(entry)
    except OSError:
        # Another process wrote the same entry first, which is as good; a damaged entry is replaced.
        if not _is_valid_entry(entry):
            shutil.rmtree(entry, ignore_errors=True)
            folder.rename(entry)


def _is_valid_entry(entry: Path) -> bool:
    """Return True if an entry can be read; entries of features and classifiers only need to exist."""
    if not (entry / ENTRY_MARKERS[0]).exists():
        return _has_marker(entry)
    return load_decoded(entry.name, max_bytes_in_memory=0) is not None or load_content_hashes(entry.name) is not None


def _has_marker(folder: Path) -> bool:
    return any((folder / marker).exists() for marker in ENTRY_MARKERS)
