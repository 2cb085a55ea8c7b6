"""Images of more than 8 bits and of many bands keep their own values: files, stacks, archives and arrays."""

import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images import memory
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.files import open_file
from zerosum.data.images.kind import IMAGES
from zerosum.data.images.load import load_source
from zerosum.data.kind import LoadOptions
from zerosum.errors import BadInput

COUNT, SIDE = 20, 16


def arrays(dtype: str, channels: int, low: float = 0, high: float = 4000) -> list[NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(low, high, (SIDE, SIDE, channels)).astype(dtype) for _ in range(COUNT)]


def choose(source: Path, **given: object) -> ImageDataConfig:
    table: dict[str, object] = {"source": str(source), "size": SIDE, **given}
    data = ImageDataConfig.model_validate(table)
    IMAGES.choose_settings(table, IMAGES.inspect(data), on_cpu=True)
    return ImageDataConfig.model_validate(table)


def save_arrays(folder: Path, images: list[NDArray[np.generic]]) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        np.save(folder / f"{index:03d}.npy", image)
    return folder


@pytest.mark.parametrize(
    ("dtype", "channels", "low", "high"),
    [("float32", 8, -1.5, 2.5), ("uint16", 3, 0, 60_000), ("int16", 1, -1000, 3000), ("uint8", 5, 0, 255)],
)
@pytest.mark.parametrize("form", ["folder", "zip", "npy", "npz"])
def test_arrays_are_read_as_they_are(
    tmp_path: Path, form: str, dtype: str, channels: int, low: float, high: float
) -> None:
    images = arrays(dtype, channels, low, high)
    path = tmp_path / f"d.{form}"
    if form == "npy":
        np.save(path, np.stack(images))
    elif form == "npz":
        np.savez(path, images=np.stack(images))
    else:
        path = save_arrays(tmp_path / "d", images)
        if form == "zip":
            with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
                for file in sorted(path.iterdir()):
                    archive.write(file, file.name)
            path = tmp_path / "d.zip"
    data = choose(path)
    assert (data.channels, data.dtype or "uint8") == (channels, dtype)
    dataset = IMAGES.load(data, LoadOptions())
    assert np.array_equal(dataset.values, np.stack(images))
    assert dataset.items(np.arange(3)).dtype == np.dtype(dtype)


def test_gray_png_files_of_16_bits_keep_them(tmp_path: Path) -> None:
    images = arrays("uint16", 1, 0, 65_536)
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{index:03d}.png")
    data = choose(tmp_path)
    assert (data.dtype, data.range, data.channels) == ("uint16", (0, 65535), 1)
    dataset = IMAGES.load(data, LoadOptions())
    assert np.array_equal(dataset.values, np.stack(images))
    assert "read as: 16x16, gray of uint16, fit by crop" in dataset.summary.lines()
    larger = IMAGES.load(choose(tmp_path, size=32), LoadOptions())
    assert larger.values.shape == (COUNT, 32, 32, 1)
    assert int(larger.values.max()) <= 65535, "Lanczos overshoots"
    eight_bits = IMAGES.load(choose(tmp_path, dtype="uint8"), LoadOptions())
    assert np.array_equal(eight_bits.values, np.rint(np.stack(images) / 257))


def test_values_outside_of_the_range_are_clipped_and_counted(tmp_path: Path) -> None:
    images = arrays("int16", 1, -1000, 3000)
    dataset = IMAGES.load(choose(save_arrays(tmp_path / "d", images), range=[0, 2000]), LoadOptions())
    stacked = np.stack(images)
    assert np.array_equal(dataset.values, np.clip(stacked, 0, 2000))
    clipped = int(((stacked < 0) | (stacked > 2000)).sum())
    assert f"values: 0 to 2000, {clipped:,} outside clipped" in dataset.summary.lines()


def save_stacks(folder: Path, pages: list[int]) -> Path:
    folder.mkdir()
    for index, count in enumerate(pages):
        images = [Image.fromarray(page[..., 0]) for page in arrays("uint16", 1)[index : index + count]]
        images[0].save(folder / f"{index:03d}.tif", save_all=True, append_images=images[1:])
    return folder


def test_pages_of_a_stack_are_bands_where_all_files_have_as_many(tmp_path: Path) -> None:
    folder = save_stacks(tmp_path / "stacks", [4] * 16)
    data = choose(folder)
    assert (data.bands, data.channels, data.dtype) == ("pages", 4, "uint16")
    values = IMAGES.load(data, LoadOptions()).values
    expected = np.concatenate(arrays("uint16", 1)[2:6], axis=2)
    assert np.array_equal(values[2], expected)
    first_page = IMAGES.load(choose(folder, bands="channels"), LoadOptions())
    assert first_page.values.shape == (16, SIDE, SIDE, 1)
    assert "read only the first frame or page of 16 files with several" in first_page.summary.notes


def test_pages_of_different_numbers_are_no_bands(tmp_path: Path) -> None:
    folder = save_stacks(tmp_path / "stacks", [2, 3] * 8)
    assert choose(folder).bands is None
    with pytest.raises(BadInput, match=r"`data.bands` pages: the files of .* do not all have the same number of pages"):
        choose(folder, bands="pages")


def test_the_first_page_of_a_stack_with_too_many_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "stacks"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(16):
        first, *rest = (Image.fromarray(page) for page in rng.integers(0, 256, (65, 4, 4), dtype=np.uint8))
        first.save(folder / f"{index:03d}.tif", save_all=True, append_images=rest)
    data = choose(folder, size=4)
    assert (data.bands, data.channels) == (None, 1)
    notes = IMAGES.load(data, LoadOptions()).summary.notes
    assert "read only the first frame or page of 16 files with several" in notes
    with pytest.raises(BadInput, match=r"have 65 bands in all pages, and images have at most 64"):
        choose(folder, size=4, bands="pages")


def test_one_channel_is_the_first_page(tmp_path: Path) -> None:
    data = choose(save_stacks(tmp_path / "stacks", [4] * 16), channels=1)
    assert (data.bands, IMAGES.load(data, LoadOptions()).values.shape) == (None, (16, SIDE, SIDE, 1))


def test_arrays_of_int8_have_a_range_of_their_own(tmp_path: Path) -> None:
    images = arrays("int8", 1, -128, 127)
    data = choose(save_arrays(tmp_path / "d", images))
    assert data.dtype == "int16"
    assert np.array_equal(IMAGES.load(data, LoadOptions()).values, np.stack(images))


def test_bytes_next_to_more_bits_are_scaled_to_the_range(tmp_path: Path) -> None:
    for index, channels in enumerate((1, 5)):
        folder = save_arrays(tmp_path / f"d{index}", arrays("uint16", channels, 0, 65_536))
        np.save(folder / "zzz.npy", np.full((SIDE, SIDE, channels), 255, np.uint8))
        data = choose(folder)
        assert (data.dtype, data.range) == ("uint16", (0, 65535))
        assert (IMAGES.load(data, LoadOptions()).values[-1] == 65535).all()


def test_an_array_and_files_of_more_bits_are_measured_together(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack(arrays("uint16", 1, 0, 4096)))
    (tmp_path / "files").mkdir()
    for index, image in enumerate(arrays("uint16", 1, 0, 65_536)):
        Image.fromarray(image[..., 0]).save(tmp_path / "files" / f"{index:03d}.png")
    for first, second in (("a.npy", "files"), ("files", "a.npy")):
        data = choose(tmp_path / first, more_sources=[str(tmp_path / second)])
        assert (data.dtype, data.range) == ("uint16", (0, 65535))
        assert IMAGES.load(data, LoadOptions()).summary.as_dict()["clipped"] == 0


def test_the_header_of_an_array_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**12, 2**12, 8)})
        file.truncate(file.tell() + 2**29)  # 512 MiB that take no space on the disk
    tracemalloc.start()
    try:
        with open_file(tmp_path / "large.npy", "large.npy") as image:
            assert (image.size, image.mode) == ((2**12, 2**12), "8 x float32")
        assert tracemalloc.get_traced_memory()[1] < 2**24
        monkeypatch.setattr(memory, "physical_memory_bytes", lambda: 2**30)
        with pytest.raises(Image.DecompressionBombError, match=r"4096x4096 take 1\.5 GiB to decode"):
            open_file(tmp_path / "large.npy", "large.npy")
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_an_array_of_more_bits_is_not_loaded_whole(tmp_path: Path, dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 4000, (512, 256, 256, 1)).astype(dtype)
    np.save(tmp_path / "a.npy", images)
    tracemalloc.start()
    try:
        assert IMAGES.load(choose(tmp_path / "a.npy"), LoadOptions()).values.dtype == dtype
        assert tracemalloc.get_traced_memory()[1] < images.nbytes // 2
    finally:
        tracemalloc.stop()


def test_an_image_with_other_channels_is_named_and_skipped(tmp_path: Path) -> None:
    folder = save_arrays(tmp_path / "d", [*arrays("float32", 5), np.zeros((SIDE, SIDE, 6), np.float32)])
    dataset = load_source(folder, SIDE, 5, "crop", dtype="float32", value_range=(0, 4000))
    reason = "it has 6 channels, and `data.channels` is 5"
    assert dataset.summary.as_dict()["unreadable"] == [["020.npy", reason]]


def test_color_of_16_bits_that_is_read_in_8_is_said(tmp_path: Path) -> None:
    """Pillow writes no such file: an RGB PNG of 16 bits is made by hand."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rng = np.random.default_rng(0)
    for index in range(COUNT):
        rows = b"".join(b"\0" + rng.bytes(6 * SIDE) for _ in range(SIDE))
        header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
        chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (tmp_path / f"{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    notes = IMAGES.load(choose(tmp_path), LoadOptions()).summary.notes
    assert any(note.startswith("read 8 of the 16 bits of 20 color images") for note in notes)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for index in range(COUNT):
        Image.fromarray(np.full((SIDE, SIDE), index, np.uint8)).save(tmp_path / f"{index:03d}.png")
    with pytest.raises(BadInput, match=r"`data.dtype` uint16: the images in .* have 8 bits per value; leave it out"):
        choose(tmp_path, dtype="uint16")
    with pytest.raises(ValueError, match=r"`data.range` -5..9: uint16 holds 0..65535; choose another `data.dtype`"):
        ImageDataConfig(dtype="uint16", range=(-5, 9))
    with pytest.raises(ValueError, match=r"`data.preview_bands` 1,2: give one band, or three"):
        ImageDataConfig(preview_bands=(1, 2))
    assert ImageDataConfig(preview_bands=3).preview_bands == (3,)
    assert ImageDataConfig(preview_bands="4,3,2").preview_bands == (4, 3, 2)
    with pytest.raises(BadInput, match=r"images of 8 bits in gray or RGB are shown as they are; leave it out"):
        IMAGES.load(choose(tmp_path, preview_bands=(1,)), LoadOptions())
    folder = save_arrays(tmp_path / "d", arrays("float32", 5))
    with pytest.raises(BadInput, match=r"`data.preview_bands` 6: the images have 5 bands; give bands from 1 to that"):
        IMAGES.load(choose(folder, preview_bands=(6,)), LoadOptions())


def test_stacks_of_several_sources_are_compared_with_all_their_pages(tmp_path: Path) -> None:
    one, other = (save_stacks(tmp_path / name, [4] * 16) for name in ("one", "other"))
    data = IMAGES.choose_common_settings({"fake": str(one), "real": str(other)}, {})
    assert (data.pages_are_bands, data.dtype_of_outputs) == (True, "uint16")
    dataset = IMAGES.load(data.with_source(str(one)), LoadOptions(for_evaluation=True))
    assert dataset.summary.as_dict()["channels"] == 4
    mixed = {"fake": str(one), "real": str(save_stacks(tmp_path / "mixed", [3] * 16))}
    assert not IMAGES.choose_common_settings(mixed, {}).pages_are_bands


@pytest.mark.parametrize("form", ["npy", "folder"])
def test_values_beyond_32_bits_are_refused(tmp_path: Path, form: str) -> None:
    images = [image * 1e300 for image in arrays("float64", 3, 1, 255)]
    source = tmp_path / "d.npy"
    if form == "npy":
        np.save(source, np.stack(images))
    else:
        source = save_arrays(tmp_path / "d", images)
    with pytest.raises(BadInput, match=r"beyond 3\.4e\+38"):
        load_source(source, SIDE, 3, "crop", value_range=(0, 1), dtype="float32")
    with pytest.raises(BadInput, match=r"beyond 3\.4e\+38"):
        IMAGES.load(choose(source), LoadOptions())


def test_examples_for_which_the_disk_is_too_small_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_arrays(tmp_path / "d", arrays("float32", 3))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=COUNT * SIDE * SIDE * 3 * 4 - 1))
    dataset = load_source(source, SIDE, 3, "crop", dtype="float32")
    assert len(dataset.values) == COUNT
    assert any("were not cached" in note and "No space left" in note for note in dataset.summary.notes)
