"""A warm cache gives the same dataset without decoding, and survives races, kills and full disks."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from zerosum.data import cache
from zerosum.data.dataset import Dataset
from zerosum.data.images import decoding, reader
from zerosum.data.images.load import load_source
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def folder(tmp_path: Path, make_images: MakeImages) -> Path:
    make_images(tmp_path / "photos" / "a", 15)
    make_images(tmp_path / "photos" / "b", 15, seed=1)
    (tmp_path / "photos" / "b" / "bad.png").write_text("x")
    return tmp_path / "photos"


def assert_same_dataset(one: Dataset, other: Dataset) -> None:
    for name in ("values", "labels", "content_hashes", "train", "held_out"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert (first == second).all()
    assert one.summary == other.summary
    assert (one.classes, one.spec, one.fingerprint) == (other.classes, other.spec, other.fingerprint)


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a warm start decoded an image")

    monkeypatch.setattr(decoding, "decode_image", fail)
    monkeypatch.setattr(reader, "decode_images", fail)


def test_warm_start_equals_cold_start_and_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = load_source(folder, 8, 3, "crop")
    forbid_decoding(monkeypatch)
    assert_same_dataset(cold, load_source(folder, 8, 3, "crop"))
    monkeypatch.chdir(folder.parent)
    assert load_source("photos", 8, 3, "crop").summary.source == "photos"  # another path to the same entry


def test_memory_mapped_equals_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = load_source(folder, 8, 3, "crop")
    monkeypatch.setattr(reader, "physical_memory_bytes", lambda: 64)
    mapped = load_source(folder, 8, 3, "crop")
    assert isinstance(mapped.values, np.memmap)
    assert not isinstance(in_memory.values, np.memmap)
    assert_same_dataset(in_memory, mapped)
    indices = np.array([29, 0, 3, 3])
    assert (in_memory.take(indices) == mapped.take(indices)).all()
    mapped.take(indices).zero_()  # `take` returns a copy, not a view of the file
    assert_same_dataset(in_memory, mapped)


def test_every_change_makes_a_new_entry(folder: Path, make_images: MakeImages, cache_folder: Path) -> None:
    first = load_source(folder, 8, 3, "crop").fingerprint
    load_source(folder, 8, 3, "pad")
    load_source(folder, 8, 1, "crop")
    load_source(folder, 16, 3, "crop")
    assert len(list(cache_folder.iterdir())) == 4
    make_images(folder / "a", 15, seed=9)  # the same names with other pixels
    assert load_source(folder, 8, 3, "crop").fingerprint != first
    (folder / "a" / "3.png").unlink()
    assert len(load_source(folder, 8, 3, "crop")) == 29
    # the held-out fraction is not part of an entry
    assert load_source(folder, 8, 3, "crop", held_out_fraction=0.5).summary.held_out > 7
    assert len(list(cache_folder.iterdir())) == 6


def test_damaged_and_abandoned_entries_are_replaced(folder: Path, cache_folder: Path) -> None:
    cold = load_source(folder, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    for name in ("values.npy", "summary.json", "metadata.npz"):
        whole = (entry / name).read_bytes()
        for content in (b"", b"PK", b"{", b"[]", whole[:100], whole[:200], whole[:-1], whole[: len(whole) // 2]):
            (entry / name).write_bytes(content)
            assert_same_dataset(cold, load_source(folder, 8, 3, "crop"))
            assert (entry / name).read_bytes() == whole, "the entry is made anew"
        (entry / name).unlink()
        assert_same_dataset(cold, load_source(folder, 8, 3, "crop"))
        assert (entry / name).read_bytes() == whole, "the entry is made anew"
    (entry / "summary.json").unlink()
    abandoned = cache_folder / ".writing-killed__"
    shutil.copytree(entry, abandoned)
    assert_same_dataset(cold, load_source(folder, 8, 3, "crop"))
    assert abandoned.exists()  # another process may still be writing it
    os.utime(abandoned, (0, time.time() - 2 * 24 * 3600))
    load_source(folder, 16, 3, "crop")
    assert not abandoned.exists()


def test_a_kill_while_writing_leaves_no_valid_entry(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        raise Killed

    monkeypatch.setattr(cache, "_remove", lambda _: None)  # a killed process removes nothing
    with pytest.raises(Killed):
        load_source(folder, 8, 3, "crop", progress=kill)
    [leftover] = cache_folder.iterdir()
    assert leftover.name.startswith(".writing-")
    assert len(load_source(folder, 8, 3, "crop")) == 30


def test_two_processes_that_race_share_the_first_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    winner: list[Dataset] = []

    def race(done: int, total: int) -> None:
        if not winner:
            winner.append(load_source(folder, 8, 3, "crop"))

    assert_same_dataset(load_source(folder, 8, 3, "crop", progress=race), winner[0])
    forbid_decoding(monkeypatch)
    assert_same_dataset(load_source(folder, 8, 3, "crop"), winner[0])


def test_without_a_writable_cache_images_are_decoded_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = load_source(folder, 8, 3, "crop")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    uncached = load_source(folder, 8, 3, "crop")
    assert uncached.summary.notes.pop() == (
        f"the decoded images were not cached, so the next start decodes them again ({tmp_path / 'file'}: File exists)"
    )
    assert_same_dataset(cold, uncached)
    monkeypatch.setattr(reader, "physical_memory_bytes", lambda: 64)
    with pytest.raises(BadInput, match=r"do not fit in memory.* set ZEROSUM_CACHE to a folder with free space"):
        load_source(folder, 8, 3, "crop")


def test_a_disk_that_fills_up_loses_only_the_cache(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = load_source(folder, 8, 3, "crop")
    write_npy = reader.write_npy

    def write_until_full(path: Path, count: int, shape: tuple[int, ...], images: Iterator[np.ndarray]) -> None:
        write_npy(path, count, shape, islice(images, 9))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reader, "write_npy", write_until_full)
    monkeypatch.setenv("ZEROSUM_CACHE", str(cache_folder / "other"))
    uncached = load_source(folder, 8, 3, "crop")
    assert "No space left on device" in uncached.summary.notes.pop()
    assert_same_dataset(cold, uncached)
    assert list((cache_folder / "other").iterdir()) == []


def test_the_least_recently_used_entries_are_pruned_first(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = []
    for mtime, size in enumerate((8, 9, 10)):
        load_source(folder, size, 3, "crop")
        [new] = set(cache_folder.iterdir()) - set(entries)
        entries.append(new)
        os.utime(new, (mtime, mtime))
    load_source(folder, 8, 3, "crop")  # used again: now the most recent
    (cache_folder / "mine").mkdir()  # not an entry, so it must not be removed
    entry_bytes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for entry in entries}
    monkeypatch.setenv("ZEROSUM_CACHE_GB", str(sum(entry_bytes.values()) * 1.3 / 2**30))
    load_source(folder, 11, 3, "crop")  # takes more than a third of the three
    assert [entry.exists() for entry in entries] == [True, False, True]
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    load_source(folder, 12, 3, "crop")
    assert len(list(cache_folder.glob("*/summary.json"))) == 1  # the new entry is kept
    assert (cache_folder / "mine").exists()


@pytest.mark.parametrize("text", ["lots", "nan", "-1", ""])
def test_a_limit_that_is_no_size_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE_GB", text)
    with pytest.raises(BadInput, match=f"ZEROSUM_CACHE_GB is '{text}', which is not a number of at least 0: set it to"):
        load_source(folder, 13, 3, "crop")


def test_only_folders_that_zerosum_made_are_ever_removed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache is a folder of the user's, full of the user's folders, and the limit is 0."""
    home, hash_name = tmp_path / "home", "0123456789abcdef" * 2
    marker_names = ("summary.json", "features.json", "classifier.json", "survey.json", "labels.json")
    for name in ("thesis", "features-mine", ".writing-thesis", ".writing-abcdefgh", hash_name, f"features-{hash_name}"):
        (home / name).mkdir(parents=True)
        for marker in marker_names:
            (home / name / marker).write_text("{}")
    foreign = home / ("f" * 32)  # a marker file of another program
    foreign.mkdir()
    (foreign / cache.MARKER).write_text("mine")
    monkeypatch.setenv("ZEROSUM_CACHE", str(home))
    load_source(folder, 8, 3, "crop")
    [own] = [path for path in home.iterdir() if cache.is_entry(path)]
    shutil.copytree(own, home / "copy of an entry")
    shutil.copytree(own, tmp_path / "entries" / hash_name)
    (home / ("a" * 32)).symlink_to(tmp_path / "entries" / hash_name)
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.parent != own}
    for path in home.iterdir():
        os.utime(path, (0, 0))
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    load_source(folder, 9, 3, "crop")
    assert not own.exists()
    assert {path: path.read_bytes() for path in files} == files
    assert (tmp_path / "entries" / hash_name / "values.npy").exists()


def test_a_folder_of_the_user_with_the_name_of_an_entry_is_kept(folder: Path, cache_folder: Path) -> None:
    cold = load_source(folder, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    (entry / cache.MARKER).unlink()
    (entry / "summary.json").write_text("mine")
    uncached = load_source(folder, 8, 3, "crop")
    assert "not cached" in uncached.summary.notes.pop()
    assert_same_dataset(cold, uncached)
    assert (entry / "summary.json").read_text() == "mine"
    assert [path.name for path in cache_folder.iterdir()] == [entry.name]


def test_a_removal_that_is_killed_is_finished_later(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_source(folder, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    for path in entry.iterdir():
        if path.name != cache.MARKER:  # the marker is removed last
            path.unlink()
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    load_source(folder, 9, 3, "crop")
    assert not entry.exists()


def test_location_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.root() == tmp_path / "cache"
    monkeypatch.delenv("ZEROSUM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "zerosum"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache.root() == Path.home() / ".cache" / "zerosum"
