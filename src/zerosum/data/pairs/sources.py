"""The two sides of a translation, found: two sources, two folders of one, or the two halves of each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images.decode import apply_exif_orientation
from zerosum.data.images.folder_layout import is_image_file
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.summary import MAX_LISTED_FILES, natural_sort_key, pluralize
from zerosum.data.points.mixtures import GaussianMixture
from zerosum.errors import BadInput

HALF_NAMES = ("a", "b")
"""What the left and the right of two pictures side by side are called, in any case."""
_MAX_SAMPLED_HEADERS = 64  # pictures whose headers tell whether they are two side by side


@dataclass(frozen=True, eq=False)
class PairSources:
    """What is given and what is wanted."""

    input: Source
    target: Source
    file_sources: tuple[Source, ...]
    """The files of both: the sides themselves, or the pictures that hold both."""
    images_per_file: int = 1
    """How many pictures are side by side in a file."""
    notes: tuple[str, ...] = ()


class SubsetSource:
    """Some of the images of a source, in an order of their own; of no class."""

    def __init__(self, source: Source, indices: Sequence[int], display_name: str) -> None:
        """Those at `indices`, together called `display_name`."""
        self.display_name, self._source, self._indices = display_name, source, indices
        self.names: Sequence[str] = [source.names[row] for row in indices]
        self.labels: NDArray[np.int64] = np.zeros(len(indices), np.int64)
        self.classes: tuple[str, ...] = ()
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        self.state_hash = _derived_state_hash(source, "chosen", np.asarray(indices, "<i8").tobytes())

    def open(self, index: int) -> Image.Image:
        """The image, whose pixels may not be loaded yet."""
        return self._source.open(self._indices[index])


class HalfImageSource:
    """The left or the right of each two pictures that are side by side in one."""

    def __init__(self, source: Source, side: int) -> None:
        """The left (0) or the right (1)."""
        self.display_name, self._source, self._side = source.display_name, source, side
        self.names, self.labels, self.classes = source.names, source.labels, source.classes
        self.other_files, self.notes = source.other_files, source.notes
        self.state_hash = _derived_state_hash(source, "half", bytes([side]))

    def open(self, index: int) -> Image.Image:
        """The half, its pixels loaded.

        Raises:
            BadInput: if the picture is not twice as wide as high.
        """
        with self._source.open(index) as image:
            whole = apply_exif_orientation(image)
            side = whole.height
            if whole.width != 2 * side:
                raise BadInput(
                    f"{self.names[index]} in {self.display_name} is {whole.width}x{side}, and two pictures side by side are "
                    "twice as wide as high, like most there: take it out"
                )
            half = whole.crop((self._side * side, 0, self._side * side + side, side))
            half.format = image.format
            return half


def resolve_pair_sources(
    source: str, target_source: str, input_folder: str, target_folder: str, paired: bool
) -> PairSources:
    """The two sides of a translation; those of pairs have their pictures in one order.

    Args:
        source: where both are, or, if there is something `target_source`, what is given.
        target_source: what is wanted, or "".
        input_folder: the name of the sub-folder that is given, in any case; `A` is also the left of two pictures side by side.
        wanted: the name of the sub-folder that is wanted; `B` is also the right.
        paired: whether to each picture belongs the one of the same name, whatever its suffix.

    Raises:
        BadInput: if a side cannot be found, or a picture of a pair has no partner.
    """
    if target_source:
        sides = _resolve_image_source(source), _resolve_image_source(target_source)
        return _match_by_name(*sides) if paired else PairSources(*sides, sides)
    found = _resolve_image_source(source)
    if input_folder.lower() == target_folder.lower():
        raise BadInput(f"--data.input and --data.target are both {input_folder}: say what is to be made from what")
    above, folders = _group_by_folder(found.names)
    names = [_match_folder(folders, name) for name in (input_folder, target_folder)]
    if paired and not any(names):
        return _split_halves(found, input_folder, target_folder)
    missing = [name for name, known in zip((input_folder, target_folder), names, strict=True) if not known]
    if missing:
        raise BadInput(_missing_folders_message(found.display_name, missing, folders))
    chosen = [SubsetSource(found, folders[name], f"{found.display_name}/{above}{name}") for name in names]
    rest = [name for name in folders if name not in names]
    notes = tuple(f"left {name or 'pictures beside the folders'} alone" for name in rest)
    sides = chosen[0], chosen[1]
    both = _match_by_name(*sides) if paired else PairSources(*sides, sides)
    return PairSources(both.input, both.target, both.file_sources, notes=(*found.notes, *notes))


def _resolve_image_source(source: str) -> Source:
    found = resolve_source(source)
    if isinstance(found, GaussianMixture):
        raise BadInput(f"{source} is a set of points, and pictures are wanted: give a folder of images")
    return found


def _group_by_folder(names: Sequence[str]) -> tuple[str, dict[str, list[int]]]:
    """The folder that all are in, and what is in each folder there in natural order; in "" what is in none."""
    above = _common_folder(names)
    folders: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        folder, inside, _ = name[len(above) :].partition("/")
        folders.setdefault(folder if inside else "", []).append(row)
    return above, dict(sorted(folders.items(), key=lambda folder: natural_sort_key(folder[0])))


def _common_folder(names: Sequence[str]) -> str:
    """The innermost folder that all these are in: "" or with a slash at its end."""
    first, last = min(names), max(names)
    same = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[: first.rfind("/", 0, same) + 1]


def _match_folder(folders: dict[str, list[int]], name: str) -> str:
    """The folder of this name in any case, or of its training split (trainA), or ""."""
    for wanted in (name.lower(), f"train{name}".lower(), f"train_{name}".lower()):
        for folder in folders:
            if folder.lower() == wanted:
                return folder
    return ""


def _missing_folders_message(display_name: str, missing: Sequence[str], folders: dict[str, list[int]]) -> str:
    there = [name for name in folders if name]
    shown = ", ".join(there[:MAX_LISTED_FILES]) + (
        f" and {len(there) - MAX_LISTED_FILES:,} more" if len(there) > MAX_LISTED_FILES else ""
    )
    return (
        f"{display_name} holds no folder {' and no folder '.join(missing)} (it holds {shown or 'no folders of pictures'}): "
        "set --data.input and --data.target to two that are there, or give two folders"
    )


def _split_halves(source: Source, input_folder: str, target_folder: str) -> PairSources:
    odd = _side_by_side_problem(source)
    if odd:
        raise BadInput(
            f"{source.display_name} holds no folders {input_folder} and {target_folder}, nor pictures that are two side by side ({odd}): put "
            "the pictures of a pair into two folders under one name, or give two folders"
        )
    for name in (input_folder, target_folder):
        if name.lower() not in HALF_NAMES:
            raise BadInput(
                f"{source.display_name} holds pictures side by side, which are called A (left) and B (right), and none is "
                f"called {name}: set --data.input and --data.target to A and B"
            )
    halves = [HalfImageSource(source, HALF_NAMES.index(name.lower())) for name in (input_folder, target_folder)]
    return PairSources(
        halves[0], halves[1], (source,), images_per_file=2, notes=("each file holds two pictures side by side",)
    )


def _side_by_side_problem(source: Source) -> str:
    """What speaks against all files being twice as wide as high; "" if nothing does."""
    odd = "none can be read"
    for index in np.unique(np.linspace(0, len(source.names) - 1, _MAX_SAMPLED_HEADERS).round().astype(int)).tolist():
        try:
            with source.open(index) as image:
                width, height = apply_exif_orientation(image).size
        except BadInput:
            raise
        except Exception:  # Pillow raises anything; reading names those that are damaged
            continue
        if width != 2 * height:
            return f"{source.names[index]} is {width}x{height}"
        odd = ""
    return odd


def _match_by_name(input_source: Source, target_source: Source) -> PairSources:
    """The pairs by name, in the order of what is wanted."""
    rows, partners = _index_by_name(target_source), _index_by_name(input_source)
    alone = [[name for name in one if name not in other] for one, other in ((partners, rows), (rows, partners))]
    if any(alone):
        said = [
            f"{pluralize(len(names), 'picture')} of {place} {'has' if len(names) == 1 else 'have'} no partner in {other} "
            f"({', '.join(names[:MAX_LISTED_FILES])}{' and others' * (len(names) > MAX_LISTED_FILES)})"
            for names, place, other in zip(
                alone,
                (input_source.display_name, target_source.display_name),
                (target_source.display_name, input_source.display_name),
                strict=True,
            )
            if names
        ]
        raise BadInput(
            f"{', and '.join(said)}: give both pictures of a pair one name, take out those without a partner, or set "
            "--data.pairs unpaired"
        )
    sides = _reorder(input_source, [partners[name] for name in rows]), _reorder(target_source, list(rows.values()))
    return PairSources(*sides, sides)


def _index_by_name(source: Source) -> dict[str, int]:
    """Where each picture is, by its path below the folder that all are in, without the suffix."""
    above = len(_common_folder(source.names))
    rows: dict[str, int] = {}
    for row, name in enumerate(source.names):
        # an array's are called images[7], whatever the array's own name
        stem = name[above:].rpartition(".")[0] if is_image_file(name) else name[name.index("[") :]
        if stem in rows:
            raise BadInput(
                f"{source.display_name} holds {source.names[rows[stem]]} and {name}, so that it is not clear which belongs to "
                "the pair: rename or remove one"
            )
        rows[stem] = row
    return rows


def _reorder(source: Source, indices: list[int]) -> Source:
    return source if indices == list(range(len(source.names))) else SubsetSource(source, indices, source.display_name)


def _derived_state_hash(source: Source, kind: str, selection: bytes) -> str:
    return hashlib.blake2b(f"{kind} {source.state_hash} ".encode() + selection, digest_size=16).hexdigest()
