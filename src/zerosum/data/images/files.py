"""Image files: which files of a folder are images, and how an image file is opened."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, features

from zerosum.data.generated_files import RECORD_FILE, SHEET_FILES, is_record
from zerosum.data.images.decode import EightBitImage, error_reason, to_upright_8bit
from zerosum.data.images.memory import PIXEL_LIMIT, check_decoding_memory
from zerosum.data.images.raster_image import OpenedImage, load_npy_image
from zerosum.data.images.value_range import Range
from zerosum.data.text import most_common, natural_sort_key, pluralize, printable
from zerosum.errors import BadInput

_HAS_AVIF = "avif" in features.modules and bool(features.check_module("avif"))  # Pillow 11.3 and later
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
    *((".avif",) if _HAS_AVIF else ()),
)
"""Suffixes of image files, in lower or upper case."""
COMMON_SUFFIXES = ".png, .jpg, .webp, .bmp, .tif, .gif and the like"
"""The suffixes of most image files, for messages."""
# Only these formats are tried: a file named .png that is EPS would otherwise start Ghostscript.
_PIL_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", *(("AVIF",) if _HAS_AVIF else ()))
_UNREAD_SUFFIXES = frozenset(
    (
        *(".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".xcf", ".kra", ".eps", ".ai", ".pdf"),
        *(".exr", ".hdr", ".tga", ".ico", ".icns", ".qoi", ".dds", ".pcx", ".sgi", ".dcm", ".nii", ".fits", ".fit"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        *(".svs", ".ndpi", ".czi", ".mrxs", ".vsi", ".lif", ".mp4", ".mov", ".avi", ".mkv", ".webm"),
    )
)  # of files that hold images, but are not read
_ARCHIVE_SUFFIXES = frozenset((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"))

FileEntry = tuple[str, int, int]
"""(name, bytes, state) of a file: its path within a source, with slashes, and a number that changes with its content,
such as its date in ns."""


def is_hidden(name: str) -> bool:
    """Return True if a file or folder of this name is hidden or made by the system: .DS_Store, .git, __MACOSX."""
    return name.startswith(".") or name == "__MACOSX"


def is_image_file(name: str) -> bool:
    """Return True if the name has the suffix of an image file."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def is_array_file(name: str) -> bool:
    """Return True if the name is that of an array that may be one image: an .npy file that holds no labels."""
    return name.lower().endswith(".npy") and not name.lower().endswith(".labels.npy")


def find_images(names: Collection[str]) -> set[str]:
    """Return the paths of the images among files: image files, or arrays of one image each.

    They are arrays in each folder that has more of those than image files: samples with many bands are next to a grid
    of them, and a folder of images may hold an array of something else.
    """
    majority: Counter[str] = Counter()
    for name in names:
        majority[name.rpartition("/")[0]] += is_array_file(name) - is_image_file(name)
    return {
        name
        for name in names
        if (is_array_file(name) if majority[name.rpartition("/")[0]] > 0 else is_image_file(name))
    }


def find_sheets(names: Collection[str], read: Callable[[str], bytes]) -> set[str]:
    """Return the paths of what is no data in folders of generated samples: their records, and sheets of the samples.

    Args:
        names: the paths of all files.
        read: returns the content of a file of a few MiB; b"" if it is larger, or cannot be read.
    """
    records = [name for name in names if name.rpartition("/")[2] == RECORD_FILE and is_record(read(name))]
    if not records:
        return set()
    found = {f"{record.removesuffix(RECORD_FILE)}{file}" for record in records for file in (RECORD_FILE, *SHEET_FILES)}
    return found.intersection(names)


def describe_sheets(found: Iterable[str]) -> list[str]:
    """Return a sentence about images among what `find_sheets` has found, or nothing."""
    sheets = sorted(filter(is_image_file, found), key=natural_sort_key)
    if not sheets:
        return []
    return [f"ignored {pluralize(len(sheets), 'sheet')} of generated samples, such as {sheets[0]}"]


def describe_unread(names: Collection[str]) -> list[str]:
    """Return sentences about files that may hold images, but are not read: their counts by suffix."""
    outnumbered = count_suffixes(filter(is_image_file, names))
    because = "because there are more .npy files next to them: keep those of one kind in a folder"
    return ([f"ignored {_join_counts(outnumbered)}, {because}"] if outnumbered else []) + _describe_suffixes(names)


def _describe_suffixes(names: Iterable[str]) -> list[str]:
    counts = count_suffixes(names)
    unread = {suffix: count for suffix, count in counts.items() if suffix in _UNREAD_SUFFIXES}
    archives = {suffix: count for suffix, count in counts.items() if suffix in _ARCHIVE_SUFFIXES}
    notes = [f"ignored {_join_counts(unread)}: convert them to PNG or JPEG to use them"] if unread else []
    return notes + (
        [f"ignored {_join_counts(archives)}: archives are not read here, so unpack them"] if archives else []
    )


def require_images(
    description: str,
    images: Sequence[str],
    others: Iterable[str],
    hidden: Sequence[str],
    notes: Sequence[str] = (),
) -> None:
    """Raise if there are no images.

    Args:
        description: the folder or the archive in messages.
        images: the paths of the images.
        others: the paths of other files.
        hidden: the paths of hidden files, which are not read.
        notes: what else was not read.

    Raises:
        BadInput: if there are none; the message says what there is instead.
    """
    if images:
        return
    rest = f" ({'; '.join(notes)})" if notes else ""
    counts = count_suffixes(others)
    if counts:
        files = pluralize(sum(counts.values()), "file")
        raise BadInput(
            f"{description} contains {files} ({_join_counts(counts)}) but no images{rest}: add images "
            f"({COMMON_SUFFIXES})"
        )
    if hidden:
        raise BadInput(
            f"{description} holds {pluralize(len(hidden), 'file')}, all hidden, such as {hidden[0]}{rest}: rename "
            "files and folders whose names start with a dot"
        )
    raise BadInput(f"{description} {'holds no files' if rest else 'is empty'}{rest}: add images ({COMMON_SUFFIXES})")


def count_suffixes(names: Iterable[str]) -> dict[str, int]:
    """Return the number of files of each suffix in lower case, most frequent first."""
    files = (name.rpartition("/")[2].lower() for name in names)
    return most_common((f".{file.rpartition('.')[2]}" if "." in file else "without a suffix" for file in files), 2**31)


def _join_counts(counts: Mapping[str, int], max_shown: int = 5) -> str:
    shown = [f"{count:,} {suffix}" for suffix, count in counts.items()]
    rest = [f"{len(shown) - max_shown:,} more suffixes"] if len(shown) > max_shown else []
    return " and ".join([*shown[:max_shown], *rest])


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


def open_file(file: Path | io.BytesIO, name: str) -> OpenedImage:
    """Open a file of one image: one that Pillow reads, or an array whose name ends with .npy.

    Raises:
        Exception: see `open_image`; ValueError if an array is not one image.
    """
    if not name.lower().endswith(".npy"):
        return open_image(file)
    # memory-mapped: the values are read where the memory for decoding is bounded, and not at all for a header
    image = load_npy_image(np.load(file, mmap_mode="r" if isinstance(file, Path) else None, allow_pickle=False))
    check_decoding_memory(image)
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
        raise BadInput(f"{printable(str(path))}: cannot be read as an image (not a regular file); name an image file")
    try:
        with open_image(path) as image:
            return to_upright_8bit(image, value_range)
    except Exception as error:  # decoders raise any exception at damaged bytes
        name = printable(str(path))
        raise BadInput(f"{name}: cannot be read as an image ({error_reason(error)}); replace the file") from error
