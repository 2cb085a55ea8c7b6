"""Loading sources: every layout is read correctly, and every bad input is refused with one sentence."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images import memory
from zerosum.data.images.load import load_source
from zerosum.data.images.splits import Split
from zerosum.data.images.summary import ImageSummary
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


def test_a_folder_is_loaded_in_natural_order(tmp_path: Path, make_images: MakeImages) -> None:
    paths = make_images(tmp_path / "photos", 20, size=(16, 16))
    dataset = load_source(tmp_path / "photos", 16, 3, "crop")
    assert dataset.values.shape == (20, 16, 16, 3)
    assert all((dataset.values[i] == np.asarray(Image.open(paths[i]))).all() for i in range(20))
    assert dataset.classes == ()
    assert dataset.labels.tolist() == [0] * 20
    assert (len(dataset.held_out), len(dataset.train)) == (5, 15)
    assert len(set(dataset.content_hashes.tolist())) == 20


@pytest.fixture
def messy_folder(tmp_path: Path, make_images: MakeImages) -> Path:
    """A folder with duplicates, damaged files, hidden files and several formats."""
    folder = tmp_path / "messy"
    paths = make_images(folder / "cats", 20)
    make_images(folder / "dogs" / "deep" / "er", 10, suffix=".JPG", seed=1)
    make_images(folder / "dogs", 3, mode="L", suffix=".TIFF", seed=2)
    shutil.copy(paths[0], folder / "cats" / "copy.png")
    shutil.copy(paths[0], folder / "dogs" / "copy.png")
    (folder / "cats" / "text.png").write_text("not an image")
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


def check_messy(summary: ImageSummary) -> None:
    assert summary.count == 35
    assert summary.other_files == 1
    assert summary.files == 40
    assert summary.classes == {"cats": 21, "dogs": 14}
    assert summary.duplicates == 2
    assert [sorted(Path(name).name for name in group) for group in summary.duplicate_groups] == [
        ["0.png", "copy.png", "copy.png"]
    ]
    reasons = {Path(name).name: reason for name, reason in summary.unreadable}
    assert reasons.keys() == {"text.png", "empty.webp", "cut.jpg", "cut.png"}
    assert reasons["text.png"] == "not an image in a supported format"
    assert reasons["empty.webp"] == "the file is empty"
    assert "truncated" in reasons["cut.jpg"]
    assert summary.sizes == {"9x7": 35}
    assert summary.short_side == {"min": 7, "median": 7, "max": 7}
    assert summary.pixel_modes == {"RGB": 32, "L": 3}
    assert summary.formats == {"PNG": 22, "JPEG": 10, "TIFF": 3}
    assert any("more than one class" in note for note in summary.notes)


def test_a_messy_folder_is_summarized(messy_folder: Path) -> None:
    dataset = load_source(messy_folder, 8, 3, "resize")
    check_messy(dataset.summary)
    assert dataset.classes == ("cats", "dogs")
    copies = np.flatnonzero(dataset.content_hashes == dataset.content_hashes[0])
    assert len(copies) == 3
    assert np.isin(copies, dataset.train).all() or np.isin(copies, dataset.held_out).all()
    text = "\n".join(dataset.summary.lines())
    for part in ("35 images from 40 files", "cats 21, dogs 14", "text.png: not an image", "duplicates: 2 exact"):
        assert part in text
    assert ImageSummary.from_dict(dataset.summary.as_dict()) == dataset.summary


def test_a_zip_equals_its_folder(messy_folder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "messy"))
    packed, plain = load_source(archive, 8, 3, "crop"), load_source(messy_folder, 8, 3, "crop")
    check_messy(packed.summary)
    assert packed.fingerprint == plain.fingerprint
    assert packed.classes == plain.classes
    assert (packed.values == plain.values).all()
    assert (packed.labels == plain.labels).all()


def test_the_train_folder_is_used_and_the_test_folder_ignored(tmp_path: Path, make_images: MakeImages) -> None:
    for number, name in enumerate(("10", "9")):
        make_images(tmp_path / "d" / "train" / name, 12, seed=number)
        make_images(tmp_path / "d" / "test" / name, 3, seed=number + 5)
    dataset = load_source(tmp_path / "d", 8, 3, "crop")
    assert dataset.classes == ("9", "10")
    assert dataset.summary.classes == {"9": 12, "10": 12}
    assert dataset.summary.notes == ["used train/ and ignored test/"]


def test_a_single_folder_is_not_a_class_and_loose_images_remove_classes(
    tmp_path: Path, make_images: MakeImages
) -> None:
    make_images(tmp_path / "a" / "only", 16)
    assert load_source(tmp_path / "a", 8, 3, "crop").classes == ()
    make_images(tmp_path / "a" / "more", 4, seed=1)
    assert load_source(tmp_path / "a", 8, 3, "crop").classes == ("more", "only")
    make_images(tmp_path / "a", 2, seed=2)
    loose = load_source(tmp_path / "a", 8, 3, "crop")
    assert loose.classes == ()
    assert "2 of the images are outside the folders more/, only/" in loose.summary.notes[0]


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw"])
@pytest.mark.parametrize("values", ["bytes", "unit", "signed", "int64"])
@pytest.mark.parametrize("name", ["images", "x", "x_train", "arr_0"])
def test_an_npz_of_any_layout(tmp_path: Path, layout: str, values: str, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 8, 3), dtype=np.uint8)
    pixels[0, 0, :2] = [[0], [255]]
    expected = pixels if layout != "nhw" else pixels[..., :1]
    stored = {"nhw": expected[..., 0], "nhwc": expected, "nchw": expected.transpose(0, 3, 1, 2)}[layout]
    stored = {
        "bytes": stored,
        "unit": (stored / 255).astype(np.float32),
        "signed": stored / 127.5 - 1,
        "int64": stored.astype(np.int64),
    }[values]
    np.savez(tmp_path / "a.npz", **{name: stored, "y": np.arange(20)[:, None] % 2})
    dataset = load_source(tmp_path / "a.npz", 9, expected.shape[3], "pad")
    assert (dataset.values[:, :, :8] == expected).all()
    assert dataset.classes == ("0", "1")
    assert dataset.labels.tolist() == [0, 1] * 10


def test_npz_labels_may_be_words_or_negative_numbers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (18, 4, 4), dtype=np.uint8)
    for labels, classes, expected in (
        (["b10", "b9", "a"] * 6, ("a", "b9", "b10"), [2, 1, 0] * 6),
        ([-1, -10, 2] * 6, ("-10", "-1", "2"), [1, 0, 2] * 6),
        ([1.0, 0.0, 10.0] * 6, ("0", "1", "10"), [1, 0, 2] * 6),
        ([3] * 18, (), [0] * 18),
    ):
        np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(labels))
        dataset = load_source(tmp_path / "a.npz", 4, 1, "crop")
        assert dataset.classes == classes
        assert dataset.labels.tolist() == expected


def test_links_are_followed_but_not_to_a_parent_folder(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "real", 16)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "here").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "up").symlink_to(tmp_path / "real", target_is_directory=True)
    assert len(load_source(tmp_path / "d", 8, 3, "crop")) == 16


def test_a_decompression_bomb_is_skipped(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path / "d", 16)
    Image.new("L", (40, 40)).save(tmp_path / "d" / "bomb.png")
    monkeypatch.setattr(memory, "physical_memory_bytes", lambda: 10_000)
    [(name, reason)] = load_source(tmp_path / "d", 8, 3, "crop").summary.unreadable
    assert name == "bomb.png"
    assert reason.startswith("too many pixels: 40x40 take")


def test_dark_16_bit_images_and_animations_are_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "d").mkdir()
    for index in range(16):
        values = rng.integers(0, 4096, (8, 8), dtype=np.uint16)  # 12 of 16 bits
        Image.fromarray(values).save(tmp_path / "d" / f"{index}.png")
    frames = [Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "d" / "moving.webp", save_all=True, append_images=frames[1:])
    notes = load_source(tmp_path / "d", 8, 1, "crop").summary.notes
    assert notes[0] == "read only the first frame or page of 1 file with several"
    assert "the 16 images with more than 8 bits per value are dark, with a maximum of 16 of 255" in notes[1]


def test_progress_is_reported_and_ends_at_the_total(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", 70)
    progress: list[tuple[int, int]] = []
    load_source(tmp_path / "d", 8, 3, "crop", progress=lambda done, total: progress.append((done, total)))
    assert progress == sorted(progress)
    assert progress[-1] == (70, 70)


def test_duplicates_do_not_count_towards_the_minimum(tmp_path: Path, make_images: MakeImages) -> None:
    paths = make_images(tmp_path / "d", 15)
    shutil.copy(paths[0], tmp_path / "d" / "again.png")
    with pytest.raises(BadInput) as error:
        load_source(tmp_path / "d", 8, 3, "crop")
    assert str(error.value) == (
        f"{tmp_path / 'd'} has only 15 distinct images that can be read: add images; at least 16 are needed, and "
        "hundreds for good results"
    )


def test_a_source_without_readable_images_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    (tmp_path / "b.png").touch()
    with pytest.raises(BadInput) as error:
        load_source(tmp_path, 8, 3, "crop")
    assert str(error.value) == (
        f"no image in {tmp_path} can be read, for example a.png (not an image in a supported format): replace the files"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 2}, "`data.size` 2 is out of range: give sides of 4 to 4096"),
        ({"channels": 65}, "`data.channels` 65 is not supported: give 1 (gray)"),
        ({"fit": "squash"}, "`data.fit` 'squash' is unknown: give one of crop, pad, resize"),
        ({"held_out_fraction": 0.9}, "`held_out_fraction` 0.9 is out of range: give a number from 0 to 0.5"),
    ],
)
def test_bad_settings_are_refused(
    tmp_path: Path, make_images: MakeImages, settings: dict[str, object], message: str
) -> None:
    make_images(tmp_path, 16)
    with pytest.raises(BadInput) as error:
        load_source(tmp_path, **{"size": 8, "channels": 3, "fit": "crop", **settings})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"photos": np.zeros((20, 4, 4))},
            "has no array named images, x, x_train, train_images or arr_0 (found: photos): save",
        ),
        ({"x": np.zeros((20, 16))}, "the array x in {} has shape (20, 16): save images with shape (N, H, W)"),
        ({"x": np.zeros((64, 48, 3))}, "the array x in {} has shape (64, 48, 3), which is that of one image (H, W, C)"),
        ({"x": np.zeros((64, 48, 1))}, "has shape (64, 48, 1), which is that of one image (H, W, C): save"),
        ({"x": np.zeros((20, 99, 99, 99))}, "has shape (20, 99, 99, 99): save"),
        ({"x": np.full((20, 4, 4), np.nan)}, "the array x in {} holds values that are not finite: replace NaN"),
        ({"x": np.full((20, 4, 4), 1j)}, "has dtype complex128: save images as uint8"),
        (
            {"x": np.zeros((20, 4, 4), np.uint8), "y": np.zeros(19)},
            "the array y in {} has shape (19,) and dtype float64",
        ),
        (
            {"x": np.zeros((20, 4, 4), np.uint8), "y": np.full(20, 0.5)},
            "save one integer or string for each of the 20 images",
        ),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadInput) as error:
        load_source(tmp_path / "a.npz", 4, 1, "crop")
    assert message.format(tmp_path / "a.npz") in str(error.value)


@pytest.mark.parametrize(("images", "labels"), [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_the_training_part_of_an_npz_is_used_and_the_test_part_is_evaluated(
    tmp_path: Path, images: str, labels: str
) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 40), ("test", 20), ("val", 30)):
        arrays[images.format(split)] = rng.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[labels.format(split)] = np.arange(count)[:, None] % (2 + (split == "test"))
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = load_source(tmp_path / "a.npz", 8, 1, "crop")
    ignored = sorted((images.format("val"), images.format("test")), key=list(arrays).index, reverse=True)
    assert dataset.summary.notes[0] == f"used {images.format('train')} and ignored {' and '.join(ignored)}"
    assert (len(dataset), dataset.classes) == (40, ("0", "1"))
    test = load_source(tmp_path / "a.npz", 8, 1, "crop", split=Split.TEST, min_images=1)
    assert (len(test), test.classes) == (20, ("0", "1", "2"))


def test_an_npz_of_pickles_is_refused_and_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 4, 4), object))
    with pytest.raises(BadInput, match=r"cannot be read .*save it again as an array of numbers"):
        load_source(tmp_path / "a.npz", 4, 1, "crop")


def test_a_damaged_member_of_an_archive_is_skipped(tmp_path: Path, make_images: MakeImages) -> None:
    paths = make_images(tmp_path / "d", 17)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    content = bytearray((tmp_path / "d.zip").read_bytes())
    content[60] ^= 255  # within the first member, so that its checksum fails
    (tmp_path / "d.zip").write_bytes(content)
    summary = load_source(tmp_path / "d.zip", 8, 3, "crop").summary
    assert summary.count == 16
    assert summary.unreadable[0][0] == "0.png"


def test_physical_memory_is_known() -> None:
    assert physical_memory_bytes() > 2**28
