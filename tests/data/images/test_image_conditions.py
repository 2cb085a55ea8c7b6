"""Columns of labels.csv as conditions of images."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data.dataset import Dataset
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.kind import IMAGES
from zerosum.data.images.sources import resolve_source
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.errors import BadInput

COUNT = 40


def write_set(folder: Path, header: Sequence[str], rows: Sequence[Sequence[object]], side: int = 8) -> Path:
    """Write one noisy image for each row, and the table."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(len(rows)):
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(folder / f"{number:02}.png")
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *header])
        writer.writerows([f"{number:02}.png", *row] for number, row in enumerate(rows))
    return folder


def load(source: Path, conditions: str = "age,species", **settings: object) -> Dataset:
    base: dict[str, object] = {"source": str(source), "size": 8, "channels": 1, "fit": "crop", "conditions": conditions}
    return load_dataset(ImageDataConfig.model_validate(base | settings), LoadOptions())


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    rows = [(number, "dog" if number % 3 else "cat", "ab"[number % 2]) for number in range(COUNT)]
    return write_set(tmp_path / "pets", ("age", "species", "label"), rows)


def test_each_image_has_its_row(pets: Path) -> None:
    dataset = load(pets)
    assert dataset.classes == ("a", "b")
    conditions = dataset.conditions
    assert isinstance(conditions, np.ndarray)
    assert conditions.shape == (COUNT, 3)
    ages = np.arange(COUNT)
    expected = (ages - ages[dataset.train].mean()) / ages[dataset.train].std()
    np.testing.assert_allclose(conditions[:, 0], expected, rtol=1e-4, atol=1e-6)
    assert conditions[:, 1].tolist() == [float(number % 3 == 0) for number in range(COUNT)]
    assert "species (cat, dog)" in dataset.summary.notes[-1]
    assert dataset.codec.condition_names == ("age", "species")
    assert dataset.codec.condition_spec is not None
    assert dataset.fingerprint != load(pets, "age").fingerprint != load(pets, "").fingerprint
    restored = IMAGES.restore_codec(dataset.codec.settings(), dataset.codec.tensors())
    seed, label = torch.arange(20), torch.arange(20) % 2
    assert torch.equal(*(codec.draw_conditions(seed, label) for codec in (restored, dataset.codec)))


def test_batches_hold_the_conditions(pets: Path) -> None:
    dataset = load(pets)
    part = dataset.fetch(0, dataset.train[:5])
    batch = dataset.make_batch([part], torch.arange(5))
    assert torch.equal(batch["condition"], torch.from_numpy(dataset.conditions[dataset.train[:5]]))
    assert "condition" not in load(pets, "").fetch(0, dataset.train[:5])


def test_tiles_have_the_condition_of_their_image(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", ("age",), [(number,) for number in range(8)], side=32)
    dataset = load(folder, "age", fit="tiles", size=16)
    assert dataset.conditions.shape == (32, 1)
    assert len(np.unique(dataset.conditions)) == 8
    assert (np.diff(dataset.conditions.reshape(8, 4)) == 0).all()


def test_columns_of_conditions_are_no_classes(tmp_path: Path) -> None:
    rows = [(number % 2,) for number in range(COUNT)]
    folder = write_set(tmp_path / "set", ("age",), rows)
    assert resolve_source(folder).classes == ("0", "1"), "of two columns, the other one holds the labels"
    assert load(folder, "").classes == ("0", "1")
    assert load(folder, "AGE").classes == ()
    assert load(folder, "").classes == ("0", "1"), "the cache tells them apart"
    packed = tmp_path / "set.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert load(packed, "age").classes == ()


def test_other_data_need_no_conditions(pets: Path, tmp_path: Path) -> None:
    data = ImageDataConfig(source=str(pets), size=8, channels=1, fit="crop", conditions=("age",))
    dataset = load_dataset(data, LoadOptions())
    other = write_set(tmp_path / "other", ("label",), [("a",)] * 5)
    loaded = IMAGES.load_like(data.with_source(str(other)), dataset, LoadOptions(for_evaluation=True))
    assert loaded.conditions is None


def test_what_has_no_conditions_is_refused(pets: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no column 'height' \(found: file, age, species, label\): name one of"):
        load(pets, "height")
    table = pets / "labels.csv"
    table.write_text(table.read_text().replace("07.png,7,", "07.png,,"))
    with pytest.raises(BadInput, match=r"age: this column has no value for 1 file, such as 07\.png; fill it in"):
        load(pets)
    table.write_text(table.read_text() + "07.png,8,cat,b\n07.png,9,cat,b\n")
    with pytest.raises(BadInput, match=r"row 43: '07\.png' has '9' in the column 'age', and another row has '8'"):
        load(pets)
    table.unlink()
    with pytest.raises(BadInput, match=r"has no table of labels with a column 'age': add a labels\.csv"):
        load(pets)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    with pytest.raises(BadInput, match=r"a column 'age': it is an array"):
        load(tmp_path / "a.npy")


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`data\.conditions` age: a column is used once"):
        ImageDataConfig(conditions=("age",), label="Age")
    with pytest.raises(ValueError, match=r"`data\.conditions` age: a column is used once"):
        ImageDataConfig.model_validate({"conditions": "age,height,age"})
    with pytest.raises(ValueError, match=r"networks that translate images take no conditions"):
        ImagePairDataConfig(conditions=("age",))
