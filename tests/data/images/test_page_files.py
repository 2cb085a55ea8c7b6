"""Files are read as inputs of a translator as they are read for training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.decoding import decode_file
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.page_files import PageReader
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.size import ImageSize
from zerosum.data.images.value_range import Range

SIDE = 16


def write_array(path: Path, dtype: str, channels: int) -> Path:
    """Write an array whose last channel is 0 in the upper rows, where alpha would hide all others."""
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (SIDE, SIDE, channels)).astype(dtype)
    image[:4, :, -1] = 0
    np.save(path, image)
    return path


def write_stack(path: Path, pages: int) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (pages, SIDE, SIDE), dtype=np.uint8)
    images[-1, :4] = 0
    first, *rest = (Image.fromarray(image) for image in images)
    first.save(path, save_all=True, append_images=rest)
    return path


def require_same_as_in_training(
    path: Path, channels: int, value_range: Range | None, dtype: PixelType, pages: bool
) -> None:
    form = ExampleFormat(ImageSize.square(SIDE), channels, "crop", value_range, dtype, pages)
    codec = ImageCodec((channels, SIDE, SIDE), dtype, form.sample_range)
    expected = codec.encode(torch.from_numpy(decode_file(path, form).examples.copy()))
    reader = PageReader(channels, value_range, dtype, pages)
    (page,) = reader.load(path).pages
    assert page.transparency is None
    assert torch.equal(reader.to_tensor(page, (SIDE, SIDE))[0], expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_channels_of_an_array_of_16_bits_are_bands(tmp_path: Path, channels: int, dtype: PixelType) -> None:
    path = write_array(tmp_path / "a.npy", "uint16", channels)
    require_same_as_in_training(path, channels, (0.0, 65535.0), dtype, pages=False)


@pytest.mark.parametrize("pages", [2, 3, 4, 5])
def test_pages_of_a_stack_are_bands(tmp_path: Path, pages: int) -> None:
    require_same_as_in_training(write_stack(tmp_path / "a.tif", pages), pages, None, "uint8", pages=True)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_page_is_read_as_if_it_were_alone(tmp_path: Path, mode: str, channels: int) -> None:
    dtypes: dict[str, PixelType] = {"I;16": "uint16", "F": "float32"}
    dtype = dtypes.get(mode, "uint8")
    shape = (SIDE, SIDE, len(mode)) if mode.startswith("RGB") else (SIDE, SIDE)
    values = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(dtype)
    images = [Image.fromarray(value) for value in values]
    images[0].save(tmp_path / "all.tif", save_all=True, append_images=images[1:])
    reader = PageReader(channels, None if dtype == "uint8" else (0.0, 255.0), dtype)
    pages = reader.load(tmp_path / "all.tif").pages
    assert len(pages) == 3
    for image, page in zip(images, pages, strict=True):
        image.save(tmp_path / "one.tif")
        (alone,) = reader.load(tmp_path / "one.tif").pages
        assert torch.equal(reader.to_tensor(page, (SIDE, SIDE))[0], reader.to_tensor(alone, (SIDE, SIDE))[0])
        assert (page.transparency is None) == (alone.transparency is None)
        if page.transparency and alone.transparency:
            assert page.transparency.tobytes() == alone.transparency.tobytes()
