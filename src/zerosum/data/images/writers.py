"""Write decoded images, one after another, into an array in memory or into an .npy file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.pixels import PixelType


def fill_array(count: int, form: ExampleFormat, images: Iterable[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return images of this format (H, W, C) in one array (n, H, W, C), preallocated for `count` images."""
    shape = form.shape
    values: NDArray[np.generic] = np.empty((count, *shape), form.dtype)
    written = 0
    for pixels in images:
        if written == len(values):
            values.resize((written * 3 // 2 + 1, *shape), refcheck=False)
        values[written] = pixels
        written += 1
    return values[:written]


def write_npy(path: Path, count: int, form: ExampleFormat, images: Iterable[NDArray[np.generic]]) -> None:
    """Write images of this format (H, W, C), about `count` of them, into an .npy file (n, H, W, C).

    Memory holds only what the operating system has not written yet. If an exception is raised, the file is not valid.
    """
    written = 0
    with path.open("wb") as file:
        data_offset = _write_header(file, (count, *form.shape), form.dtype)
        for pixels in images:
            file.write(np.ascontiguousarray(pixels).data)
            written += 1
        # NumPy pads the header, so that another length of the first axis fits into it
        assert _write_header(file, (written, *form.shape), form.dtype) == data_offset


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: PixelType) -> int:
    """Write the header at the start of the file, and return the offset of the data."""
    file.seek(0)
    npy.write_array_header_1_0(file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape})
    return file.tell()
