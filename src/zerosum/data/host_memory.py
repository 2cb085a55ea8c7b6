"""How much memory there is."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT_MEMORY_BYTES = 8 * 2**30  # bytes, where the system does not tell


def physical_memory_bytes() -> int:
    """Bytes of memory that this process may count on: the machine's, or its container's share."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _DEFAULT_MEMORY_BYTES
    try:
        return min(found, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit, which says "max"
        return found
