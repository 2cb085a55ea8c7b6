"""What a tree of file names says: which files are the data, and which class each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.label_table import LabelTable, find_label_tables, read_label_table
from zerosum.data.images.summary import natural_sort_key

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""What image files are called, in any case."""
_SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}
_TRAIN_NAMES = ("train", "training")


@dataclass(frozen=True, eq=False)
class FolderLayout:
    """The image files of a tree, in natural order, and their classes."""

    indices: tuple[int, ...]
    """Which of the names are the data."""
    labels: NDArray[np.int64]
    """(len(kept),)"""
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    table_entries: tuple[tuple[str, int, int], ...] = ()
    """The table that the classes are from, if they are from one: see `Table.entry`."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: .DS_Store, .git, __MACOSX."""
    return name.startswith(".") or name == "__MACOSX"


def is_image_file(name: str) -> bool:
    """Whether a file of this name should hold an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def infer_layout(
    names: Sequence[str], other_files: Sequence[str], open_table: Callable[[str], LabelTable]
) -> FolderLayout:
    """Find the data and its classes among files named by their path within the source, with slashes.

    A folder that holds nothing but one folder is looked through. Of folders called train, test and the like,
    with nothing beside them, only train is used. Then a table of labels gives the classes, if there is one in a folder
    that was looked through or in the last. If not, the first level of folders does, unless images lie beside them or
    there is but one.

    Args:
        names: (N,) the image files, at least one.
        other_files: the other files.
        open_table: called with one of the others: that table.

    Raises:
        BadInput: if there is a table of labels that cannot be used.
    """
    kept, depth, notes = _find_data_root(names)
    inner = "".join(f"{folder}/" for folder in names[kept[0]].split("/")[:depth])
    tables = find_label_tables(other_files, inner)
    if not tables:
        return _layout_from_folders(names, kept, depth, notes)
    table = open_table(tables[0])
    conditioning = read_label_table(table, names, kept, inner)
    if len(tables) > 1:
        notes.append(f"used {tables[0]} and left {' and '.join(tables[1:])} alone")
    return FolderLayout(
        tuple(kept), conditioning.labels, conditioning.classes, (*notes, *conditioning.notes), (table.entry,)
    )


def _find_data_root(names: Sequence[str]) -> tuple[list[int], int, list[str]]:
    """Which names are the data, in natural order, how many folders deep their own begin, and notes on the way."""
    kept = sorted(range(len(names)), key=lambda index: natural_sort_key(names[index]))
    notes: list[str] = []
    depth = 0
    while True:
        folders = _subfolders(names, kept, depth)
        training = next((name for name in folders if name.lower() in _TRAIN_NAMES), None)
        if len(folders) > 1 and training and all(name.lower() in _SPLIT_NAMES for name in folders):
            others = " and ".join(f"{name}/" for name in folders if name != training)
            notes.append(f"used {training}/ and left {others} alone")
            kept = [index for index in kept if names[index].split("/")[depth] == training]
        elif len(folders) != 1 or "" in folders:
            return kept, depth, notes
        depth += 1


def _layout_from_folders(names: Sequence[str], indices: list[int], depth: int, notes: list[str]) -> FolderLayout:
    """Classes from the folders at this depth."""
    folders = _subfolders(names, indices, depth)
    if "" in folders and len(folders) > 1:
        loose = sum(names[index].count("/") == depth for index in indices)
        notes.append(
            f"no classes were read, since {loose:,} of the images lie beside the folders "
            f"{_format_folders(folders[1:])}: move every image into a folder of its class to have them"
        )
    if "" in folders:
        return FolderLayout(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes))
    number = {folder: label for label, folder in enumerate(folders)}
    labels = np.array([number[names[index].split("/")[depth]] for index in indices], np.int64)
    return FolderLayout(tuple(indices), labels, tuple(folders), tuple(notes))


def _subfolders(names: Sequence[str], indices: Sequence[int], depth: int) -> list[str]:
    """The folders at this depth in natural order, and "" first if files lie there too."""
    found = {"" if len(parts) == depth + 1 else parts[depth] for parts in (names[i].split("/") for i in indices)}
    return sorted(found, key=natural_sort_key)


def _format_folders(folders: Sequence[str], max_shown: int = 3) -> str:
    shown = ", ".join(f"{name}/" for name in folders[:max_shown])
    return shown + (f" and {len(folders) - max_shown:,} more" if len(folders) > max_shown else "")
