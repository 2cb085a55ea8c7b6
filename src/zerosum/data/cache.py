"""Decoded data sets on disk, so that a second start decodes nothing.

An entry is a folder named by what it was made from. It is written under a temporary name and renamed, so it
is whole or not there, whoever races or is killed; what a killed process leaves behind is removed a day later.
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
"""To be raised whenever the same files would be decoded to other values."""
ENTRY_MARKERS = ("summary.json", "features.json", "classifier.json", "survey.json", "labels.json")
"""An entry holds one of these: decoded images (or their keys), their features, or a classifier of them."""
_TEMP_PREFIX = ".writing-"
_STALE_SECONDS = 24 * 3600.0  # seconds
_DEFAULT_LIMIT_GIB = 20.0
_BYTES_PER_GIB = 2**30


class CacheWriteError(Exception):
    """The cache folder takes no (more) data; the message says why."""


class ExampleMetadata(NamedTuple):
    """What is known of each square (N, ...) that the images of a source became."""

    labels: NDArray[np.int64]
    """(N,)"""
    keys: NDArray[np.uint64]
    """(N,) content keys of the images."""
    source_indices: NDArray[np.int64]
    """(N,) where the images stand among the source's, in order; those that cannot be read are left out."""
    sizes: NDArray[np.int32]
    """(N, 2) widths and heights of the images, upright."""

    def select(self, rows: NDArray[np.int64]) -> ExampleMetadata:
        """What is known of those at these rows (n,)."""
        return ExampleMetadata(self.labels[rows], self.keys[rows], self.source_indices[rows], self.sizes[rows])


@dataclass(frozen=True, eq=False)
class DecodedSource:
    """The images of a source, decoded, before they are split."""

    values: NDArray[np.uint8]
    """(N, H, W, C)"""
    metadata: ExampleMetadata
    summary: DatasetSummary


class ArrayWriter(Protocol):
    """Where decoded images go, one after another."""

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Add one (H, W, C)."""
        ...


class MemoryArrayWriter:
    """Rows in memory that is set aside at once, and added to where it does not suffice."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        """Set aside room for `count` rows of this shape."""
        self._buffer = np.empty((count, *shape), np.uint8)
        self._count = 0

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Add one (H, W, C)."""
        if self._count == len(self._buffer):
            self._buffer.resize((self._count * 3 // 2 + 1, *self._buffer.shape[1:]), refcheck=False)
        self._buffer[self._count] = pixels
        self._count += 1

    def values(self) -> NDArray[np.uint8]:
        """What was added: (n, H, W, C)."""
        return self._buffer[: self._count]


class NpyArrayWriter:
    """Rows in an .npy file; in memory is only what the system has yet to write."""

    def __init__(self, path: Path, count: int, shape: tuple[int, ...]) -> None:
        """Create the file, for about `count` rows of this shape."""
        self._file = path.open("wb")
        self._shape, self._count = shape, 0
        self._data_offset = self._write_header(count)

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Add one (H, W, C)."""
        self._file.write(np.ascontiguousarray(pixels).data)
        self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> None:
        """Close the file; if all went well, after writing how many rows there are."""
        with self._file:
            if exc_type is None:
                assert (
                    self._write_header(self._count) == self._data_offset
                )  # NumPy pads the header for the first axis to change

    def _write_header(self, count: int) -> int:
        self._file.seek(0)
        description = {"descr": "|u1", "fortran_order": False, "shape": (count, *self._shape)}
        npy.write_array_header_1_0(self._file, description)
        return self._file.tell()


def root() -> Path:
    """The cache folder: $ZEROSUM_CACHE, or `zerosum` in the user's cache folder."""
    if chosen := os.environ.get("ZEROSUM_CACHE"):
        return Path(chosen).expanduser()
    users = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(users) if users else Path.home() / ".cache") / "zerosum"


def load_decoded(key: str, max_bytes_in_memory: int) -> DecodedSource | None:
    """The entry of this name, or None if there is none or it is damaged.

    Args:
        key: the entry's name.
        max_bytes_in_memory: values of at most so many bytes are read into memory; larger ones are memory-mapped.
    """
    entry = root() / key
    try:
        summary = DatasetSummary.from_dict(json.loads((entry / "summary.json").read_text(encoding="utf-8")))
        with np.load(entry / "metadata.npz", allow_pickle=False) as file:
            index = ExampleMetadata(*(file[name] for name in ExampleMetadata._fields))
        small = (entry / "values.npy").stat().st_size <= max_bytes_in_memory
        values = np.load(entry / "values.npy", mmap_mode=None if small else "r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if any(len(column) != len(values) for column in index):
        return None
    touch(entry)
    return DecodedSource(values, index, summary)


def load_keys(key: str) -> tuple[NDArray[np.uint64], DatasetSummary] | None:
    """What the entry of this name knows of images that lie elsewhere, or None if there is none or it is damaged."""
    entry = root() / key
    try:
        summary = DatasetSummary.from_dict(json.loads((entry / "summary.json").read_text(encoding="utf-8")))
        keys: NDArray[np.uint64] = np.load(entry / "keys.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if len(keys) != summary.images or keys.dtype != np.uint64:
        return None
    touch(entry)
    return keys, summary


def touch(entry: Path) -> None:
    """Note that an entry was used just now, so that it is the last to be removed."""
    with contextlib.suppress(OSError):
        os.utime(entry)


@contextmanager
def write_entry(key: str) -> Iterator[Path]:
    """A new folder that becomes the entry of this name when the block ends without an exception.

    Raises:
        CannotWrite: if any of this fails for the file system's reasons.
        BadInput: if the cache's limit is no number.
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
    with contextlib.suppress(OSError):  # an unswept cache is no reason to lose what was read
        prune(limit, keep_key=key)


def save_metadata(folder: Path, metadata: ExampleMetadata, summary: DatasetSummary) -> None:
    """Write what an entry holds beside its values."""
    np.savez(folder / "metadata.npz", **metadata._asdict())
    (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")


def save_keys(folder: Path, keys: NDArray[np.uint64], summary: DatasetSummary) -> None:
    """Write what is known of images that lie elsewhere."""
    np.save(folder / "keys.npy", keys)
    (folder / "summary.json").write_text(json.dumps(summary.as_dict()), encoding="utf-8")


def limit_bytes() -> float:
    """How large the cache may grow: $ZEROSUM_CACHE_GB in GiB, or 20.

    Raises:
        BadInput: if the variable is no number.
    """
    text = os.environ.get("ZEROSUM_CACHE_GB", str(_DEFAULT_LIMIT_GIB))
    try:
        return max(0.0, float(text)) * _BYTES_PER_GIB
    except ValueError as error:
        raise BadInput(f"ZEROSUM_CACHE_GB is {text!r}, which is no number: set it to GiB, such as 20") from error


def prune(max_bytes: float, keep_key: str) -> None:
    """Remove abandoned writes, then the least recently used entries until all take at most `max_bytes` bytes.

    The entry named `keep_key` stays. A process that has an entry mapped keeps reading it, where the system
    allows removing it at all.
    """
    entries = []
    for folder in root().iterdir():
        with contextlib.suppress(OSError):  # another process may be removing the same one
            used = folder.stat().st_mtime
            if folder.name.startswith(_TEMP_PREFIX):
                if time.time() - used > _STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            elif _has_marker(folder):  # nothing else is ours to remove, wherever the variable points
                entries.append((used, sum(file.stat().st_size for file in folder.iterdir()), folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries, key=lambda entry: entry[0]):
        if total > max_bytes and folder.name != keep_key:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def _commit_entry(folder: Path, entry: Path) -> None:
    try:
        folder.rename(entry)
    except OSError:
        # Another process was first, which is as good, or a damaged entry stands there, which gives way.
        if not _is_valid_entry(entry):
            shutil.rmtree(entry, ignore_errors=True)
            folder.rename(entry)


def _is_valid_entry(entry: Path) -> bool:
    """Whether an entry can be used; of features and classifiers it is enough that they are there."""
    if not (entry / ENTRY_MARKERS[0]).exists():
        return _has_marker(entry)
    return load_decoded(entry.name, max_bytes_in_memory=0) is not None or load_keys(entry.name) is not None


def _has_marker(folder: Path) -> bool:
    return any((folder / marker).exists() for marker in ENTRY_MARKERS)
