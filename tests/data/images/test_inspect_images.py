"""A quick inspection gives what the defaults need, and refuses unusable sources with one sentence."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images.inspect import MAX_SAMPLED_HEADERS, ImageInspection, inspect_source
from zerosum.data.images.size import ImageSize
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


def inspection_of_sizes(*sizes: tuple[int, int]) -> ImageInspection:
    return ImageInspection("s", len(sizes), sizes=sizes)


def test_inspecting_and_loading_do_not_import_torch() -> None:
    code = "import sys, zerosum.data.images.inspect, zerosum.data.images.load; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("side", "size"),
    [(1, 16), (16, 16), (27, 16), (28, 32), (32, 32), (54, 32), (55, 64), (172, 128), (218, 256), (4000, 256)],
)
def test_the_recommended_size_is_a_power_of_two_near_the_size_of_the_images(side: int, size: int) -> None:
    assert inspection_of_sizes((side, side + 9)).recommended_size() == size


def test_the_recommended_size_depends_on_the_smallest_quarter_and_the_maximum() -> None:
    sides = [(30, 30)] * 24 + [(300, 400)] * 76
    assert inspection_of_sizes(*sides).recommended_size() == 256
    assert inspection_of_sizes(*sides, *[(30, 30)] * 8).recommended_size() == 32
    assert inspection_of_sizes((4000, 3000)).recommended_size(max_size=1024) == 1024
    assert inspection_of_sizes((4000, 3000)).recommended_size(max_size=4096) == 1024


def test_the_recommended_fit_pads_only_images_of_one_slightly_smaller_size() -> None:
    assert inspection_of_sizes((28, 28), (28, 28)).recommended_fit(ImageSize.square(32)) == "pad"
    assert inspection_of_sizes((28, 30)).recommended_fit(ImageSize.square(32)) == "pad"
    assert inspection_of_sizes((28, 32)).recommended_fit(ImageSize.square(32)) == "pad"
    assert inspection_of_sizes((32, 32)).recommended_fit(ImageSize.square(32)) == "crop"
    assert inspection_of_sizes((28, 28), (28, 27)).recommended_fit(ImageSize.square(32)) == "crop"
    assert inspection_of_sizes((28, 40)).recommended_fit(ImageSize.square(32)) == "crop"
    assert inspection_of_sizes((16, 16)).recommended_fit(ImageSize.square(32)) == "crop"


def test_color_and_alpha_are_decided_by_pixels(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "gray", 5, mode="L")
    inspection = inspect_source(tmp_path / "gray")
    assert (inspection.has_color, inspection.has_alpha, inspection.recommended_channels()) == (False, False, 1)
    for path in (tmp_path / "gray").iterdir():
        Image.open(path).convert("RGBA").save(path)  # gray and opaque, whatever the mode says
    inspection = inspect_source(tmp_path / "gray")
    assert (inspection.has_color, inspection.has_alpha) == (False, False)
    make_images(tmp_path / "gray", 1, suffix=".jpg", seed=3)
    assert inspect_source(tmp_path / "gray").has_color
    transparent = Image.new("RGBA", (9, 7), (255, 0, 0, 0))
    transparent.save(tmp_path / "gray" / "x.png")
    assert inspect_source(tmp_path / "gray").has_alpha


def test_only_a_sample_of_the_files_is_opened(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path / "many", 600, size=(2, 2), suffix=".bmp")
    opened = []
    original_open = Image.open
    monkeypatch.setattr(Image, "open", lambda *args, **options: opened.append(args) or original_open(*args, **options))
    inspection = inspect_source(tmp_path / "many")
    assert (inspection.count, len(inspection.sizes)) == (600, MAX_SAMPLED_HEADERS)
    assert len(opened) == MAX_SAMPLED_HEADERS + 24


def test_fields_of_an_inspection(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d" / "a", 3, size=(10, 6))
    make_images(tmp_path / "d" / "b", 3, size=(8, 8), mode="P", seed=1)
    (tmp_path / "d" / "b" / "bad.png").write_text("x")
    (tmp_path / "d" / "readme.md").touch()
    inspection = inspect_source(str(tmp_path / "d"))
    assert (inspection.count, inspection.classes) == (7, ("a", "b"))
    assert inspection.other_files == 1
    assert (inspection.short_side, inspection.common_size) == (7, None)
    assert inspection.pixel_modes == (("P", 3), ("RGB", 3))
    assert inspection.formats == (("PNG", 6),)
    assert [Path(name).name for name, _ in inspection.unreadable] == ["bad.png"]


def test_built_in_names_yield_to_an_existing_path(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = inspect_source("digits")
    assert (digits.count, digits.common_size, len(digits.classes)) == (10_000, (28, 28), 10)
    assert (digits.recommended_size(), digits.recommended_fit(ImageSize.square(32)), digits.has_color) == (
        32,
        "pad",
        False,
    )
    assert error_message("ring").startswith("the dataset 'ring' holds no images: give a folder, .zip, .npz or .npy of")
    for name in ("ring", "digits"):
        make_images(tmp_path / name, 4)
        assert inspect_source(name).count == 4


def error_message(source: str | Path) -> str:
    with pytest.raises(BadInput) as error:
        inspect_source(source)
    assert "\n" not in str(error.value)
    return str(error.value)


SUFFIXES = ".png, .jpg, .webp, .bmp, .tif, .gif and the like"


def test_a_missing_source_is_named_with_the_closest_match(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "photos" / "cats", 1)
    assert error_message("phtos") == "there is no file, folder or dataset 'phtos': did you mean 'photos'?"
    assert error_message("photos/cast") == (
        "there is no file, folder or dataset 'photos/cast': did you mean 'photos/cats'?"
    )
    assert error_message("digit") == "there is no file, folder or dataset 'digit': did you mean 'digits'?"
    assert error_message("qqq") == (
        f"there is no file, folder or dataset 'qqq': give a folder, .zip, .npz or .npy of images ({SUFFIXES}), "
        "or one of digits, ring, grid, spiral"
    )


def test_empty_and_unsupported_sources_are_refused(tmp_path: Path, make_images: MakeImages) -> None:
    (tmp_path / "empty").mkdir()
    assert error_message(tmp_path / "empty") == f"the folder {tmp_path}/empty is empty: add images ({SUFFIXES})"
    (tmp_path / "empty" / "a.txt").touch()
    assert error_message(tmp_path / "empty") == (
        f"the folder {tmp_path}/empty contains 1 file (1 .txt) but no images: add images ({SUFFIXES})"
    )
    for name in ("a.zip", "a.npz", "a.csv"):
        (tmp_path / name).write_text("text")
    assert error_message(tmp_path / "a.zip") == (
        f"{tmp_path}/a.zip cannot be opened as a zip archive (File is not a zip file): create or download it again"
    )
    assert error_message(tmp_path / "a.npz") == (
        f"{tmp_path}/a.npz is not a valid .npz archive (File is not a zip file): write it with numpy.savez"
    )
    assert error_message(tmp_path / "a.csv") == (
        f"{tmp_path}/a.csv is not a supported type of file: give a folder, .zip, .npz or .npy of images ({SUFFIXES})"
    )
    path = make_images(tmp_path / "one", 1)[0]
    assert error_message(path) == f"{path} is a single image: give the folder that contains the training images"
    path.write_bytes(b"")
    assert error_message(tmp_path / "one") == (
        f"no image in {tmp_path}/one can be read, for example 0.png (the file is empty): replace the files"
    )


def test_a_damaged_thumbnail_does_not_end_the_inspection(tmp_path: Path, make_images: MakeImages) -> None:
    path = make_images(tmp_path / "d", 3, size=(64, 64))[1]
    path.write_bytes(path.read_bytes()[:500])
    assert inspect_source(tmp_path / "d").count == 3
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4, 2), np.uint8))
    assert inspect_source(tmp_path / "a.npz").pixel_modes == (("LA", 3),)
