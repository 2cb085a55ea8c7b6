"""A warm start decodes nothing and differs in nothing; no race, kill or full disk spoils it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zerosum.data import cache
from zerosum.data.dataset import Dataset
from zerosum.data.images import ingest, load
from zerosum.data.images.load import load_source
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]


@pytest.fixture
def folder(tmp_path: Path, make: Make) -> Path:
    make(tmp_path / "photos" / "a", 15)
    make(tmp_path / "photos" / "b", 15, seed=1)
    (tmp_path / "photos" / "b" / "bad.png").write_text("x")
    return tmp_path / "photos"


def same(one: Dataset, other: Dataset) -> None:
    for name in ("values", "labels", "keys", "train", "held_out"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert (first == second).all()
    assert one.summary == other.summary
    assert (one.classes, one.shape, one.fingerprint) == (other.classes, other.shape, other.fingerprint)


def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a warm start decoded an image")

    monkeypatch.setattr(ingest, "picture", refuse)
    monkeypatch.setattr(load, "decode", refuse)


def test_warm_equals_cold_and_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = load_source(folder, 8, 3, "crop")
    no_decoding(monkeypatch)
    same(cold, load_source(folder, 8, 3, "crop"))
    monkeypatch.chdir(folder.parent)
    assert load_source("photos", 8, 3, "crop").summary.source == "photos"  # another way to name it, and the same entry


def test_memory_mapped_equals_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_source(folder, 8, 3, "crop")
    monkeypatch.setattr(load, "physical_memory", lambda: 64)
    mapped = load_source(folder, 8, 3, "crop")
    assert isinstance(mapped.values, np.memmap)
    assert not isinstance(plain.values, np.memmap)
    same(plain, mapped)
    indices = np.array([29, 0, 3, 3])
    assert (plain.take(indices) == mapped.take(indices)).all()
    mapped.take(indices).zero_()  # what was taken is the taker's, and not the file
    same(plain, mapped)


def test_any_change_is_seen(folder: Path, make: Make, cache_folder: Path) -> None:
    first = load_source(folder, 8, 3, "crop").fingerprint
    load_source(folder, 8, 3, "pad")
    load_source(folder, 8, 1, "crop")
    load_source(folder, 16, 3, "crop")
    assert len(list(cache_folder.iterdir())) == 4
    make(folder / "a", 15, seed=9)  # the same names and other pixels
    assert load_source(folder, 8, 3, "crop").fingerprint != first
    (folder / "a" / "3.png").unlink()
    assert len(load_source(folder, 8, 3, "crop")) == 29
    assert (
        load_source(folder, 8, 3, "crop", held_out_fraction=0.5).summary.held_out > 7
    )  # the share is no part of an entry
    assert len(list(cache_folder.iterdir())) == 6


def test_leftovers_and_damage_are_harmless(folder: Path, cache_folder: Path) -> None:
    cold = load_source(folder, 8, 3, "crop")
    [entry] = cache_folder.iterdir()
    for name, content in (("values.npy", None), ("survey.json", b"{"), ("index.npz", b"PK")):
        damaged = entry / name
        damaged.write_bytes(damaged.read_bytes()[:200] if content is None else content)
        same(cold, load_source(folder, 8, 3, "crop"))
    (entry / "survey.json").unlink()
    left = cache_folder / ".writing-killed"
    left.mkdir()
    (left / "values.npy").write_bytes(b"half")
    same(cold, load_source(folder, 8, 3, "crop"))
    assert left.exists()  # it may be another process's, still at work
    os.utime(left, (0, time.time() - 2 * 24 * 3600))
    load_source(folder, 16, 3, "crop")
    assert not left.exists()


def test_a_kill_while_writing_leaves_nothing_that_is_taken_for_whole(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(done: int, total: int) -> None:
        raise Killed

    monkeypatch.setattr(cache.shutil, "rmtree", lambda *_, **__: None)  # a killed process tidies nothing
    with pytest.raises(Killed):
        load_source(folder, 8, 3, "crop", progress=killed)
    [left] = cache_folder.iterdir()
    assert left.name.startswith(".writing-")
    assert len(load_source(folder, 8, 3, "crop")) == 30


def test_whoever_is_second_takes_what_the_first_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raced: list[Dataset] = []

    def race(done: int, total: int) -> None:
        if not raced:
            raced.append(load_source(folder, 8, 3, "crop"))

    same(load_source(folder, 8, 3, "crop", progress=race), raced[0])
    no_decoding(monkeypatch)
    same(load_source(folder, 8, 3, "crop"), raced[0])


def test_without_a_cache_it_goes_on_in_memory(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = load_source(folder, 8, 3, "crop")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    bare = load_source(folder, 8, 3, "crop")
    assert bare.summary.notes.pop() == (
        f"nothing was cached, so the next start decodes again ({tmp_path / 'file'}: File exists)"
    )
    same(cold, bare)
    monkeypatch.setattr(load, "physical_memory", lambda: 64)
    with pytest.raises(BadInput, match=r"do not fit in memory.* set ZEROSUM_CACHE to a folder with room"):
        load_source(folder, 8, 3, "crop")


def test_a_disk_that_fills_up_half_way_costs_only_the_cache(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = load_source(folder, 8, 3, "crop")
    real = cache.NpyArrayWriter.append

    def full(self: cache.NpyArrayWriter, pixels: np.ndarray) -> None:
        if self._count == 9:
            raise OSError(28, "No space left on device")
        real(self, pixels)

    monkeypatch.setattr(cache.NpyArrayWriter, "append", full)
    monkeypatch.setenv("ZEROSUM_CACHE", str(cache_folder / "other"))
    bare = load_source(folder, 8, 3, "crop")
    assert "No space left on device" in bare.summary.notes.pop()
    same(cold, bare)
    assert list((cache_folder / "other").iterdir()) == []


def test_the_least_recently_used_entries_go_first(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = []
    for place, size in enumerate((8, 9, 10)):
        load_source(folder, size, 3, "crop")
        [new] = set(cache_folder.iterdir()) - set(entries)
        entries.append(new)
        os.utime(new, (place, place))
    load_source(folder, 8, 3, "crop")  # used again: now the newest
    (cache_folder / "mine").mkdir()  # not an entry, so not ours to remove
    taken = {entry: sum(file.stat().st_size for file in entry.iterdir()) for entry in entries}
    monkeypatch.setenv("ZEROSUM_CACHE_GB", str(sum(taken.values()) * 1.3 / 2**30))
    load_source(folder, 11, 3, "crop")  # takes more than a third of the three
    assert [entry.exists() for entry in entries] == [True, False, True]
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    load_source(folder, 12, 3, "crop")
    assert len(list(cache_folder.glob("*/survey.json"))) == 1  # what was just written stays
    assert (cache_folder / "mine").exists()
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "lots")
    with pytest.raises(BadInput, match="ZEROSUM_CACHE_GB is 'lots', which is no number: set it to GiB"):
        load_source(folder, 13, 3, "crop")


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.root() == tmp_path / "cache"
    monkeypatch.delenv("ZEROSUM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "zerosum"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache.root() == Path.home() / ".cache" / "zerosum"
