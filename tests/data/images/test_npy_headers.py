"""Headers of .npy files that describe arrays that cannot be."""

import struct
from pathlib import Path

import pytest

from zerosum import BadInput
from zerosum.data.images.arrays import memmap_npy


@pytest.mark.parametrize(
    "shape", ["(-1, 16, 16, 3)", "(-2, -2)", f"({10**12}, 16, 16, 3)", f"({10**30},)", "'a'", "f()"]
)
def test_an_array_of_an_impossible_shape_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    path = tmp_path / "images.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(1000))
    with pytest.raises(BadInput, match=r"cannot be read as an \.npy file"):
        memmap_npy(path)
