"""A quick look tells the planner what it needs, and refuses with one sentence what cannot be used."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images.inspect import MAX_SAMPLED_HEADERS, SourceInspection, inspect_source
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]


def of_sizes(*sizes: tuple[int, int]) -> SourceInspection:
    return SourceInspection("s", "images", len(sizes), sizes=sizes)


def test_it_does_not_import_torch() -> None:
    code = "import sys, zerosum.data.glance, zerosum.data.intake; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("side", "size"),
    [(1, 16), (16, 16), (27, 16), (28, 32), (32, 32), (54, 32), (55, 64), (172, 128), (218, 256), (4000, 256)],
)
def test_the_size_is_a_power_of_two_not_much_above_the_images(side: int, size: int) -> None:
    assert of_sizes((side, side + 9)).recommended_size() == size


def test_the_size_goes_by_the_smaller_quarter_and_the_cap() -> None:
    sides = [(30, 30)] * 24 + [(300, 400)] * 76
    assert of_sizes(*sides).recommended_size() == 256
    assert of_sizes(*sides, *[(30, 30)] * 8).recommended_size() == 32
    assert of_sizes((4000, 3000)).recommended_size(max_size=1024) == 1024
    assert of_sizes((4000, 3000)).recommended_size(max_size=4096) == 1024


def test_the_fit_pads_only_what_is_alike_and_a_little_small() -> None:
    assert of_sizes((28, 28), (28, 28)).recommended_fit(32) == "pad"
    assert of_sizes((28, 30)).recommended_fit(32) == "pad"
    assert of_sizes((28, 32)).recommended_fit(32) == "pad"
    assert of_sizes((32, 32)).recommended_fit(32) == "crop"
    assert of_sizes((28, 28), (28, 27)).recommended_fit(32) == "crop"
    assert of_sizes((28, 40)).recommended_fit(32) == "crop"
    assert of_sizes((16, 16)).recommended_fit(32) == "crop"


def test_colour_and_alpha_go_by_pixels(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "grey", 5, mode="L")
    seen = inspect_source(tmp_path / "grey")
    assert (seen.has_color, seen.has_alpha, seen.recommended_channels()) == (False, False, 1)
    for path in (tmp_path / "grey").iterdir():
        Image.open(path).convert("RGBA").save(path)  # grey and opaque, whatever the mode says
    assert (inspect_source(tmp_path / "grey").has_color, inspect_source(tmp_path / "grey").has_alpha) == (False, False)
    make(tmp_path / "grey", 1, suffix=".jpg", seed=3)
    assert inspect_source(tmp_path / "grey").has_color
    see_through = Image.new("RGBA", (9, 7), (255, 0, 0, 0))
    see_through.save(tmp_path / "grey" / "x.png")
    assert inspect_source(tmp_path / "grey").has_alpha


def test_only_a_sample_is_opened(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "many", 600, size=(2, 2), suffix=".bmp")
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *given, **more: opened.append(given) or real(*given, **more))
    seen = inspect_source(tmp_path / "many")
    assert (seen.count, len(seen.sizes)) == (600, MAX_SAMPLED_HEADERS)
    assert len(opened) == MAX_SAMPLED_HEADERS + 24


def test_fields(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d" / "a", 3, size=(10, 6))
    make(tmp_path / "d" / "b", 3, size=(8, 8), mode="P", seed=1)
    (tmp_path / "d" / "b" / "bad.png").write_text("x")
    (tmp_path / "d" / "readme.md").touch()
    seen = inspect_source(str(tmp_path / "d"))
    assert (seen.kind, seen.count, seen.classes, seen.other_files) == ("images", 7, ("a", "b"), 1)
    assert (seen.short_side, seen.common_size) == (7, None)
    assert seen.pixel_modes == (("P", 3), ("RGB", 3))
    assert seen.formats == (("PNG", 6),)
    assert [Path(name).name for name, _ in seen.unreadable] == ["bad.png"]


def test_names_and_that_a_path_goes_before_them(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ring, digits = inspect_source("ring"), inspect_source("digits")
    assert (ring.kind, ring.count, ring.dimensions, ring.recommended_size()) == ("points", 50_000, 2, 0)
    assert (digits.kind, digits.count, digits.common_size, len(digits.classes)) == ("images", 10_000, (28, 28), 10)
    assert (digits.recommended_size(), digits.recommended_fit(32), digits.has_color) == (32, "pad", False)
    make(tmp_path / "ring", 4)
    assert inspect_source("ring").kind == "images"


def refusal(source: str | Path) -> str:
    with pytest.raises(BadInput) as caught:
        inspect_source(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SUFFIXES = ".png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff"


def test_what_is_missing_is_named_with_what_is_near(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "photos" / "cats", 1)
    assert refusal("phtos") == "there is no file, folder or data set 'phtos': did you mean 'photos'?"
    assert refusal("photos/cast") == ("there is no file, folder or data set 'photos/cast': did you mean 'photos/cats'?")
    assert refusal("digit") == "there is no file, folder or data set 'digit': did you mean 'digits'?"
    assert refusal("qqq") == (
        f"there is no file, folder or data set 'qqq': give a folder, .zip, .npz or .npy of images ({SUFFIXES}), "
        "or one of digits, ring, grid, spiral"
    )


def test_what_is_empty_or_of_another_kind(tmp_path: Path, make: Make) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == f"the folder {tmp_path}/empty is empty: put images into it ({SUFFIXES})"
    (tmp_path / "empty" / "a.txt").touch()
    assert refusal(tmp_path / "empty") == (
        f"the folder {tmp_path}/empty holds 1 file but no images: put images into it ({SUFFIXES})"
    )
    for name in ("a.zip", "a.npz", "a.csv"):
        (tmp_path / name).write_text("text")
    assert refusal(tmp_path / "a.zip") == (
        f"{tmp_path}/a.zip cannot be opened as a zip archive (File is not a zip file): pack or download it again"
    )
    assert refusal(tmp_path / "a.npz") == (
        f"{tmp_path}/a.npz is no archive that NumPy can read (File is not a zip file): write it with numpy.savez"
    )
    assert refusal(tmp_path / "a.csv") == (
        f"{tmp_path}/a.csv is a file of no kind that is read here: give a folder, .zip, .npz or .npy of images "
        f"({SUFFIXES})"
    )
    path = make(tmp_path / "one", 1)[0]
    assert refusal(path) == (f"{path} is a single image, and a GAN learns from many: give the folder that holds them")
    path.write_bytes(b"")
    assert refusal(tmp_path / "one") == (
        f"no image in {tmp_path}/one can be read, 0.png for one (the file is empty): replace the files"
    )


def test_a_damaged_thumbnail_does_not_end_the_look(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / "d", 3, size=(64, 64))[1]
    path.write_bytes(path.read_bytes()[:500])
    assert inspect_source(tmp_path / "d").count == 3
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4, 2), np.uint8))
    assert inspect_source(tmp_path / "a.npz").pixel_modes == (("LA", 3),)
