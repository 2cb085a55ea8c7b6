"""Loading translation data: every layout is found, pairs match, and every bad input is refused with one sentence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from pydantic import ValidationError

from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.image_pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.image_pairs.load import inspect_pairs, load_pairs
from zerosum.data.images import reader
from zerosum.data.images.load import load_source
from zerosum.data.kind import LoadOptions
from zerosum.data.loader import BatchLoader
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec

MakeImages = Callable[..., list[Path]]
N = 20
DEFAULTS = LoadOptions()


def write_negatives(inputs: list[Path], folder: Path, suffix: str = ".png") -> list[Path]:
    """Write targets that are the negatives of the inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / path.with_suffix(suffix).name for path in inputs]
    for path, target in zip(inputs, paths, strict=True):
        ImageOps.invert(Image.open(path).convert("RGB")).save(target)
    return paths


@pytest.fixture
def pair_folder(tmp_path: Path, make_images: MakeImages) -> Path:
    write_negatives(make_images(tmp_path / "pairs" / "A", N, size=(12, 10)), tmp_path / "pairs" / "B", ".bmp")
    return tmp_path / "pairs"


def pair_settings(source: Path | str, pairs: str = "paired", **settings: object) -> ImagePairDataConfig:
    settings = {"size": 8, "channels": 3, "fit": "crop"} | settings
    return ImagePairDataConfig.model_validate({"source": str(source), "pairs": pairs, **settings})


def load(source: Path, options: LoadOptions = DEFAULTS, **settings: object) -> Dataset:
    return load_pairs(pair_settings(source, **settings), options)


def error_message(source: Path, options: LoadOptions = DEFAULTS, **settings: object) -> str:
    with pytest.raises(BadInput) as error:
        load(source, options, **settings)
    assert str(error.value).count("\n") == 0
    return str(error.value)


def inputs_are_negatives(dataset: Dataset) -> bool:
    rows = np.concatenate([dataset.train, dataset.held_out])
    inputs = dataset.inputs(rows).numpy()
    return bool(np.abs(inputs + dataset.samples(rows).numpy()).max() < 3 / 127.5)  # rounded twice


def test_two_folders_of_one_source(pair_folder: Path) -> None:
    dataset = load(pair_folder)
    assert isinstance(dataset, PairedDataset)
    assert inputs_are_negatives(dataset)
    targets = load_source(pair_folder / "B", 8, 3, "crop")
    assert (dataset.content_hashes == targets.content_hashes).all()
    assert (dataset.train == targets.train).all()
    assert (dataset.held_out == targets.held_out).all()
    assert dataset.summary.notes[0] == f"20 pairs: inputs from {pair_folder}/A, targets from {pair_folder}/B"
    assert dataset.summary.lines()[0] == f"{pair_folder}: 20 images from 20 files"
    reverse = load(pair_folder, input="b", target="a")
    assert inputs_are_negatives(reverse)
    assert (reverse.content_hashes == load_source(pair_folder / "A", 8, 3, "crop").content_hashes).all()
    assert reverse.fingerprint != dataset.fingerprint


def test_the_train_folder_is_used_and_other_folders_are_ignored(tmp_path: Path, make_images: MakeImages) -> None:
    root = tmp_path / "d"
    write_negatives(make_images(root / "train" / "a", N), root / "train" / "b")
    make_images(root / "train" / "C", 3, seed=2)
    write_negatives(make_images(root / "test" / "a", 4, seed=3), root / "test" / "b")
    dataset = load(root)
    assert inputs_are_negatives(dataset)
    assert len(dataset) == N
    assert dataset.summary.notes[:3] == [
        f"20 pairs: inputs from {root}/train/a, targets from {root}/train/b",
        "used train/ and ignored test/",
        "ignored C",
    ]
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root.parent, "d"))
    assert load(archive).fingerprint == dataset.fingerprint


def test_folders_named_train_a_and_train_b_are_found(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d" / "trainA", N)
    make_images(tmp_path / "d" / "trainB", N, seed=1)
    make_images(tmp_path / "d" / "testA", 5, seed=2)
    dataset = load(tmp_path / "d", pairs="unpaired")
    assert isinstance(dataset, UnpairedDataset)
    assert (len(dataset.input_values), len(dataset)) == (N, N)


def test_two_sources(pair_folder: Path, tmp_path: Path) -> None:
    dataset = load(pair_folder / "A", target_source=str(pair_folder / "B"))
    assert dataset.fingerprint == load(pair_folder).fingerprint
    assert dataset.summary.source == f"{pair_folder}/A and {pair_folder}/B"
    inputs, targets = (
        np.stack([np.asarray(Image.open(path)) for path in sorted((pair_folder / name).iterdir())]) for name in "AB"
    )
    np.save(tmp_path / "inputs.npy", inputs)
    np.savez(tmp_path / "targets.npz", images=targets)
    from_arrays = load(tmp_path / "inputs.npy", target_source=str(tmp_path / "targets.npz"))
    assert from_arrays.fingerprint == dataset.fingerprint
    assert inputs_are_negatives(from_arrays)


def test_pairs_are_matched_by_name_and_not_by_order(tmp_path: Path, make_images: MakeImages) -> None:
    """If suffixes differ between images, the order of the folders differs too."""
    root = tmp_path / "d"
    for path in write_negatives(make_images(root / "A", N), root / "B")[::2]:
        Image.open(path).save(path.with_suffix(".tif"))
        path.unlink()
    (root / "A" / "sub").mkdir()
    (root / "B" / "sub").mkdir()
    shutil.move(root / "A" / "7.png", root / "A" / "sub" / "7.png")
    shutil.move(root / "B" / "7.png", root / "B" / "sub" / "7.png")
    assert inputs_are_negatives(load(root))


def test_two_images_side_by_side_are_a_pair(tmp_path: Path, make_images: MakeImages) -> None:
    (tmp_path / "d").mkdir()
    for index, path in enumerate(make_images(tmp_path / "left", N, size=(12, 12))):
        left = Image.open(path)
        pair = Image.new("RGB", (24, 12))
        pair.paste(left, (0, 0))
        pair.paste(ImageOps.invert(left), (12, 0))
        pair.save(tmp_path / "d" / f"{index}.png")
    dataset = load(tmp_path / "d", size=12)
    assert inputs_are_negatives(dataset)
    assert (dataset.input_values[dataset.input_rows[5]] == np.asarray(Image.open(tmp_path / "left" / "5.png"))).all()
    reverse = load(tmp_path / "d", size=12, input="B", target="a")
    assert (reverse.values == dataset.input_values).all()
    assert dataset.summary.notes[:2] == [
        "20 pairs: the input and the target are the two halves of each image",
        "each file holds two images side by side",
    ]
    assert (dataset.summary.sizes, dataset.summary.formats) == ({"12x12": N}, {"PNG": N})
    inspection = inspect_pairs(pair_settings(tmp_path / "d"))
    assert (inspection.count, inspection.common_size, inspection.has_color) == (N, (12, 12), True)
    assert "but not C: set `data.input` and `data.target` to A and B" in error_message(tmp_path / "d", target="C")
    Image.new("RGB", (24, 13)).save(tmp_path / "d" / "x.png")
    assert error_message(tmp_path / "d").endswith(
        "nor files with two images side by side (x.png is 24x13): put the images of each pair into two folders under "
        "the same name, or set `data.target_source`"
    )


def test_an_image_that_is_not_two_side_by_side_is_named(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", 200, size=(8, 4))
    Image.new("RGB", (9, 4)).save(tmp_path / "d" / "1.png")
    assert error_message(tmp_path / "d", size=4).startswith(f"1.png in {tmp_path}/d is 9x4, but an image that holds")


def test_degraded_inputs(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", N, size=(16, 16))
    dataset = load(tmp_path / "d", degrade=("gray", "down2"))
    assert isinstance(dataset, DegradedDataset)
    assert dataset.degrade == DegradationPipeline(("gray", "down2"))
    assert dataset.input_spec == TensorSpec((1, 4, 4), bounded=True)
    assert dataset.summary.notes == ["the inputs are made from the targets by gray, then down2"]
    targets = load_source(tmp_path / "d", 8, 3, "crop")
    assert (dataset.train == targets.train).all()
    assert (dataset.values == targets.values).all()
    assert inspect_pairs(pair_settings(tmp_path / "d", degrade=["gray"])).common_size == (16, 16)
    with pytest.raises(ValidationError, match=r"`data.degrade`: .*; leave out the second folder here"):
        pair_settings(tmp_path / "d", degrade=("gray",), target_source="here")
    assert "8 times smaller" in error_message(tmp_path / "none", size=12, degrade=("down8",))


def test_unpaired_inputs_and_targets(tmp_path: Path, make_images: MakeImages) -> None:
    root = tmp_path / "d"
    make_images(root / "A", 30)
    make_images(root / "B", N, size=(20, 9), seed=1)
    dataset = load(root, pairs="unpaired")
    assert isinstance(dataset, UnpairedDataset)
    inputs, targets = (load_source(root / name, 8, 3, "crop") for name in "AB")
    assert (dataset.values == targets.values).all()
    assert (dataset.input_values == inputs.values).all()
    assert (dataset.train == targets.train).all()
    assert (dataset.input_train == inputs.train).all()
    assert (dataset.input_held_out == inputs.held_out).all()
    assert dataset.epoch_size == len(inputs.train)
    assert dataset.summary.notes == [
        f"30 unpaired inputs, 23 to train on and 7 held out: inputs from {root}/A, targets from {root}/B"
    ]
    two_sources = load(root / "A", pairs="unpaired", target_source=str(root / "B"))
    assert two_sources.fingerprint == dataset.fingerprint
    make_images(root / "A" / "new", 1, seed=5)
    assert load(root, pairs="unpaired").fingerprint != dataset.fingerprint


@pytest.mark.parametrize("pairs", ["paired", "unpaired"])
def test_inputs_may_have_other_channels_than_targets(pair_folder: Path, pairs: str) -> None:
    dataset = load(pair_folder, pairs=pairs, input_channels=1)
    assert dataset.spec == TensorSpec((3, 8, 8), bounded=True)
    assert dataset.input_spec == TensorSpec((1, 8, 8), bounded=True)
    batch = next(BatchLoader(dataset, 4, 0))
    assert (batch["inputs"].shape, batch["real"].shape) == ((4, 1, 8, 8), (4, 3, 8, 8))
    same = load(pair_folder, pairs=pairs)
    assert same.input_spec == same.spec == dataset.spec, "left out: those of the targets"
    gray = load_source(pair_folder / "A", 8, 1, "crop")
    assert (np.sort(dataset.input_values, axis=0) == np.sort(gray.values, axis=0)).all()


def test_a_pair_with_an_unreadable_image_is_skipped(pair_folder: Path) -> None:
    (pair_folder / "A" / "3.png").write_text("no image")
    (pair_folder / "B" / "5.bmp").write_text("no image")
    dataset = load(pair_folder)
    assert len(dataset.train) + len(dataset.held_out) == N - 2
    assert inputs_are_negatives(dataset)
    assert {name for name, _ in dataset.summary.unreadable} == {"A/3.png", "B/5.bmp"}
    assert dataset.summary.notes[0].startswith("18 pairs: ")
    assert "skipped 2 pairs with an unreadable image" in dataset.summary.notes


@pytest.mark.parametrize("pairs", ["paired", "unpaired"])
def test_a_warm_start_decodes_nothing(pair_folder: Path, monkeypatch: pytest.MonkeyPatch, pairs: str) -> None:
    first = load(pair_folder, pairs=pairs)
    monkeypatch.setattr(reader, "decode_images", lambda *_: pytest.fail("decoded again"))
    assert load(pair_folder, pairs=pairs).fingerprint == first.fingerprint


def test_large_inputs_and_targets_are_memory_mapped(pair_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "physical_memory_bytes", lambda: 4)
    dataset = load(pair_folder)
    assert isinstance(dataset.values, np.memmap)
    assert isinstance(dataset.input_values, np.memmap)
    assert inputs_are_negatives(dataset)


def test_both_images_of_a_pair_give_the_same_tiles(tmp_path: Path, make_images: MakeImages) -> None:
    root = tmp_path / "d"
    inputs = make_images(root / "A", 3, size=(20, 17)) + make_images(root / "A" / "big", 2, size=(16, 8), seed=1)
    for path in inputs:
        folder = root / "B" / path.parent.relative_to(root / "A")
        write_negatives([path], folder)
    (root / "A" / "0.png").write_text("no image")
    dataset = load(root, fit="tiles")
    assert len(dataset) == 3 * 9 + 2 * 2
    assert len(dataset.train) + len(dataset.held_out) == 2 * 9 + 2 * 2
    assert inputs_are_negatives(dataset)
    assert dataset.summary.tiles == 22
    assert not set(dataset.content_hashes[dataset.train].tolist()) & set(
        dataset.content_hashes[dataset.held_out].tolist()
    )


def test_images_without_partners_are_refused(pair_folder: Path) -> None:
    (pair_folder / "B" / "4.bmp").rename(pair_folder / "B" / "four.bmp")
    for index in range(10, 17):
        (pair_folder / "A" / f"{index}.png").unlink()
    assert error_message(pair_folder) == (
        f"1 image in {pair_folder}/A has no partner in {pair_folder}/B (4)"
        f", and 8 images in {pair_folder}/B have no partner in {pair_folder}/A (10, 11, 12, 13, 14 and others): give "
        "both images of a pair the same name, remove images without a partner, or set `data.pairs` to unpaired"
    )
    with pytest.raises(BadInput, match=r"data\.pairs"):
        inspect_pairs(pair_settings(pair_folder))


def test_nothing_is_decoded_before_names_are_checked(pair_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pair_folder / "B" / "4.bmp").unlink()
    monkeypatch.setattr(reader, "decode_images", lambda *_: pytest.fail("decoded"))
    assert "`data.pairs`" in error_message(pair_folder)


def test_two_files_with_the_same_stem_are_refused(pair_folder: Path) -> None:
    shutil.copy(pair_folder / "A" / "4.png", pair_folder / "A" / "4.jpg")
    assert "has both A/4.jpg and A/4.png, so the image of the pair is ambiguous" in error_message(pair_folder)


def test_pairs_with_different_sizes_are_refused(pair_folder: Path) -> None:
    Image.new("RGB", (10, 12)).save(pair_folder / "B" / "4.bmp")
    assert error_message(pair_folder) == (
        f"the images of 1 pair differ in size, such as A/4.png in {pair_folder}/A (12x10) and B/4.bmp in "
        f"{pair_folder}/B (10x12): scale or crop both images of a pair to the same area and size"
    )


def test_missing_folders_are_refused(pair_folder: Path, tmp_path: Path, make_images: MakeImages) -> None:
    hint = "set `data.input` and `data.target` to existing folders, or set `data.target_source`"
    assert error_message(pair_folder, target="C") == f"{pair_folder} has no folder C (found: A, B): {hint}"
    assert error_message(pair_folder, pairs="unpaired", input="x", target="y") == (
        f"{pair_folder} has no folder x and no folder y (found: A, B): {hint}"
    )
    assert "`data.input` and `data.target` are both 'a'" in error_message(pair_folder, input="a", target="A")
    make_images(tmp_path / "flat", N)
    assert "(found: no folders of images)" in error_message(tmp_path / "flat", pairs="unpaired")
    assert "(0.png is 9x7)" in error_message(tmp_path / "flat")


def test_too_few_inputs_or_targets_are_refused(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d" / "A", 3)
    make_images(tmp_path / "d" / "B", N, seed=1)
    assert f"{tmp_path}/d/A has only 3" in error_message(tmp_path / "d", pairs="unpaired")
    assert f"{tmp_path}/d/A has only 3" in error_message(tmp_path / "d", pairs="unpaired", input="B", target="A")
    make_images(tmp_path / "e" / "A", 3)
    make_images(tmp_path / "e" / "B", 3)
    assert f"{tmp_path}/e/B has only 3" in error_message(tmp_path / "e")
    few = load(tmp_path / "e", LoadOptions(for_evaluation=True, held_out_fraction=0.0))
    assert (len(few.train), len(few.held_out)) == (3, 0)


def test_settings_and_points_are_refused(pair_folder: Path) -> None:
    assert "`held_out_fraction` 0.7" in error_message(pair_folder, LoadOptions(held_out_fraction=0.7))
    assert "`data.fit` ''" in error_message(pair_folder, fit=None)
    assert "`data.size` 2 is out of range" in error_message(pair_folder, size=2)
    assert "the dataset 'ring' holds no images" in error_message(Path("ring"))


def test_an_inspection_covers_inputs_and_targets(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d" / "A", N, size=(30, 20), mode="L")
    make_images(tmp_path / "d" / "B", 24, size=(30, 20), seed=1, suffix=".bmp")
    inspection = inspect_pairs(pair_settings(tmp_path / "d", "unpaired"))
    assert (inspection.source, inspection.count, inspection.classes) == (f"{tmp_path}/d", 24, ())
    assert (inspection.has_color, inspection.common_size, len(inspection.sizes)) == (True, (30, 20), N + 24)
    assert inspection.pixel_modes == (("RGB", 24), ("L", N))
    assert inspection.formats == (("BMP", 24), ("PNG", N))
    assert inspection.resolved is None
