"""Splits of a dataset into folders, such as train/ and test/: which images are to be trained on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from zerosum.data.text import natural_sort_key


class Split(Enum):
    """A part of a dataset that has been split by whoever made it."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


_WORDS = {
    **dict.fromkeys(("train", "training"), Split.TRAINING),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Split.VALIDATION),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}
_WORD = f"({'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_SEPARATOR = "[-_. ]"
# A word with what datasets append to it: training_set, train2017, test-images, and the side of a translation: trainA.
_PLAIN = re.compile(
    rf"{_WORD}(?:{_SEPARATOR}?(?:set|split|data|dataset|images?|imgs?|[0-9]+))*(?:{_SEPARATOR}?([ab]))?", re.IGNORECASE
)
_BEFORE = re.compile(rf"{_WORD}{_SEPARATOR}(.+)", re.IGNORECASE)  # train_cats
_AFTER = re.compile(rf"(.+){_SEPARATOR}{_WORD}", re.IGNORECASE)  # cats_train
_NUMBERED = re.compile(rf"{_WORD}{_SEPARATOR}?[0-9]+", re.IGNORECASE)  # train_0001, of a file
_PREFERRED = {
    Split.TRAINING: (Split.TRAINING,),
    Split.VALIDATION: (Split.VALIDATION, Split.TEST),
    Split.TEST: (Split.TEST, Split.VALIDATION),
}
_MAX_SHOWN = 3  # folders that a note lists


@dataclass(frozen=True)
class SplitFolder:
    """What the name of a folder says about a split."""

    split: Split
    rest: str
    """What the name says apart from it, in lower case: "a" of trainA, "cats" of train_cats, nothing of train2017."""
    is_plain: bool
    """Whether that is nothing, or "a" or "b"."""


def parse_split(folder: str) -> SplitFolder | None:
    """Return the split that the name of a folder names, or None."""
    if match := _PLAIN.fullmatch(folder):
        word, rest, is_plain = match[1], match[2] or "", True
    elif match := _BEFORE.fullmatch(folder):
        word, rest, is_plain = match[1], match[2], False
    elif match := _AFTER.fullmatch(folder):
        word, rest, is_plain = match[2], match[1], False
    else:
        return None
    return SplitFolder(_WORDS[word.lower()], rest.strip("-_. ").lower(), is_plain)


def name_split(name: str) -> Split | None:
    """Return the split that a name says and nothing else: that of test or val_2, but none of testA or test_cats."""
    found = parse_split(name.strip())
    return found.split if found is not None and found.is_plain and not found.rest else None


def preferred_split(splits: Collection[Split | None], wanted: Split) -> Split | None:
    """Return which of these splits is used, or None if they are no split: all of one kind, or none for training."""
    if Split.TRAINING not in splits or len(splits) < 2:
        return None
    return next(split for split in (*_PREFERRED[wanted], Split.VALIDATION, Split.TEST) if split in splits)


@dataclass
class SplitChoice:
    """The images of the wanted split of a tree."""

    indices: list[int]
    """Indices of the images among the names, in natural order."""
    notes: list[str] = field(default_factory=list)
    """What was used and what was ignored."""


def select_split(names: Sequence[str], wanted: Split = Split.TRAINING, noun: str = "image") -> SplitChoice:
    """Find the images of a split in a tree, at any level: train/cats/, cats/train/ and A/train/ next to A/test/.

    The folders of a level are splits if one of them is for training and another one is not, and all of them are named
    after splits, such as cars_train and cars_test, or if there are others but two are named like train and test alone.
    The files of a folder are of several splits if all are named after them, such as train_0001.png and test_0001.png.

    Args:
        names: (N,) paths of the images within a source, with slashes.
        wanted: TRAINING, or TEST, which is the validation split where there is no test split, or VALIDATION, the other
            way round. Images outside all splits are for training; if there are no splits at all, they are for each.
        noun: one of the files in messages.
    """
    folder_of = [name.rpartition("/")[0] for name in names]
    subfolders = _subfolders(set(folder_of))
    with_images = set(folder_of)
    kept, outside = set[str](), set[str]()
    choices: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    stack = [("", False)]  # (folder, whether it is within the wanted split)
    while stack:
        folder, is_within = stack.pop()
        children = sorted(subfolders.get(folder, ()), key=natural_sort_key)
        used = _used_folders(children, folder in with_images, wanted)
        if used is not None:
            ignored = [f"{child}/" for child in children if child not in used]
            ignored += [f"{noun}s next to them"] if folder in with_images else []
            choices.setdefault((tuple(f"{child}/" for child in used), tuple(ignored)), []).append(folder)
        elif folder in with_images:
            (kept if is_within else outside).add(folder)
        stack.extend(
            (f"{folder}/{child}" if folder else child, is_within or used is not None)
            for child in reversed(children if used is None else used)
        )
    if wanted is Split.TRAINING or not choices:
        kept |= outside
    indices = sorted(
        (index for index, folder in enumerate(folder_of) if folder in kept),
        key=lambda index: natural_sort_key(names[index]),
    )
    is_one_place = sum(map(len, choices.values())) == 1 and not outside
    notes = [_note(*choice, [] if is_one_place else folders) for choice, folders in choices.items()]
    return _select_by_file_name(names, SplitChoice(indices, notes), wanted, noun)


def _select_by_file_name(names: Sequence[str], choice: SplitChoice, wanted: Split, noun: str) -> SplitChoice:
    """Select the images of a split of folders in which all files are named after splits, such as train_0001.png."""
    by_folder: dict[str, list[int]] = {}
    for index in choice.indices:
        by_folder.setdefault(names[index].rpartition("/")[0], []).append(index)
    ignored: dict[int, Split] = {}
    for indices in by_folder.values():
        splits = {index: _split_of_file(names[index]) for index in _while_named(names, indices)}
        chosen = preferred_split(set(splits.values()), wanted) if len(splits) == len(indices) else None
        ignored |= {index: split for index, split in splits.items() if chosen and split and split is not chosen}
    kept = [index for index in choice.indices if index not in ignored]
    if not ignored:
        return choice
    example = names[next(iter(ignored))].rpartition("/")[2]
    note = (
        f"used {len(kept):,} {noun}s and ignored {len(ignored):,}, whose names are those of another split, such as "
        f"{example}"
    )
    return SplitChoice(kept, [*choice.notes, note])


def _while_named(names: Sequence[str], indices: Iterable[int]) -> Iterator[int]:
    """Yield indices up to the first file that is not named after a split."""
    return itertools.takewhile(lambda index: _split_of_file(names[index]) is not None, indices)


def _split_of_file(name: str) -> Split | None:
    """Return the split that the name of a file begins or ends with: train_0001.png, 0001-test.png; None of trains.png.

    What else the name says does not matter, as for train_cat_1.png.
    """
    stem = name.rpartition("/")[2].rpartition(".")[0]
    match = _NUMBERED.fullmatch(stem) or _BEFORE.fullmatch(stem)
    if match:
        return _WORDS[match[1].lower()]
    match = _AFTER.fullmatch(stem)
    return _WORDS[match[2].lower()] if match else None


def _subfolders(folders: Iterable[str]) -> Mapping[str, set[str]]:
    """Return the names of the subfolders of each folder on the way to these folders."""
    subfolders: dict[str, set[str]] = {}
    for leaf in folders:
        path = leaf
        while path:
            parent, _, name = path.rpartition("/")
            siblings = subfolders.setdefault(parent, set())
            if name in siblings:
                break  # the way up from here is known
            siblings.add(name)
            path = parent
    return subfolders


def _used_folders(folders: Sequence[str], has_images: bool, wanted: Split) -> list[str] | None:
    """Return the folders of the wanted split, or None if these are no splits."""
    parsed = {name: found for name in folders if (found := parse_split(name))}
    if has_images or len(parsed) < len(folders):
        parsed = {name: found for name, found in parsed.items() if found.is_plain}
    split = preferred_split({found.split for found in parsed.values()}, wanted)
    return None if split is None else [name for name, found in parsed.items() if found.split is split]


def _note(used: Sequence[str], ignored: Sequence[str], parents: Sequence[str]) -> str:
    text = f"used {' and '.join(used)} and ignored {' and '.join(ignored)}"
    places = sorted((f"{parent}/" for parent in parents if parent), key=natural_sort_key)
    if not places:
        return text
    rest = [f"{len(places) - _MAX_SHOWN:,} more folders"] if len(places) > _MAX_SHOWN else []
    return f"{text} in {' and '.join([*places[:_MAX_SHOWN], *rest])}"
