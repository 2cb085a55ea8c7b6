"""A clear error when the disk is full, on every rank."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""No space left on the device, above the user's quota, above the largest size of a file."""


def is_disk_full(error: Exception) -> bool:
    """Return whether an error means that a file could not be written for lack of space."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def explain_disk_full(folder: Path) -> Iterator[None]:
    """Turn errors of a full disk while the run in `folder` is trained into `BadInput`.

    Raises:
        BadInput: a file could not be written for lack of space; the message says how to continue.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        has_checkpoint = bool(RunFolder(folder).checkpoints())
        raise BadInput(
            f"a file in {folder} cannot be written ({error.strerror}); free disk space, then "
            f"`zerosum resume {quote_path(folder)}` "
            f"{'continues from the last checkpoint' if has_checkpoint else 'starts again: there is no checkpoint yet'}"
        ) from error


@contextmanager
def first_rank_writes(accelerator: Accelerator, folder: Path) -> Iterator[None]:
    """Raise on every rank if the first one cannot write a file of the run in this context: none waits for another.

    All ranks enter it together, leave it together, and exchange nothing within it.

    Raises:
        OSError: on the first rank, if a file cannot be written.
        BadInput: on the other ranks, if the first one cannot write.
    """
    failure = None
    try:
        yield
    except OSError as error:
        failure = error
    if accelerator.all_reduce_any(failure is not None)[0]:
        raise failure or BadInput(f"the first process cannot write into {folder}; it says why")
