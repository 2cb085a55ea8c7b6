"""The files of a folder and its subfolders: which are images, and what is passed over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from zerosum.data.generated_files import MAX_RECORD_BYTES
from zerosum.data.images.files import (
    FileEntry,
    describe_sheets,
    describe_unread,
    find_images,
    find_sheets,
    is_hidden,
    is_image_file,
)
from zerosum.data.text import natural_sort_key, pluralize
from zerosum.errors import BadInput

MAX_DEPTH = 64
"""Levels of subfolders that are read."""


class PassedOver(Enum):
    """What is not read in a folder, as a noun."""

    UNREADABLE_FOLDER = "unreadable folder"
    UNREADABLE_FILE = "unreadable file"
    BROKEN_LINK = "broken link"
    REPEATED_FOLDER = "repeated folder"
    SPECIAL_FILE = "special file"
    DEEP_FOLDER = "too deep folder"


@dataclass(frozen=True)
class FolderListing:
    """The files in a folder and its subfolders, in the order of the file system."""

    images: list[FileEntry] = field(default_factory=list)
    others: list[FileEntry] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    """The paths of the files that are hidden, or in a hidden folder."""
    sheets: set[str] = field(default_factory=set)
    """The paths of records and sheets in folders of generated samples."""
    passed_over: dict[PassedOver, list[tuple[str, str]]] = field(default_factory=dict)
    """(path, reason) of what is not read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about what is not read, which may hold images."""
        names = [name for name, _, _ in self.others]
        notes = [*describe_unread(names), *describe_hidden_images(self.hidden)]
        return (*notes, *describe_sheets(self.sheets), *self.passed_notes)

    @property
    def passed_notes(self) -> tuple[str, ...]:
        """Sentences about folders, links and special files that are not read."""
        return tuple(_describe_passed_over(kind, entries) for kind, entries in self.passed_over.items())

    def pass_over(self, kind: PassedOver, path: str, reason: str) -> None:
        """Add something that is not read."""
        self.passed_over.setdefault(kind, []).append((path, reason))


def list_folder(folder: Path) -> FolderListing:
    """List a folder and its subfolders, without hidden files and folders.

    Links are followed; each folder is read once, under its own path if that is within the folder. Run folders are
    passed over, since their sample images are no data, and so are sheets in folders of generated samples. Subfolders
    and files that cannot be read are noted.

    Raises:
        BadInput: if the folder itself cannot be listed.
    """
    walker = _Walker(folder)
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise BadInput(f"the folder {folder} cannot be listed ({error.strerror}): check its permissions") from error
    walker.walk()
    listing = walker.listing
    entries = [*listing.images, *listing.others]
    listing.sheets.update(find_sheets([name for name, _, _ in entries], lambda name: _read_small(folder / name)))
    entries = [entry for entry in entries if entry[0] not in listing.sheets]
    names = find_images([name for name, _, _ in entries])
    listing.images[:] = [entry for entry in entries if entry[0] in names]
    listing.others[:] = [entry for entry in entries if entry[0] not in names]
    return listing


def walk_images(folder: Path) -> list[Path]:
    """Return the paths of the images in a folder and its subfolders, in natural order: see `list_folder`.

    Raises:
        BadInput: if the folder cannot be listed.
    """
    return image_paths(folder, list_folder(folder))


def image_paths(folder: Path, listing: FolderListing) -> list[Path]:
    """Return the paths of the images that were listed in a folder, in natural order."""
    return [folder / name for name in sorted((name for name, _, _ in listing.images), key=natural_sort_key)]


def describe_hidden_images(hidden: Sequence[str]) -> list[str]:
    """Return a sentence about images among hidden files, such as .thumbnails/a.png, or nothing.

    The ._a.png that macOS writes next to each a.png are no images.
    """
    images = [name for name in hidden if is_image_file(name) and not name.rpartition("/")[2].startswith("._")]
    if not images:
        return []
    return [f"ignored {pluralize(len(images), 'hidden image')}, such as {min(images, key=natural_sort_key)}"]


def _describe_passed_over(kind: PassedOver, entries: Sequence[tuple[str, str]]) -> str:
    path, reason = min(entries, key=lambda entry: natural_sort_key(entry[0]))
    return f"passed over {pluralize(len(entries), kind.value)}, such as {path} ({reason})"


class _Walker:
    """Lists a folder without recursion: its own subfolders first, then those that links lead to."""

    def __init__(self, root: Path) -> None:
        self.listing = FolderListing()
        self._root = root
        self._seen = {identity for parent in root.resolve().parents if (identity := _identity(parent))}
        self._folders = [("", 0)]  # (path with a trailing slash, its level)
        self._links: list[tuple[str, int]] = []

    def walk(self) -> None:
        """List everything."""
        while self._folders or self._links:
            if not self._folders:
                self._links.sort(key=lambda link: natural_sort_key(link[0]), reverse=True)
                self._folders.append(self._links.pop())
            self._list(*self._folders.pop())

    def _list(self, prefix: str, level: int) -> None:
        folder = self._root / prefix
        try:
            state = folder.stat()
            if (state.st_dev, state.st_ino) in self._seen:
                self.listing.pass_over(PassedOver.REPEATED_FOLDER, prefix, "a link to a folder that is read elsewhere")
                return
            self._seen.add((state.st_dev, state.st_ino))
            if _is_run_folder(folder):
                return  # `zerosum train .` writes runs into the source
            if level > MAX_DEPTH:
                self.listing.pass_over(PassedOver.DEEP_FOLDER, prefix, f"below {MAX_DEPTH} others")
                return
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._add(entry, prefix + entry.name, level)
        except OSError as error:
            self.listing.pass_over(PassedOver.UNREADABLE_FOLDER, prefix, error.strerror or str(error))

    def _add(self, entry: os.DirEntry[str], path: str, level: int) -> None:
        """Add a file, or a folder that is to be listed."""
        if is_hidden(entry.name):
            self.listing.hidden.extend(_hidden_files(entry, path))
            return
        try:
            state = entry.stat()
        except OSError as error:
            kind = PassedOver.BROKEN_LINK if entry.is_symlink() else PassedOver.UNREADABLE_FILE
            self.listing.pass_over(kind, path, error.strerror or str(error))
            return
        if stat.S_ISDIR(state.st_mode):
            (self._links if entry.is_symlink() else self._folders).append((f"{path}/", level + 1))
        elif stat.S_ISREG(state.st_mode):
            files = self.listing.images if is_image_file(path) else self.listing.others
            files.append((path, state.st_size, state.st_mtime_ns))
        else:
            self.listing.pass_over(PassedOver.SPECIAL_FILE, path, "a FIFO, a socket or a device")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        state = folder.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _read_small(path: Path) -> bytes:
    """Return the content of a file; b"" if it is larger than a record of samples, or cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= MAX_RECORD_BYTES else b""
    except OSError:
        return b""


def _is_run_folder(folder: Path) -> bool:
    return (folder / "recipe.toml").is_file() and (folder / "data.json").is_file()


def _hidden_files(entry: os.DirEntry[str], path: str) -> Iterator[str]:
    """Yield the path of a hidden file, or of each file in a hidden folder."""
    if not entry.is_dir(follow_symlinks=False):
        yield path
        return
    for folder, _, files in os.walk(entry.path):  # without links; what cannot be listed is left out
        inner = path + folder[len(entry.path) :].replace(os.sep, "/")
        yield from (f"{inner}/{file}" for file in files)
