"""Translations read from disk: every layout is found, pairs are pairs, and every bad input is told in one sentence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.images import load
from zerosum.data.images.load import load_source
from zerosum.data.pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.pairs.load import inspect_translation, load_translation
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]
N = 20


def negatives(inputs: list[Path], folder: Path, suffix: str = ".png") -> list[Path]:
    """Partners that are the inputs' negatives."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / path.with_suffix(suffix).name for path in inputs]
    for path, made in zip(inputs, paths, strict=True):
        ImageOps.invert(Image.open(path).convert("RGB")).save(made)
    return paths


@pytest.fixture
def pairs(tmp_path: Path, make: Make) -> Path:
    negatives(make(tmp_path / "pairs" / "A", N, size=(12, 10)), tmp_path / "pairs" / "B", ".bmp")
    return tmp_path / "pairs"


def read_pairs(source: Path, size: int = 8, fit: str = "crop", kind: str = "paired", **more) -> Dataset:
    return load_translation(str(source), pairs=kind, size=size, channels=3, fit=fit, **more)


def refusal(source: Path, **more) -> str:
    with pytest.raises(BadInput) as error:
        read_pairs(source, **more)
    assert str(error.value).count("\n") == 0
    return str(error.value)


def are_negatives(examples: Dataset) -> bool:
    rows = np.concatenate([examples.train, examples.held_out])
    given = examples.inputs(rows).numpy()
    return bool(np.abs(given + examples.scale(examples.take(rows)).numpy()).max() < 3 / 127.5)  # rounded twice


def test_two_folders_of_one(pairs: Path) -> None:
    dataset = read_pairs(pairs)
    assert isinstance(dataset, PairedDataset)
    assert are_negatives(dataset)
    alone = load_source(pairs / "B", 8, 3, "crop")
    assert (dataset.keys == alone.keys).all()
    assert (dataset.train == alone.train).all()
    assert (dataset.held_out == alone.held_out).all()
    assert dataset.summary.notes[0] == f"20 pairs: {pairs}/A is given, {pairs}/B is wanted"
    assert dataset.summary.lines()[0] == f"{pairs}: 20 images from 20 files"
    back = read_pairs(pairs, given="b", wanted="a")
    assert are_negatives(back)
    assert (back.keys == load_source(pairs / "A", 8, 3, "crop").keys).all()
    assert back.fingerprint != dataset.fingerprint


def test_train_is_used_and_other_folders_are_left_alone(tmp_path: Path, make: Make) -> None:
    root = tmp_path / "d"
    negatives(make(root / "train" / "a", N), root / "train" / "b")
    make(root / "train" / "C", 3, seed=2)
    negatives(make(root / "test" / "a", 4, seed=3), root / "test" / "b")
    dataset = read_pairs(root)
    assert are_negatives(dataset)
    assert len(dataset) == N
    assert dataset.summary.notes[:3] == [
        f"20 pairs: {root}/train/a is given, {root}/train/b is wanted",
        "used train/ and left test/ alone",
        "left C alone",
    ]
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root.parent, "d"))
    assert read_pairs(archive).fingerprint == dataset.fingerprint


def test_folders_called_traina_are_known(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d" / "trainA", N)
    make(tmp_path / "d" / "trainB", N, seed=1)
    make(tmp_path / "d" / "testA", 5, seed=2)
    examples = read_pairs(tmp_path / "d", kind="unpaired")
    assert isinstance(examples, UnpairedDataset)
    assert (len(examples.input_values), len(examples)) == (N, N)


def test_two_sources(pairs: Path, tmp_path: Path) -> None:
    dataset = read_pairs(pairs / "A", beside=str(pairs / "B"))
    assert dataset.fingerprint == read_pairs(pairs).fingerprint
    assert dataset.summary.source == f"{pairs}/A and {pairs}/B"
    stacks = [np.stack([np.asarray(Image.open(path)) for path in sorted(side.iterdir())]) for side in
              (pairs / "A", pairs / "B")]  # fmt: skip
    np.save(tmp_path / "given.npy", stacks[0])
    np.savez(tmp_path / "wanted.npz", images=stacks[1])
    arrays = read_pairs(tmp_path / "given.npy", beside=str(tmp_path / "wanted.npz"))
    assert arrays.fingerprint == dataset.fingerprint
    assert are_negatives(arrays)


def test_pairs_go_by_name_and_not_by_order(tmp_path: Path, make: Make) -> None:
    """Where suffixes differ from picture to picture, the folders' orders do too."""
    root = tmp_path / "d"
    for path in negatives(make(root / "A", N), root / "B")[::2]:
        Image.open(path).save(path.with_suffix(".tif"))
        path.unlink()
    (root / "A" / "sub").mkdir()
    (root / "B" / "sub").mkdir()
    shutil.move(root / "A" / "7.png", root / "A" / "sub" / "7.png")
    shutil.move(root / "B" / "7.png", root / "B" / "sub" / "7.png")
    assert are_negatives(read_pairs(root))


def test_side_by_side(tmp_path: Path, make: Make) -> None:
    (tmp_path / "d").mkdir()
    for index, path in enumerate(make(tmp_path / "left", N, size=(12, 12))):
        left = Image.open(path)
        whole = Image.new("RGB", (24, 12))
        whole.paste(left, (0, 0))
        whole.paste(ImageOps.invert(left), (12, 0))
        whole.save(tmp_path / "d" / f"{index}.png")
    dataset = read_pairs(tmp_path / "d", size=12)
    assert are_negatives(dataset)
    assert (dataset.inputs[dataset.partners[5]] == np.asarray(Image.open(tmp_path / "left" / "5.png"))).all()
    back = read_pairs(tmp_path / "d", size=12, given="B", wanted="a")
    assert (back.values == dataset.inputs).all()
    assert dataset.summary.notes[:2] == [
        "20 pairs: one half of each picture is given, the other is wanted",
        "each file holds two pictures side by side",
    ]
    assert (dataset.summary.sizes, dataset.summary.formats) == ({"12x12": N}, {"PNG": N})
    seen = inspect_translation(str(tmp_path / "d"), "", "A", "B", "paired", ())
    assert (seen.count, seen.common_size, seen.has_color) == (N, (12, 12), True)
    assert "none is called C: set" in refusal(tmp_path / "d", wanted="C")
    Image.new("RGB", (24, 13)).save(tmp_path / "d" / "x.png")
    assert refusal(tmp_path / "d").endswith(
        "nor pictures that are two side by side (x.png is 24x13): put the pictures of a pair into two folders under "
        "one name, or give two folders"
    )


def test_one_among_many_that_is_not_side_by_side_is_named(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d", 200, size=(8, 4))
    Image.new("RGB", (9, 4)).save(tmp_path / "d" / "1.png")
    assert refusal(tmp_path / "d", size=4).startswith(f"1.png in {tmp_path}/d is 9x4, and two pictures side by side")


def test_degraded(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d", N, size=(16, 16))
    dataset = read_pairs(tmp_path / "d", degrade=("grey", "down2"))
    assert isinstance(dataset, DegradedDataset)
    assert dataset.degrade == DegradationPipeline(("grey", "down2"))
    assert dataset.input_shape == (1, 4, 4)
    assert dataset.summary.notes == ["what is given is made from what is wanted by grey, then down2"]
    alone = load_source(tmp_path / "d", 8, 3, "crop")
    assert (dataset.train == alone.train).all()
    assert (dataset.values == alone.values).all()
    assert inspect_translation(str(tmp_path / "d"), "", "A", "B", "paired", ("grey",)).common_size == (16, 16)
    assert "one source, and there is here too" in refusal(tmp_path / "d", degrade=("grey",), beside="here")
    assert "cannot be made 8 times smaller" in refusal(tmp_path / "none", size=12, degrade=("down8",))


def test_unpaired(tmp_path: Path, make: Make) -> None:
    root = tmp_path / "d"
    make(root / "A", 30)
    make(root / "B", N, size=(20, 9), seed=1)
    dataset = read_pairs(root, kind="unpaired", both=True)
    assert isinstance(dataset, UnpairedDataset)
    assert dataset.bidirectional
    given, wanted = (load_source(root / name, 8, 3, "crop") for name in "AB")
    assert (dataset.values == wanted.values).all()
    assert (dataset.input_values == given.values).all()
    assert (dataset.train == wanted.train).all()
    assert (dataset.input_train == given.train).all()
    assert (dataset.input_held_out == given.held_out).all()
    assert dataset.epoch_size == len(given.train)
    assert dataset.summary.notes == [
        "30 pictures of what is given, 23 to train on and 7 held out, in no pairs: "
        f"{root}/A is given, {root}/B is wanted"
    ]
    beside = read_pairs(root / "A", kind="unpaired", beside=str(root / "B"))
    assert beside.fingerprint == dataset.fingerprint
    make(root / "A" / "new", 1, seed=5)
    assert read_pairs(root, kind="unpaired").fingerprint != dataset.fingerprint


def test_a_pair_with_an_unreadable_picture_is_left_out(pairs: Path) -> None:
    (pairs / "A" / "3.png").write_text("no image")
    (pairs / "B" / "5.bmp").write_text("no image")
    dataset = read_pairs(pairs)
    assert len(dataset.train) + len(dataset.held_out) == N - 2
    assert are_negatives(dataset)
    assert {name for name, _ in dataset.summary.unreadable} == {"A/3.png", "B/5.bmp"}
    assert dataset.summary.notes[0].startswith("18 pairs: ")
    assert "2 pairs left out, since a picture of a pair cannot be read" in dataset.summary.notes


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_the_second_start_decodes_nothing(pairs: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    first = read_pairs(pairs, kind=kind)
    monkeypatch.setattr(load, "decode", lambda *given: pytest.fail("decoded again"))
    assert read_pairs(pairs, kind=kind).fingerprint == first.fingerprint


def test_large_sides_stay_on_disk(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "physical_memory", lambda: 4)
    dataset = read_pairs(pairs)
    assert isinstance(dataset.values, np.memmap)
    assert isinstance(dataset.inputs, np.memmap)
    assert are_negatives(dataset)


def test_pairs_are_cut_alike(tmp_path: Path, make: Make) -> None:
    root = tmp_path / "d"
    inputs = make(root / "A", 3, size=(20, 17)) + make(root / "A" / "big", 2, size=(16, 8), seed=1)
    for path in inputs:
        folder = root / "B" / path.parent.relative_to(root / "A")
        negatives([path], folder)
    (root / "A" / "0.png").write_text("no image")
    dataset = read_pairs(root, fit="tiles")
    assert len(dataset) == 3 * 9 + 2 * 2
    assert len(dataset.train) + len(dataset.held_out) == 2 * 9 + 2 * 2
    assert are_negatives(dataset)
    assert dataset.summary.tiles == 22
    assert not set(dataset.keys[dataset.train].tolist()) & set(dataset.keys[dataset.held_out].tolist())


def test_names_without_partners_are_told(pairs: Path) -> None:
    (pairs / "B" / "4.bmp").rename(pairs / "B" / "four.bmp")
    for index in range(10, 17):
        (pairs / "A" / f"{index}.png").unlink()
    said = refusal(pairs)
    assert said == (
        f"1 picture of {pairs}/A has no partner in {pairs}/B (4)"
        f", and 8 pictures of {pairs}/B have no partner in {pairs}/A (10, 11, 12, 13, 14 and others): give both "
        "pictures of a pair one name, take out those without a partner, or set --data.pairs unpaired"
    )
    with pytest.raises(BadInput, match="have no partner"):
        inspect_translation(str(pairs), "", "A", "B", "paired", ())


def test_nothing_is_decoded_before_names_are_refused(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pairs / "B" / "4.bmp").unlink()
    monkeypatch.setattr(load, "decode", lambda *given: pytest.fail("decoded"))
    assert "no partner" in refusal(pairs)


def test_two_files_of_one_name_are_told(pairs: Path) -> None:
    shutil.copy(pairs / "A" / "4.png", pairs / "A" / "4.jpg")
    assert "holds A/4.jpg and A/4.png, so that it is not clear which" in refusal(pairs)


def test_sizes_that_differ_are_told(pairs: Path) -> None:
    Image.new("RGB", (10, 12)).save(pairs / "B" / "4.bmp")
    assert refusal(pairs) == (
        f"the pictures of 1 pair differ in size, such as A/4.png in {pairs}/A (12x10) and B/4.bmp in {pairs}/B "
        "(10x12): scale or crop them until each lies on its partner"
    )


def test_folders_that_are_not_there_are_told(pairs: Path, tmp_path: Path, make: Make) -> None:
    todo = "set --data.input and --data.target to two that are there, or give two folders"
    assert refusal(pairs, wanted="C") == f"{pairs} holds no folder C (it holds A, B): {todo}"
    assert refusal(pairs, kind="unpaired", given="x", wanted="y") == (
        f"{pairs} holds no folder x and no folder y (it holds A, B): {todo}"
    )
    assert "are both a: say what is to be made from what" in refusal(pairs, given="a", wanted="A")
    make(tmp_path / "flat", N)
    assert f"(it holds no folders of pictures): {todo}" in refusal(tmp_path / "flat", kind="unpaired")
    assert "nor pictures that are two side by side (0.png is 9x7)" in refusal(tmp_path / "flat")


def test_too_few_on_either_side_are_told(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d" / "A", 3)
    make(tmp_path / "d" / "B", N, seed=1)
    assert f"{tmp_path}/d/A holds only 3 different images" in refusal(tmp_path / "d", kind="unpaired")
    assert f"{tmp_path}/d/A holds only 3" in refusal(tmp_path / "d", kind="unpaired", given="B", wanted="A")
    make(tmp_path / "e" / "A", 3)
    make(tmp_path / "e" / "B", 3)
    assert f"{tmp_path}/e/B holds only 3 different images" in refusal(tmp_path / "e")
    few = read_pairs(tmp_path / "e", fewest=1, held_out=0.0)
    assert (len(few.train), len(few.held_out)) == (3, 0)


def test_settings_and_points_are_refused(pairs: Path) -> None:
    assert "the held-out share 0.7 is out of range" in refusal(pairs, held_out=0.7)
    assert "there is no fit 'squash'" in refusal(pairs, fit="squash")
    assert "ring is a set of points" in refusal(Path("ring"))


def test_a_glance_sees_both_sides(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d" / "A", N, size=(30, 20), mode="L")
    make(tmp_path / "d" / "B", 24, size=(30, 20), seed=1, suffix=".bmp")
    seen = inspect_translation(str(tmp_path / "d"), "", "A", "B", "unpaired", ())
    assert (seen.source, seen.kind, seen.count, seen.classes) == (f"{tmp_path}/d", "images", 24, ())
    assert (seen.has_color, seen.common_size, len(seen.sizes)) == (True, (30, 20), N + 24)
    assert seen.pixel_modes == (("RGB", 24), ("L", N))
    assert seen.formats == (("BMP", 24), ("PNG", N))
    assert seen.resolved is None
