"""A table of labels gives the classes, however it is written, and every fault in it is told in one sentence."""

import os
import random
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.images.folder_layout import infer_layout
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.label_table import LabelTable
from zerosum.data.images.load import load_source
from zerosum.data.images.sources import FolderSource, ZipSource, resolve_source
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]
Listing = Callable[..., Path]


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    """listing(names, {table: content}): a folder `d` of empty files, and tables."""

    def made(names: tuple[str, ...], tables: dict[str, str | bytes]) -> Path:
        for name in (*names, *tables):
            path = tmp_path / "d" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tables.get(name, b"")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "d"

    return made


def labels_of(place: Path) -> dict[str, str]:
    """What each image is labelled."""
    source = resolve_source(place)
    assert isinstance(source, FolderSource | ZipSource)
    assert source.labels.dtype == np.int64
    return {name: source.classes[label] for name, label in zip(source.names, source.labels, strict=True)}


FILES = ("x/a.png", "x/b.JPG", "y/a.png", "y/c.d.png")
WANTED = {"x/a.png": "cat 9", "x/b.JPG": "cat 10", "y/a.png": "cat 10", "y/c.d.png": "cat 9"}
ROWS = [f"{file},{label}" for file, label in WANTED.items()]


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
        ("labels.csv", lines(",file,kind", *(f"{number}, ./{row} " for number, row in enumerate(ROWS)))),
        ("labels.csv", lines("file,label,,", *(f"{row},," for row in ROWS))),
        ("labels.csv", lines("file,label", '"x/a.png", "cat\n9"', "x/b.JPG,cat  10", *ROWS[2:])),
        ("labels.csv", lines("file,label", *ROWS, *ROWS)),
        ("labels.csv", lines("image,name,label,class", *(f"{row},{place}" for place, row in enumerate(ROWS)))
         .replace(",cat", ",none,cat")),
    ],
)  # fmt: skip
def test_however_it_is_written(listing: Listing, name: str, content: str) -> None:
    folder = listing(FILES, {name: content})
    assert labels_of(folder) == WANTED
    assert resolve_source(folder).classes == ("cat 9", "cat 10")
    assert resolve_source(folder).other_files == 0
    packed = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    assert labels_of(packed) == {f"d/{file}": label for file, label in WANTED.items()}
    assert resolve_source(packed).other_files == 0


def test_an_accent_is_one_however_it_is_coded(listing: Listing) -> None:
    files = [f"{unicodedata.normalize('NFD', 'é')}{number}.png" for number in range(4)]
    rows = [f"é{number}.png,{'où' if number % 2 else 'là'}" for number in range(4)]
    assert unicodedata.is_normalized("NFC", rows[0])
    assert list(labels_of(listing(tuple(files), {"labels.csv": lines(*rows)})).values()) == ["là", "où", "là", "où"]


def test_sixty_thousand_shuffled_rows() -> None:
    mixed = random.Random(0)
    names = [f"images/{number}.png" for number in range(60_000)]
    labels = [mixed.randrange(100) for _ in names]
    rows = [f"{number},{label}" for number, label in enumerate(labels)]  # no suffix, from the folder of all images
    mixed.shuffle(rows)
    content = lines("id,label", *rows).encode()
    layout = infer_layout(names, ["labels.csv"], lambda name: LabelTable(name, name, content))
    assert layout.indices == tuple(range(60_000))
    assert layout.labels.tolist() == labels
    assert layout.classes == tuple(map(str, range(100)))


SPLIT = tuple(f"{side}/{number}.png" for side in ("train", "test") for number in range(4))
FOUR = [f"{number}.png,{'ab'[number % 2]}" for number in range(4)]


@pytest.mark.parametrize("inner", ["", "d/"])
@pytest.mark.parametrize(
    "tables",
    [
        {"train/metadata.csv": lines("file_name,label", *FOUR), "test/metadata.csv": "nonsense"},
        {"labels.csv": lines("file,label", *(f"{name}," + "ab"[int(name[-5]) % 2] for name in SPLIT))},
        {"labels.csv": lines("file,label", *(f"train/{row}" for row in FOUR), "test/0.png,", "test/1.png,c")},
        {"labels.csv": lines("file,label", *FOUR), "train/labels.csv": "nonsense"},
    ],
)
def test_where_it_lies(listing: Listing, tables: dict[str, str | bytes], inner: str) -> None:
    folder = listing(tuple(inner + name for name in SPLIT), {inner + name: content for name, content in tables.items()})
    assert labels_of(folder) == {f"{inner}train/{number}.png": "ab"[number % 2] for number in range(4)}
    [first, second] = resolve_source(folder).notes
    assert first == "used train/ and left test/ alone"
    assert second.startswith("the classes are the labels in the column 'label' of ")
    assert resolve_source(folder).other_files == len(tables) - 1


def test_which_of_several_is_used_and_which_is_none(listing: Listing) -> None:
    good, other = lines(*ROWS), lines("file,label", *(f"{file},{file[0]}" for file in FILES))
    listing(FILES, {"x/labels.csv": "nonsense"})
    assert resolve_source(listing((), {})).classes == (
        "x",
        "y",
    )  # that of one folder among others is no table of them all
    assert resolve_source(listing((), {})).other_files == 1
    source = resolve_source(
        listing((), {"metadata.csv": other, "Labels.tsv": good.replace(",", "\t"), "other.csv": "1"})
    )
    assert source.classes == ("cat 9", "cat 10")
    assert source.other_files == 3
    assert source.notes == (
        "used Labels.tsv and left metadata.csv alone",
        "the classes are the labels in the second column of Labels.tsv",
    )


def test_rows_of_files_that_are_not_there_are_noted(listing: Listing) -> None:
    table = lines("file,label", "gone.png,dog", *ROWS, "x/readme.txt,")
    source = resolve_source(listing((*FILES, "x/readme.txt"), {"labels.csv": table}))
    assert source.classes == ("cat 9", "cat 10")
    assert source.notes[1] == "2 rows of labels.csv named no image that is there, such as row 2 with 'gone.png'"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["cat"] * 4, "the one label 'cat'"),
        (["a cat", "a dog", "no cat", "a cat"], "3 different labels"),
    ],
)
def test_labels_that_make_no_classes(listing: Listing, labels: list[str], said: str) -> None:
    rows = [f"{file},{label}" for file, label in zip(FILES, labels, strict=True)]
    source = resolve_source(listing(FILES, {"metadata.csv": lines("file_name,text", *rows)}))
    assert (source.classes, source.labels.tolist()) == ((), [0] * 4)
    assert source.notes == (
        f"no classes were read, since the column 'text' of metadata.csv gives 4 images {said}: give the images of a "
        "kind one label, and those of another kind another, to have them",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines("file,label", *ROWS[1:]),
         "{} has no row for 1 of the 4 images, x/a.png for one: add the rows, or move these images away"),
        (lines("file,label", *(f"d/{row}" for row in ROWS)),
         "no row of {} gives any of the 4 images a label, x/a.png for one; row 2 says 'd/x/a.png': name files by their "
         "path from the folder of the table"),
        (lines("file,label"),
         "no row of {} gives any of the 4 images a label, x/a.png for one: name files by their path from the folder of "
         "the table"),
        ("\n , \n", "{} is empty: write a row for each image into it, or remove it"),
        (lines(*ROWS[:2], "", "y/a.png, "),
         "row 4 of {} gives 'y/a.png' no label: fill it in, or remove the row and the image"),
        (lines(*ROWS[:2], "y/a"), "row 3 of {} gives 'y/a' no label: fill it in, or remove the row and the image"),
        (lines("label,file", "cat"), "row 2 of {} names no file: fill it in, or remove the row"),
        (lines("file,label", *ROWS, "x\\a,dog"),
         "row 6 of {} labels 'x\\a' 'dog', but row 2 'cat 9': keep one of them"),
        (lines("file,label", *ROWS, "x/a.png,cat, wild"),
         "row 6 of {} holds 3 cells and the first row 2: quote commas in cells"),
        (lines("file,width,height", *ROWS),
         "row 1 of {} does not say which column holds the labels (it says 'file, width, height'): call it label, or "
         "rename the table to leave it out"),
        (lines("photo,animal", *ROWS),
         "row 1 of {} does not say which column holds the files and which the labels (it says 'photo, animal'): call "
         "it file and label, or rename the table to leave it out"),
        (lines("", *(f"{row},3" for row in ROWS)),
         "row 2 of {} names an image, but holds 3 cells and not 2: put a row above it that calls the column of the "
         "files file and that of the classes label"),
        (lines("file,label", ROWS[0], '"x/b.JPG,cat 10', *ROWS[2:]),
         "row 3 of {} cannot be read (unexpected end of data): see that every quote is closed"),
        (lines("file,label", ROWS[0], "x/b.JPG,ch\u00e2t").encode("latin-1"),
         "row 3 of {} is no text in UTF-8: save the table as CSV in UTF-8"),
        (lines("file,label").encode("utf-16"), "row 1 of {} is no text in UTF-8: save the table as CSV in UTF-8"),
        (lines("file,label").encode("utf-16-le"), "row 1 of {} is no text in UTF-8: save the table as CSV in UTF-8"),
    ],
)  # fmt: skip
def test_faults(listing: Listing, content: str | bytes, said: str) -> None:
    folder = listing(FILES, {"labels.csv": content})
    with pytest.raises(BadInput) as caught:
        inspect_source(folder)
    assert str(caught.value) == said.format(folder / "labels.csv")
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for name in (*FILES, "labels.csv"):
            archive.write(folder / name, name)
    with pytest.raises(BadInput) as caught:
        inspect_source(folder.with_suffix(".zip"))
    assert str(caught.value) == said.format(f"labels.csv in {folder.with_suffix('.zip')}")


def test_a_name_without_suffix_must_be_one_images(listing: Listing) -> None:
    folder = listing((*FILES, "x/a.webp"), {"labels.csv": lines("file,label", "x/a,cat 9", *ROWS[1:])})
    with pytest.raises(BadInput) as caught:
        resolve_source(folder)
    assert str(caught.value) == (
        f"row 2 of {folder / 'labels.csv'} says 'x/a', which several images are called: write the suffix too"
    )
    listing((), {"labels.csv": lines("file,label", "x/a.webp,cat 10", *ROWS)})
    assert labels_of(folder) == {**WANTED, "x/a.webp": "cat 10"}


def test_a_table_that_cannot_be_read(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = listing(FILES, {"labels.csv": lines("file,label", *ROWS)})
    packed = Path(shutil.make_archive(str(folder), "zip", folder))
    content = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("labels.csv").header_offset + 30 + len("labels.csv")
    packed.write_bytes(content[: start + 2] + bytes(8) + content[start + 10 :])
    with pytest.raises(BadInput, match=rf"labels\.csv in {packed} cannot be read \(.+\): pack the archive again"):
        resolve_source(packed)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput) as caught:
        resolve_source(folder)
    assert str(caught.value) == (
        f"{folder / 'labels.csv'} cannot be read (Permission denied): allow reading it, or rename it"
    )


@pytest.fixture
def labelled(tmp_path: Path, make: Make) -> Path:
    """Twenty images of `even` and `odd` numbers, in folders `few` and `many` that say otherwise."""
    folder = tmp_path / "d"
    make(folder / "few", 8)
    make(folder / "many", 12, seed=1)
    files = [f"few/{number}.png" for number in range(8)] + [f"many/{number}.png" for number in range(12)]
    rows = [f"{file},{'odd' if place % 2 else 'even'}" for place, file in enumerate(files)]
    (folder / "labels.csv").write_text(lines("file,label", *rows))
    (folder / "notes.txt").touch()
    return folder


def test_counts_split_and_fingerprint_follow_the_labels(labelled: Path) -> None:
    dataset = load_source(labelled, 8, 3, "crop")
    assert dataset.classes == ("even", "odd")
    assert dataset.labels.tolist() == [0, 1] * 10
    assert dataset.summary.classes == {"even": 10, "odd": 10}
    assert dataset.summary.other_files == 1
    assert "the classes are the labels in the column 'label' of labels.csv" in dataset.summary.notes
    odd = np.isin(dataset.train, np.arange(1, 20, 2)).mean()
    assert dataset.class_priors == pytest.approx((1 - odd, odd))
    packed = load_source(shutil.make_archive(str(labelled), "zip", labelled.parent, "d"), 8, 3, "crop")
    assert packed.fingerprint == dataset.fingerprint
    (labelled / "labels.csv").unlink()
    folders = load_source(labelled, 8, 3, "crop")
    assert folders.summary.classes == {"few": 8, "many": 12}
    assert folders.fingerprint != dataset.fingerprint
    assert (folders.held_out == dataset.held_out).all()  # the split is by content alone
    assert (folders.values == dataset.values).all()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_no_cache_keeps_labels_that_were_changed(labelled: Path, kind: str) -> None:
    table = labelled / "labels.csv"
    before, state = table.read_text(), table.stat()

    def now() -> tuple[list[int], str]:
        place = labelled if kind == "folder" else Path(shutil.make_archive(str(labelled), "zip", labelled))
        dataset = load_source(place, 8, 3, "crop")
        counts = np.bincount(dataset.labels, minlength=2).tolist()
        assert dataset.summary.classes == dict(zip(dataset.classes, counts, strict=True))
        assert inspect_source(place).classes == dataset.classes
        return dataset.labels.tolist(), dataset.fingerprint

    first = now()
    table.write_text(before.replace("few/0.png,even", "few/0.png, odd"))  # as long, and as old
    os.utime(table, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (table.stat().st_size, table.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    second = now()
    assert second[0] == [1, *first[0][1:]]
    assert second[1] != first[1]
    table.write_text(before)
    assert now() == first
