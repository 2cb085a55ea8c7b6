"""Writing files of tensors, with the operating system's errors and permissions where the library has its own."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_OS_ERROR = re.compile(r"os error (\d+)")


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write contiguous tensors by name into a .safetensors file, with metadata in its header.

    Raises:
        OSError: the file cannot be written, for example because the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    permissions = path.stat().st_mode & 0o777  # as the umask says, where `save_file` lets nobody else read the file
    try:
        save_file(dict(tensors), path, dict(metadata) if metadata else None)
        path.chmod(permissions)
    except SafetensorError as error:
        found = _OS_ERROR.search(str(error))
        number = int(found.group(1)) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
