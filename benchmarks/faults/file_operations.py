"""Count the operations of a process on files, and kill it or refuse the operation at a chosen one."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CREATING = ("open", "os.mkdir", "os.fsync", "os.rename")
"""Operations that need space on the disk."""
OPERATIONS = (*CREATING, "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")


class Operations:
    """Calls `act` with the number and the name of each operation on files below a folder."""

    def __init__(self, folder: Path, act: Callable[[int, str], None]) -> None:
        """Watch this process from now on; it cannot be undone."""
        self.folder, self.act, self.number = str(folder), act, 0
        flush = os.fsync

        def fsync(fd: FileDescriptorLike) -> None:
            self._count("os.fsync")
            flush(fd)

        os.fsync = fsync
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: Sequence[object]) -> None:
        if event not in OPERATIONS or not arguments:
            return
        path = arguments[0]
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not text or not os.path.abspath(text).startswith(self.folder):  # noqa: PTH100
            return
        flags = arguments[2] if event == "open" else WRITE_FLAGS
        if not isinstance(flags, int) or not flags & WRITE_FLAGS:
            return
        # a file that exists can be written in place even if no new one can be made
        self._count("write in place" if event == "open" and not flags & os.O_CREAT else event)

    def _count(self, event: str) -> None:
        self.number += 1
        self.act(self.number, event)


def _write_number(handle: int, number: int) -> None:
    os.pwrite(handle, f"{number:<8}".encode(), 0)


def count_into(file: Path, folder: Path) -> Callable[[], None]:
    """Return a function that makes the calling process write the number of its operations into a file."""

    def prepare() -> None:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT)
        Operations(folder, lambda number, event: _write_number(handle, number))

    return prepare


def kill_at(number: int, folder: Path) -> Callable[[], None]:
    """Return a function that makes the calling process end by SIGKILL before its operation `number`."""

    def kill(current: int, event: str) -> None:
        if current == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def prepare() -> None:
        Operations(folder, kill)

    return prepare


def fail_from(number: int, folder: Path, error: int = errno.ENOSPC, count: int = sys.maxsize) -> Callable[[], None]:
    """Return a function that makes `count` creating operations of the calling process fail, from `number` on."""

    def fail(current: int, event: str) -> None:
        if number <= current < number + count and event in CREATING:
            raise OSError(error, os.strerror(error))

    def prepare() -> None:
        Operations(folder, fail)

    return prepare
