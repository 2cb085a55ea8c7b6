"""Sources of images: a folder, .zip, .npz, .npy, or a built-in dataset; each lists images that can be opened."""

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
"""Image datasets that come with the package, by name."""
_PIL_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
_EMPTY_FILE = "the file is empty"
_SUPPORTED_SOURCES = f"a folder, .zip, .npz or .npy of images ({', '.join(IMAGE_SUFFIXES)})"


class Source(Protocol):
    """A list of images that can be opened from several threads at once."""

    display_name: str
    """The source as the user named it."""
    names: Sequence[str]
    """(N,) paths of the images within the source."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros if there are no classes."""
    classes: tuple[str, ...]
    """Class names in natural order; () if there are none."""
    other_files: int
    """Number of files without the suffix of an image, which are ignored."""
    notes: tuple[str, ...]
    """Sentences for the user about decisions made while listing."""
    state_hash: str
    """A hash of the path and of the name, size and date of every entry: equal if nothing has changed."""

    def open(self, index: int) -> Image.Image:
        """Open an image, whose pixels may not be loaded yet; the caller closes it."""
        ...


def resolve_source(source: str | Path) -> Source | GaussianMixture:
    """Return the source of a path or of the name of a built-in dataset; an existing path has precedence over a name.

    Raises:
        BadInput: if there is no such path or name, or no images in it.
    """
    name, path = str(source), Path(source).expanduser()
    if path.is_dir():
        return FolderSource(name, path)
    if path.is_file():
        return _open_source_file(name, path)
    if name in MIXTURES:
        return MIXTURES[name]
    if name in BUNDLED_DATASETS:
        return NpzSource(name, BUNDLED_DATASETS[name])
    match = _closest_match(name, path)
    hint = (
        f"did you mean {match}?"
        if match
        else f"give {_SUPPORTED_SOURCES}, or one of {', '.join([*BUNDLED_DATASETS, *MIXTURES])}"
    )
    raise BadInput(f"there is no file, folder or dataset {name!r}: {hint}")


class FolderSource:
    """The images in a folder and its subfolders."""

    def __init__(self, display_name: str, path: Path) -> None:
        """List the folder, following links, and read its table of labels if there is one.

        Raises:
            BadInput: if it contains no image files, or cannot be listed, or its table of labels cannot be used.
        """
        try:
            files = list(_walk_files(path, ""))
        except OSError as error:
            raise BadInput(
                f"the folder {error.filename} cannot be listed ({error.strerror}): check its permissions"
            ) from error
        images = [entry for entry in files if is_image_file(entry[0])]
        _require_images(f"the folder {display_name}", len(files), len(images))
        others = [name for name, _, _ in files if not is_image_file(name)]
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
        """Open an image; its pixels are not loaded yet."""
        if self._is_empty[index]:
            raise ValueError(_EMPTY_FILE)
        return open_image(self._root / self.names[index])

    def _open_table(self, name: str) -> LabelTable:
        table_name = str(Path(self.display_name, name))
        try:
            return LabelTable(name, table_name, (self._root / name).read_bytes())
        except OSError as error:
            raise BadInput(
                f"{table_name} cannot be read ({error.strerror}): check its permissions, or rename it to ignore it"
            ) from error


class ZipSource:
    """The images in a .zip, with the same layouts as a folder."""

    def __init__(self, display_name: str, path: Path) -> None:
        """List the archive, and read its table of labels if there is one.

        Raises:
            BadInput: if it is not a zip archive or contains no image files, or its table of labels cannot be used.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInput(
                f"{display_name} cannot be opened as a zip archive ({error}): create or download it again"
            ) from error
        files = [
            member
            for member in self._archive.infolist()
            if not member.is_dir() and not any(is_hidden(part) for part in member.filename.split("/"))
        ]
        images = [member for member in files if is_image_file(member.filename)]
        _require_images(f"the archive {display_name}", len(files), len(images))
        others = [member.filename for member in files if not is_image_file(member.filename)]
        self.display_name = display_name
        layout = infer_layout([member.filename for member in images], others, self._open_table)
        members = [images[index] for index in layout.indices]
        self._members, self._lock = members, threading.Lock()
        self.names: Sequence[str] = [member.filename for member in members]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, layout.notes
        self.other_files = len(others) - len(layout.table_entries)
        entries = [(member.filename, member.file_size, member.CRC) for member in members]
        self.state_hash = _state_hash("zip", path, [*entries, *layout.table_entries])

    def open(self, index: int) -> Image.Image:
        """Read an image from the archive; it is not decoded yet."""
        with self._lock:  # ZipFile counts its open members without a lock; decoding takes longer and is outside
            content = self._archive.read(self._members[index])
        if not content:
            raise ValueError(_EMPTY_FILE)
        return open_image(io.BytesIO(content))

    def _open_table(self, name: str) -> LabelTable:
        table_name = f"{name} in {self.display_name}"
        try:
            return LabelTable(name, table_name, self._archive.read(name))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:  # the last: a password
            raise BadInput(f"{table_name} cannot be read ({error}): create the archive again") from error


class IndexedNames(Sequence[str]):
    """The names `stem[0]`, `stem[1]` and so on, made on access: ten million strings would fill the memory."""

    def __init__(self, stem: str, count: int) -> None:
        """Create a sequence of `count` names."""
        self._stem, self._range = stem, range(count)

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        numbers = self._range[index]
        return f"{self._stem}[{numbers}]" if isinstance(numbers, int) else [f"{self._stem}[{n}]" for n in numbers]


class NpzSource:
    """The images in an .npz, which are loaded when the first one is opened."""

    def __init__(self, display_name: str, path: Path) -> None:
        """Read the headers and the labels.

        Raises:
            BadInput: if the file is not an .npz archive, or has no array of images, or its labels do not match.
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
        """Return an image.

        Raises:
            BadInput: at the first call, if the values are not in a range of images.
        """
        with self._lock:
            pixels = self._images[index]
        return _to_pil_image(pixels)

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_image_array(self._path, self._array_name)


class NpySource:
    """The images in an .npy: uint8 images are memory-mapped, others are loaded when the first one is opened.

    A memory-mapped file must not change while it is used: the operating system kills a process that reads beyond the
    end of a truncated file.
    """

    def __init__(self, display_name: str, path: Path) -> None:
        """Memory-map the file, and read its label file if there is one.

        Raises:
            BadInput: if the file is not an .npy file, or holds no images, or its labels do not match.
        """
        self.memmap = memmap_npy(path)
        """The array as it is stored in the file."""
        self._description = f"the array in {path}"
        check_image_shape(self.memmap.shape, self._description)
        count = len(self.memmap)
        self.display_name = display_name
        self.names: Sequence[str] = IndexedNames(path.stem, count)
        self.labels, self.classes = load_label_file(path, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        files = [file for file in (path, label_file_path(path)) if file.is_file()]
        states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        self.state_hash = _state_hash("npy", path, states)
        self._lock = threading.Lock()

    @property
    def is_memmappable(self) -> bool:
        """Whether the images can be memory-mapped: uint8, each in one block of memory."""
        return self.memmap.dtype == np.uint8 and bool(self.memmap.flags.c_contiguous)

    def open(self, index: int) -> Image.Image:
        """Return an image.

        Raises:
            BadInput: at the first call, if the values are not in a range of images.
        """
        with self._lock:
            pixels = self.images[index]
        return _to_pil_image(pixels)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, C) uint8: a view of the file if it can be memory-mapped."""
        return to_uint8_nhwc(self.memmap if self.is_memmappable else np.array(self.memmap), self._description)


def _open_source_file(display_name: str, path: Path) -> Source:
    if path.suffix.lower() == ".npz":
        return NpzSource(display_name, path)
    if path.suffix.lower() == ".npy":
        return NpySource(display_name, path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipSource(display_name, path)
    if is_image_file(path.name):
        raise BadInput(f"{display_name} is a single image: give the folder that contains the training images")
    raise BadInput(f"{display_name} is not a supported type of file: give {_SUPPORTED_SOURCES}")


def _to_pil_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))


def open_image(file: Path | io.BytesIO) -> Image.Image:
    """Open an image file of a supported format; its pixels are not loaded yet."""
    # Only these formats are tried: a file named .png that is EPS would otherwise start Ghostscript.
    return Image.open(file, formats=_PIL_FORMATS)


def _walk_files(
    folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, int, int]]:
    """Yield (name, bytes, mtime in ns) of every file that is not hidden; links to a parent folder are not followed."""
    state = folder.stat()
    chain = (*ancestors, (state.st_dev, state.st_ino))
    if (folder / "recipe.toml").is_file() and (folder / "data.json").is_file():
        return  # a run folder: its sample images are not training data (`zerosum train .` writes runs into the source)
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if entry.is_dir():
                target = entry.stat()
                if entry.is_symlink() and (target.st_dev, target.st_ino) in chain:
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
        raise BadInput(f"{description} is empty: add images ({', '.join(IMAGE_SUFFIXES)})")
    if not images:
        raise BadInput(
            f"{description} contains {pluralize(files, 'file')} but no images: add images ({', '.join(IMAGE_SUFFIXES)})"
        )


def _closest_match(display_name: str, path: Path) -> str:
    """Return the most similar name of a file, folder or built-in dataset in quotes, or "" if none is similar."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    missing = path.relative_to(folder).parts[0] if path != folder else path.name
    try:
        siblings = {entry.name: str(folder / entry.name) for entry in folder.iterdir() if not is_hidden(entry.name)}
    except OSError:
        siblings = {}
    nearest = difflib.get_close_matches(missing, siblings, n=1) or difflib.get_close_matches(
        display_name, [*BUNDLED_DATASETS, *MIXTURES], n=1
    )
    return repr(siblings.get(nearest[0], nearest[0])) if nearest else ""
