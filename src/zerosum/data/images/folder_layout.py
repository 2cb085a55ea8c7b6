"""Training images and their classes, inferred from a tree of file names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.files import FileEntry
from zerosum.data.images.label_table import LabelTable, find_label_tables, read_label_table
from zerosum.data.text import natural_sort_key

_SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}
_TRAIN_NAMES = ("train", "training")


@dataclass(frozen=True, eq=False)
class FolderLayout:
    """The training images of a tree, in natural order, and their classes."""

    indices: tuple[int, ...]
    """Indices of the training images among the names."""
    labels: NDArray[np.int64]
    """(len(indices),) class indices."""
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    table_entries: tuple[FileEntry, ...] = ()
    """The label table that the classes come from, if there is one: see `LabelTable.entry`."""


def infer_layout(
    names: Sequence[str], other_files: Sequence[str], open_table: Callable[[str], LabelTable]
) -> FolderLayout:
    """Find the training images and their classes from paths within a source, which have slashes.

    A folder that contains nothing but one folder is replaced by that folder. If a folder contains only folders called
    train, test and the like, only train is used. If this chain of folders contains a table of labels, the classes come
    from it. Otherwise each folder of the next level is a class, unless images lie next to these folders or there is
    only one.

    Args:
        names: (N,) paths of the image files, at least one.
        other_files: paths of the other files.
        open_table: called with one of the other files; returns it as a label table.

    Raises:
        BadInput: if there is a table of labels that cannot be used.
    """
    indices, depth, notes = _find_data_root(names)
    root = "".join(f"{folder}/" for folder in names[indices[0]].split("/")[:depth])
    tables = find_label_tables(other_files, root)
    if not tables:
        return _layout_from_folders(names, indices, depth, notes)
    table = open_table(tables[0])
    table_labels = read_label_table(table, names, indices, root)
    if len(tables) > 1:
        notes.append(f"used {tables[0]} and ignored {' and '.join(tables[1:])}")
    return FolderLayout(
        tuple(indices), table_labels.labels, table_labels.classes, (*notes, *table_labels.notes), (table.entry,)
    )


def _find_data_root(names: Sequence[str]) -> tuple[list[int], int, list[str]]:
    """Return the indices of the training images in natural order, the depth of their root folder, and notes."""
    indices = sorted(range(len(names)), key=lambda index: natural_sort_key(names[index]))
    notes: list[str] = []
    depth = 0
    while True:
        folders = _subfolders(names, indices, depth)
        training = next((name for name in folders if name.lower() in _TRAIN_NAMES), None)
        if len(folders) > 1 and training and all(name.lower() in _SPLIT_NAMES for name in folders):
            others = " and ".join(f"{name}/" for name in folders if name != training)
            notes.append(f"used {training}/ and ignored {others}")
            indices = [index for index in indices if names[index].split("/")[depth] == training]
        elif len(folders) != 1 or "" in folders:
            return indices, depth, notes
        depth += 1


def _layout_from_folders(names: Sequence[str], indices: list[int], depth: int, notes: list[str]) -> FolderLayout:
    """Return the layout whose classes are the folders at this depth."""
    folders = _subfolders(names, indices, depth)
    if "" in folders and len(folders) > 1:
        loose = sum(names[index].count("/") == depth for index in indices)
        notes.append(
            f"no classes were read, because {loose:,} of the images are outside the folders "
            f"{_format_folders(folders[1:])}: move every image into the folder of its class to train with classes"
        )
    if "" in folders:
        return FolderLayout(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes))
    label_of_folder = {folder: label for label, folder in enumerate(folders)}
    labels = np.array([label_of_folder[names[index].split("/")[depth]] for index in indices], np.int64)
    return FolderLayout(tuple(indices), labels, tuple(folders), tuple(notes))


def _subfolders(names: Sequence[str], indices: Sequence[int], depth: int) -> list[str]:
    """Return the folders at this depth in natural order, preceded by "" if files lie at this depth too."""
    folders = {"" if len(parts) == depth + 1 else parts[depth] for parts in (names[i].split("/") for i in indices)}
    return sorted(folders, key=natural_sort_key)


def _format_folders(folders: Sequence[str], max_shown: int = 3) -> str:
    shown = ", ".join(f"{name}/" for name in folders[:max_shown])
    return shown + (f" and {len(folders) - max_shown:,} more" if len(folders) > max_shown else "")
