"""The sources of inputs and targets: two sources, two folders of one source, or the two halves of each image."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.file_summary import MAX_LISTED_FILES
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.decode import apply_exif_orientation
from zerosum.data.images.files import is_array_file, is_image_file
from zerosum.data.images.joined import JoinedSource
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import OpenedImage
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.splits import Split, parse_split
from zerosum.data.images.value_range import Extremes, Range
from zerosum.data.text import natural_sort_key, pluralize
from zerosum.errors import BadInput

_SCALE_SUFFIX = re.compile(r"_?x[248]$", re.IGNORECASE)
HALF_NAMES = ("a", "b")
"""Names of the left and the right half of an image that holds two images side by side, in lower or upper case."""
_MAX_SAMPLED_HEADERS = 64  # images whose headers decide whether all hold two images side by side


@dataclass(frozen=True, eq=False)
class PairSources:
    """The sources of the inputs and of the targets."""

    input: Source
    target: Source
    file_sources: tuple[Source, ...]
    """The sources of the files: `input` and `target`, or one source whose files hold an input and a target each."""
    images_per_file: int = 1
    """Number of images side by side in a file."""
    notes: tuple[str, ...] = ()
    scale_factor: int = 1
    """How many times as large as its input each target is on each side."""


class _DerivedSource:
    """A source that is made of another one, and has its values."""

    _source: Source

    @property
    def extremes(self) -> Extremes | None:
        """Those of the other source."""
        return self._source.extremes

    @property
    def clipped(self) -> int:
        """The number in the whole of the other source."""
        return self._source.clipped

    def with_range(self, value_range: Range | None, dtype: PixelType = "uint8") -> Self:
        """Return the same part of the other source with another range."""
        derived = copy(self)
        derived._source = self._source.with_range(value_range, dtype)
        return derived

    def column(self, name: str) -> list[str]:
        """Return a column of the table of labels of the other source."""
        return self._source.column(name)


class SubsetSource(_DerivedSource):
    """A subset of the images of a source, in a given order and without classes."""

    def __init__(self, source: Source, indices: Sequence[int], display_name: str) -> None:
        """Select the images at `indices`; `display_name` is the name of the subset in messages."""
        self.display_name, self._source, self._indices = display_name, source, indices
        self.names: Sequence[str] = [source.names[row] for row in indices]
        self.labels: NDArray[np.int64] = np.zeros(len(indices), np.int64)
        self.classes: tuple[str, ...] = ()
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        self.state_hash = _derived_state_hash(source, "chosen", np.asarray(indices, "<i8").tobytes())

    def open(self, index: int) -> OpenedImage:
        """Open an image; Pillow loads its pixels when they are first used."""
        return self._source.open(self._indices[index])

    def column(self, name: str) -> list[str]:
        """Return a column of the table of labels, for these images."""
        cells = self._source.column(name)
        return [cells[index] for index in self._indices]


class HalfImageSource(_DerivedSource):
    """The left or the right halves of images that hold two images side by side."""

    def __init__(self, source: Source, side: int) -> None:
        """Select the left (0) or the right (1) halves."""
        self.display_name, self._source, self._side = source.display_name, source, side
        self.names, self.labels, self.classes = source.names, source.labels, source.classes
        self.other_files, self.notes = source.other_files, source.notes
        self.state_hash = _derived_state_hash(source, "half", bytes([side]))

    def open(self, index: int) -> OpenedImage:
        """Return a half with loaded pixels.

        Raises:
            BadInput: if the image is not twice as wide as high.
        """
        with self._source.open(index) as image:
            upright = _rotate_upright(image)
            width, side = upright.size
            if width != 2 * side:
                raise BadInput(
                    f"{self.names[index]} in {self.display_name} is {width}x{side}, but an image that holds "
                    "two images side by side must be twice as wide as high: remove or replace it"
                )
            half = upright.crop((self._side * side, 0, self._side * side + side, side))
            if isinstance(half, Image.Image):
                half.format = image.format
            return half


def _rotate_upright(image: OpenedImage) -> OpenedImage:
    """Return an image rotated as its EXIF orientation says, which an array has not."""
    return apply_exif_orientation(image) if isinstance(image, Image.Image) else image


def resolve_pair_sources(data: ImagePairDataConfig, split: Split = Split.TRAINING) -> PairSources:
    """Return the sources of inputs and targets; those of pairs have the same order.

    Args:
        data: the settings. Without `target_source`, the inputs and the targets are the subfolders `input` and `target`
            of the source, in lower or upper case; `A` and `B` also name the halves of two images side by side. Each
            target of paired data has the input of the same name, whatever its suffix.
        split: what is read of sources that have been split into train/, test/ and the like.

    Raises:
        BadInput: if the inputs or the targets cannot be found, or an image of a pair has no partner.
    """
    paired, wanted = data.has_targets, (data.input, data.target)
    resolved = resolve_source(data.source, split, data.label)
    if data.target_source:
        sides = resolved, resolve_source(data.target_source, split, data.label)
        return _match_by_name(*sides) if paired else PairSources(*sides, sides)
    if data.input.lower() == data.target.lower():
        raise BadInput(f"`data.input` and `data.target` are both {data.input!r}: give two different folders")
    root, folders = _group_by_folder(resolved.names)
    names = [_match_folder(folders, name) for name in wanted]
    if paired and not any(names):
        return _split_halves(resolved, *wanted)
    missing = [name for name, match in zip(wanted, names, strict=True) if not match]
    if missing:
        raise BadInput(_missing_folders_message(resolved.display_name, missing, folders))
    subsets = [SubsetSource(resolved, folders[name], f"{resolved.display_name}/{root}{name}") for name in names]
    others = [name for name in folders if name not in names]
    notes = tuple(f"ignored {name or 'images outside the folders'}" for name in others)
    sides = subsets[0], subsets[1]
    pair_sources = _match_by_name(*sides) if paired else PairSources(*sides, sides)
    return PairSources(
        pair_sources.input, pair_sources.target, pair_sources.file_sources, notes=(*resolved.notes, *notes)
    )


def resolve_all_pairs(data: ImagePairDataConfig, split: Split = Split.TRAINING) -> PairSources:
    """Return the sources of inputs and targets, with those of `data.validation`, if it is set, which are held out.

    The images for validation are in subfolders or halves like those of one source.

    Raises:
        BadInput: if a source cannot be used, or an image of a pair has no partner.
    """
    pairs = resolve_pair_sources(data, split)
    if not data.validation:
        return pairs
    others = resolve_pair_sources(data.with_source(data.validation), Split.VALIDATION)
    sides = JoinedSource([pairs.input], others.input), JoinedSource([pairs.target], others.target)
    return replace(pairs, input=sides[0], target=sides[1])


def side_folder(names: Sequence[str], side: str) -> str:
    """Return the path of the folder of the inputs or the targets, with a trailing slash; "" if there is none."""
    root, folders = _group_by_folder(names)
    match = _match_folder(folders, side)
    return f"{root}{match}/" if match else ""


def _group_by_folder(names: Sequence[str]) -> tuple[str, dict[str, list[int]]]:
    """Return the root folder of all images, and the rows of each folder in it in natural order; "" for the root."""
    root = _common_folder(names)
    folders: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        folder, slash, _ = name[len(root) :].partition("/")
        folders.setdefault(folder if slash else "", []).append(row)
    return root, dict(sorted(folders.items(), key=lambda folder: natural_sort_key(folder[0])))


def _common_folder(names: Sequence[str]) -> str:
    """Return the innermost folder that contains all these files: "" or with a trailing slash."""
    first, last = min(names), max(names)
    difference = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: first.rfind("/", 0, difference) + 1]


def _match_folder(folders: dict[str, list[int]], name: str) -> str:
    """Return the folder of this name, or of its split (trainA, train_A, A_train), in lower or upper case, or ""."""
    wanted = name.lower()
    for folder in folders:
        if folder.lower() == wanted:
            return folder
    for folder in folders:
        found = parse_split(folder)
        if (found is not None and found.rest == wanted) or folder.lower() in (f"train{wanted}", f"test{wanted}"):
            return folder
    return ""


def _missing_folders_message(display_name: str, missing: Sequence[str], folders: dict[str, list[int]]) -> str:
    existing = [name for name in folders if name]
    shown = ", ".join(existing[:MAX_LISTED_FILES]) + (
        f" and {len(existing) - MAX_LISTED_FILES:,} more" if len(existing) > MAX_LISTED_FILES else ""
    )
    return (
        f"{display_name} has no folder {' and no folder '.join(missing)} (found: {shown or 'no folders of images'}): "
        "set `data.input` and `data.target` to existing folders, or set `data.target_source`"
    )


def _split_halves(source: Source, input_folder: str, target_folder: str) -> PairSources:
    problem = _side_by_side_problem(source)
    if problem:
        raise BadInput(
            f"{source.display_name} has neither folders {input_folder} and {target_folder} nor files with two images "
            f"side by side ({problem}): put the images of each pair into two folders under the same name, or set "
            "`data.target_source`"
        )
    for name in (input_folder, target_folder):
        if name.lower() not in HALF_NAMES:
            raise BadInput(
                f"{source.display_name} has files with two images side by side, named A (left) and B (right), but not "
                f"{name}: set `data.input` and `data.target` to A and B"
            )
    halves = [HalfImageSource(source, HALF_NAMES.index(name.lower())) for name in (input_folder, target_folder)]
    return PairSources(
        halves[0], halves[1], (source,), images_per_file=2, notes=("each file holds two images side by side",)
    )


def _side_by_side_problem(source: Source) -> str:
    """Return why the files cannot all be twice as wide as high; "" if all sampled files are."""
    problem = "none can be read"
    for index in np.unique(np.linspace(0, len(source.names) - 1, _MAX_SAMPLED_HEADERS).round().astype(int)).tolist():
        try:
            with source.open(index) as image:
                width, height = _rotate_upright(image).size
        except BadInput:
            raise
        except Exception:  # Pillow raises any exception; loading reports the damaged files
            continue
        if width != 2 * height:
            return f"{source.names[index]} is {width}x{height}"
        problem = ""
    return problem


def _match_by_name(input_source: Source, target_source: Source) -> PairSources:
    """Match inputs and targets by name, in the order of the targets."""
    target_rows, input_rows = _index_by_name(target_source), _index_by_name(input_source)
    if not input_rows.keys() & target_rows.keys():
        input_rows = _without_scale_suffix(input_rows)
    unmatched = [
        f"{pluralize(len(names), 'image')} in {source.display_name} {'has' if len(names) == 1 else 'have'} no partner "
        f"in {other.display_name} ({', '.join(names[:MAX_LISTED_FILES])}"
        f"{' and others' * (len(names) > MAX_LISTED_FILES)})"
        for names, source, other in (
            ([name for name in input_rows if name not in target_rows], input_source, target_source),
            ([name for name in target_rows if name not in input_rows], target_source, input_source),
        )
        if names
    ]
    if unmatched:
        raise BadInput(
            f"{', and '.join(unmatched)}: give both images of a pair the same name, remove images without a partner, "
            "or set `data.pairs` to unpaired"
        )
    sides = (
        _reorder(input_source, [input_rows[name] for name in target_rows]),
        _reorder(target_source, list(target_rows.values())),
    )
    return PairSources(*sides, sides)


def _without_scale_suffix(rows: dict[str, int]) -> dict[str, int]:
    """Return the rows by names without the scale at their end, if all have one, as in DIV2K: 0001x4 becomes 0001."""
    stems = {stem: _SCALE_SUFFIX.sub("", stem) for stem in rows}
    has_scales = all(stem != short for stem, short in stems.items()) and len(set(stems.values())) == len(rows)
    return {short: rows[stem] for stem, short in stems.items()} if has_scales else rows


def _index_by_name(source: Source) -> dict[str, int]:
    """Return the row of each image by its path relative to the root folder of all images, without the suffix."""
    root_length = len(_common_folder(source.names))
    rows: dict[str, int] = {}
    for row, name in enumerate(source.names):
        # images of an array are named images[7], whatever the name of the array
        is_file = is_image_file(name) or is_array_file(name)
        stem = name[root_length:].rpartition(".")[0] if is_file else name[name.index("[") :]
        if stem in rows:
            raise BadInput(
                f"{source.display_name} has both {source.names[rows[stem]]} and {name}, so the image of the pair is "
                "ambiguous: rename or remove one of them"
            )
        rows[stem] = row
    return rows


def _reorder(source: Source, indices: list[int]) -> Source:
    return source if indices == list(range(len(source.names))) else SubsetSource(source, indices, source.display_name)


def _derived_state_hash(source: Source, kind: str, selection: bytes) -> str:
    return hashlib.blake2b(f"{kind} {source.state_hash} ".encode() + selection, digest_size=16).hexdigest()
