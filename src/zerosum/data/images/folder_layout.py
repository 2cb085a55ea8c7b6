"""What a tree of file names says: which files are the data, and which class each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.label_table import Table, find_tables, read_table
from zerosum.data.images.summary import natural

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""What image files are called, in any case."""
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_TRAINING = ("train", "training")


@dataclass(frozen=True, eq=False)
class Layout:
    """The image files of a tree, in natural order, and their classes."""

    kept: tuple[int, ...]
    """Which of the names are the data."""
    labels: NDArray[np.int64]
    """(len(kept),)"""
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    tables: tuple[tuple[str, int, int], ...] = ()
    """The table that the classes are from, if they are from one: see `Table.entry`."""


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: .DS_Store, .git, __MACOSX."""
    return name.startswith(".") or name == "__MACOSX"


def is_image(name: str) -> bool:
    """Whether a file of this name should hold an image."""
    return name.lower().endswith(SUFFIXES)


def arrange(names: Sequence[str], others: Sequence[str], opened: Callable[[str], Table]) -> Layout:
    """Find the data and its classes among files named by their path within the source, with slashes.

    A folder that holds nothing but one folder is looked through. Of folders called train, test and the like,
    with nothing beside them, only train is used. Then a table of labels gives the classes, if there is one in a folder
    that was looked through or in the last. If not, the first level of folders does, unless images lie beside them or
    there is but one.

    Args:
        names: (N,) the image files, at least one.
        others: the other files.
        opened: called with one of the others: that table.

    Raises:
        BadInput: if there is a table of labels that cannot be used.
    """
    kept, depth, notes = _descend(names)
    inner = "".join(f"{folder}/" for folder in names[kept[0]].split("/")[:depth])
    tables = find_tables(others, inner)
    if not tables:
        return _by_folders(names, kept, depth, notes)
    table = opened(tables[0])
    told = read_table(table, names, kept, inner)
    if len(tables) > 1:
        notes.append(f"used {tables[0]} and left {' and '.join(tables[1:])} alone")
    return Layout(tuple(kept), told.labels, told.classes, (*notes, *told.notes), (table.entry,))


def _descend(names: Sequence[str]) -> tuple[list[int], int, list[str]]:
    """Which names are the data, in natural order, how many folders deep their own begin, and notes on the way."""
    kept = sorted(range(len(names)), key=lambda index: natural(names[index]))
    notes: list[str] = []
    depth = 0
    while True:
        folders = _folders(names, kept, depth)
        training = next((name for name in folders if name.lower() in _TRAINING), None)
        if len(folders) > 1 and training and all(name.lower() in _SPLITS for name in folders):
            others = " and ".join(f"{name}/" for name in folders if name != training)
            notes.append(f"used {training}/ and left {others} alone")
            kept = [index for index in kept if names[index].split("/")[depth] == training]
        elif len(folders) != 1 or "" in folders:
            return kept, depth, notes
        depth += 1


def _by_folders(names: Sequence[str], kept: list[int], depth: int, notes: list[str]) -> Layout:
    """Classes from the folders at this depth."""
    folders = _folders(names, kept, depth)
    if "" in folders and len(folders) > 1:
        loose = sum(names[index].count("/") == depth for index in kept)
        notes.append(
            f"no classes were read, since {loose:,} of the images lie beside the folders "
            f"{_some(folders[1:])}: move every image into a folder of its class to have them"
        )
    if "" in folders:
        return Layout(tuple(kept), np.zeros(len(kept), np.int64), (), tuple(notes))
    number = {folder: label for label, folder in enumerate(folders)}
    labels = np.array([number[names[index].split("/")[depth]] for index in kept], np.int64)
    return Layout(tuple(kept), labels, tuple(folders), tuple(notes))


def _folders(names: Sequence[str], kept: Sequence[int], depth: int) -> list[str]:
    """The folders at this depth in natural order, and "" first if files lie there too."""
    found = {"" if len(parts) == depth + 1 else parts[depth] for parts in (names[i].split("/") for i in kept)}
    return sorted(found, key=natural)


def _some(folders: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(f"{name}/" for name in folders[:most])
    return shown + (f" and {len(folders) - most:,} more" if len(folders) > most else "")
