"""Image files: which files of a folder are images, and how an image file is opened."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from zerosum.data.images.decode import EightBitImage, error_reason, to_upright_8bit
from zerosum.data.images.memory import PIXEL_LIMIT, check_decoding_memory
from zerosum.data.images.value_range import Range
from zerosum.data.text import natural_sort_key
from zerosum.errors import BadInput

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of image files, in lower or upper case."""
# Only these formats are tried: a file named .png that is EPS would otherwise start Ghostscript.
_PIL_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")

FileEntry = tuple[str, int, int]
"""(name, bytes, state) of a file: its path within a source, with slashes, and a number that changes with its content,
such as its date in ns."""


@dataclass(frozen=True)
class FolderListing:
    """The files in a folder and its subfolders, in the order of the file system."""

    images: list[FileEntry]
    others: list[FileEntry]


def is_hidden(name: str) -> bool:
    """Return True if a file or folder of this name is hidden or made by the system: .DS_Store, .git, __MACOSX."""
    return name.startswith(".") or name == "__MACOSX"


def is_image_file(name: str) -> bool:
    """Return True if the name has the suffix of an image file."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def list_folder(folder: Path) -> FolderListing:
    """List a folder and its subfolders, without hidden files and folders.

    Links are followed, but not to a parent folder. Run folders are passed over: their sample images are no data.

    Raises:
        BadInput: if a folder cannot be listed.
    """
    images: list[FileEntry] = []
    others: list[FileEntry] = []
    try:
        for entry in _walk_files(folder, ""):
            (images if is_image_file(entry[0]) else others).append(entry)
    except OSError as error:
        raise BadInput(
            f"the folder {error.filename} cannot be listed ({error.strerror}): check its permissions"
        ) from error
    return FolderListing(images, others)


def walk_images(folder: Path) -> list[Path]:
    """Return the paths of the images in a folder and its subfolders, in natural order: see `list_folder`.

    Raises:
        BadInput: if a folder cannot be listed.
    """
    names = sorted((name for name, _, _ in list_folder(folder).images), key=natural_sort_key)
    return [folder / name for name in names]


def hash_state(kind: str, path: Path, entries: Sequence[FileEntry]) -> str:
    """Return a hash of the kind and the path of a source, and of the entries of its files."""
    digest = hashlib.blake2b(f"{kind} {path.resolve()}".encode(errors="surrogateescape"), digest_size=16)
    for entry in entries:
        digest.update(repr(entry).encode(errors="surrogateescape"))
    return digest.hexdigest()


def open_image(file: Path | io.BytesIO) -> Image.Image:
    """Open an image file of a supported format; its pixels are not loaded yet.

    Raises:
        Image.DecompressionBombError: if the memory is too small to decode it.
        Exception: any exception that Pillow raises for damaged content.
    """
    with PIXEL_LIMIT.suspended():
        image = Image.open(file, formats=_PIL_FORMATS)
    try:
        check_decoding_memory(image)
    except Image.DecompressionBombError:
        image.close()
        raise
    return image


def load_image(path: Path, value_range: Range | None = None) -> Image.Image:
    """Load an image file: upright, with 8 bits per value, in mode L, LA, RGB or RGBA; see `load_clipped_image`."""
    return load_clipped_image(path, value_range).image


def load_clipped_image(path: Path, value_range: Range | None = None) -> EightBitImage:
    """Load an image file, upright, with 8 bits per value, and count the values that are clipped.

    Args:
        path: the file.
        value_range: the range of values of more than 8 bits; None: that of their type.

    Raises:
        BadInput: if it cannot be read, or is no regular file: a FIFO or a device may give bytes for ever, or none.
    """
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: cannot be read as an image (not a regular file); name an image file")
    try:
        with open_image(path) as image:
            return to_upright_8bit(image, value_range)
    except Exception as error:  # decoders raise any exception at damaged bytes
        raise BadInput(f"{path}: cannot be read as an image ({error_reason(error)}); replace the file") from error


def _walk_files(folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...] = ()) -> Iterator[FileEntry]:
    state = folder.stat()
    chain = (*ancestors, (state.st_dev, state.st_ino))
    if (folder / "recipe.toml").is_file() and (folder / "data.json").is_file():
        return  # a run folder: `zerosum train .` writes runs into the source
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
