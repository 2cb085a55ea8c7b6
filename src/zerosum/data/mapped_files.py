"""Memory-mapped files, which must not change while they are used.

The operating system kills a process (SIGBUS) that reads beyond the end of a file that was cut, and a file that is
written anew would change the training data without a word.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import printable
from zerosum.errors import BadInput


class _FileState(NamedTuple):
    path: Path
    identity: tuple[int, int]
    """Of another identity, it is a new file under the old name, and the map still shows the old one."""
    size: int
    modified_ns: int


_states: WeakKeyDictionary[mmap.mmap, _FileState] = WeakKeyDictionary()


def watch_file(array: NDArray[np.generic], path: Path) -> None:
    """Remember the state of the file of an array that has just been memory-mapped."""
    mapped = _find_map(array)
    if mapped is not None:
        state = path.stat()
        _states[mapped] = _FileState(path, (state.st_dev, state.st_ino), state.st_size, state.st_mtime_ns)


def require_unchanged(array: NDArray[np.generic]) -> None:
    """Raise if the file of a memory-mapped array, or of a view of one, has changed; it takes microseconds.

    Raises:
        BadInput: the file has another size or date than when it was mapped.
    """
    mapped = _find_map(array)
    known = _states.get(mapped) if mapped is not None else None
    if known is None:
        return
    try:
        state = known.path.stat()
    except OSError:
        return  # it was removed, and the map still shows it
    is_same = (state.st_dev, state.st_ino) == known.identity
    if is_same and (state.st_size, state.st_mtime_ns) != (known.size, known.modified_ns):
        raise BadInput(
            f"{printable(str(known.path))} was changed while it was read: restore it and resume the run, or start a "
            "new run with the new file"
        )


def _find_map(array: NDArray[np.generic]) -> mmap.mmap | None:
    """Return the map that an array or a view shows, or None."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
