"""An .npy of bytes is used where it lies, and is in everything else what the same arrays in an .npz are."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.dataset import Dataset
from zerosum.data.images import load, memmap
from zerosum.data.images.duplicates import find_duplicates
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.data.images.sources import IndexedNames
from zerosum.data.loader import BatchLoader
from zerosum.data.split import content_key, content_keys
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]

STORED = {
    "nhw": lambda pixels: pixels[..., 0],
    "nhwc": lambda pixels: pixels,
    "nchw": lambda pixels: pixels.transpose(0, 3, 1, 2),
}


def pictures(n: int = 200, side: int = 8, channels: int = 3, copies: int = 20) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    pixels[n - copies :] = pixels[np.arange(copies) // 3]
    return pixels


def saved(folder: Path, stored: np.ndarray, labels: np.ndarray | None = None) -> tuple[Path, Path]:
    """The same data as .npy and as .npz."""
    stored = np.ascontiguousarray(stored)
    np.save(folder / "images.npy", stored)
    if labels is not None:
        np.save(folder / "images.labels.npy", labels)
    np.savez(folder / "images.npz", images=stored, **({} if labels is None else {"labels": labels}))
    return folder / "images.npy", folder / "images.npz"


def same(one: Dataset, other: Dataset) -> None:
    for name in ("values", "labels", "keys", "train", "held_out"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert (first == second).all()
    assert replace(one.summary, source="") == replace(other.summary, source="")
    assert (one.classes, one.shape, one.fingerprint) == (other.classes, other.shape, other.fingerprint)


@pytest.mark.parametrize("layout", STORED)
def test_a_map_equals_an_archive(tmp_path: Path, layout: str) -> None:
    pixels = pictures(channels=1 if layout == "nhw" else 3)
    labels = np.array(["b10", "b9", "a", "b9"] * 50)
    file, archive = saved(tmp_path, STORED[layout](pixels), labels)
    for fit in ("crop", "pad", "resize"):
        one, other = (load_source(path, 8, pixels.shape[3], fit) for path in (file, archive))
        assert isinstance(one.values, np.memmap)
        assert np.shares_memory(one.values, one.values.base)
        assert not one.values.flags.writeable
        same(one, other)
    assert one.classes == ("a", "b9", "b10")
    assert one.summary.duplicates == 20
    assert any("more than one class" in note for note in one.summary.notes)
    seen, wanted = (inspect_source(path) for path in (file, archive))
    assert replace(seen, source="") == replace(wanted, source="")


@pytest.mark.parametrize("layout", STORED)
def test_batches_are_new_contiguous_and_the_archives(tmp_path: Path, layout: str) -> None:
    file, archive = saved(tmp_path, STORED[layout](pictures(channels=1 if layout == "nhw" else 3)))
    one, other = (load_source(path, 8, 1 if layout == "nhw" else 3, "crop") for path in (file, archive))
    taken = one.take(one.train[:7])
    assert taken.is_contiguous()
    taken.zero_()  # the taker's, and not the file
    first, second = BatchLoader(one, 16, 3, hflip=True), BatchLoader(other, 16, 3, hflip=True)
    for _ in range(20):
        batch, wanted = next(first), next(second)
        assert (batch["real"] == wanted["real"]).all()
        assert (batch["seed"] == wanted["seed"]).all()


def untouchable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a warm start read pixels")

    monkeypatch.setattr(memmap, "keys_of", refuse)
    monkeypatch.setattr(load, "decode", refuse)


def test_the_second_reading_touches_no_pixels(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = saved(tmp_path, pictures(), np.arange(200) % 2)
    conditioning: list[tuple[int, int]] = []
    monkeypatch.setattr(memmap, "_BLOCK", 70 * 8 * 8 * 3)  # several blocks, the last of them short
    cold = load_source(file, 8, 3, "crop", progress=lambda done, total: conditioning.append((done, total)))
    assert conditioning == [(70, 200), (140, 200), (200, 200)]
    [entry] = cache_folder.iterdir()
    assert sorted(each.name for each in entry.iterdir()) == ["keys.npy", "survey.json"]  # and no pixels
    with monkeypatch.context() as warm:
        untouchable(warm)
        same(cold, load_source(file, 8, 3, "crop"))
        assert load_source(file, 8, 3, "pad").summary.fit == "pad"
    np.save(tmp_path / "images.labels.npy", np.arange(200) % 3)
    assert load_source(file, 8, 3, "crop").classes == ("0", "1", "2")
    np.save(file, pictures()[::-1])
    changed = load_source(file, 8, 3, "crop")
    assert (changed.keys == cold.keys[::-1]).all()


@pytest.mark.parametrize("damage", ["keys.npy", "survey.json"])
def test_a_damaged_entry_is_made_anew(
    tmp_path: Path, cache_folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = saved(tmp_path, pictures())
    cold = load_source(file, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    (entry / damage).write_bytes((entry / damage).read_bytes()[:20])
    same(cold, load_source(file, 8, 3, "crop"))
    untouchable(monkeypatch)
    same(cold, load_source(file, 8, 3, "crop"))


def test_without_a_cache_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, archive = saved(tmp_path, pictures())
    wanted = load_source(archive, 8, 3, "crop")
    (tmp_path / "taken").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "taken"))
    bare = load_source(file, 8, 3, "crop")
    assert "nothing was cached, so the next start reads all images again" in bare.summary.notes.pop()
    same(bare, wanted)


@pytest.mark.parametrize(
    ("kind", "size", "channels"),
    [("bytes", 16, 3), ("bytes", 8, 1), ("unit", 8, 3), ("fortran", 8, 3), ("alpha", 8, 4), ("alpha", 8, 3)],
)
def test_what_does_not_fit_is_decoded_as_an_archive_is(tmp_path: Path, kind: str, size: int, channels: int) -> None:
    pixels = pictures(40, channels=4 if kind == "alpha" else 3)
    pixels[0, 0, 0], pixels[1, 1, 1] = 0, 255
    stored = (pixels / 255).astype(np.float32) if kind == "unit" else pixels
    file, archive = saved(tmp_path, stored)
    if kind == "fortran":
        np.save(file, np.asfortranarray(stored))
    one, other = (load_source(path, size, channels, "crop") for path in (file, archive))
    assert not isinstance(one.values, np.memmap)
    same(one, other)


@pytest.mark.parametrize(
    ("stored", "labels", "part"),
    [
        (np.zeros((20, 16), np.uint8), None, "the array in {} has shape (20, 16): save images as (N, H, W)"),
        (np.zeros((20, 9, 9, 9), np.uint8), None, "has shape (20, 9, 9, 9): save images as"),
        (np.zeros((), np.uint8), None, "has shape (): save images as"),
        (np.full((20, 4, 4), 300), None, "the array in {} holds values from 300 to 300: scale them"),
        (np.full((20, 4, 4), 1j), None, "the array in {} has type complex128: save images as uint8"),
        (np.zeros((20, 4, 4), object), None, "{} cannot be read as an .npy file (Array can't be memory-mapped"),
        (np.zeros((20, 4, 4), np.uint8), np.zeros(19), "images.labels.npy has shape (19,) and type float64: save one"),
        (np.zeros((20, 4, 4), np.uint8), np.full(20, 0.5), "one whole number or string for each of the 20 images"),
        (np.zeros((20, 4, 4), np.uint8), np.array(["a"] * 20, object), "images.labels.npy cannot be read as an .npy"),
        (np.zeros((20, 4, 4), np.uint8), None, "{} holds only 1 different image that can be read"),
    ],
)
def test_bad_files(tmp_path: Path, stored: np.ndarray, labels: np.ndarray | None, part: str) -> None:
    np.save(tmp_path / "images.npy", stored)
    if labels is not None:
        np.save(tmp_path / "images.labels.npy", labels)
    with pytest.raises(BadInput) as caught:
        load_source(tmp_path / "images.npy", 4, 1, "crop")
    assert part.format(tmp_path / "images.npy") in str(caught.value)


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "no images", "archive"])
def test_files_that_are_no_npy(tmp_path: Path, damage: str) -> None:
    file, archive = saved(tmp_path, pictures())
    content = {
        "text": b"no array",
        "empty": b"",
        "cut": file.read_bytes()[:-1],
        "no images": file.read_bytes()[:128],
        "archive": archive.read_bytes(),
    }[damage]
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"cannot be read as an \.npy file \(.+\): write it with numpy\.save$") as caught:
        load_source(file, 8, 3, "crop")
    assert "\n" not in str(caught.value)


def test_the_command_line_takes_it_and_refuses_it_with_code_2(tmp_path: Path) -> None:
    file, _ = saved(tmp_path, pictures())
    command = [sys.executable, "-m", "zerosum", "data", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "200 images from 200 files" in ran.stdout
    file.write_bytes(b"no array")
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert len(ran.stderr.strip().splitlines()) == 1


def test_keys_of_many_are_the_keys_of_each() -> None:
    contents = pictures(50)
    wanted = [content_key("RGB 8x8", each.tobytes()) for each in contents]
    assert content_keys("RGB 8x8", contents).tolist() == wanted
    assert content_keys("RGB 8x8", contents.transpose(0, 2, 1, 3).transpose(0, 2, 1, 3)).tolist() == wanted


@pytest.mark.parametrize("distinct", [1, 3, 30, 400, 10**12])
def test_copies_are_those_that_a_plain_search_finds(distinct: int) -> None:
    random = np.random.default_rng(distinct)
    keys = random.integers(0, distinct, 500).astype(np.uint64) * np.uint64(2**20 + 7)
    labels = random.integers(0, 3, 500)
    by_key: dict[int, list[int]] = {}
    for index, key in enumerate(keys.tolist()):
        by_key.setdefault(key, []).append(index)
    groups = sorted((group for group in by_key.values() if len(group) > 1), key=len, reverse=True)
    found = find_duplicates(keys, labels)
    assert found.extra_copies == sum(len(group) - 1 for group in groups)
    assert found.groups == [group[:5] for group in groups[:10]]
    assert found.cross_class_groups == sum(len({int(labels[index]) for index in group}) > 1 for group in groups)


def test_names_are_made_when_asked_for() -> None:
    names = IndexedNames("images", 10**9)
    assert len(names) == 10**9
    assert (names[0], names[-1]) == ("images[0]", "images[999999999]")
    assert names[2:4] == ["images[2]", "images[3]"]
    with pytest.raises(IndexError):
        names[10**9]


def test_memory_is_not_that_of_the_pixels(tmp_path: Path) -> None:
    """Reading 48 MiB cold, and taking all of it in batches, holds a few blocks at most; transposed is the hard case."""
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
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(dataset) == 4_096
    assert most < 4 * memmap._READ_BLOCK_BYTES


def test_a_map_and_a_folder_of_the_same_pictures_hold_the_same(tmp_path: Path, make: Make) -> None:
    paths = make(tmp_path / "photos", 30, size=(8, 8))
    np.save(tmp_path / "images.npy", np.stack([np.asarray(Image.open(path)) for path in paths]))
    assert (
        load_source(tmp_path / "images.npy", 8, 3, "crop").fingerprint
        == load_source(tmp_path / "photos", 8, 3, "crop").fingerprint
    )
