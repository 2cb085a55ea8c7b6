"""A table of labels gives the classes in any notation, and every error in it is reported in one sentence."""

import os
import random
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.folder_layout import infer_layout
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.data.images.size import ImageSize
from zerosum.data.images.sources import FolderSource, ZipSource, resolve_source
from zerosum.data.images.splits import Split
from zerosum.data.images.table_file import LabelTable
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]
MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """make_tree(names, {table: content}): write a folder `d` of empty files, and tables."""

    def write_tree(names: tuple[str, ...], tables: dict[str, str | bytes]) -> Path:
        for name in (*names, *tables):
            path = tmp_path / "d" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tables.get(name, b"")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "d"

    return write_tree


def labels_by_name(path: Path) -> dict[str, str]:
    """Return the label of each image."""
    source = resolve_source(path)
    assert isinstance(source, FolderSource | ZipSource)
    assert source.labels.dtype == np.int64
    return {name: source.classes[label] for name, label in zip(source.names, source.labels, strict=True)}


FILES = ("x/a.png", "x/b.JPG", "y/a.png", "y/c.d.png")
EXPECTED = {"x/a.png": "cat 9", "x/b.JPG": "cat 10", "y/a.png": "cat 10", "y/c.d.png": "cat 9"}
ROWS = [f"{file},{label}" for file, label in EXPECTED.items()]


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", lines("file,label", *ROWS)),
        ("metadata.csv", lines("file_name,text", *ROWS)),
        ("LABELS.CSV", lines("Target,File Name", *(",".join(row.split(",")[::-1]) for row in ROWS))),
        ("labels.csv", lines("nr;Image;width;Class", *("7;" + row.replace(",", ";3,5;") for row in ROWS))),
        ("labels.csv", lines("path,category", *ROWS).replace(",", "\t")),
        ("labels.tsv", lines("path,category", *ROWS).replace(",", "\t")),
        ("metadata.tsv", lines("a, b\tlabel", *(row.replace(",", "\t") for row in ROWS))),
        ("labels.csv", "\ufeff" + lines(*ROWS)),
        ("labels.csv", lines("", *ROWS, "", ",", end="\r\n")),
        ("labels.csv", lines("NAME,animal", *ROWS, end="\r")),
        ("labels.csv", lines("file,label", *ROWS).replace("/", "\\")),
        ("labels.csv", lines(*ROWS).replace(".png", "").replace(".JPG", "")),
        ("labels.csv", lines(*ROWS).replace(".png", ".jpg").replace("x/b.JPG", "X/B.tiff")),
        ("labels.csv", lines("file,label", *(f"/data/my d/{row}" for row in ROWS))),
        ("labels.csv", lines("file,label", *(f"d/{row}" for row in ROWS))),
        ("labels.csv", lines(*(f"C:\\Data\\d\\{row}" for row in ROWS)).replace("/", "\\")),
        ("labels.csv", lines("file,label", *(f"/data/{row}" for row in ROWS), "/data/val/x/a.png,cat 10")),
        ("labels.csv", lines("file,label", *ROWS, "val/x/a.png,cat 10", "/data/x/a.png,cat 10")),
        ("labels.csv", lines(",file,kind", *(f"{number}, ./{row} " for number, row in enumerate(ROWS)))),
        ("labels.csv", lines("file,label,,", *(f"{row},," for row in ROWS))),
        ("labels.csv", lines("file,label", '"x/a.png", "cat\n9"', "x/b.JPG,cat  10", *ROWS[2:])),
        ("labels.csv", lines("file,label", *ROWS, *ROWS)),
        ("labels.csv", lines("image,name,label,class", *(f"{row},{number}" for number, row in enumerate(ROWS)))
         .replace(",cat", ",none,cat")),
    ],
)  # fmt: skip
def test_labels_are_read_from_every_notation(make_tree: MakeTree, name: str, content: str) -> None:
    folder = make_tree(FILES, {name: content})
    assert labels_by_name(folder) == EXPECTED
    assert resolve_source(folder).classes == ("cat 9", "cat 10")
    assert resolve_source(folder).other_files == 0
    packed = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    assert labels_by_name(packed) == {f"d/{file}": label for file, label in EXPECTED.items()}
    assert resolve_source(packed).other_files == 0


def test_accents_match_in_every_unicode_normal_form(make_tree: MakeTree) -> None:
    files = [f"{unicodedata.normalize('NFD', 'é')}{number}.png" for number in range(4)]
    rows = [f"é{number}.png,{'où' if number % 2 else 'là'}" for number in range(4)]
    assert unicodedata.is_normalized("NFC", rows[0])
    assert list(labels_by_name(make_tree(tuple(files), {"labels.csv": lines(*rows)})).values()) == [
        "là",
        "où",
        "là",
        "où",
    ]


def test_sixty_thousand_shuffled_rows() -> None:
    rng = random.Random(0)
    names = [f"images/{number}.png" for number in range(60_000)]
    labels = [rng.randrange(100) for _ in names]
    rows = [
        f"{number},{label}" for number, label in enumerate(labels)
    ]  # without suffix, relative to the folder of all images
    rng.shuffle(rows)
    content = lines("id,label", *rows).encode()
    layout = infer_layout(names, ["labels.csv"], lambda name: LabelTable(name, name, content))
    assert layout.indices == tuple(range(60_000))
    assert layout.labels.tolist() == labels
    assert layout.classes == tuple(map(str, range(100)))


SPLIT = tuple(f"{side}/{number}.png" for side in ("train", "test") for number in range(4))
FOUR = [f"{number}.png,{'ab'[number % 2]}" for number in range(4)]


@pytest.mark.parametrize("root", ["", "d/"])
@pytest.mark.parametrize(
    "tables",
    [
        {"train/metadata.csv": lines("file_name,label", *FOUR), "test/metadata.csv": "nonsense"},
        {"labels.csv": lines("file,label", *(f"{name}," + "ab"[int(name[-5]) % 2] for name in SPLIT))},
        {"labels.csv": lines("file,label", *(f"train/{row}" for row in FOUR), "test/0.png,", "test/1.png,c")},
        {"labels.csv": lines("file,label", *FOUR), "train/labels.csv": "nonsense"},
    ],
)
def test_a_table_is_found_in_every_folder_above_the_images(
    make_tree: MakeTree, tables: dict[str, str | bytes], root: str
) -> None:
    folder = make_tree(tuple(root + name for name in SPLIT), {root + name: content for name, content in tables.items()})
    assert labels_by_name(folder) == {f"{root}train/{number}.png": "ab"[number % 2] for number in range(4)}
    [first, second] = resolve_source(folder).notes
    assert first == "used train/ and ignored test/"
    assert second.startswith("the classes are the labels in the column 'label' of ")
    assert resolve_source(folder).other_files == len(tables) - 1


def test_one_of_several_tables_is_used(make_tree: MakeTree) -> None:
    good, other = lines(*ROWS), lines("file,label", *(f"{file},{file[0]}" for file in FILES))
    make_tree(FILES, {"x/labels.csv": "nonsense"})
    # the table in one of several folders does not describe all images
    assert resolve_source(make_tree((), {})).classes == ("x", "y")
    assert resolve_source(make_tree((), {})).other_files == 1
    source = resolve_source(
        make_tree((), {"metadata.csv": other, "Labels.tsv": good.replace(",", "\t"), "other.csv": "1"})
    )
    assert source.classes == ("cat 9", "cat 10")
    assert source.other_files == 3
    assert source.notes == (
        "used Labels.tsv and ignored metadata.csv",
        "the classes are the labels in the second column of Labels.tsv",
    )


def test_rows_without_a_matching_image_are_noted(make_tree: MakeTree) -> None:
    table = lines("file,label", "gone.png,dog", *ROWS, "x/readme.txt,")
    source = resolve_source(make_tree((*FILES, "x/readme.txt"), {"labels.csv": table}))
    assert source.classes == ("cat 9", "cat 10")
    assert source.notes[1] == "ignored 2 rows of labels.csv without a matching image, such as row 2 with 'gone.png'"


@pytest.mark.parametrize(
    ("labels", "labels_text"),
    [
        (["cat"] * 4, "only the label 'cat'"),
        (["a cat", "a dog", "no cat", "a cat"], "3 labels"),
    ],
)
def test_one_label_or_too_many_labels_make_no_classes(make_tree: MakeTree, labels: list[str], labels_text: str) -> None:
    rows = [f"{file},{label}" for file, label in zip(FILES, labels, strict=True)]
    source = resolve_source(make_tree(FILES, {"metadata.csv": lines("file_name,text", *rows)}))
    assert (source.classes, source.labels.tolist()) == ((), [0] * 4)
    assert source.notes == (
        f"no classes were read, because the column 'text' of metadata.csv has {labels_text} for 4 images: use at least "
        "two labels, and on average at least two images per label, to train with classes",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines("file,label", *ROWS[1:]),
         "{} has no row for 1 of the 4 images, such as x/a.png: add the rows, or move these images away"),
        (lines("file,label", *(f"q/q_{row}" for row in (r.partition("/")[2] for r in ROWS))),
         "{} has no label for any of the 4 images, such as x/a.png; row 2 names 'q/q_a.png': write file paths relative "
         "to the folder of the table"),
        (lines("file,label"),
         "{} has no label for any of the 4 images, such as x/a.png: write file paths relative to the folder of the "
         "table"),
        ("\n , \n", "{} is empty: write one row per image, or remove the file"),
        (lines(*ROWS[:2], "", "y/a.png, "),
         "{}, row 4: 'y/a.png' has no label: fill it in, or remove the row and the image"),
        (lines(*ROWS[:2], "y/a"), "{}, row 3: 'y/a' has no label: fill it in, or remove the row and the image"),
        (lines("label,file", "cat"), "{}, row 2: the file name is missing: fill it in, or remove the row"),
        (lines("file,label", *ROWS, "x\\a,dog"),
         "{}, row 6: 'x\\a' has the label 'dog', but row 2 has 'cat 9': keep one of them"),
        (lines("file,label", *ROWS, "x/a.png,cat, wild"),
         "{}, row 6: 3 cells, but the first row has 2: quote cells that contain commas"),
        (lines("file,width,height", *ROWS),
         "{}, row 1: the header 'file, width, height' has no column 'label': name them by `data.label` or "
         "`data.conditions`, or rename the table if it holds no labels"),
        (lines("photo,animal", *ROWS),
         "{}, row 1: the header 'photo, animal' has no column 'file' and no column 'label': rename the columns, "
         "or rename the table if it holds no labels"),
        (lines("", *(f"{row},3" for row in ROWS)),
         "{}, row 2: the table has no header and 3 columns instead of 2: add a header row that names the columns "
         "'file' and 'label'"),
        (lines("file,label", ROWS[0], '"x/b.JPG,cat 10', *ROWS[2:]),
         "{}, row 3: not valid CSV (unexpected end of data): check that every quote is closed"),
        (lines("file,label", ROWS[0], "x/b.JPG,ch\u00e2t").encode("latin-1"),
         "{}, row 3: not valid UTF-8: save the table as CSV in UTF-8"),
        (lines("file,label").encode("utf-16"), "{}, row 1: not valid UTF-8: save the table as CSV in UTF-8"),
        (lines("file,label").encode("utf-16-le"), "{}, row 1: not valid UTF-8: save the table as CSV in UTF-8"),
    ],
)  # fmt: skip
def test_errors_in_a_table_are_reported(make_tree: MakeTree, content: str | bytes, message: str) -> None:
    folder = make_tree(FILES, {"labels.csv": content})
    with pytest.raises(BadInput) as error:
        inspect_source(folder)
    assert str(error.value) == message.format(folder / "labels.csv")
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for name in (*FILES, "labels.csv"):
            archive.write(folder / name, name)
    with pytest.raises(BadInput) as error:
        inspect_source(folder.with_suffix(".zip"))
    assert str(error.value) == message.format(f"labels.csv in {folder.with_suffix('.zip')}")


def test_a_name_without_suffix_must_match_one_image(make_tree: MakeTree) -> None:
    folder = make_tree((*FILES, "x/a.webp"), {"labels.csv": lines("file,label", "x/a,cat 9", *ROWS[1:])})
    with pytest.raises(BadInput) as error:
        resolve_source(folder)
    assert str(error.value) == (
        f"{folder / 'labels.csv'}, row 2: 'x/a' matches several images: write the file name with its suffix"
    )
    make_tree((), {"labels.csv": lines("file,label", "x/a.webp,cat 10", *ROWS)})
    assert labels_by_name(folder) == {**EXPECTED, "x/a.webp": "cat 10"}


SPLIT_ROWS = ["x/a.png,one,train", "x/b.JPG,two,Train", "y/a.png,one,training", "y/c.d.png,two,train_set",
              "t/1.png,,test", "t/2.png,one,TEST", "v/3.png,two,val"]  # fmt: skip
SPLIT_FILES = (*FILES, "t/1.png", "t/2.png", "v/3.png")


def test_a_column_of_splits_is_read_like_folders_of_splits(make_tree: MakeTree) -> None:
    folder = make_tree(SPLIT_FILES, {"labels.csv": lines("file,label,Split", *SPLIT_ROWS)})
    source = resolve_source(folder)
    assert (list(source.names), source.labels.tolist(), source.classes) == (list(FILES), [0, 1, 0, 1], ("one", "two"))
    assert source.notes == (
        "the classes are the labels in the column 'label' of labels.csv",
        "used 4 images and ignored 3: the column 'Split' of labels.csv says which are for training",
    )
    make_tree((), {"labels.csv": lines("file,split", *(row.replace(",one", "").replace(",two", "").replace(",,", ",")
                                                       for row in SPLIT_ROWS))})  # fmt: skip
    source = resolve_source(folder, Split.TEST)
    assert list(source.names) == ["t/1.png", "t/2.png"]
    assert source.notes[1] == "no classes were read, because labels.csv has no column of labels"


def test_the_column_of_classes_is_chosen(make_tree: MakeTree) -> None:
    rows = [f"{row},{'old' if number < 2 else 'new'}" for number, row in enumerate(ROWS)]
    folder = make_tree(FILES, {"labels.csv": lines("image,label,Age group", *rows)})
    assert resolve_source(folder).classes == ("cat 9", "cat 10")
    source = resolve_source(folder, label="age GROUP")
    assert (source.classes, source.labels.tolist()) == (("new", "old"), [1, 1, 0, 0])
    assert source.notes == ("the classes are the labels in the column 'age GROUP' of labels.csv",)
    with pytest.raises(BadInput, match=r"has no column 'age' \(found: image, label, Age group\): name one of these"):
        resolve_source(folder, label="age")
    assert resolve_source(folder, Split.TEST, label="age").classes == ("cat 9", "cat 10")
    (folder / "labels.csv").unlink()
    assert resolve_source(folder, Split.TEST, label="age").classes == ("x", "y")
    with pytest.raises(BadInput, match=r"`data\.label` age: there is no table of labels with this column"):
        resolve_source(folder, label="age")
    np.save(folder / "a.npy", np.zeros((9, 4, 4), np.uint8))
    with pytest.raises(BadInput, match=r"`data\.label` age: .* is an array, which has no columns"):
        resolve_source(folder / "a.npy", label="age")
    with pytest.raises(BadInput, match=r"`data\.label` age: digits is an array"):
        resolve_source("digits", label="age")


def test_images_without_a_split_are_ignored_and_a_column_of_other_words_says_nothing(make_tree: MakeTree) -> None:
    rows = [*SPLIT_ROWS[1:], "x/a.png,one,holdout"]
    folder = make_tree((*SPLIT_FILES, "w/norow.png"), {"labels.csv": lines("file,label,split", *rows)})
    assert list(resolve_source(folder).names) == list(FILES[1:])
    rows = [f"{name},{number % 2},{'abcd'[number % 4]}" for number, name in enumerate((*SPLIT_FILES, "w/norow.png"))]
    make_tree((), {"labels.csv": lines("file,label,split", *rows)})
    assert len(resolve_source(folder).names) == 8


def test_an_unreadable_table_is_refused(make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_tree(FILES, {"labels.csv": lines("file,label", *ROWS)})
    packed = Path(shutil.make_archive(str(folder), "zip", folder))
    content = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("labels.csv").header_offset + 30 + len("labels.csv")
    packed.write_bytes(content[: start + 2] + bytes(8) + content[start + 10 :])
    with pytest.raises(BadInput, match=rf"labels\.csv in {packed} cannot be read \(.+\): create the archive again"):
        resolve_source(packed)

    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(BadInput) as error:
        resolve_source(folder)
    assert str(error.value) == (
        f"{folder / 'labels.csv'} cannot be read (Permission denied): check its permissions, or rename it to ignore it"
    )


@pytest.fixture
def labeled_folder(tmp_path: Path, make_images: MakeImages) -> Path:
    """Twenty images labeled `even` and `odd` by a table, in folders `few` and `many`."""
    folder = tmp_path / "d"
    make_images(folder / "few", 8)
    make_images(folder / "many", 12, seed=1)
    files = [f"few/{number}.png" for number in range(8)] + [f"many/{number}.png" for number in range(12)]
    rows = [f"{file},{'odd' if number % 2 else 'even'}" for number, file in enumerate(files)]
    (folder / "labels.csv").write_text(lines("file,label", *rows))
    (folder / "notes.txt").touch()
    return folder


def test_counts_and_fingerprint_follow_the_labels_and_the_split_does_not(labeled_folder: Path) -> None:
    dataset = load_source(labeled_folder, 8, 3, "crop")
    assert dataset.classes == ("even", "odd")
    assert dataset.labels.tolist() == [0, 1] * 10
    assert dataset.summary.classes == {"even": 10, "odd": 10}
    assert dataset.summary.other_files == 1
    assert "the classes are the labels in the column 'label' of labels.csv" in dataset.summary.notes
    odd = np.isin(dataset.train, np.arange(1, 20, 2)).mean()
    assert dataset.class_priors == pytest.approx((1 - odd, odd))
    packed = load_source(shutil.make_archive(str(labeled_folder), "zip", labeled_folder.parent, "d"), 8, 3, "crop")
    assert packed.fingerprint == dataset.fingerprint
    (labeled_folder / "labels.csv").unlink()
    folders = load_source(labeled_folder, 8, 3, "crop")
    assert folders.summary.classes == {"few": 8, "many": 12}
    assert folders.fingerprint != dataset.fingerprint
    assert (folders.held_out == dataset.held_out).all()  # the split is by content alone
    assert (folders.values == dataset.values).all()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_changed_labels_are_read_in_spite_of_the_cache(labeled_folder: Path, kind: str) -> None:
    table = labeled_folder / "labels.csv"
    before, state = table.read_text(), table.stat()

    def load_labels_and_fingerprint() -> tuple[list[int], str]:
        path = (
            labeled_folder
            if kind == "folder"
            else Path(shutil.make_archive(str(labeled_folder), "zip", labeled_folder))
        )
        dataset = load_source(path, 8, 3, "crop")
        counts = np.bincount(dataset.labels, minlength=2).tolist()
        assert dataset.summary.classes == dict(zip(dataset.classes, counts, strict=True))
        assert inspect_source(path).classes == dataset.classes
        return dataset.labels.tolist(), dataset.fingerprint

    first = load_labels_and_fingerprint()
    table.write_text(before.replace("few/0.png,even", "few/0.png, odd"))  # of the same length and date
    os.utime(table, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (table.stat().st_size, table.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    second = load_labels_and_fingerprint()
    assert second[0] == [1, *first[0][1:]]
    assert second[1] != first[1]
    table.write_text(before)
    assert load_labels_and_fingerprint() == first


def test_the_column_of_classes_is_a_setting_that_the_cache_knows(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", 20)
    rows = [f"{number}.png,{'ab'[number % 2]},{'xyz'[number % 3]}" for number in range(20)]
    (tmp_path / "d" / "labels.csv").write_text(lines("file,label,kind", *rows))
    settings = ImageDataConfig(source=str(tmp_path / "d"), size=ImageSize.square(8), channels=3, fit="crop")
    classes = [
        load_dataset(settings.model_copy(update={"label": label}), LoadOptions()).summary.classes
        for label in ("", "kind", "")
    ]
    assert classes == [{"a": 10, "b": 10}, {"x": 7, "y": 7, "z": 6}, {"a": 10, "b": 10}]
