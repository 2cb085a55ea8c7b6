"""The two sides of a translation, found: two sources, two folders of one, or the two halves of each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images.decode import upright
from zerosum.data.images.folder_layout import is_image
from zerosum.data.images.sources import Source, find
from zerosum.data.images.summary import NAMED, counted, natural
from zerosum.data.points.mixtures import Toy
from zerosum.errors import BadInput

HALVES = ("a", "b")
"""What the left and the right of two pictures side by side are called, in any case."""
_LOOKED_AT = 64  # pictures whose headers tell whether they are two side by side


@dataclass(frozen=True, eq=False)
class Sides:
    """What is given and what is wanted."""

    given: Source
    wanted: Source
    seen: tuple[Source, ...]
    """The files of both: the sides themselves, or the pictures that hold both."""
    across: int = 1
    """How many pictures are side by side in a file."""
    notes: tuple[str, ...] = ()


class Chosen:
    """Some of the images of a source, in an order of their own; of no class."""

    def __init__(self, source: Source, rows: Sequence[int], place: str) -> None:
        """Those at `rows`, together called `place`."""
        self.place, self._source, self._rows = place, source, rows
        self.names: Sequence[str] = [source.names[row] for row in rows]
        self.labels: NDArray[np.int64] = np.zeros(len(rows), np.int64)
        self.classes: tuple[str, ...] = ()
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        self.stamp = _stamp(source, "chosen", np.asarray(rows, "<i8").tobytes())

    def open(self, index: int) -> Image.Image:
        """The image, whose pixels may not be loaded yet."""
        return self._source.open(self._rows[index])


class Half:
    """The left or the right of each two pictures that are side by side in one."""

    def __init__(self, source: Source, side: int) -> None:
        """The left (0) or the right (1)."""
        self.place, self._source, self._side = source.place, source, side
        self.names, self.labels, self.classes = source.names, source.labels, source.classes
        self.other_files, self.notes = source.other_files, source.notes
        self.stamp = _stamp(source, "half", bytes([side]))

    def open(self, index: int) -> Image.Image:
        """The half, its pixels loaded.

        Raises:
            BadInput: if the picture is not twice as wide as high.
        """
        with self._source.open(index) as image:
            whole = upright(image)
            side = whole.height
            if whole.width != 2 * side:
                raise BadInput(
                    f"{self.names[index]} in {self.place} is {whole.width}x{side}, and two pictures side by side are "
                    "twice as wide as high, like most there: take it out"
                )
            half = whole.crop((self._side * side, 0, self._side * side + side, side))
            half.format = image.format
            return half


def find_sides(source: str, beside: str, given: str, wanted: str, paired: bool) -> Sides:
    """The two sides of a translation; those of pairs have their pictures in one order.

    Args:
        source: where both are, or, if there is something `beside`, what is given.
        beside: what is wanted, or "".
        given: the name of the sub-folder that is given, in any case; `A` is also the left of two pictures side by side.
        wanted: the name of the sub-folder that is wanted; `B` is also the right.
        paired: whether to each picture belongs the one of the same name, whatever its suffix.

    Raises:
        BadInput: if a side cannot be found, or a picture of a pair has no partner.
    """
    if beside:
        sides = _pictures(source), _pictures(beside)
        return _matched(*sides) if paired else Sides(*sides, sides)
    found = _pictures(source)
    if given.lower() == wanted.lower():
        raise BadInput(f"--data.given and --data.wanted are both {given}: say what is to be made from what")
    above, folders = _folders(found.names)
    names = [_called(folders, name) for name in (given, wanted)]
    if paired and not any(names):
        return _halves(found, given, wanted)
    missing = [name for name, known in zip((given, wanted), names, strict=True) if not known]
    if missing:
        raise BadInput(_missing(found.place, missing, folders))
    chosen = [Chosen(found, folders[name], f"{found.place}/{above}{name}") for name in names]
    rest = [name for name in folders if name not in names]
    notes = tuple(f"left {name or 'pictures beside the folders'} alone" for name in rest)
    sides = chosen[0], chosen[1]
    both = _matched(*sides) if paired else Sides(*sides, sides)
    return Sides(both.given, both.wanted, both.seen, notes=(*found.notes, *notes))


def _pictures(source: str) -> Source:
    found = find(source)
    if isinstance(found, Toy):
        raise BadInput(f"{source} is a set of points, and pictures are wanted: give a folder of images")
    return found


def _folders(names: Sequence[str]) -> tuple[str, dict[str, list[int]]]:
    """The folder that all are in, and what is in each folder there in natural order; in "" what is in none."""
    above = _above(names)
    folders: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        folder, inside, _ = name[len(above) :].partition("/")
        folders.setdefault(folder if inside else "", []).append(row)
    return above, dict(sorted(folders.items(), key=lambda folder: natural(folder[0])))


def _above(names: Sequence[str]) -> str:
    """The innermost folder that all these are in: "" or with a slash at its end."""
    first, last = min(names), max(names)
    same = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[: first.rfind("/", 0, same) + 1]


def _called(folders: dict[str, list[int]], name: str) -> str:
    """The folder of this name in any case, or of its training split (trainA), or ""."""
    for wanted in (name.lower(), f"train{name}".lower(), f"train_{name}".lower()):
        for folder in folders:
            if folder.lower() == wanted:
                return folder
    return ""


def _missing(place: str, missing: Sequence[str], folders: dict[str, list[int]]) -> str:
    there = [name for name in folders if name]
    shown = ", ".join(there[:NAMED]) + (f" and {len(there) - NAMED:,} more" if len(there) > NAMED else "")
    return (
        f"{place} holds no folder {' and no folder '.join(missing)} (it holds {shown or 'no folders of pictures'}): "
        "set --data.given and --data.wanted to two that are there, or give two folders"
    )


def _halves(found: Source, given: str, wanted: str) -> Sides:
    odd = _not_side_by_side(found)
    if odd:
        raise BadInput(
            f"{found.place} holds no folders {given} and {wanted}, nor pictures that are two side by side ({odd}): put "
            "the pictures of a pair into two folders under one name, or give two folders"
        )
    for name in (given, wanted):
        if name.lower() not in HALVES:
            raise BadInput(
                f"{found.place} holds pictures side by side, which are called A (left) and B (right), and none is "
                f"called {name}: set --data.given and --data.wanted to A and B"
            )
    halves = [Half(found, HALVES.index(name.lower())) for name in (given, wanted)]
    return Sides(halves[0], halves[1], (found,), across=2, notes=("each file holds two pictures side by side",))


def _not_side_by_side(found: Source) -> str:
    """What speaks against all files being twice as wide as high; "" if nothing does."""
    odd = "none can be read"
    for index in np.unique(np.linspace(0, len(found.names) - 1, _LOOKED_AT).round().astype(int)).tolist():
        try:
            with found.open(index) as image:
                width, height = upright(image).size
        except BadInput:
            raise
        except Exception:  # Pillow raises anything; reading names those that are damaged
            continue
        if width != 2 * height:
            return f"{found.names[index]} is {width}x{height}"
        odd = ""
    return odd


def _matched(given: Source, wanted: Source) -> Sides:
    """The pairs by name, in the order of what is wanted."""
    rows, partners = _by_name(wanted), _by_name(given)
    alone = [[name for name in one if name not in other] for one, other in ((partners, rows), (rows, partners))]
    if any(alone):
        said = [
            f"{counted(len(names), 'picture')} of {place} {'has' if len(names) == 1 else 'have'} no partner in {other} "
            f"({', '.join(names[:NAMED])}{' and others' * (len(names) > NAMED)})"
            for names, place, other in zip(alone, (given.place, wanted.place), (wanted.place, given.place), strict=True)
            if names
        ]
        raise BadInput(
            f"{', and '.join(said)}: give both pictures of a pair one name, take out those without a partner, or set "
            "--data.pairs unpaired"
        )
    sides = _ordered(given, [partners[name] for name in rows]), _ordered(wanted, list(rows.values()))
    return Sides(*sides, sides)


def _by_name(source: Source) -> dict[str, int]:
    """Where each picture is, by its path below the folder that all are in, without the suffix."""
    above = len(_above(source.names))
    rows: dict[str, int] = {}
    for row, name in enumerate(source.names):
        # an array's are called images[7], whatever the array's own name
        stem = name[above:].rpartition(".")[0] if is_image(name) else name[name.index("[") :]
        if stem in rows:
            raise BadInput(
                f"{source.place} holds {source.names[rows[stem]]} and {name}, so that it is not clear which belongs to "
                "the pair: rename or remove one"
            )
        rows[stem] = row
    return rows


def _ordered(source: Source, rows: list[int]) -> Source:
    return source if rows == list(range(len(source.names))) else Chosen(source, rows, source.place)


def _stamp(source: Source, kind: str, which: bytes) -> str:
    return hashlib.blake2b(f"{kind} {source.stamp} ".encode() + which, digest_size=16).hexdigest()
