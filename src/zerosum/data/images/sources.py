"""Where images come from: a folder, a .zip, an .npz, an .npy, or a name; each a list of entries that can be opened."""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images.arrays import (
    as_images,
    check_shape,
    image_member,
    label_file,
    load_images,
    load_label_file,
    load_labels,
    map_array,
    member_shapes,
)
from zerosum.data.images.folder_layout import SUFFIXES, arrange, hidden, is_image
from zerosum.data.images.label_table import Table
from zerosum.data.images.summary import counted
from zerosum.data.points.mixtures import TOYS, Toy
from zerosum.errors import BadInput

BUNDLED = {"digits": Path(__file__).parents[1] / "bundled" / "digits.npz"}
"""Data sets that come with the package, by name."""
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
_EMPTY = "the file is empty"
_READ = f"a folder, .zip, .npz or .npy of images ({', '.join(SUFFIXES)})"


class Source(Protocol):
    """Images under names, each of which can be opened; from several threads at once."""

    place: str
    """What the user named it."""
    names: Sequence[str]
    """(N,) paths within the source."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros where there are no classes."""
    classes: tuple[str, ...]
    other_files: int
    notes: tuple[str, ...]
    stamp: str
    """A hash of where it lies and of every entry's name and state: equal when nothing has changed."""

    def open(self, index: int) -> Image.Image:
        """The image, whose pixels may not be loaded yet; to be closed by the caller."""
        ...


def find(source: str | Path) -> Source | Toy:
    """The data that a path or a name stands for; a path that exists goes before a name.

    Raises:
        BadInput: if there is nothing of that name, or it holds no images.
    """
    place, path = str(source), Path(source).expanduser()
    if path.is_dir():
        return Folder(place, path)
    if path.is_file():
        return _file(place, path)
    if place in TOYS:
        return TOYS[place]
    if place in BUNDLED:
        return Arrays(place, BUNDLED[place])
    near = _near(place, path)
    todo = f"did you mean {near}?" if near else f"give {_READ}, or one of {', '.join([*BUNDLED, *TOYS])}"
    raise BadInput(f"there is no file, folder or data set {place!r}: {todo}")


class Folder:
    """The images in a folder and its sub-folders."""

    def __init__(self, place: str, path: Path) -> None:
        """List the folder, and read the table of labels in it if there is one; links are followed.

        Raises:
            BadInput: if it holds no image files, or cannot be listed, or its table of labels cannot be used.
        """
        try:
            found = list(_walk(path, ""))
        except OSError as error:
            raise BadInput(
                f"the folder {error.filename} cannot be listed ({error.strerror}): allow reading it"
            ) from error
        images = [entry for entry in found if is_image(entry[0])]
        _refuse_empty(f"the folder {place}", len(found), len(images))
        others = [name for name, _, _ in found if not is_image(name)]
        self.place, self._root = place, path
        layout = arrange([name for name, _, _ in images], others, self._table)
        self.names: Sequence[str] = [images[index][0] for index in layout.kept]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, layout.notes
        self._empty = [not images[index][1] for index in layout.kept]
        self.other_files = len(others) - len(layout.tables)
        self.stamp = _stamp("folder", path, [*(images[index] for index in layout.kept), *layout.tables])

    def open(self, index: int) -> Image.Image:
        """The image, its pixels not loaded yet."""
        if self._empty[index]:
            raise ValueError(_EMPTY)
        return open_image(self._root / self.names[index])

    def _table(self, name: str) -> Table:
        where = str(Path(self.place, name))
        try:
            return Table(name, where, (self._root / name).read_bytes())
        except OSError as error:
            raise BadInput(f"{where} cannot be read ({error.strerror}): allow reading it, or rename it") from error


class Archive:
    """The images in a .zip, laid out as they would be in a folder."""

    def __init__(self, place: str, path: Path) -> None:
        """List the archive, and read the table of labels in it if there is one.

        Raises:
            BadInput: if it is no archive or holds no image files, or its table of labels cannot be used.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInput(f"{place} cannot be opened as a zip archive ({error}): pack or download it again") from error
        found = [
            member
            for member in self._archive.infolist()
            if not member.is_dir() and not any(hidden(part) for part in member.filename.split("/"))
        ]
        images = [member for member in found if is_image(member.filename)]
        _refuse_empty(f"the archive {place}", len(found), len(images))
        others = [member.filename for member in found if not is_image(member.filename)]
        self.place = place
        layout = arrange([member.filename for member in images], others, self._table)
        kept = [images[index] for index in layout.kept]
        self._members, self._turn = kept, threading.Lock()
        self.names: Sequence[str] = [member.filename for member in kept]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, layout.notes
        self.other_files = len(others) - len(layout.tables)
        entries = [(member.filename, member.file_size, member.CRC) for member in kept]
        self.stamp = _stamp("zip", path, [*entries, *layout.tables])

    def open(self, index: int) -> Image.Image:
        """The image, read from the archive but not decoded yet."""
        with self._turn:  # ZipFile counts its open members without a lock; decoding, outside, is the longer part
            content = self._archive.read(self._members[index])
        if not content:
            raise ValueError(_EMPTY)
        return open_image(io.BytesIO(content))

    def _table(self, name: str) -> Table:
        where = f"{name} in {self.place}"
        try:
            return Table(name, where, self._archive.read(name))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:  # the last: a password
            raise BadInput(f"{where} cannot be read ({error}): pack the archive again") from error


class Numbered(Sequence[str]):
    """The names `stem[0]`, `stem[1]` and so on, made when asked for: ten million of them would fill memory."""

    def __init__(self, stem: str, count: int) -> None:
        """So many names."""
        self._stem, self._range = stem, range(count)

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        chosen = self._range[index]
        return f"{self._stem}[{chosen}]" if isinstance(chosen, int) else [f"{self._stem}[{each}]" for each in chosen]


class Arrays:
    """The images in an .npz; loaded when the first is opened."""

    def __init__(self, place: str, path: Path) -> None:
        """Read the headers and the labels.

        Raises:
            BadInput: if it is no such archive, or holds no arrays that can be images and labels.
        """
        shapes = member_shapes(path)
        self._member = image_member(path, shapes)
        count = shapes[self._member][0]
        self.place, self._path = place, path
        self.names: Sequence[str] = Numbered(self._member, count)
        self.labels, self.classes = load_labels(path, shapes, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        state = path.stat()
        self.stamp = _stamp("npz", path, [(self._member, state.st_size, state.st_mtime_ns)])
        self._first = threading.Lock()

    def open(self, index: int) -> Image.Image:
        """The image.

        Raises:
            BadInput: at the first, if the values are not in a range of images.
        """
        with self._first:
            pixels = self._images[index]
        return _image(pixels)

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_images(self._path, self._member)


class ArrayFile:
    """The images in an .npy; those of uint8 are mapped into memory, others loaded when the first is opened.

    A mapped file must stay as it is for as long as it is used: the system ends a process that reads beyond the end of
    a file that was cut.
    """

    def __init__(self, place: str, path: Path) -> None:
        """Map the file and read the labels beside it, where there are some.

        Raises:
            BadInput: if it is no such file, or holds no images, or its labels do not fit.
        """
        self.stored = map_array(path)
        """As they lie in the file."""
        self._where = f"the array in {path}"
        check_shape(self.stored.shape, self._where)
        count = len(self.stored)
        self.place = place
        self.names: Sequence[str] = Numbered(path.stem, count)
        self.labels, self.classes = load_label_file(path, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        files = [each for each in (path, label_file(path)) if each.is_file()]
        states = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        self.stamp = _stamp("npy", path, states)
        self._first = threading.Lock()

    @property
    def mapped(self) -> bool:
        """Whether images can be used where they lie: of bytes, each in one piece."""
        return self.stored.dtype == np.uint8 and bool(self.stored.flags.c_contiguous)

    def open(self, index: int) -> Image.Image:
        """The image.

        Raises:
            BadInput: at the first, if the values are not in a range of images.
        """
        with self._first:
            pixels = self.images[index]
        return _image(pixels)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, C): a view of the file, where it is mapped."""
        return as_images(self.stored if self.mapped else np.array(self.stored), self._where)


def _file(place: str, path: Path) -> Source:
    if path.suffix.lower() == ".npz":
        return Arrays(place, path)
    if path.suffix.lower() == ".npy":
        return ArrayFile(place, path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Archive(place, path)
    if is_image(path.name):
        raise BadInput(f"{place} is a single image, and a GAN learns from many: give the folder that holds them")
    raise BadInput(f"{place} is a file of no kind that is read here: give {_READ}")


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))


def open_image(file: Path | io.BytesIO) -> Image.Image:
    """An image file of a format that is read here."""
    # Only named formats are tried: a file called .png that is really EPS would otherwise start Ghostscript.
    return Image.open(file, formats=_FORMATS)


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[str, int, int]]:
    """(name, bytes, mtime in ns) of every file not hidden; a link to a folder above it is not entered."""
    state = folder.stat()
    chain = (*above, (state.st_dev, state.st_ino))
    if (folder / "recipe.toml").is_file() and (folder / "data.json").is_file():
        return  # a run: its sheets are no data, as when a folder trains on itself with `zerosum train .`
    with os.scandir(folder) as entries:
        for entry in entries:
            if hidden(entry.name):
                continue
            if entry.is_dir():
                inner = entry.stat()
                if entry.is_symlink() and (inner.st_dev, inner.st_ino) in chain:
                    continue
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", chain)
            elif entry.is_file():
                state = entry.stat()
                yield f"{prefix}{entry.name}", state.st_size, state.st_mtime_ns


def _stamp(kind: str, path: Path, entries: Sequence[tuple[str, int, int]]) -> str:
    digest = hashlib.blake2b(f"{kind} {path.resolve()}".encode(errors="surrogateescape"), digest_size=16)
    for entry in entries:
        digest.update(repr(entry).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _refuse_empty(what: str, files: int, images: int) -> None:
    if not files:
        raise BadInput(f"{what} is empty: put images into it ({', '.join(SUFFIXES)})")
    if not images:
        raise BadInput(
            f"{what} holds {counted(files, 'file')} but no images: put images into it ({', '.join(SUFFIXES)})"
        )


def _near(place: str, path: Path) -> str:
    """What the user may have meant, quoted, or nothing: a name of ours, or a neighbour on disk."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    missing = path.relative_to(folder).parts[0] if path != folder else path.name
    try:
        beside = {entry.name: str(folder / entry.name) for entry in folder.iterdir() if not hidden(entry.name)}
    except OSError:
        beside = {}
    nearest = difflib.get_close_matches(missing, beside, n=1) or difflib.get_close_matches(
        place, [*BUNDLED, *TOYS], n=1
    )
    return repr(beside.get(nearest[0], nearest[0])) if nearest else ""
