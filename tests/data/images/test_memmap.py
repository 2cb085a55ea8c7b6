"""An .npy of uint8 images is memory-mapped, and otherwise equals the same arrays in an .npz."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data import cache
from zerosum.data.content_hash import hash_content, hash_contents
from zerosum.data.dataset import Dataset
from zerosum.data.images import memmap, reader
from zerosum.data.images.arrays import IndexedNames
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.data.images.symmetries import random_hflip
from zerosum.data.loader import BatchLoader
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]

LAYOUTS = {
    "nhw": lambda pixels: pixels[..., 0],
    "nhwc": lambda pixels: pixels,
    "nchw": lambda pixels: pixels.transpose(0, 3, 1, 2),
}


def random_pixels(n: int = 200, side: int = 8, channels: int = 3, copies: int = 20) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    pixels[n - copies :] = pixels[np.arange(copies) // 3]
    return pixels


def save_arrays(folder: Path, stored: np.ndarray, labels: np.ndarray | None = None) -> tuple[Path, Path]:
    """Save the same arrays as .npy and as .npz, and return both paths."""
    stored = np.ascontiguousarray(stored)
    np.save(folder / "images.npy", stored)
    if labels is not None:
        np.save(folder / "images.labels.npy", labels)
    np.savez(folder / "images.npz", images=stored, **({} if labels is None else {"labels": labels}))
    return folder / "images.npy", folder / "images.npz"


def assert_same_dataset(one: Dataset, other: Dataset) -> None:
    for name in ("values", "labels", "content_hashes", "train", "held_out"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert (first == second).all()
    assert replace(one.summary, source="") == replace(other.summary, source="")
    assert (one.classes, one.spec, one.fingerprint) == (other.classes, other.spec, other.fingerprint)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_memory_map_equals_an_archive(tmp_path: Path, layout: str) -> None:
    pixels = random_pixels(channels=1 if layout == "nhw" else 3)
    labels = np.array(["b10", "b9", "a", "b9"] * 50)
    file, archive = save_arrays(tmp_path, LAYOUTS[layout](pixels), labels)
    for fit in ("crop", "pad", "resize"):
        one, other = (load_source(path, 8, pixels.shape[3], fit) for path in (file, archive))
        assert isinstance(one.values, np.memmap)
        assert np.shares_memory(one.values, one.values.base)
        assert not one.values.flags.writeable
        assert_same_dataset(one, other)
    assert one.classes == ("a", "b9", "b10")
    assert one.summary.duplicates == 20
    assert any("more than one class" in note for note in one.summary.notes)
    inspection, expected = (inspect_source(path) for path in (file, archive))
    assert replace(inspection, source="") == replace(expected, source="")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_are_contiguous_copies_and_equal_those_of_the_archive(tmp_path: Path, layout: str) -> None:
    file, archive = save_arrays(tmp_path, LAYOUTS[layout](random_pixels(channels=1 if layout == "nhw" else 3)))
    one, other = (load_source(path, 8, 1 if layout == "nhw" else 3, "crop") for path in (file, archive))
    taken = one.take(one.train[:7])
    assert taken.is_contiguous()
    taken.zero_()  # a copy, not a view of the file
    first, second = (BatchLoader(replace(side, symmetries=(random_hflip,)), 16, 3) for side in (one, other))
    for _ in range(20):
        batch, expected = next(first), next(second)
        assert (batch["real"] == expected["real"]).all()
        assert (batch["seed"] == expected["seed"]).all()


def forbid_reading_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a warm start read pixels")

    monkeypatch.setattr(memmap, "compute_content_hashes", fail)
    monkeypatch.setattr(reader, "decode_images", fail)


def test_a_warm_start_reads_no_pixels(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = save_arrays(tmp_path, random_pixels(), np.arange(200) % 2)
    progress: list[tuple[int, int]] = []
    monkeypatch.setattr(memmap, "_READ_BLOCK_BYTES", 70 * 8 * 8 * 3)  # several blocks, the last of them short
    cold = load_source(file, 8, 3, "crop", progress=lambda done, total: progress.append((done, total)))
    assert progress == [(70, 200), (140, 200), (200, 200)]
    [entry] = cache_folder.iterdir()
    names = {path.name for path in entry.iterdir()}
    assert names == {cache.MARKER, "content_hashes.npy", "summary.json"}  # no pixels
    with monkeypatch.context() as warm:
        forbid_reading_pixels(warm)
        assert_same_dataset(cold, load_source(file, 8, 3, "crop"))
        assert load_source(file, 8, 3, "pad").summary.fit == "pad"
    np.save(tmp_path / "images.labels.npy", np.arange(200) % 3)
    assert load_source(file, 8, 3, "crop").classes == ("0", "1", "2")
    np.save(file, random_pixels()[::-1])
    changed = load_source(file, 8, 3, "crop")
    assert (changed.content_hashes == cold.content_hashes[::-1]).all()


@pytest.mark.parametrize("damage", ["content_hashes.npy", "summary.json"])
def test_a_damaged_entry_is_replaced(
    tmp_path: Path, cache_folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = save_arrays(tmp_path, random_pixels())
    cold = load_source(file, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    (entry / damage).write_bytes((entry / damage).read_bytes()[:20])
    assert_same_dataset(cold, load_source(file, 8, 3, "crop"))
    forbid_reading_pixels(monkeypatch)
    assert_same_dataset(cold, load_source(file, 8, 3, "crop"))


def test_an_unwritable_cache_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, archive = save_arrays(tmp_path, random_pixels())
    expected = load_source(archive, 8, 3, "crop")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    uncached = load_source(file, 8, 3, "crop")
    assert (
        "the content hashes were not cached, so the next start reads all images again" in uncached.summary.notes.pop()
    )
    assert_same_dataset(uncached, expected)


@pytest.mark.parametrize(
    ("kind", "size", "channels"),
    [("bytes", 16, 3), ("bytes", 8, 1), ("unit", 8, 3), ("fortran", 8, 3), ("alpha", 8, 4), ("alpha", 8, 3)],
)
def test_arrays_that_cannot_be_memory_mapped_are_decoded_like_an_archive(
    tmp_path: Path, kind: str, size: int, channels: int
) -> None:
    pixels = random_pixels(40, channels=4 if kind == "alpha" else 3)
    pixels[0, 0, 0], pixels[1, 1, 1] = 0, 255
    stored = (pixels / 255).astype(np.float32) if kind == "unit" else pixels
    file, archive = save_arrays(tmp_path, stored)
    if kind == "fortran":
        np.save(file, np.asfortranarray(stored))
    one, other = (load_source(path, size, channels, "crop") for path in (file, archive))
    assert not isinstance(one.values, np.memmap)
    assert_same_dataset(one, other)


@pytest.mark.parametrize(
    ("stored", "labels", "message"),
    [
        (np.zeros((20, 16), np.uint8), None, "the array in {} has shape (20, 16)"),
        (np.zeros((20, 70, 70, 70), np.uint8), None, "has shape (20, 70, 70, 70)"),
        (np.zeros((), np.uint8), None, "has shape ()"),
        (np.full((20, 4, 4), np.nan), None, "the array in {} holds values that are not finite"),
        (np.full((20, 4, 4), 1j), None, "the array in {} has dtype complex128"),
        (np.zeros((20, 4, 4), object), None, "{} cannot be read as an .npy file (Array can't be memory-mapped"),
        (np.zeros((20, 4, 4), np.uint8), np.zeros(19), "images.labels.npy has shape (19,) and dtype float64"),
        (np.zeros((20, 4, 4), np.uint8), np.full(20, 0.5), "images.labels.npy has shape (20,) and dtype float64"),
        (np.zeros((20, 4, 4), np.uint8), np.array(["a"] * 20, object), "images.labels.npy cannot be read"),
        (np.zeros((20, 4, 4), np.uint8), None, "{} has only 1 distinct image"),
    ],
)
def test_bad_arrays_and_labels_are_refused(
    tmp_path: Path, stored: np.ndarray, labels: np.ndarray | None, message: str
) -> None:
    np.save(tmp_path / "images.npy", stored)
    if labels is not None:
        np.save(tmp_path / "images.labels.npy", labels)
    with pytest.raises(BadInput) as error:
        load_source(tmp_path / "images.npy", 4, 1, "crop")
    assert message.format(tmp_path / "images.npy") in str(error.value)


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "no images", "archive"])
def test_files_that_are_not_npy_are_refused(tmp_path: Path, damage: str) -> None:
    file, archive = save_arrays(tmp_path, random_pixels())
    content = {
        "text": b"no array",
        "empty": b"",
        "truncated": file.read_bytes()[:-1],
        "no images": file.read_bytes()[:128],
        "archive": archive.read_bytes(),
    }[damage]
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"cannot be read as an \.npy file \(.+\): write it with numpy\.save$") as error:
        load_source(file, 8, 3, "crop")
    assert "\n" not in str(error.value)


def test_the_command_line_accepts_an_npy_and_refuses_a_bad_one_with_code_2(tmp_path: Path) -> None:
    file, _ = save_arrays(tmp_path, random_pixels())
    command = [sys.executable, "-m", "zerosum", "data", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "200 images from 200 files" in result.stdout
    file.write_bytes(b"no array")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_content_hashes_equal_the_hash_of_each_example() -> None:
    contents = random_pixels(50)
    expected = [hash_content("RGB 8x8", pixels.tobytes()) for pixels in contents]
    assert hash_contents("RGB 8x8", contents).tolist() == expected
    assert hash_contents("RGB 8x8", contents.transpose(0, 2, 1, 3).transpose(0, 2, 1, 3)).tolist() == expected


@pytest.mark.parametrize("distinct", [1, 3, 30, 400, 10**12])
def test_duplicates_equal_those_of_a_dictionary_search(distinct: int) -> None:
    rng = np.random.default_rng(distinct)
    content_hashes = rng.integers(0, distinct, 500).astype(np.uint64) * np.uint64(2**20 + 7)
    labels = rng.integers(0, 3, 500)
    by_key: dict[int, list[int]] = {}
    for index, key in enumerate(content_hashes.tolist()):
        by_key.setdefault(key, []).append(index)
    groups = sorted((group for group in by_key.values() if len(group) > 1), key=len, reverse=True)
    duplicates = find_duplicates(content_hashes, labels)
    assert duplicates.extra_copies == sum(len(group) - 1 for group in groups)
    assert duplicates.groups == [group[:5] for group in groups[:10]]
    assert duplicates.cross_class_groups == sum(len({int(labels[index]) for index in group}) > 1 for group in groups)


def test_names_are_made_on_access() -> None:
    names = IndexedNames("images", 10**9)
    assert len(names) == 10**9
    assert (names[0], names[-1]) == ("images[0]", "images[999999999]")
    assert names[2:4] == ["images[2]", "images[3]"]
    with pytest.raises(IndexError):
        names[10**9]


def test_memory_stays_far_below_the_size_of_the_file(tmp_path: Path) -> None:
    """Loading 48 MiB cold and taking all of it in batches needs a few blocks; a transposed array is the hard case."""
    stored = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, (4_096, 3, 64, 64))
    block = np.random.default_rng(0).integers(0, 256, (256, 3, 64, 64), dtype=np.uint8)
    for number in range(16):
        stored[256 * number :][:256] = block ^ np.uint8(number)
    del stored
    tracemalloc.start()
    try:
        dataset = load_source(tmp_path / "large.npy", 64, 3, "crop")
        for first in range(0, len(dataset.train), 256):
            dataset.take(dataset.train[first : first + 256])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(dataset) == 4_096
    assert peak < 4 * memmap._READ_BLOCK_BYTES


def test_an_npy_and_a_folder_of_the_same_images_have_the_same_fingerprint(
    tmp_path: Path, make_images: MakeImages
) -> None:
    paths = make_images(tmp_path / "photos", 30, size=(8, 8))
    np.save(tmp_path / "images.npy", np.stack([np.asarray(Image.open(path)) for path in paths]))
    assert (
        load_source(tmp_path / "images.npy", 8, 3, "crop").fingerprint
        == load_source(tmp_path / "photos", 8, 3, "crop").fingerprint
    )
