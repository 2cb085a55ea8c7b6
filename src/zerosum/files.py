"""Files that survive a kill at any moment: written under a temporary name, flushed and renamed, and JSON Lines.

A temporary name holds the id of the process that writes, so that what a killed process left can be told from what
another one writes now, and from the user's own files. Where machines or containers write into one folder without a
lock, it holds the host too, since each of them only knows its own processes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

if sys.platform != "win32":
    import fcntl

SYSTEM_FILES = frozenset({"lost+found", ".DS_Store", "Thumbs.db", "desktop.ini"})
"""What operating systems put into folders by themselves: a folder with nothing else is empty."""

HOST = hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
"""The name of this machine or container, short and without special characters."""
_TEMPORARY_FILE = rf"\..*\.zerosum-{HOST}-(\d+)(?:\.[^.]*)?"
_MAX_STEM_BYTES = 200
_NEW_FOLDER_PREFIX = f".zerosum-new-{HOST}-"
_MAX_REPLACEMENTS = 5
"""How often a folder is put in the place of another that other processes replace at the same time."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name in the folder of `path`, then rename it to `path`.

    Args:
        path: the final name.
        write: called with the temporary path; writes the file.

    Returns:
        `path`.

    Raises:
        OSError: it cannot be written; the error names `path`, also where a write has failed for lack of space.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix is kept because writers infer the format from it
    temporary = path.with_name(f".{shorten_name(path.stem)}.zerosum-{HOST}-{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        flush(temporary)
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_unflushed(path: Path, content: bytes) -> None:
    """Write a small file under a temporary name in the existing folder of `path`, then rename it to `path`.

    After a kill the file is whole or not there. After a power cut it may be damaged, unlike with `write_atomically`:
    waiting for the disk would take longer than all the rest.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    name = os.fspath(path)
    temporary = os.path.join(os.path.dirname(name), f".{os.path.basename(name)}.zerosum-{HOST}-{os.getpid()}")  # noqa: PTH118, PTH119, PTH120 (twice as fast)
    try:
        with open(temporary, "wb") as file:  # noqa: PTH123
            file.write(content)
        os.replace(temporary, name)  # noqa: PTH105
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        error.filename = name
        raise


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock in this context, for which other processes and threads wait; the file is removed afterwards.

    The operating system releases the lock when a process ends, however it ends. On Windows, and on file systems without
    locks, nothing is locked.

    Args:
        path: the lock file, in an existing folder; it is made.

    Raises:
        OSError: it cannot be made.

    Example:
        >>> with file_lock(folder / ".record.lock"):  # doctest: +SKIP
        ...     record = change(read())
    """
    if sys.platform == "win32":
        yield
        return
    handle = _lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is released: whoever waits for this file finds that it is gone
        os.close(handle)


def _lock(path: Path) -> int:
    """Return the handle of a locked file, which has this path."""
    assert sys.platform != "win32", "it has no such locks"
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with suppress(OSError):  # the file system has no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:  # Ctrl-C while it waits
            os.close(handle)
            raise
        os.close(handle)  # the one before has removed it


def shorten_name(name: str) -> str:
    """Return the beginning of a name, short enough for a process id and a suffix: names have at most 255 bytes."""
    return os.fsdecode(os.fsencode(name)[:_MAX_STEM_BYTES])


def quote_path(path: str | Path) -> str:
    """Return a path as a shell takes it, for a command in a message: in quotes if it holds spaces or the like.

    Example:
        >>> quote_path(Path("runs/photos")), quote_path(Path("runs/my photos"))
        ('runs/photos', "'runs/my photos'")
    """
    return shlex.quote(str(path))


def overwrite(path: Path, text: str) -> None:
    """Overwrite an existing file in place, which needs no space on the disk; a kill may leave a part of the text.

    Raises:
        OSError: the file does not exist, or cannot be written.
    """
    with path.open("rb+", buffering=0) as file:
        file.truncate(file.write(text.encode()))


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new, empty folder of this process in `parent`, and remove it afterwards if it is still there.

    Its permissions are those of other new folders, unlike those of `tempfile.mkdtemp`.
    """
    folder = parent / f"{prefix}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)  # of a killed process that had this id
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _folder_next_to(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder next to `target`, and remove it afterwards if it is still there."""
    parent_is_new = not target.parent.exists()
    try:
        remove_leftovers(target.parent, re.escape(_NEW_FOLDER_PREFIX) + r"(\d+)")
        with temporary_folder(target.parent, _NEW_FOLDER_PREFIX) as temporary:
            new = temporary / "new"
            new.mkdir()
            yield new
    finally:
        if parent_is_new:
            with suppress(OSError):  # it is not empty
                target.parent.rmdir()


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder that takes the place of `target` afterwards, if anything was written into it.

    After an error, `target` is as it was.
    """
    with _folder_next_to(target) as new:
        yield new
        if any(new.iterdir()):
            _replace_folder(target, new, new.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder that becomes `target` afterwards; after an error, there is none.

    Raises:
        FileExistsError: another process has put files at `target` meanwhile, which stay as they are.
    """
    with _folder_next_to(target) as new:
        yield new
        try:
            new.rename(target)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY}:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            raise


def _replace_folder(target: Path, new: Path, trash: Path) -> None:
    """Move `new` to `target`, and what was there into the folder `trash`."""
    for number in range(_MAX_REPLACEMENTS):
        with suppress(FileNotFoundError):
            target.replace(trash / f"previous-{number}")
        try:
            new.replace(target)
            return
        except OSError:  # another process has just put its own folder there
            if number == _MAX_REPLACEMENTS - 1:
                raise


def remove_temporary_files(folder: Path) -> None:
    """Remove from a folder what `write_atomically` of killed processes left; the folder need not exist."""
    remove_leftovers(folder, _TEMPORARY_FILE)


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove the temporary files and folders of killed processes from a folder.

    Args:
        folder: where to look; it need not exist.
        pattern: regular expression of their whole names, with the process id as group 1.
    """
    paths = list(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        found = re.fullmatch(pattern, path.name)
        if found is None or is_running(int(found.group(1))):
            continue
        with suppress(OSError):  # another process may be removing the same one
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def is_running(process: int) -> bool:
    """Return whether another process of this id runs on this machine; True where that cannot be told."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":  # os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user, or is no id
        return True
    return True


def flush(path: Path) -> None:
    """Flush a file from the operating system's cache to disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Flush the names in a folder to disk, where the operating system can do that."""
    if os.name == "posix" and path.is_dir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class JsonLines(NamedTuple):
    """The content of a JSON Lines file."""

    rows: list[dict[str, object]]
    num_damaged: int
    """Lines that are no JSON objects."""


def read_json_lines(path: Path) -> JsonLines:
    """Read the objects of a JSON Lines file, and count the lines that are none; a missing file has no lines.

    Lines are damaged by a crash while they are written, by a full disk, or by a disk that fails.

    Raises:
        OSError: the file cannot be read.
    """
    if not path.exists():
        return JsonLines([], 0)
    rows, num_damaged = list[dict[str, object]](), 0
    for line in path.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf8"))
        except (ValueError, RecursionError):  # also bytes that are not UTF-8
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            num_damaged += 1
    return JsonLines(rows, num_damaged)


def append_json_line(path: Path, row: Mapping[str, object]) -> None:
    """Append one JSON object as a line; numbers that are not finite become null.

    Raises:
        OSError: it cannot be written; the file is as it was before.
    """
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    line = (json.dumps(finite, allow_nan=False) + "\n").encode()
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # a half line of a killed process must not damage this one
                line = b"\n" + line
        try:
            while line:
                line = line[file.write(line) :]
        except OSError as error:  # a full disk takes a part of a line
            file.truncate(size)
            error.filename = str(path)
            raise
