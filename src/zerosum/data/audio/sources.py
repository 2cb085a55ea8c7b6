"""A folder of sounds: its sound files, their classes, and its table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zerosum.data.audio.sound_file import COMMON_SUFFIXES, UNREAD_SUFFIXES, is_sound_file
from zerosum.data.images.files import FileEntry, count_suffixes, hash_state
from zerosum.data.images.folder_layout import infer_layout
from zerosum.data.images.folder_walk import FolderListing, list_folder
from zerosum.data.images.label_table import read_column
from zerosum.data.images.splits import Split
from zerosum.data.images.table_file import LabelTable
from zerosum.data.text import format_counts, natural_sort_key, pluralize
from zerosum.errors import BadInput

NOUN = "sound"
_MAX_CLAIMED_FILES = 2_000  # of a folder, whose suffixes are counted to find out whether it holds sounds


class AudioFolder:
    """The sound files in a folder and its subfolders."""

    def __init__(self, display_name: str, split: Split = Split.TRAINING, label: str = "") -> None:
        """List a folder, following links, and read its table of labels if there is one.

        Args:
            display_name: the folder as the user named it.
            split: what is read of a folder that has been split into train/, test/ and the like.
            label: the column of a table of labels that holds the classes.

        Raises:
            BadInput: it is no folder, cannot be listed, or holds no sounds; or its table of labels cannot be used.
        """
        self.display_name, self._root = display_name, Path(display_name).expanduser()
        _require_folder(display_name, self._root)
        listing = list_folder(self._root)
        entries = [*listing.images, *listing.others]
        sounds = [entry for entry in entries if is_sound_file(entry[0])]
        others = [name for name, _, _ in entries if not is_sound_file(name)]
        _require_sounds(display_name, sounds, others, listing)
        names = [name for name, _, _ in sounds]
        layout = infer_layout(names, others, self._open_table, split, label, noun=NOUN)
        self.names: Sequence[str] = [names[index] for index in layout.indices]
        self.labels, self.classes = layout.labels, layout.classes
        self.notes = (
            *layout.notes,
            *_describe_unread(others),
            *_describe_hidden(listing.hidden),
            *listing.passed_notes,
        )
        self.other_files = len(others) - len(layout.table_entries)
        self._layout = layout
        used = [sounds[index] for index in layout.indices]
        self.state_hash = hash_state(NOUN, self._root, [*used, *layout.entries_of(label, (), self.notes)])

    def path(self, index: int) -> Path:
        """Return the path of a sound."""
        return self._root / self.names[index]

    def column(self, name: str) -> list[str]:
        """Return the cells (N,) of a column of the table of labels, "" where a sound has no row.

        Raises:
            BadInput: there is no table, or no such column.
        """
        if self._layout.table is None:
            raise BadInput(f"{self.display_name} has no table of labels with a column {name!r}: add a labels.csv")
        return read_column(self._layout.table, name, self.names, self._layout.root)

    def _open_table(self, name: str) -> LabelTable:
        table_name = str(Path(self.display_name, name))
        try:
            return LabelTable(name, table_name, (self._root / name).read_bytes(), NOUN)
        except OSError as error:
            raise BadInput(
                f"{table_name} cannot be read ({error.strerror}): check its permissions, or rename it to ignore it"
            ) from error


def claim_sounds(source: str) -> float:
    """Return how sure it is, from 0 to 1, that a source is sounds: a folder in which most files of data are."""
    path = Path(source).expanduser()
    if path.is_file():
        return 0.9 if is_sound_file(path.name) else 0.0
    if not source or not path.is_dir():
        return 0.0
    sounds = others = 0
    for file in _first_files(path):
        is_sound = is_sound_file(file) or _is_unread(file)
        sounds += is_sound
        others += not is_sound
    return 0.9 if sounds > others else 0.0


def _first_files(folder: Path) -> list[str]:
    """Return the names of the first files in a folder and its subfolders that are not hidden."""
    import os

    found: list[str] = []
    for _, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [name for name in files if not name.startswith(".")]
        if len(found) >= _MAX_CLAIMED_FILES:
            break
    return found


def _require_folder(display_name: str, path: Path) -> None:
    if path.is_file():
        if is_sound_file(path.name):
            raise BadInput(f"{display_name} is a single sound: give the folder that contains the training sounds")
        raise BadInput(f"{display_name} is no folder: give a folder of sounds ({COMMON_SUFFIXES}); unpack an archive")
    if not path.is_dir():
        raise BadInput(f"there is no folder {display_name!r}: give a folder of sounds ({COMMON_SUFFIXES})")


def _require_sounds(
    display_name: str, sounds: Sequence[FileEntry], others: Sequence[str], listing: FolderListing
) -> None:
    if sounds:
        return
    if others:
        counts = format_counts(count_suffixes(others), max_count=5)
        raise BadInput(
            f"the folder {display_name} contains {pluralize(len(others), 'file')} ({counts}) but no sounds: "
            f"{'convert them to .wav or .flac' if any(map(_is_unread, others)) else f'add sounds ({COMMON_SUFFIXES})'}"
        )
    hidden = f", apart from {pluralize(len(listing.hidden), 'hidden file')}" if listing.hidden else ""
    raise BadInput(f"the folder {display_name} is empty{hidden}: add sounds ({COMMON_SUFFIXES})")


def _is_unread(name: str) -> bool:
    return name.lower().endswith(UNREAD_SUFFIXES)


def _describe_unread(others: Sequence[str]) -> list[str]:
    """Return a sentence about sounds of formats that are not read, or nothing."""
    unread = [name for name in others if _is_unread(name)]
    if not unread:
        return []
    return [f"ignored {format_counts(count_suffixes(unread))}: convert them to .wav or .flac to use them"]


def _describe_hidden(hidden: Sequence[str]) -> list[str]:
    """Return a sentence about sounds among hidden files, or nothing; those that macOS writes next to each are none."""
    sounds = [name for name in hidden if is_sound_file(name) and not name.rpartition("/")[2].startswith("._")]
    if not sounds:
        return []
    return [f"ignored {pluralize(len(sounds), 'hidden sound')}, such as {min(sounds, key=natural_sort_key)}"]
