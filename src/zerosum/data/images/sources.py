"""Sources of images: a folder, .zip, .npz, .npy, or a built-in dataset; each lists images that can be opened."""

from __future__ import annotations

import difflib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.archive import DAMAGED_ARCHIVE_ERRORS, open_archive
from zerosum.data.images.arrays import NpySource, NpzSource
from zerosum.data.images.files import (
    COMMON_SUFFIXES,
    hash_state,
    is_hidden,
    is_image_file,
    open_file,
    require_images,
)
from zerosum.data.images.folder_layout import FolderLayout, infer_layout
from zerosum.data.images.folder_walk import list_folder
from zerosum.data.images.label_table import read_column
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import OpenedImage
from zerosum.data.images.splits import Split
from zerosum.data.images.table_file import LabelTable
from zerosum.data.images.value_range import Extremes, Range
from zerosum.errors import BadInput

BUNDLED_DATASETS = {"digits": Path(__file__).parents[1] / "bundled" / "digits.npz"}
"""Image datasets that come with the package, by name."""
_EMPTY_FILE = "the file is empty"
_SUPPORTED_SOURCES = f"a folder, .zip, .npz or .npy of images ({COMMON_SUFFIXES})"


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

    def open(self, index: int) -> OpenedImage:
        """Open an image, whose pixels may not be loaded yet; the caller closes it."""
        ...

    @property
    def extremes(self) -> Extremes | None:
        """The extremes of each image of an array of more than 8 bits; None for bytes and for image files."""
        ...

    @property
    def clipped(self) -> int:
        """The number of values of an array that lie outside its range; 0 for image files, which are clipped later."""
        ...

    def with_range(self, value_range: Range | None, dtype: PixelType = "uint8") -> Source:
        """Return the source with the values of an array scaled to bytes by this range, or unchanged for other types.

        Image files are scaled later.
        """
        ...

    def column(self, name: str) -> list[str]:
        """Return the cells (N,) of a column of the table of labels, "" where an image has no row.

        Raises:
            BadInput: if there is no table, or no such column.
        """
        ...


class _FileSource:
    """A source of image files, each with a type of its own: see `zerosum.data.images.decode.to_8bit`."""

    display_name: str
    names: Sequence[str]
    _layout: FolderLayout

    @property
    def extremes(self) -> Extremes | None:
        """None: the files have not been read."""
        return None

    @property
    def clipped(self) -> int:
        """0: the files have not been read."""
        return 0

    def with_range(self, value_range: Range | None, dtype: PixelType = "uint8") -> Self:
        """Return the same source."""
        return self

    def column(self, name: str) -> list[str]:
        """Return a column of the table of labels, for all images.

        Raises:
            BadInput: if there is no table, or no such column.
        """
        if self._layout.table is None:
            raise BadInput(f"{self.display_name} has no table of labels with a column {name!r}: add a labels.csv")
        return read_column(self._layout.table, name, self.names, self._layout.root)


def resolve_source(
    source: str | Path, split: Split = Split.TRAINING, label: str = "", conditions: Sequence[str] = ()
) -> Source:
    """Return the source of a path or of the name of a built-in dataset; an existing path has precedence over a name.

    Args:
        source: the path or the name.
        split: what is read of a folder or archive that has been split into train/, test/ and the like.
        label: the column of a table of labels that holds the classes, as in `data.label`.
        conditions: its columns that hold numeric conditions, as in `data.conditions`.

    Raises:
        BadInput: if there is no such path or name, or no images in it.
    """
    from zerosum.data.kind import builtin_datasets

    name, path = str(source), Path(source).expanduser()
    if path.exists() and not _is_unicode(str(path.resolve())):
        raise BadInput(f"the path of {name} is not valid UTF-8, so that no recipe can name it: rename the folder")
    if path.is_dir():
        return FolderSource(name, path, split, label, conditions)
    if path.is_file():
        return _open_source_file(name, path, split, label, conditions)
    if path.exists():
        raise BadInput(f"{name} is a FIFO, a socket or a device: give {_SUPPORTED_SOURCES}")
    if name in BUNDLED_DATASETS:
        return _open_source_file(name, BUNDLED_DATASETS[name], split, label)
    builtin = builtin_datasets()
    if name in builtin:
        raise BadInput(f"the dataset {name!r} holds no images: give {_SUPPORTED_SOURCES}")
    match = _closest_match(name, path, builtin)
    hint = f"did you mean {match}?" if match else f"give {_SUPPORTED_SOURCES}, or one of {', '.join(builtin)}"
    raise BadInput(f"there is no file, folder or dataset {name!r}: {hint}")


class FolderSource(_FileSource):
    """The images in a folder and its subfolders."""

    def __init__(
        self,
        display_name: str,
        path: Path,
        split: Split = Split.TRAINING,
        label: str = "",
        conditions: Sequence[str] = (),
    ) -> None:
        """List the folder, following links, and read its table of labels if there is one.

        Raises:
            BadInput: if it contains no image files, or cannot be listed, or its table of labels cannot be used.
        """
        listing = list_folder(path)
        images, names = listing.images, [name for name, _, _ in listing.images]
        others = [name for name, _, _ in listing.others]
        require_images(f"the folder {display_name}", names, others, listing.hidden, listing.passed_notes)
        self.display_name, self._root = display_name, path
        layout = infer_layout(names, others, self._open_table, split, label, conditions)
        self.names: Sequence[str] = [images[index][0] for index in layout.indices]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, (*layout.notes, *listing.notes)
        self._is_empty = [not images[index][1] for index in layout.indices]
        self.other_files = len(others) - len(layout.table_entries)
        self._layout = layout
        self.state_hash = hash_state(
            "folder",
            path,
            [*(images[index] for index in layout.indices), *layout.entries_of(label, conditions, self.notes)],
        )

    def open(self, index: int) -> OpenedImage:
        """Open an image; its pixels are not loaded yet."""
        if self._is_empty[index]:
            raise ValueError(_EMPTY_FILE)
        return open_file(self._root / self.names[index], self.names[index])

    def _open_table(self, name: str) -> LabelTable:
        table_name = str(Path(self.display_name, name))
        try:
            return LabelTable(name, table_name, (self._root / name).read_bytes())
        except OSError as error:
            raise BadInput(
                f"{table_name} cannot be read ({error.strerror}): check its permissions, or rename it to ignore it"
            ) from error


class ZipSource(_FileSource):
    """The images in a .zip, with the same layouts as a folder."""

    def __init__(
        self,
        display_name: str,
        path: Path,
        split: Split = Split.TRAINING,
        label: str = "",
        conditions: Sequence[str] = (),
    ) -> None:
        """List the archive, and read its table of labels if there is one.

        Raises:
            BadInput: if it cannot be opened or contains no image files, or its table of labels cannot be used.
        """
        self._archive = open_archive(display_name, path)
        names, others = list(self._archive.images), list(self._archive.others)
        require_images(f"the archive {display_name}", names, others, self._archive.hidden)
        self.display_name = display_name
        layout = infer_layout(names, others, self._open_table, split, label, conditions)
        self.names: Sequence[str] = [names[index] for index in layout.indices]
        self._members = [self._archive.images[name] for name in self.names]
        self.labels, self.classes, self.notes = layout.labels, layout.classes, (*layout.notes, *self._archive.notes)
        self.other_files = len(others) - len(layout.table_entries)
        self._layout = layout
        entries = [(member.filename, member.file_size, member.CRC) for member in self._members]
        self.state_hash = hash_state("zip", path, [*entries, *layout.entries_of(label, conditions, self.notes)])

    def open(self, index: int) -> OpenedImage:
        """Read an image from the archive; it is not decoded yet."""
        content = self._archive.read(self._members[index])
        if not content:
            raise ValueError(_EMPTY_FILE)
        return open_file(io.BytesIO(content), self.names[index])

    def _open_table(self, name: str) -> LabelTable:
        table_name = f"{name} in {self.display_name}"
        try:
            return LabelTable(name, table_name, self._archive.read(self._archive.others[name]))
        except DAMAGED_ARCHIVE_ERRORS as error:
            raise BadInput(f"{table_name} cannot be read ({error}): create the archive again") from error


def _is_unicode(text: str) -> bool:
    """Return whether a path can be written as text; bytes that are no UTF-8 are surrogates in it."""
    return not any("\udc80" <= char <= "\udcff" for char in text)


def _open_source_file(
    display_name: str, path: Path, split: Split, label: str, conditions: Sequence[str] = ()
) -> Source:
    if label and split is Split.TRAINING and path.suffix.lower() in (".npz", ".npy"):
        raise BadInput(f"`data.label` {label}: {display_name} is an array, which has no columns; leave it out")
    if path.suffix.lower() == ".npz":
        return NpzSource(display_name, path, split)
    if path.suffix.lower() == ".npy":
        return NpySource(display_name, path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipSource(display_name, path, split, label, conditions)
    if is_image_file(path.name):
        raise BadInput(f"{display_name} is a single image: give the folder that contains the training images")
    raise BadInput(f"{display_name} is not a supported type of file: give {_SUPPORTED_SOURCES}")


def _closest_match(display_name: str, path: Path, builtin: Sequence[str]) -> str:
    """Return the most similar name of a file, folder or built-in dataset in quotes, or "" if none is similar."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    missing = path.relative_to(folder).parts[0] if path != folder else path.name
    try:
        siblings = {entry.name: str(folder / entry.name) for entry in folder.iterdir() if not is_hidden(entry.name)}
    except OSError:
        siblings = {}
    nearest = difflib.get_close_matches(missing, siblings, n=1) or difflib.get_close_matches(display_name, builtin, n=1)
    return repr(siblings.get(nearest[0], nearest[0])) if nearest else ""
