"""Images of any type are written with all their values, and Zerosum reads them again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images.codec import ImageCodec
from zerosum.media.image_files import describe_format, image_suffix
from zerosum.media.kind import MEDIA_KINDS


@pytest.mark.parametrize(
    ("dtype", "channels", "suffix", "description"),
    [
        ("uint8", 1, ".png", "PNG"),
        ("uint8", 4, ".png", "PNG"),
        ("uint16", 1, ".png", "PNG of 16 bits"),
        ("float32", 1, ".tif", "TIFF of float32"),
        ("int16", 1, ".tif", "TIFF of int16"),
        ("uint16", 3, ".npy", "NumPy (H, W, 3) of uint16"),
        ("float32", 8, ".npy", "NumPy (H, W, 8) of float32"),
        ("uint8", 5, ".npy", "NumPy (H, W, 5) of uint8"),
    ],
)
def test_files_hold_every_value(tmp_path: Path, dtype: str, channels: int, suffix: str, description: str) -> None:
    assert image_suffix(dtype, channels) == suffix
    assert describe_format(dtype, channels) == description
    low = -30_000 if dtype == "int16" else 0
    values = (
        np.random.default_rng(0).uniform(low, 255 if dtype == "uint8" else 30_000, (3, 6, 5, channels)).astype(dtype)
    )
    MEDIA_KINDS.find("images").write(values, ImageCodec.of_images(values), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0000{i}{suffix}" for i in range(3)]
    for index, expected in enumerate(values):
        path = tmp_path / f"0000{index}{suffix}"
        stored = np.load(path) if suffix == ".npy" else np.asarray(Image.open(path))
        assert stored.dtype == (np.int32 if dtype == "int16" else expected.dtype), "Pillow reads int16 as int32"
        assert np.array_equal(stored.reshape(expected.shape), expected)
