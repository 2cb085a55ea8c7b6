"""Which files of a folder are images, and how an image file is loaded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum
from zerosum.data.images.files import load_image
from zerosum.data.images.folder_walk import list_folder, walk_images
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


def test_images_are_found_in_natural_order_without_hidden_files_links_to_parents_and_run_folders(
    tmp_path: Path, make_images: MakeImages
) -> None:
    folder, run = tmp_path / "photos", tmp_path / "photos" / "runs" / "one"
    make_images(folder, 11)
    for part in (".hidden", "__MACOSX", "runs/one/samples"):
        make_images(folder / part, 1)
    (folder / ".0.png").write_bytes(b"x")
    (run / "recipe.toml").touch()
    (run / "data.json").touch()
    make_images(tmp_path / "elsewhere", 1, suffix=".JPG")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "linked" / "parent").symlink_to(folder)
    (folder / "up").symlink_to(folder)
    (folder / "notes.txt").touch()
    assert walk_images(folder) == [*(folder / f"{number}.png" for number in range(11)), folder / "linked/0.JPG"]
    assert [name for name, _, _ in list_folder(folder).others] == ["notes.txt"]


def test_an_image_is_loaded_upright_and_with_8_bits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png", exif=exif)
    Image.fromarray(np.full((2, 3), 65535, np.uint16)).save(tmp_path / "b.png")
    assert load_image(tmp_path / "a.png").size == (2, 3)
    assert np.asarray(load_image(tmp_path / "b.png")).tolist() == [[255] * 3] * 2


@pytest.mark.parametrize("content", [b"", b"x", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"])
def test_a_file_that_is_no_image_of_a_supported_format_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as an image"):
        load_image(tmp_path / "a.png")


def test_one_function_opens_all_image_files() -> None:
    """A second one would not have its list of formats."""
    source = Path(zerosum.__file__).parent
    callers = {path.relative_to(source) for path in source.rglob("*.py") if "Image.open(" in path.read_text("utf8")}
    drawn = Path("media/molecules_sheet.py")  # opens the PNG that RDKit has drawn in memory
    assert callers - {drawn} == {Path("data/images/files.py")}
