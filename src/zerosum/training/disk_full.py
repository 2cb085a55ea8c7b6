"""A clear error when the disk is full."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zerosum.errors import BadInput

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
        raise BadInput(
            f"a file in {folder} cannot be written ({error.strerror}); free disk space, then "
            f"`zerosum resume {folder}` continues from the last checkpoint"
        ) from error
