"""Arrays that are written to a file while they are made, since they may not fit in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class ArrayFile:
    """A .npy file to which rows are added: it is complete when the context ends without an exception.

    Args:
        path: the new file.
        dtype: the type of the values.
        shape: the shape of a row.

    Example:
        >>> with ArrayFile(folder / "rows.npy", np.int16, (3,)) as file:  # doctest: +SKIP
        ...     file.add(np.zeros((2, 3), np.int16))
    """

    def __init__(self, path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        self._dtype, self._shape, self._count = np.dtype(dtype), shape, 0
        self._file = path.open("wb")
        self._write_header()
        self._start = self._file.tell()

    def add(self, rows: NDArray[np.generic]) -> None:
        """Add rows (n, ...).

        Raises:
            OSError: they cannot be written.
        """
        assert rows.dtype == self._dtype, "rows have the type of the file"
        assert rows.shape[1:] == self._shape, "and its shape"
        self._file.write(np.ascontiguousarray(rows).data)
        self._count += len(rows)

    def _write_header(self) -> None:
        """Write the header at the start of the file: NumPy leaves space in it for the number of rows to grow."""
        shape = (self._count, *self._shape)
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()
                assert self._file.tell() == self._start, "the header has the same length"


def join_and_empty(parts: list[NDArray[Scalar]]) -> NDArray[Scalar]:
    """Return arrays (n, ...), at least one, as one, and empty the list: each is freed once it is copied.

    Example:
        >>> parts = [np.arange(2), np.arange(3)]
        >>> join_and_empty(parts).tolist(), parts
        ([0, 1, 0, 1, 2], [])
    """
    stop = sum(map(len, parts))
    joined: NDArray[Scalar] = np.empty((stop, *parts[0].shape[1:]), parts[0].dtype)
    while parts:
        part = parts.pop()
        joined[stop - len(part) : stop] = part
        stop -= len(part)
    return joined
