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
    check_image_shape,
    find_image_array,
    label_file_path,
    load_image_array,
    load_label_file,
    load_labels,
    memmap_npy,
    read_array_shapes,
    to_uint8_nhwc,
)
from zerosum.data.images.folder_layout import IMAGE_SUFFIXES, infer_layout, is_hidden, is_image_file
from zerosum.data.images.label_table import LabelTable
from zerosum.data.images.summary import pluralize
from zerosum.data.points.mixtures import MIXTURES, GaussianMixture
from zerosum.errors import BadInput

BUNDLED_DATASETS = {"digits": Path(__file__).parents[1] / "bundled" / "digits.npz"}
"""Data sets that come with the package, by name."""
_PIL_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
_EMPTY_FILE = "the file is empty"
_SUPPORTED_SOURCES = f"a folder, .zip, .npz or .npy of images ({', '.join(IMAGE_SUFFIXES)})"


class Source(Protocol):
    """Images under names, each of which can be opened; from several threads at once."""

    display_name: str
    """What the user named it."""
    names: Sequence[str]
    """(N,) paths within the source."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros where there are no classes."""
    classes: tuple[str, ...]
    other_files: int
    notes: tuple[str, ...]
    state_hash: str
    """A hash of where it lies and of every entry's name and state: equal when nothing has changed."""

    def open(self, index: int) -> Image.Image:
        """The image, whose pixels may not be loaded yet; to be closed by the caller."""
        ...


def resolve_source(source: str | Path) -> Source | GaussianMixture:
    """The data that a path or a name stands for; a path that exists goes before a name.

    Raises:
        BadInput: if there is nothing of that name, or it holds no images.
    """
    place, path = str(source), Path(source).expanduser()
    if path.is_dir():
        return FolderSource(place, path)
    if path.is_file():
        return _open_source_file(place, path)
    if place in MIXTURES:
        return MIXTURES[place]
    if place in BUNDLED_DATASETS:
        return NpzSource(place, BUNDLED_DATASETS[place])
    near = _closest_match(place, path)
    todo = (
        f"did you mean {near}?"
        if near
        else f"give {_SUPPORTED_SOURCES}, or one of {', '.join([*BUNDLED_DATASETS, *MIXTURES])}"
    )
    raise BadInput(f"there is no file, folder or data set {place!r}: {todo}")


class FolderSource:
    """The images in a folder and its sub-folders."""

    def __init__(self, display_name: str, path: Path) -> None:
        """List the folder, and read the table of labels in it if there is one; links are followed.

        Raises:
            BadInput: if it holds no image files, or cannot be listed, or its table of labels cannot be used.
        """
        try:
            found = list(_walk_files(path, ""))
        except OSError as error:
            raise BadInput(
                f"the folder {error.filename} cannot be listed ({error.strerror}): allow reading it"
            ) from error
        images = [entry for entry in found if is_image_file(entry[0])]
        _require_images(f"the folder {display_name}", len(found), len(images))
        others = [name for name, _, _ in found if not is_image_file(name)]
        self.display_name, self._root = display_name, path
        layout = infer_layout([name for name, _, _ in images], others, self._open_table)
        self.names: Sequence[str] = [images[index][0] for index in layout.indices]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, layout.notes
        self._is_empty = [not images[index][1] for index in layout.indices]
        self.other_files = len(others) - len(layout.table_entries)
        self.state_hash = _state_hash(
            "folder", path, [*(images[index] for index in layout.indices), *layout.table_entries]
        )

    def open(self, index: int) -> Image.Image:
        """The image, its pixels not loaded yet."""
        if self._is_empty[index]:
            raise ValueError(_EMPTY_FILE)
        return open_image(self._root / self.names[index])

    def _open_table(self, name: str) -> LabelTable:
        where = str(Path(self.display_name, name))
        try:
            return LabelTable(name, where, (self._root / name).read_bytes())
        except OSError as error:
            raise BadInput(f"{where} cannot be read ({error.strerror}): allow reading it, or rename it") from error


class ZipSource:
    """The images in a .zip, laid out as they would be in a folder."""

    def __init__(self, display_name: str, path: Path) -> None:
        """List the archive, and read the table of labels in it if there is one.

        Raises:
            BadInput: if it is no archive or holds no image files, or its table of labels cannot be used.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInput(
                f"{display_name} cannot be opened as a zip archive ({error}): pack or download it again"
            ) from error
        found = [
            member
            for member in self._archive.infolist()
            if not member.is_dir() and not any(is_hidden(part) for part in member.filename.split("/"))
        ]
        images = [member for member in found if is_image_file(member.filename)]
        _require_images(f"the archive {display_name}", len(found), len(images))
        others = [member.filename for member in found if not is_image_file(member.filename)]
        self.display_name = display_name
        layout = infer_layout([member.filename for member in images], others, self._open_table)
        kept = [images[index] for index in layout.indices]
        self._members, self._lock = kept, threading.Lock()
        self.names: Sequence[str] = [member.filename for member in kept]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, layout.notes
        self.other_files = len(others) - len(layout.table_entries)
        entries = [(member.filename, member.file_size, member.CRC) for member in kept]
        self.state_hash = _state_hash("zip", path, [*entries, *layout.table_entries])

    def open(self, index: int) -> Image.Image:
        """The image, read from the archive but not decoded yet."""
        with self._lock:  # ZipFile counts its open members without a lock; decoding, outside, is the longer part
            content = self._archive.read(self._members[index])
        if not content:
            raise ValueError(_EMPTY_FILE)
        return open_image(io.BytesIO(content))

    def _open_table(self, name: str) -> LabelTable:
        where = f"{name} in {self.display_name}"
        try:
            return LabelTable(name, where, self._archive.read(name))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:  # the last: a password
            raise BadInput(f"{where} cannot be read ({error}): pack the archive again") from error


class IndexedNames(Sequence[str]):
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


class NpzSource:
    """The images in an .npz; loaded when the first is opened."""

    def __init__(self, display_name: str, path: Path) -> None:
        """Read the headers and the labels.

        Raises:
            BadInput: if it is no such archive, or holds no arrays that can be images and labels.
        """
        shapes = read_array_shapes(path)
        self._array_name = find_image_array(path, shapes)
        count = shapes[self._array_name][0]
        self.display_name, self._path = display_name, path
        self.names: Sequence[str] = IndexedNames(self._array_name, count)
        self.labels, self.classes = load_labels(path, shapes, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        state = path.stat()
        self.state_hash = _state_hash("npz", path, [(self._array_name, state.st_size, state.st_mtime_ns)])
        self._lock = threading.Lock()

    def open(self, index: int) -> Image.Image:
        """The image.

        Raises:
            BadInput: at the first, if the values are not in a range of images.
        """
        with self._lock:
            pixels = self._images[index]
        return _to_pil_image(pixels)

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_image_array(self._path, self._array_name)


class NpySource:
    """The images in an .npy; those of uint8 are mapped into memory, others loaded when the first is opened.

    A mapped file must stay as it is for as long as it is used: the system ends a process that reads beyond the end of
    a file that was cut.
    """

    def __init__(self, display_name: str, path: Path) -> None:
        """Map the file and read the labels beside it, where there are some.

        Raises:
            BadInput: if it is no such file, or holds no images, or its labels do not fit.
        """
        self.memmap = memmap_npy(path)
        """As they lie in the file."""
        self._description = f"the array in {path}"
        check_image_shape(self.memmap.shape, self._description)
        count = len(self.memmap)
        self.display_name = display_name
        self.names: Sequence[str] = IndexedNames(path.stem, count)
        self.labels, self.classes = load_label_file(path, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        files = [each for each in (path, label_file_path(path)) if each.is_file()]
        states = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        self.state_hash = _state_hash("npy", path, states)
        self._lock = threading.Lock()

    @property
    def is_memmappable(self) -> bool:
        """Whether images can be used where they lie: of bytes, each in one piece."""
        return self.memmap.dtype == np.uint8 and bool(self.memmap.flags.c_contiguous)

    def open(self, index: int) -> Image.Image:
        """The image.

        Raises:
            BadInput: at the first, if the values are not in a range of images.
        """
        with self._lock:
            pixels = self.images[index]
        return _to_pil_image(pixels)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, C): a view of the file, where it is mapped."""
        return to_uint8_nhwc(self.memmap if self.is_memmappable else np.array(self.memmap), self._description)


def _open_source_file(display_name: str, path: Path) -> Source:
    if path.suffix.lower() == ".npz":
        return NpzSource(display_name, path)
    if path.suffix.lower() == ".npy":
        return NpySource(display_name, path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipSource(display_name, path)
    if is_image_file(path.name):
        raise BadInput(f"{display_name} is a single image, and a GAN learns from many: give the folder that holds them")
    raise BadInput(f"{display_name} is a file of no kind that is read here: give {_SUPPORTED_SOURCES}")


def _to_pil_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))


def open_image(file: Path | io.BytesIO) -> Image.Image:
    """An image file of a format that is read here."""
    # Only named formats are tried: a file called .png that is really EPS would otherwise start Ghostscript.
    return Image.open(file, formats=_PIL_FORMATS)


def _walk_files(
    folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, int, int]]:
    """(name, bytes, mtime in ns) of every file not hidden; a link to a folder above it is not entered."""
    state = folder.stat()
    chain = (*ancestors, (state.st_dev, state.st_ino))
    if (folder / "recipe.toml").is_file() and (folder / "data.json").is_file():
        return  # a run: its sheets are no data, as when a folder trains on itself with `zerosum train .`
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if entry.is_dir():
                inner = entry.stat()
                if entry.is_symlink() and (inner.st_dev, inner.st_ino) in chain:
                    continue
                yield from _walk_files(Path(entry.path), f"{prefix}{entry.name}/", chain)
            elif entry.is_file():
                state = entry.stat()
                yield f"{prefix}{entry.name}", state.st_size, state.st_mtime_ns


def _state_hash(kind: str, path: Path, entries: Sequence[tuple[str, int, int]]) -> str:
    digest = hashlib.blake2b(f"{kind} {path.resolve()}".encode(errors="surrogateescape"), digest_size=16)
    for entry in entries:
        digest.update(repr(entry).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _require_images(description: str, files: int, images: int) -> None:
    if not files:
        raise BadInput(f"{description} is empty: put images into it ({', '.join(IMAGE_SUFFIXES)})")
    if not images:
        raise BadInput(
            f"{description} holds {pluralize(files, 'file')} but no images: put images into it ({', '.join(IMAGE_SUFFIXES)})"
        )


def _closest_match(display_name: str, path: Path) -> str:
    """What the user may have meant, quoted, or nothing: a name of ours, or a neighbour on disk."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    missing = path.relative_to(folder).parts[0] if path != folder else path.name
    try:
        beside = {entry.name: str(folder / entry.name) for entry in folder.iterdir() if not is_hidden(entry.name)}
    except OSError:
        beside = {}
    nearest = difflib.get_close_matches(missing, beside, n=1) or difflib.get_close_matches(
        display_name, [*BUNDLED_DATASETS, *MIXTURES], n=1
    )
    return repr(beside.get(nearest[0], nearest[0])) if nearest else ""
