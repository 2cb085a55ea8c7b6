"""Groups of images that stay on one side of the split, such as the frames of a video or the images of a patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_content
from zerosum.data.text import enumerate_names, pluralize
from zerosum.errors import BadInput

BY_FOLDER = "folder"
"""The value of `data.groups` for the images of one folder."""
_HASH_HEADER = "group"


class NamedImages(Protocol):
    """What is needed of a source of images."""

    @property
    def display_name(self) -> str:
        """The source as the user named it."""

    @property
    def names(self) -> Sequence[str]:
        """(N,) paths of the images within the source."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""

    def column(self, name: str) -> list[str]:
        """Return the cells (N,) of a column of the table of labels."""


def is_pattern(groups: str) -> bool:
    """Return whether `data.groups` is a regular expression, not the name of a column or "folder"."""
    return "(" in groups


def check_pattern(pattern: str) -> None:
    """Raise if `data.groups` is no regular expression with one group.

    Raises:
        ValueError: if it cannot be compiled, or has several groups.
    """
    try:
        count = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"`data.groups` {pattern}: is no regular expression ({error}); correct it") from error
    if count != 1:
        raise ValueError(
            f"`data.groups` {pattern}: has {count} groups in parentheses; enclose only the part of the path that names "
            "the group, such as (patient[0-9]+), and write (?:...) for others"
        )


def hash_groups(parts: Sequence[NamedImages], groups: str, noun: str = "image") -> NDArray[np.uint64]:
    """Return the hash of the name of each image's group: (N,), whatever the paths of the sources themselves.

    Args:
        parts: the sources whose images are one set, in order.
        groups: "folder", a regular expression with one group, or a column of the table of labels.
        noun: one of them in messages, if they are no images.

    Raises:
        BadInput: if an image has no group, there is no such column, or the folders are the classes.
    """
    if groups == BY_FOLDER:
        names = _folders(parts, noun)
    elif is_pattern(groups):
        names = [name for part in parts for name in _matches(part, groups, noun)]
    else:
        names = [name for part in parts for name in _cells(part, groups, noun)]
    hashes = {name: hash_content(_HASH_HEADER, name.encode(errors="surrogateescape")) for name in set(names)}
    return np.array([hashes[name] for name in names], np.uint64)


def _folders(parts: Sequence[NamedImages], noun: str) -> list[str]:
    """Return the folder of each image; those of several sources are different ones, whatever their names."""
    names = [
        (f"{number}\0" if len(parts) > 1 else "") + name.rpartition("/")[0]
        for number, part in enumerate(parts)
        for name in part.names
    ]
    classes = [part.classes[label] for part in parts if part.classes for label in part.labels.tolist()]
    has_classes = all(part.classes for part in parts)
    if has_classes and len(set(zip(names, classes, strict=True))) == len(set(classes)):
        raise BadInput(
            f"`data.groups` {BY_FOLDER}: the folders of {enumerate_names([part.display_name for part in parts])} are "
            f"its classes, and each class would be on one side of the split; put the {noun}s of each group into a "
            "folder within their class, or give a pattern of their names"
        )
    return names


def _cells(source: NamedImages, column: str, noun: str) -> list[str]:
    """Return the cell of each image in a column of the table of labels."""
    names = source.column(column)
    missing = [name for name, cell in zip(source.names, names, strict=True) if not cell.strip()]
    if missing:
        raise BadInput(
            f"`data.groups` {column}: this column has no value for {pluralize(len(missing), noun)} of "
            f"{source.display_name}, such as {missing[0]}; fill it in"
        )
    return names


def _matches(source: NamedImages, pattern: str, noun: str) -> list[str]:
    """Return what the pattern finds in the path of each image."""
    found = [re.search(pattern, name) for name in source.names]
    missing = [name for name, match in zip(source.names, found, strict=True) if match is None or match[1] is None]
    if missing:
        raise BadInput(
            f"`data.groups` {pattern}: is not found in the paths of {pluralize(len(missing), noun)} of "
            f"{source.display_name}, such as {missing[0]}; give a pattern that each path contains"
        )
    return [match[1] for match in found if match]
