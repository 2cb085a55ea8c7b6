"""Every folder is read once, and what is not read is noted by its kind, with counts."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image, features

from zerosum.data.images.folder_walk import MAX_DEPTH, list_folder, walk_images
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]
NOBODY = 65534
"""A user without privileges."""


def test_each_real_folder_is_read_once_under_its_own_path(tmp_path: Path, make_images: MakeImages) -> None:
    folder = tmp_path / "photos"
    make_images(folder / "z", 2)
    make_images(folder / "z" / "deep", 1)
    (folder / "a_link").symlink_to(folder / "z")
    (folder / "another").symlink_to(folder / "z" / "deep")
    (folder / "z" / "self").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    (folder / "root").symlink_to("/")
    listing = list_folder(folder)
    assert sorted(name for name, _, _ in listing.images) == ["z/0.png", "z/1.png", "z/deep/0.png"]
    assert listing.notes == (
        "passed over 5 repeated folders, such as a_link/ (a link to a folder that is read elsewhere)",
    )
    assert [name for name, _, _ in list_folder(folder / "a_link").images] == [
        name.removeprefix("z/") for name, _, _ in listing.images
    ]


def test_sheets_are_passed_over_only_next_to_a_record_of_samples(tmp_path: Path, make_images: MakeImages) -> None:
    """Other programs name files samples.json, too, and photos grid.png."""
    for folder in ("samples", "photos", "long"):
        first, second = make_images(tmp_path / folder, 2)
        first.rename(first.with_name("grid.png"))
        second.rename(second.with_name("0.png"))
    (tmp_path / "samples/samples.json").write_text('{"checkpoint": "best", "samples": [[0, 1]]}')
    (tmp_path / "photos/samples.json").write_text("{}")
    (tmp_path / "long/samples.json").write_text("[" * 100_000)
    listing = list_folder(tmp_path)
    names = sorted(name for name, _, _ in listing.images)
    assert names == ["long/0.png", "long/grid.png", "photos/0.png", "photos/grid.png", "samples/0.png"]
    assert sorted(name for name, _, _ in listing.others) == ["long/samples.json", "photos/samples.json"]
    assert listing.notes == ("ignored 1 sheet of generated samples, such as samples/grid.png",)


def test_links_among_two_outside_folders_end(tmp_path: Path, make_images: MakeImages) -> None:
    for side, other in (("one", "two"), ("two", "one")):
        make_images(tmp_path / "outside" / side, 1)
        (tmp_path / "outside" / side / "link").symlink_to(tmp_path / "outside" / other)
    make_images(tmp_path / "photos", 1)
    (tmp_path / "photos" / "one").symlink_to(tmp_path / "outside" / "one")
    names = [path.relative_to(tmp_path / "photos").as_posix() for path in walk_images(tmp_path / "photos")]
    assert names == ["0.png", "one/0.png", "one/link/0.png"]


def test_broken_links_special_files_and_hidden_images_are_counted(tmp_path: Path, make_images: MakeImages) -> None:
    folder = tmp_path / "photos"
    make_images(folder, 16)
    make_images(folder / ".thumbnails" / "large", 3)
    for name in (".DS_Store", "._0.png", ".hidden.png"):
        (folder / name).write_bytes(b"x")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
    listing = list_folder(folder)
    assert len(listing.images) == 16
    assert listing.notes == (
        "ignored 4 hidden images, such as .hidden.png",
        *listing.passed_notes,
    )
    assert set(listing.passed_notes) == {
        "passed over 2 broken links, such as gone.png (No such file or directory)",
        "passed over 2 special files, such as pipe.png (a FIFO, a socket or a device)",
    }
    assert set(listing.notes) <= set(load_source(folder, 8, 3, "crop").summary.notes)


def test_folders_below_the_largest_depth_are_passed_over(tmp_path: Path, make_images: MakeImages) -> None:
    folder = tmp_path / "photos"
    make_images(folder.joinpath(*"d" * MAX_DEPTH), 1)
    make_images(folder.joinpath(*"d" * (MAX_DEPTH + 1)), 1)
    listing = list_folder(folder)
    assert [name.count("/") for name, _, _ in listing.images] == [MAX_DEPTH]
    assert listing.notes[0].startswith("passed over 1 too deep folder, such as d/d/")


def test_a_folder_that_cannot_be_listed_is_passed_over(tmp_path: Path, make_images: MakeImages) -> None:
    """The path is longer than the system allows, which fails for every user; a folder of mode 000 opens for root."""
    make_images(tmp_path / "photos", 16)
    inner = os.open(tmp_path / "photos", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("long" * 60, dir_fd=inner)
        outer, inner = inner, os.open("long" * 60, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(inner)
    listing = list_folder(tmp_path / "photos")
    assert len(listing.images) == 16
    assert len(listing.notes) == 1
    assert listing.notes[0].endswith("(File name too long)")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user whom permissions bind: root, as in many containers, reads every folder."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)


def test_a_subfolder_without_permission_is_passed_over_and_the_folder_itself_is_refused(
    make_images: MakeImages,
) -> None:
    with TemporaryDirectory() as name:  # the folders of pytest are closed to other users
        photos, closed = Path(name, "photos"), Path(name, "photos", "closed")
        make_images(photos / "open", 16)
        make_images(closed, 2)
        Path(name).chmod(0o755)
        closed.chmod(0)
        with without_privileges():
            assert list_folder(photos).notes == (
                "passed over 1 unreadable folder, such as closed/ (Permission denied)",
            )
            with pytest.raises(BadInput, match=r"cannot be listed \(Permission denied\): check its permissions"):
                list_folder(closed)
        closed.chmod(0o444)  # names can be listed, and nothing else
        with without_privileges():
            assert "passed over 1 unreadable folder" in list_folder(photos).notes[0]
        closed.chmod(0o700)


def test_suffixes_that_are_not_read_are_counted(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "photos", 16)
    for name in ("a.HEIC", "b.heic", "c.svg", "d.txt", "e.zip", "noextension"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    summary = load_source(tmp_path / "photos", 8, 3, "crop").summary
    assert summary.notes == [
        "ignored 2 .heic and 1 .svg: convert them to PNG or JPEG to use them",
        "ignored 1 .zip: archives are not read here, so unpack them",
    ]
    assert summary.files == 22
    (tmp_path / "photos" / "f.heic").touch()
    assert "3 .heic" in load_source(tmp_path / "photos", 8, 3, "crop").summary.notes[0]  # not from the cache


def test_images_next_to_more_arrays_are_counted(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "photos", 3)
    for number in range(4):
        np.save(tmp_path / "photos" / f"{number}.npy", np.zeros((8, 8), np.float32))
    listing = list_folder(tmp_path / "photos")
    assert [name for name, _, _ in listing.images if not name.endswith(".npy")] == []
    assert listing.notes == (
        "ignored 3 .png, because there are more .npy files next to them: keep those of one kind in a folder",
    )


@pytest.mark.parametrize(
    ("suffix", "file_format"),
    [
        (".jfif", "JPEG"), (".JPE", "JPEG"), (".gif", "GIF"), (".dib", "BMP"), (".pgm", "PPM"), (".ppm", "PPM"),
        pytest.param(".avif", "AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF")),
    ],
)  # fmt: skip
def test_every_suffix_of_images_is_read(tmp_path: Path, suffix: str, file_format: str) -> None:
    rng = np.random.default_rng(0)
    for number in range(16):
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        image.convert("L" if suffix == ".pgm" else "RGB").save(tmp_path / f"{number}{suffix}", file_format)
    assert load_source(tmp_path, 8, 3, "crop").summary.count == 16


def test_a_folder_of_hidden_files_is_not_called_empty(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "photos" / ".thumbnails", 4)
    with pytest.raises(BadInput, match=r"photos holds 4 files, all hidden, such as \.thumbnails/"):
        inspect_source(tmp_path / "photos")
    os.mkfifo(tmp_path / "photos" / "pipe.png")
    with pytest.raises(BadInput, match=r"all hidden, .* \(passed over 1 special file, such as pipe\.png"):
        inspect_source(tmp_path / "photos")
    (tmp_path / "photos" / "a.heic").touch()
    with pytest.raises(BadInput, match=r"contains 1 file \(1 \.heic\) but no images \(passed over 1 special file"):
        inspect_source(tmp_path / "photos")


def test_a_fifo_is_refused_as_a_source_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    errors: list[str] = []

    def inspect() -> None:
        try:
            inspect_source(tmp_path / "pipe.zip")
        except BadInput as error:
            errors.append(str(error))

    thread = threading.Thread(target=inspect, daemon=True)  # opening a FIFO waits for ever
    thread.start()
    thread.join(60)
    assert len(errors) == 1
    assert "is a FIFO, a socket or a device" in errors[0]
