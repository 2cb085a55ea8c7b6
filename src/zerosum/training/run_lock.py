"""The lock of a run: only one process trains it at a time, while others may read it."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator

if sys.platform != "win32":
    import fcntl

LOCK_FILE = "training.lock"
"""Locked by rank 0 while it trains the run, and holds its process id, host and starting time as JSON. The operating
system releases the lock when the process ends, however it ends; the file stays, because removing it could remove the
lock of the next process."""


@contextmanager
def training_lock(folder: RunFolder, accelerator: Accelerator) -> Iterator[None]:
    """Hold the lock of a run in this context. All ranks enter it together; rank 0 holds the lock.

    Raises:
        BadInput: on every rank, if another process trains the run, or the lock cannot be written.
    """
    file, failure = None, None
    if accelerator.rank == 0:
        try:
            file = _acquire(folder.path)
        except BadInput as error:
            failure = error
    try:
        if accelerator.all_reduce_any(failure is not None)[0]:
            raise failure or BadInput(f"{folder.path} is being trained by another process; wait until it ends")
        yield
    finally:
        if file is not None:
            file.close()


def _acquire(path: Path) -> TextIO:
    """Return the lock file of a run folder, locked until it is closed.

    Raises:
        BadInput: another process holds the lock, or the file cannot be written.
    """
    file = None
    try:
        file = (path / LOCK_FILE).open("a+", encoding="utf8")
        _lock(file)
        file.truncate(0)
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        file.flush()
    except BlockingIOError as error:
        assert file is not None
        owner = _describe_owner(file)
        file.close()
        raise BadInput(f"{path} is being trained by {owner}; wait until it ends, or stop it first") from error
    except OSError as error:
        if file is not None:
            file.close()
        raise BadInput(
            f"{path / LOCK_FILE} cannot be written ({error.strerror}); free disk space or grant write access to it"
        ) from error
    return file


def _lock(file: TextIO) -> None:
    """Lock an open file for this process.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: the file system has no locks.
    """
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _describe_owner(file: TextIO) -> str:
    """Return which process holds the lock, in words."""
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return f"process {owner['process']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # locked a moment ago, and not yet written
        return "another process"
