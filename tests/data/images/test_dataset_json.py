"""The dataset.json of NVIDIA's dataset_tool gives the classes, or says that there are none."""

import json
import zipfile
from pathlib import Path

import pytest

from zerosum.data.images.sources import resolve_source
from zerosum.data.images.splits import Split
from zerosum.errors import BadInput

NAMES = [f"{number // 4:05}/img{number:08}.png" for number in range(8)]


def write_set(folder: Path, content: object, names: list[str] = NAMES) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "dataset.json").write_text(text)
    return folder


def test_labels_are_classes_in_a_folder_and_in_an_archive(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", {"labels": [[name, 10 - number % 2] for number, name in enumerate(NAMES)]})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in (*NAMES, "dataset.json"):
            archive.write(folder / name, name)
    for path in (folder, tmp_path / "set.zip"):
        source = resolve_source(path)
        assert (source.classes, source.labels.tolist()) == (("9", "10"), [1, 0] * 4)
        assert source.notes == ("the classes are the labels in the column 'label' of dataset.json",)
        assert source.other_files == 0


@pytest.mark.parametrize("labels", [None, [], [[name, [0.5, 1.0]] for name in NAMES]])
def test_without_one_label_an_image_there_are_no_classes(tmp_path: Path, labels: object) -> None:
    names = ["cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png"]
    source = resolve_source(write_set(tmp_path / "set", {"labels": labels}, names))
    assert source.classes == ()
    assert source.notes == ("no classes were read, because dataset.json does not give each image one label",)


def test_a_column_of_classes_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", {"labels": None})
    with pytest.raises(BadInput, match=r"`data.label` species: dataset.json holds no labels"):
        resolve_source(folder, label="species")
    assert resolve_source(folder, Split.TEST, "species").classes == ()  # only training data need it


def test_another_dataset_json_and_a_table_next_to_it(tmp_path: Path) -> None:
    names = ["cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png"]
    folder = write_set(tmp_path / "set", {"name": "pets"}, names)
    assert resolve_source(folder).classes == ("cats", "dogs")
    write_set(folder, {"labels": None}, names)
    (folder / "labels.csv").write_text("".join(f"{name},{name[-5]}\n" for name in names))
    assert resolve_source(folder).classes == ("1", "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"dataset\.json is not valid JSON \(.+\): write it again, or rename it"),
        ({"labels": {"a.png": 1}}, r'dataset\.json: "labels" must be a list of pairs'),
        ({"labels": [["00000/img00000000.png"]]}, r'dataset\.json: "labels" must be a list of pairs'),
        ({"labels": [["00000/img00000000.png", None]]}, r'dataset\.json: "labels" must be a list of pairs'),
        ({"labels": [["00000/img00000000.png", 1]]}, r"dataset\.json has no row for 7 of the 8 images"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(BadInput, match=message) as error:
        resolve_source(write_set(tmp_path / "set", content))
    assert "\n" not in str(error.value)
