"""Images of any type and number of channels as samples: exact there and back, within the range, drawn as bytes."""

import numpy as np
import pytest
import torch

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.kind import IMAGES
from zerosum.data.images.pixels import PixelType

SEED = torch.zeros(1, dtype=torch.int64)


@pytest.mark.parametrize(
    ("dtype", "value_range"),
    [
        ("uint16", (0.0, 65535.0)),
        ("uint16", (0.0, 4095.0)),
        ("int16", (-1024.0, 3071.0)),
        ("int16", (-32768.0, 32767.0)),
    ],
)
def test_every_integer_survives_the_way_to_a_sample_and_back(
    dtype: PixelType, value_range: tuple[float, float]
) -> None:
    low, high = (int(value) for value in value_range)
    values = np.arange(low, high + 1).astype(dtype)
    images = np.resize(values, (1, 256, 256 if len(values) > 2**12 else 16, 1))
    codec = ImageCodec((1, *images.shape[1:3]), dtype, value_range)
    sample = codec.encode(torch.from_numpy(images))
    assert (float(sample.min()), float(sample.max())) == (-1, 1)
    decoded = codec.decode(sample, SEED)
    assert decoded.dtype == images.dtype
    assert np.array_equal(decoded, images)
    assert torch.equal(codec.round(sample), sample)


def test_floats_keep_their_precision_and_the_raw_examples() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(-3, 7, (4, 8, 8, 5)).astype(np.float32)
    codec, raw = ImageCodec((5, 8, 8), "float32", (-3.0, 7.0)), torch.from_numpy(images.copy())
    sample = codec.encode(raw)
    assert sample.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(raw.numpy(), images)  # encoded from a copy
    decoded = codec.decode(sample, SEED)
    assert decoded.dtype == np.float32
    assert np.abs(decoded.astype(np.float64) - images).max() < 2e-6


def test_values_outside_of_the_range_are_clipped() -> None:
    codec = ImageCodec((1, 1, 4), "int16", (-10.0, 20.0))
    sample = torch.tensor([[[[-9.0, torch.nan, 1.5, torch.inf]]]])
    assert codec.decode(sample, SEED).ravel().tolist() == [-10, 5, 20, 20]


@pytest.mark.parametrize(
    ("channels", "dtype", "bands"),
    [
        (1, "uint16", (0,)),
        (2, "float32", (0,)),
        (3, "uint16", (0, 1, 2)),
        (4, "float32", (0, 1, 2)),
        (8, "float32", (0, 4, 7)),
        (5, "uint8", (0, 2, 4)),
        (4, "uint8", (0, 1, 2, 3)),
    ],
)
def test_what_is_drawn(channels: int, dtype: PixelType, bands: tuple[int, ...]) -> None:
    value_range = (0.0, 255.0) if dtype == "uint8" else (0.0, 1000.0)
    codec = ImageCodec((channels, 2, 2), dtype, value_range)
    images = np.arange(channels).astype(dtype) * np.ones((1, 2, 2, 1), dtype) * np.dtype(dtype).type(10)
    preview = codec.preview(images)
    assert codec.shown_bands == bands
    assert preview.dtype == np.uint8
    scale = 10 if dtype == "uint8" else 10 * 255 / 1000
    assert preview[0, 0, 0].tolist() == [round(band * scale) for band in bands]


def test_bands_of_a_preview_are_counted_from_one() -> None:
    assert ImageCodec((8, 2, 2), "float32", (0.0, 1.0), (8, 4, 1)).shown_bands == (7, 3, 0)


def test_a_saved_codec_is_restored_and_one_of_an_older_run_is_of_bytes() -> None:
    codec = ImageCodec((8, 4, 4), "float32", (-1.0, 2.5), (3,))
    assert IMAGES.restore_codec(codec.settings(), {}) == codec
    assert IMAGES.restore_codec({"shape": [3, 4, 4]}, {}) == ImageCodec((3, 4, 4))
    with pytest.raises(ValueError):
        IMAGES.restore_codec({"shape": [3, 4, 4], "dtype": "complex64"}, {})
