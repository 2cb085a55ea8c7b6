"""Whole sources: every layout is read right, and every bad input is told in one sentence."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images.load import load_source, physical_memory_bytes
from zerosum.data.images.summary import DatasetSummary
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]


def test_a_folder_is_read_in_natural_order(tmp_path: Path, make: Make) -> None:
    paths = make(tmp_path / "photos", 20, size=(16, 16))
    dataset = load_source(tmp_path / "photos", 16, 3, "crop")
    assert dataset.values.shape == (20, 16, 16, 3)
    assert all((dataset.values[i] == np.asarray(Image.open(paths[i]))).all() for i in range(20))
    assert dataset.classes == ()
    assert dataset.labels.tolist() == [0] * 20
    assert (len(dataset.held_out), len(dataset.train)) == (5, 15)
    assert len(set(dataset.keys.tolist())) == 20


@pytest.fixture
def troubled(tmp_path: Path, make: Make) -> Path:
    """A folder with a bit of everything."""
    folder = tmp_path / "troubled"
    paths = make(folder / "cats", 20)
    make(folder / "dogs" / "deep" / "er", 10, suffix=".JPG", seed=1)
    make(folder / "dogs", 3, mode="L", suffix=".TIFF", seed=2)
    shutil.copy(paths[0], folder / "cats" / "copy.png")
    shutil.copy(paths[0], folder / "dogs" / "copy.png")
    (folder / "cats" / "text.png").write_text("no image")
    (folder / "cats" / "empty.webp").touch()
    jpeg = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(jpeg, "JPEG")
    (folder / "cats" / "cut.jpg").write_bytes(jpeg.getvalue()[:900])
    (folder / "dogs" / "cut.png").write_bytes(paths[1].read_bytes()[:60])
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden.png").touch()
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "a.png").touch()
    return folder


def check_troubled(survey: DatasetSummary) -> None:
    assert survey.images == 35
    assert survey.other_files == 1
    assert survey.files == 40
    assert survey.classes == {"cats": 21, "dogs": 14}
    assert survey.duplicates == 2
    assert [sorted(Path(name).name for name in group) for group in survey.duplicate_groups] == [
        ["0.png", "copy.png", "copy.png"]
    ]
    reasons = {Path(name).name: reason for name, reason in survey.unreadable}
    assert reasons.keys() == {"text.png", "empty.webp", "cut.jpg", "cut.png"}
    assert reasons["text.png"] == "its content is no image of a kind that is read here"
    assert reasons["empty.webp"] == "the file is empty"
    assert "truncated" in reasons["cut.jpg"]
    assert survey.sizes == {"9x7": 35}
    assert survey.short_side == {"min": 7, "median": 7, "max": 7}
    assert survey.pixel_modes == {"RGB": 32, "L": 3}
    assert survey.formats == {"PNG": 22, "JPEG": 10, "TIFF": 3}
    assert any("more than one class" in note for note in survey.notes)


def test_a_troubled_folder_is_surveyed(troubled: Path) -> None:
    dataset = load_source(troubled, 8, 3, "resize")
    check_troubled(dataset.summary)
    assert dataset.classes == ("cats", "dogs")
    copies = np.flatnonzero(dataset.keys == dataset.keys[0])
    assert len(copies) == 3
    assert np.isin(copies, dataset.train).all() or np.isin(copies, dataset.held_out).all()
    text = "\n".join(dataset.summary.lines())
    for part in ("35 images from 40 files", "cats 21, dogs 14", "text.png: its content", "duplicates: 2 exact"):
        assert part in text
    assert DatasetSummary.from_dict(dataset.summary.as_dict()) == dataset.summary


def test_a_zip_reads_as_its_folder_does(troubled: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "troubled"))
    packed, plain = load_source(archive, 8, 3, "crop"), load_source(troubled, 8, 3, "crop")
    check_troubled(packed.summary)
    assert packed.fingerprint == plain.fingerprint
    assert packed.classes == plain.classes
    assert (packed.values == plain.values).all()
    assert (packed.labels == plain.labels).all()


def test_train_is_used_and_test_left_alone(tmp_path: Path, make: Make) -> None:
    for number, name in enumerate(("10", "9")):
        make(tmp_path / "d" / "train" / name, 12, seed=number)
        make(tmp_path / "d" / "test" / name, 3, seed=number + 5)
    dataset = load_source(tmp_path / "d", 8, 3, "crop")
    assert dataset.classes == ("9", "10")
    assert dataset.summary.classes == {"9": 12, "10": 12}
    assert dataset.summary.notes == ["used train/ and left test/ alone"]


def test_one_folder_in_another_is_no_class_and_loose_images_undo_classes(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "a" / "only", 16)
    assert load_source(tmp_path / "a", 8, 3, "crop").classes == ()
    make(tmp_path / "a" / "more", 4, seed=1)
    assert load_source(tmp_path / "a", 8, 3, "crop").classes == ("more", "only")
    make(tmp_path / "a", 2, seed=2)
    loose = load_source(tmp_path / "a", 8, 3, "crop")
    assert loose.classes == ()
    assert "2 of the images lie beside the folders more/, only/" in loose.summary.notes[0]


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw"])
@pytest.mark.parametrize("values", ["bytes", "unit", "signed", "whole"])
@pytest.mark.parametrize("name", ["images", "x", "x_train", "arr_0"])
def test_an_npz_of_any_layout(tmp_path: Path, layout: str, values: str, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 8, 3), dtype=np.uint8)
    pixels[0, 0, :2] = [[0], [255]]
    wanted = pixels if layout != "nhw" else pixels[..., :1]
    stored = {"nhw": wanted[..., 0], "nhwc": wanted, "nchw": wanted.transpose(0, 3, 1, 2)}[layout]
    stored = {
        "bytes": stored,
        "unit": (stored / 255).astype(np.float32),
        "signed": stored / 127.5 - 1,
        "whole": stored.astype(np.int64),
    }[values]
    np.savez(tmp_path / "a.npz", **{name: stored, "y": np.arange(20)[:, None] % 2})
    dataset = load_source(tmp_path / "a.npz", 9, wanted.shape[3], "pad")
    assert (dataset.values[:, :, :8] == wanted).all()
    assert dataset.classes == ("0", "1")
    assert dataset.labels.tolist() == [0, 1] * 10


def test_npz_labels_of_words_and_of_negative_numbers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (18, 4, 4), dtype=np.uint8)
    for labels, classes, wanted in (
        (["b10", "b9", "a"] * 6, ("a", "b9", "b10"), [2, 1, 0] * 6),
        ([-1, -10, 2] * 6, ("-10", "-1", "2"), [1, 0, 2] * 6),
        ([1.0, 0.0, 10.0] * 6, ("0", "1", "10"), [1, 0, 2] * 6),
        ([3] * 18, (), [0] * 18),
    ):
        np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(labels))
        dataset = load_source(tmp_path / "a.npz", 4, 1, "crop")
        assert dataset.classes == classes
        assert dataset.labels.tolist() == wanted


def test_links_are_followed_but_not_in_circles(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "real", 16)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "here").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "up").symlink_to(tmp_path / "real", target_is_directory=True)
    assert len(load_source(tmp_path / "d", 8, 3, "crop")) == 16


def test_a_decompression_bomb_is_skipped(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "d", 16)
    Image.new("L", (40, 40)).save(tmp_path / "d" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses twice as many
    summary = load_source(tmp_path / "d", 8, 3, "crop").summary
    assert summary.unreadable == [("bomb.png", "it has too many pixels to be safe to decode")]


def test_dark_wide_images_and_animations_are_remarked_on(tmp_path: Path, make: Make) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "d").mkdir()
    for index in range(16):
        values = random.integers(0, 4096, (8, 8), dtype=np.uint16)  # twelve bits in sixteen
        Image.fromarray(values).save(tmp_path / "d" / f"{index}.png")
    frames = [Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "d" / "moving.webp", save_all=True, append_images=frames[1:])
    notes = load_source(tmp_path / "d", 8, 1, "crop").summary.notes
    assert notes[0] == "of 1 file with several frames or pages, the first was read"
    assert "the 16 images of more than 8 bits are dark, reaching 16 of 255" in notes[1]


def test_progress_is_told_and_ends_at_the_total(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d", 70)
    conditioning: list[tuple[int, int]] = []
    load_source(tmp_path / "d", 8, 3, "crop", progress=lambda done, total: conditioning.append((done, total)))
    assert conditioning == sorted(conditioning)
    assert conditioning[-1] == (70, 70)


def test_duplicates_do_not_count_towards_the_fewest(tmp_path: Path, make: Make) -> None:
    paths = make(tmp_path / "d", 15)
    shutil.copy(paths[0], tmp_path / "d" / "again.png")
    with pytest.raises(BadInput) as caught:
        load_source(tmp_path / "d", 8, 3, "crop")
    assert str(caught.value) == (
        f"{tmp_path / 'd'} holds only 15 different images that can be read; a GAN needs at least 16, and some hundreds "
        "to be any good: add images"
    )


def test_nothing_readable_names_the_first_and_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    (tmp_path / "b.png").touch()
    with pytest.raises(BadInput) as caught:
        load_source(tmp_path, 8, 3, "crop")
    assert str(caught.value) == (
        f"no image in {tmp_path} can be read, a.png for one (its content is no image of a kind that is read here): "
        "replace the files"
    )


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"size": 2}, "the image size 2 is out of range: choose 4 to 4096"),
        ({"channels": 5}, "5 channels are not possible: choose 1 (grey)"),
        ({"fit": "squash"}, "there is no fit 'squash': choose crop, pad, resize"),
        ({"held_out": 0.9}, "the held-out share 0.9 is out of range: choose 0 to 0.5"),
    ],
)
def test_bad_settings(tmp_path: Path, make: Make, settings: dict[str, object], part: str) -> None:
    make(tmp_path, 16)
    with pytest.raises(BadInput) as caught:
        load_source(tmp_path, **{"size": 8, "channels": 3, "fit": "crop", **settings})
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        (
            {"pictures": np.zeros((20, 4, 4))},
            "holds no array named images, x, x_train or arr_0 (it holds pictures): save",
        ),
        ({"x": np.zeros((20, 16))}, "the array x in {} has shape (20, 16): save images as (N, H, W)"),
        ({"x": np.zeros((20, 9, 9, 9))}, "has shape (20, 9, 9, 9): save"),
        ({"x": np.full((20, 4, 4), 300)}, "the array x in {} holds values from 300 to 300: scale them"),
        ({"x": np.full((20, 4, 4), np.nan)}, "holds values from nan to nan: scale them"),
        ({"x": np.full((20, 4, 4), 1j)}, "has type complex128: save images as uint8"),
        (
            {"x": np.zeros((20, 4, 4), np.uint8), "y": np.zeros(19)},
            "the array y in {} has shape (19,) and type float64",
        ),
        ({"x": np.zeros((20, 4, 4), np.uint8), "y": np.full(20, 0.5)}, "one whole number or string for each of the 20"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], part: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadInput) as caught:
        load_source(tmp_path / "a.npz", 4, 1, "crop")
    assert part.format(tmp_path / "a.npz") in str(caught.value)


def test_an_npz_of_pickles_is_refused_and_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 4, 4), object))
    with pytest.raises(BadInput, match=r"cannot be read .*write it again as plain numbers"):
        load_source(tmp_path / "a.npz", 4, 1, "crop")


def test_an_archive_with_a_damaged_member(tmp_path: Path, make: Make) -> None:
    paths = make(tmp_path / "d", 17)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    content = bytearray((tmp_path / "d.zip").read_bytes())
    content[60] ^= 255  # within the first member, so that its checksum fails
    (tmp_path / "d.zip").write_bytes(content)
    summary = load_source(tmp_path / "d.zip", 8, 3, "crop").summary
    assert summary.images == 16
    assert summary.unreadable[0][0] == "0.png"


def test_memory_is_known() -> None:
    assert physical_memory_bytes() > 2**28
