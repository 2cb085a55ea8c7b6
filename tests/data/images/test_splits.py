"""Splits into folders such as train/ and test/: images for a test are never trained on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zerosum.data.images.folder_layout import FolderLayout, infer_layout
from zerosum.data.images.load import load_source
from zerosum.data.images.splits import Split, parse_split, select_split
from zerosum.data.images.table_file import LabelTable

MakeImages = Callable[..., list[Path]]


def names_in(*folders: str, n: int = 2) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(n)]


def no_table(name: str) -> LabelTable:
    raise AssertionError(name)


def layout_of(names: list[str], split: Split = Split.TRAINING) -> FolderLayout:
    return infer_layout(names, [], no_table, split)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(
            (name, Split.TRAINING)
            for name in ("train", "Training", "training_set", "train2017", "trainA", "cars_train")
        ),
        *((name, Split.TEST) for name in ("TEST", "testing", "test_set", "test-images", "test_B", "test 2")),
        *((name, Split.VALIDATION) for name in ("val", "valid", "validation", "val2017", "Validation Set")),
        *((name, None) for name in ("trains", "testarossa", "valley", "contest", "tested", "A", "training2go", "")),
    ],
)
def test_a_split_is_known_by_the_name_of_its_folder(name: str, split: Split | None) -> None:
    found = parse_split(name)
    assert (found.split if found else None) == split


@pytest.mark.parametrize(
    ("used", "ignored", "note"),
    [
        (["train"], ["test"], "used train/ and ignored test/"),
        (["train2017"], ["val2017"], "used train2017/ and ignored val2017/"),
        (["training_set"], ["test_set"], "used training_set/ and ignored test_set/"),
        (["x/y/Train"], ["x/y/Test", "x/y/Valid"], "used Train/ and ignored Test/ and Valid/"),
        (["A/train", "B/train"], ["A/test", "B/test"], "used train/ and ignored test/ in A/ and B/"),
        (["cars_train"], ["cars_test"], "used cars_train/ and ignored cars_test/"),
        (["trainA", "trainB"], ["testA", "testB"], "used trainA/ and trainB/ and ignored testA/ and testB/"),
        (["train/a", "train/b"], ["test/a", "extra"], "used train/ and ignored extra/ and test/"),
        (["a/train", "b"], ["a/val"], "used train/ and ignored val/ in a/"),
        (
            [f"{number}/train" for number in range(9)],
            [f"{number}/test" for number in range(9)],
            "used train/ and ignored test/ in 0/ and 1/ and 2/ and 6 more folders",
        ),
    ],
)
def test_only_the_training_split_is_trained_on(used: list[str], ignored: list[str], note: str) -> None:
    names = names_in(*ignored, *used)
    choice = select_split(names)
    assert {names[index] for index in choice.indices} == set(names_in(*used))
    assert choice.notes == [note]


@pytest.mark.parametrize(
    "folders",
    [["train", "bus"], ["train station", "test tube", "cup"], ["trains", "tests"], ["val", "test"], ["train"]],
)
def test_other_folders_are_no_splits(folders: list[str]) -> None:
    names = names_in(*folders)
    for split in (Split.TRAINING, Split.TEST):
        choice = select_split(names, split)
        assert (len(choice.indices), choice.notes) == (len(names), [])


def test_images_next_to_the_splits_are_ignored_and_said_to_be() -> None:
    choice = select_split(["overview.png", *names_in("train", "test")])
    assert (choice.indices, choice.notes) == ([1, 2], ["used train/ and ignored test/ and images next to them"])


def test_the_test_split_is_found_or_else_the_validation_split() -> None:
    names = names_in("a/train", "a/val", "b/train", "b/val", "b/test", "c")
    choice = select_split(names, Split.TEST)
    assert [names[index] for index in choice.indices] == names_in("a/val", "b/test")
    assert choice.notes == ["used val/ and ignored train/ in a/", "used test/ and ignored train/ and val/ in b/"]


def test_splits_below_classes_and_classes_below_splits_give_the_same_classes() -> None:
    below = layout_of(names_in("cats/train", "cats/test", "dogs/train", "dogs/test"))
    above = layout_of(names_in("train/cats", "train/dogs", "test/cats", "test/dogs"))
    assert below.classes == above.classes == ("cats", "dogs")
    assert below.labels.tolist() == above.labels.tolist() == [0, 0, 1, 1]
    test = layout_of(names_in("cats/train", "cats/test", "dogs/train", "dogs/test"), Split.TEST)
    assert (test.classes, test.indices) == (("cats", "dogs"), (2, 3, 6, 7))


def test_splits_are_no_classes() -> None:
    layout = layout_of(names_in("val", "test"))
    assert (layout.classes, len(layout.indices)) == ((), 4)
    assert layout.notes == ("no classes were read, because test/, val/ are splits, and all images are used",)
    assert layout_of(names_in("trainA", "trainB", "testA", "testB")).classes == ("trainA", "trainB")


def test_numbered_parts_of_one_set_are_no_classes() -> None:
    """The folders of NVIDIA's dataset_tool hold up to 1,000 images each, which are numbered on."""
    names = [f"{number // 5:05d}/img{number:08d}.png" for number in range(13)]
    layout = layout_of(names)
    assert (layout.classes, len(layout.indices)) == ((), 13)
    assert layout.notes[0].startswith("no classes were read, because 00000/, 00001/, 00002/ number the images on")
    assert layout_of(names_in("00000", "00001")).classes == ("00000", "00001"), "each numbers its images from 0"
    assert layout_of(["0/1.png", "1/2.png"]).classes == ("0", "1"), "too few digits"
    assert layout_of(["0001/1.png", "0007/2.png"]).classes == ("0001", "0007"), "numbers are missing"


def test_a_hundred_thousand_folders_and_deep_paths() -> None:
    names = [
        *(f"{number}/{part}/a.png" for number in range(50_000) for part in ("train", "test")),
        "x/" * 2000 + "a.png",
    ]
    assert len(select_split(names).indices) == 50_001


def test_folder_and_archive_are_split_alike(tmp_path: Path, make_images: MakeImages) -> None:
    for number, folder in enumerate(("cats/train", "cats/test", "dogs/train", "dogs/test")):
        make_images(tmp_path / "d" / folder, 10 if "train" in folder else 3, seed=number)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "d"))
    for source in (tmp_path / "d", archive):
        dataset = load_source(source, 8, 3, "crop")
        assert dataset.summary.classes == {"cats": 10, "dogs": 10}
        assert dataset.summary.notes == ["used train/ and ignored test/ in cats/ and dogs/"]
        test = load_source(source, 8, 3, "crop", held_out_fraction=0.0, min_images=1, split=Split.TEST)
        assert test.summary.classes == {"cats": 3, "dogs": 3}
        assert test.summary.notes == ["used test/ and ignored train/ in cats/ and dogs/"]


@pytest.mark.parametrize(
    "pattern",
    ["{}_{:04}.png", "{}{:04}.png", "{}-{}.png", "{}_cat_{}.png", "sub/{}.{}.png", "{1}_{0}.png", "{1}.{0}.png"],
)
def test_flat_files_are_split_by_their_names(pattern: str) -> None:
    names = [pattern.format(split, number) for split in ("train", "Test", "val") for number in range(4)]
    training, test = select_split(names), select_split(names, Split.TEST)
    assert [names[index] for index in training.indices] == names[:4]
    assert [names[index] for index in test.indices] == names[4:8]
    [note] = training.notes
    assert note.startswith("used 4 images and ignored 8, whose names are those of another split, such as ")


@pytest.mark.parametrize(
    "names",
    [
        ["train_1.png", "train_2.png"],
        ["train_1.png", "test_1.png", "notes_1.png"],
        ["trains.png", "tests.png", "training.png"],
        ["a/train_1.png", "b/test_1.png"],
        ["test_1.png", "val_1.png"],
    ],
)
def test_names_that_are_no_splits_say_nothing(names: list[str]) -> None:
    assert sorted(select_split(names).indices) == list(range(len(names)))
    assert select_split(names).notes == []
