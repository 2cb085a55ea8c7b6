"""Names of the files that commands write into `outputs/` of a run; nothing that is there is overwritten."""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.files import new_folder, remove_temporary_files
from zerosum.inference.hub import is_hub_name
from zerosum.inference.model_folder import is_model_folder

MAX_NAME_LENGTH = 120
"""Characters of a default name. File systems allow 255 bytes, and suffixes follow."""


def outputs_folder(run: str | Path) -> Path:
    """Return the folder of what commands write by default: `outputs/` of the run.

    For a model folder and a model on the hub it is `outputs/NAME` in the current folder, since what is published, or in
    a cache, stays as it is.
    """
    if is_hub_name(run):
        return Path("outputs") / make_name(str(run).rpartition("/")[2])
    return Path("outputs") / Path(run).resolve().name if is_model_folder(Path(run)) else Path(run) / "outputs"


def make_name(*parts: str) -> str:
    """Join the non-empty parts of a file name by hyphens, without characters that a file system may refuse.

    A name that would be too long is cut, and ends in a hash of all of it.

    Example:
        >>> make_name("00000064", "edit", "class:cat", "", "seed0")
        '00000064-edit-class_cat-seed0'
    """
    name = re.sub(r"[^\w.+,-]+", "_", "-".join(part for part in parts if part))
    if len(name.encode()) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    return f"{name.encode()[: MAX_NAME_LENGTH - 11].decode(errors='ignore')}-{digest}"


def optional_part(name: str, value: float, default: float) -> str:
    """Return the part of a file name that names an option; "" if it has its default."""
    return "" if value == default else f"{name}{value:g}"


def join_numbers(numbers: Iterable[int]) -> str:
    """Return the part of a file name that names several numbers: "0+1+2"."""
    return "+".join(map(str, numbers))


def first_free(path: Path, files_of: Callable[[Path], Sequence[Path]]) -> Path:
    """Return the path itself if no file of it exists, otherwise the first of path-2, path-3, ... that is free.

    Args:
        path: a path without suffix.
        files_of: returns all paths that are written for it.
    """
    remove_temporary_files(path.parent)
    candidates = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(candidate for candidate in candidates if not any(map(is_taken, files_of(candidate))))


def is_taken(path: Path) -> bool:
    """Return whether something is at a path, a broken link too; an empty folder is free."""
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() or path.is_symlink()


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `folder` at the end of the block; after an error or a kill there is none.

    An empty folder that is there already, such as a mount point, is filled in place.

    Raises:
        BadInput: another process has filled the folder meanwhile; its files stay as they are.
    """
    problem = f"{folder}: was filled by another process meanwhile; name another folder with `into`"
    if is_taken(folder):
        raise BadInput(problem)
    if folder.exists():
        with removed_on_error(folder):
            yield folder
        return
    try:
        with new_folder(folder) as new:
            yield new
    except FileExistsError as error:
        raise BadInput(problem) from error


@contextmanager
def removed_on_error(folder: Path) -> Iterator[None]:
    """Remove a new or empty folder that is filled in the block, if the block is interrupted or fails.

    An empty folder that was there before, such as a mount point, stays and is emptied.
    """
    is_new = not folder.exists()
    try:
        yield
    except BaseException:
        remove_output(folder, is_new)
        raise


def remove_output(folder: Path, is_new: bool) -> None:
    """Remove a folder that a command has made, or what it has written into one that was empty."""
    for path in [folder] if is_new else list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def files_removed_on_error(paths: Sequence[Path]) -> Iterator[None]:
    """Remove new files that are written in the block, if the block is interrupted or fails."""
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
