"""The amount of memory of the machine or container."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT_MEMORY_BYTES = 8 * 2**30  # bytes, where the operating system reports no size


def physical_memory_bytes() -> int:
    """Return the bytes of memory that this process may use: those of the machine, or the limit of its container."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _DEFAULT_MEMORY_BYTES
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or a container without a limit, whose file says "max"
        return physical
