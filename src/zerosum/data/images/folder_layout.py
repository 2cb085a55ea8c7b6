"""The images of a split and their classes, inferred from a tree of file names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.dataset_json import find_dataset_json, read_dataset_json
from zerosum.data.images.files import FileEntry
from zerosum.data.images.label_table import TableLabels, read_label_table
from zerosum.data.images.splits import Split, name_split, select_split
from zerosum.data.images.table_file import LabelTable, find_label_tables
from zerosum.data.text import natural_sort_key, printable
from zerosum.errors import BadInput

_MIN_SHARD_DIGITS = 4  # with fewer, numbers are the names of classes: 0 to 9, 001 to 200


@dataclass(frozen=True, eq=False)
class FolderLayout:
    """The images of a split of a tree, in natural order, and their classes."""

    indices: tuple[int, ...]
    """Indices of the images of the split among the names."""
    labels: NDArray[np.int64]
    """(len(indices),) class indices."""
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    table_entries: tuple[FileEntry, ...] = ()
    """The label table that the classes come from, if there is one: see `LabelTable.entry`."""
    table: LabelTable | None = None
    """That table."""
    root: str = ""
    """The folder that contains all images of the table: "" or with a trailing slash."""

    def entries_of(self, label: str, conditions: Sequence[str], notes: Sequence[str]) -> tuple[FileEntry, ...]:
        """Return what else identifies a source than its images, since the cache keeps the labels and the notes.

        Args:
            label: the column of the table that was chosen, or "".
            conditions: the columns that are numeric conditions.
            notes: all sentences for the user.
        """
        texts = [*([f"column {label}"] if label else []), *(f"condition {name}" for name in conditions), *notes]
        return (*self.table_entries, *((text, 0, 0) for text in texts))


def infer_layout(
    names: Sequence[str],
    other_files: Sequence[str],
    open_table: Callable[[str], LabelTable],
    split: Split = Split.TRAINING,
    label: str = "",
    conditions: Sequence[str] = (),
    noun: str = "image",
) -> FolderLayout:
    """Find the images of a split and their classes from paths within a source, which have slashes.

    Of folders called train, test and the like, at any level, only those of the split are used: see `select_split`. A
    folder that then contains nothing but one folder is replaced by that folder. If this chain of folders contains a
    table of labels, the classes come from it. Otherwise each folder of the next level is a class, unless images lie
    next to these folders or there is only one.

    Args:
        names: (N,) paths of the image files, at least one.
        other_files: paths of the other files.
        open_table: called with one of the other files; returns it as a label table.
        split: the wanted split; without splits, all images.
        label: the column of classes, as in `data.label`; "": the one with a common name. Other data than those for
            training need not have it.
        conditions: the columns of numeric conditions, as in `data.conditions`, which are no classes.
        noun: one of these files in messages, if they are no images.

    Raises:
        BadInput: if there is a table of labels that cannot be used, or none with the column `label`.
    """
    choice = select_split(names, split, noun)
    indices, notes = choice.indices, choice.notes
    depth = _root_depth(names, indices)
    root = "".join(f"{folder}/" for folder in names[indices[0]].split("/")[:depth])
    tables = find_label_tables(other_files, root)
    table = open_table(tables[0]) if tables else _open_dataset_json(other_files, root, open_table)
    if len(tables) > 1:
        notes.append(f"used {tables[0]} and ignored {' and '.join(tables[1:])}")
    if table is None:
        if label and split is Split.TRAINING:
            raise BadInput(f"`data.label` {label}: there is no table of labels with this column; add a labels.csv")
        return _layout_from_folders(names, indices, depth, notes, noun)
    if not tables and not table.content:
        if label and split is Split.TRAINING:
            raise BadInput(f"`data.label` {label}: {table.name} holds no labels; leave it out, or add a labels.csv")
        notes.append(f"no classes were read, because {table.name} does not give each {noun} one label")
        return FolderLayout(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes), (table.entry,))
    labels = read_label_table(table, names, indices, root, split, label, conditions)
    return _layout_from_table(table, labels, root, notes)


def _open_dataset_json(
    other_files: Sequence[str], root: str, open_table: Callable[[str], LabelTable]
) -> LabelTable | None:
    """Return the labels of a dataset.json, or None if there is no such file."""
    path = find_dataset_json(other_files, root)
    return None if path is None else read_dataset_json(open_table(path))


def _layout_from_table(table: LabelTable, table_labels: TableLabels, root: str, notes: Sequence[str]) -> FolderLayout:
    """Return the layout whose classes are those of a table."""
    return FolderLayout(
        table_labels.indices,
        table_labels.labels,
        table_labels.classes,
        (*notes, *table_labels.notes),
        (table.entry,),
        table,
        root,
    )


def _root_depth(names: Sequence[str], indices: Sequence[int]) -> int:
    """Return the number of folders that contain nothing but the next one."""
    depth = 0
    while True:
        folders = _subfolders(names, indices, depth)
        if len(folders) != 1 or "" in folders:
            return depth
        depth += 1


def _layout_from_folders(
    names: Sequence[str], indices: list[int], depth: int, notes: list[str], noun: str
) -> FolderLayout:
    """Return the layout whose classes are the folders at this depth."""
    folders = _subfolders(names, indices, depth)
    if "" in folders and len(folders) > 1:
        loose = sum(names[index].count("/") == depth for index in indices)
        notes.append(
            f"no classes were read, because {loose:,} of the {noun}s are outside the folders "
            f"{_format_folders(folders[1:])}: move every {noun} into the folder of its class to train with classes"
        )
    if "" not in folders and all(name_split(name) for name in folders):
        notes.append(f"no classes were read, because {_format_folders(folders)} are splits, and all {noun}s are used")
    elif "" not in folders and _are_shards(names, indices, depth, folders):
        notes.append(
            f"no classes were read, because {_format_folders(folders)} number the {noun}s on and so are parts of one "
            "set: add a labels.csv to train with classes"
        )
    elif "" not in folders:
        return _layout_of_classes(names, indices, depth, folders, notes)
    return FolderLayout(tuple(indices), np.zeros(len(indices), np.int64), (), tuple(notes))


def _are_shards(names: Sequence[str], indices: Sequence[int], depth: int, folders: Sequence[str]) -> bool:
    """Return whether folders such as 00000/ and 00001/ are parts of one set, whose images they number on.

    Classes may have such names too, as those of GTSRB, but each class numbers its images from the start.
    """
    numbered = [name for name in folders if name.isascii() and name.isdigit() and len(name) >= _MIN_SHARD_DIGITS]
    if len(numbered) < len(folders) or int(folders[-1]) - int(folders[0]) != len(folders) - 1:
        return False
    files = [natural_sort_key(names[index].rpartition("/")[2]) for index in indices]  # folder by folder
    return all(a < b for a, b in itertools.pairwise(files))


def _layout_of_classes(
    names: Sequence[str], indices: Sequence[int], depth: int, folders: Sequence[str], notes: Sequence[str]
) -> FolderLayout:
    label_of_folder = {folder: label for label, folder in enumerate(folders)}
    labels = np.array([label_of_folder[names[index].split("/")[depth]] for index in indices], np.int64)
    return FolderLayout(tuple(indices), labels, tuple(map(printable, folders)), tuple(notes))


def _subfolders(names: Sequence[str], indices: Sequence[int], depth: int) -> list[str]:
    """Return the folders at this depth in natural order, preceded by "" if files lie at this depth too."""
    folders = {"" if len(parts) == depth + 1 else parts[depth] for parts in (names[i].split("/") for i in indices)}
    return sorted(folders, key=natural_sort_key)


def _format_folders(folders: Sequence[str], max_shown: int = 3) -> str:
    shown = ", ".join(f"{name}/" for name in folders[:max_shown])
    return shown + (f" and {len(folders) - max_shown:,} more" if len(folders) > max_shown else "")
