"""Cache on disk of what takes long to compute from data, so that a second start computes nothing.

An entry is a folder named by a hash of what it was made from. It is written under a temporary name and then renamed,
so an entry is complete or absent, even if processes race or are killed. The temporary folder of a killed process is
removed a day later.

The cache may be any folder of the user, with other folders in it. Only a folder that this module made is ever removed:
its name must be one that is given here, and it must hold the file that is written into it first.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from zerosum.errors import BadInput

T = TypeVar("T")

VERSION = 5
"""Increase it whenever the same files would be read as other values, or the files of an entry change."""
MARKER = ".zerosum-cache-entry"
"""Name of the file that each folder made here holds, from its first moment to its last."""
_MARKER_TEXT = "Zerosum made this folder, and removes it when its cache is full.\n"
_TEMP_PREFIX = ".writing-"
_TEMP_NAME = re.compile(r"\.writing-[a-z0-9_]{8}")  # as `tempfile.mkdtemp` names them
_ENTRY_NAME = re.compile(r"([a-z]+-)?[0-9a-f]{32}")  # of a hash, with what the entry holds
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


def is_entry(folder: Path) -> bool:
    """Return True if a folder is an entry that was made here, by its name and its marker file."""
    return _ENTRY_NAME.fullmatch(folder.name) is not None and _holds_marker(folder)


@contextmanager
def write_entry(key: str, is_valid: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a new folder that becomes the entry of this name if the block ends without an exception.

    Args:
        key: the name of the entry.
        is_valid: returns whether an entry can be read. If another process has written the same entry first, a valid
            one is kept and a damaged one is replaced.

    Raises:
        CacheWriteError: if the file system refuses a write.
        BadInput: if $ZEROSUM_CACHE_GB is not a number.
    """
    assert _ENTRY_NAME.fullmatch(key), "an entry is named by a hash, so that it can be told from the user's folders"
    limit = limit_bytes()
    try:
        folder = _make_temporary()
    except OSError as error:
        raise CacheWriteError(f"{root()}: {error.strerror}") from error
    try:
        yield folder
        _commit_entry(folder, root() / key, is_valid)
    except OSError as error:
        raise CacheWriteError(f"{root()}: {error.strerror}") from error
    finally:
        _remove(folder)
    with contextlib.suppress(OSError):  # a failure to prune must not discard the new entry
        prune(limit, keep_key=key)


def limit_bytes() -> float:
    """Return the largest size of the cache in bytes: $ZEROSUM_CACHE_GB in GiB, or 20 GiB.

    Raises:
        BadInput: if $ZEROSUM_CACHE_GB is not a number of at least 0.
    """
    text = os.environ.get("ZEROSUM_CACHE_GB", str(_DEFAULT_LIMIT_GIB))
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if gib >= 0:  # not so for NaN
        return gib * _BYTES_PER_GIB
    raise BadInput(
        f"the environment variable ZEROSUM_CACHE_GB is {text!r}, which is not a number of at least 0: set it to a size "
        "in GiB, such as 20"
    )


def prune(max_bytes: float, keep_key: str) -> None:
    """Remove abandoned temporary folders, then the least recently used entries down to `max_bytes` bytes.

    The entry named `keep_key` is kept. A process that has memory-mapped a removed entry can still read it, on operating
    systems that allow its removal.
    """
    entries: list[tuple[float, int, Path]] = []
    for folder in root().iterdir():
        with contextlib.suppress(OSError):  # another process may be removing the same one
            last_used = folder.stat().st_mtime
            if _is_temporary(folder):
                if time.time() - last_used > _STALE_SECONDS:
                    _remove(folder)
            elif is_entry(folder):  # any other folder is the user's, wherever $ZEROSUM_CACHE points
                entries.append((last_used, sum(file.stat().st_size for file in folder.iterdir()), folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total > max_bytes and folder.name != keep_key:
            _remove(folder)
            total -= size


def _make_temporary() -> Path:
    root().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_TEMP_PREFIX, dir=root()))
    try:
        (folder / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
        # as the umask says, where `mkdtemp` lets nobody else read the folder: who may read may enter
        mode = (folder / MARKER).stat().st_mode & 0o666
        folder.chmod(mode | (mode & 0o444) >> 2 | 0o700)
    except OSError:  # the disk is full, and without its marker the folder would stay for ever
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
        raise
    return folder


def _is_temporary(folder: Path) -> bool:
    return _TEMP_NAME.fullmatch(folder.name) is not None and _holds_marker(folder)


def _holds_marker(folder: Path) -> bool:
    """Return True if a folder, which is not a link to another one, holds the marker file."""
    try:
        return not folder.is_symlink() and (folder / MARKER).read_text(encoding="utf-8") == _MARKER_TEXT
    except (OSError, ValueError):
        return False


def _remove(folder: Path) -> None:
    """Remove a folder that was made here, the marker last: after a kill, what is left can still be recognized."""
    if not (is_entry(folder) or _is_temporary(folder)):
        return
    with contextlib.suppress(OSError):  # another process may be removing the same one
        for path in folder.iterdir():
            if path.name != MARKER:
                path.unlink()  # an entry is flat: a folder in it is not ours, and stays
        (folder / MARKER).unlink()
        folder.rmdir()


def _commit_entry(folder: Path, entry: Path, is_valid: Callable[[Path], bool]) -> None:
    """Rename a folder to its entry.

    Raises:
        OSError: if it cannot be renamed, such as when the user has a folder of this name.
    """
    try:
        folder.rename(entry)
    except OSError:
        # Another process wrote the same entry first, which is as good; a damaged entry is replaced.
        if not is_valid(entry):
            _remove(entry)
            folder.rename(entry)
