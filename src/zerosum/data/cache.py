"""Cache on disk of what takes long to compute from data, so that a second start computes nothing.

An entry is a folder named by a hash of what it was made from. It is written under a temporary name and then renamed,
so an entry is complete or absent, even if processes race or are killed. The temporary folder of a killed process is
removed a day later.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from zerosum.errors import BadInput

T = TypeVar("T")

VERSION = 3
"""Increase it whenever the same files would be read as other values, or the files of an entry change."""
# survey.json and labels.json are what earlier versions wrote: their entries still count for the limit and are removed
ENTRY_MARKERS = ("summary.json", "features.json", "classifier.json", "survey.json", "labels.json")
"""Each entry holds one of these files: examples (or what was computed of them), features, or a classifier."""
_TEMP_PREFIX = ".writing-"
_STALE_SECONDS = 24 * 3600.0  # seconds
_DEFAULT_LIMIT_GIB = 20.0
_BYTES_PER_GIB = 2**30


class CacheWriteError(Exception):
    """The cache folder cannot be written; the message says why."""


def root() -> Path:
    """Return the cache folder: $ZEROSUM_CACHE, or `zerosum` in the user's cache folder."""
    if configured := os.environ.get("ZEROSUM_CACHE"):
        return Path(configured).expanduser()
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "zerosum"


def load_or_write(key: str, load: Callable[[Path], T | None], write: Callable[[Path], None]) -> T:
    """Return what an entry holds, after writing it if it is absent or damaged.

    Args:
        key: the name of the entry.
        load: returns what the entry in this folder holds, or None if it is absent or damaged.
        write: writes the entry into this new folder.

    Raises:
        CacheWriteError: if the file system refuses a write, or what was written cannot be read.
        BadInput: if $ZEROSUM_CACHE_GB is not a number.
    """
    entry = root() / key
    loaded = load(entry)
    if loaded is None:
        with write_entry(key, is_valid=lambda folder: load(folder) is not None) as folder:
            write(folder)
        loaded = load(entry)
    if loaded is None:
        raise CacheWriteError(f"{root()}: a new entry could not be read back")
    touch(entry)
    return loaded


def touch(entry: Path) -> None:
    """Mark an entry as used now, so that it is the last to be pruned."""
    with contextlib.suppress(OSError):
        os.utime(entry)


def has_marker(folder: Path) -> bool:
    """Return True if a folder is an entry: it holds one of `ENTRY_MARKERS`."""
    return any((folder / marker).exists() for marker in ENTRY_MARKERS)


@contextmanager
def write_entry(key: str, is_valid: Callable[[Path], bool] = has_marker) -> Iterator[Path]:
    """Yield a new folder that becomes the entry of this name if the block ends without an exception.

    Args:
        key: the name of the entry.
        is_valid: returns whether an entry can be read. If another process has written the same entry first, a valid
            one is kept and a damaged one is replaced.

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
        _commit_entry(folder, root() / key, is_valid)
    except OSError as error:
        raise CacheWriteError(f"{root()}: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # a failure to prune must not discard the new entry
        prune(limit, keep_key=key)


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
            elif has_marker(folder):  # any other folder is not ours to remove, wherever $ZEROSUM_CACHE points
                entries.append((last_used, sum(file.stat().st_size for file in folder.iterdir()), folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries, key=lambda entry: entry[0]):
        if total > max_bytes and folder.name != keep_key:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def _commit_entry(folder: Path, entry: Path, is_valid: Callable[[Path], bool]) -> None:
    try:
        folder.rename(entry)
    except OSError:
        # Another process wrote the same entry first, which is as good; a damaged entry is replaced.
        if not is_valid(entry):
            shutil.rmtree(entry, ignore_errors=True)
            folder.rename(entry)
