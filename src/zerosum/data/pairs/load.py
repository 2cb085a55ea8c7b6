"""Reading what a translation learns from: pictures and what they are to be made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zerosum.data.cache import Decoded, Index
from zerosum.data.dataset import Examples
from zerosum.data.degradations.degrade import Degrade
from zerosum.data.images.ingest import Progress, quiet
from zerosum.data.images.inspect import Glance, glance, look
from zerosum.data.images.load import FEWEST, check, check_share, decoded_source, read, refuse_few, tiles_of
from zerosum.data.images.summary import Survey, counted, most_frequent
from zerosum.data.pairs.datasets import Degraded, Paired, Unpaired
from zerosum.data.pairs.sources import Sides, find_sides
from zerosum.data.split import split
from zerosum.errors import BadInput

Pairs = Literal["paired", "unpaired"]


def read_translation(
    source: str,
    *,
    pairs: Pairs,
    beside: str = "",
    given: str = "A",
    wanted: str = "B",
    degrade: tuple[str, ...] = (),
    both: bool = False,
    size: int,
    channels: int,
    fit: str,
    held_out: float = 0.1,
    progress: Progress = quiet,
    fewest: int = FEWEST,
) -> Examples:
    """Read all pictures of a translation, or what the cache kept of them.

    Args:
        source: a folder, .zip, .npz or .npy of images: those that are degraded; or one with the sub-folders `given` and
            `wanted`; or of pictures side by side, A left and B right; or, with something `beside`, what is given.
        pairs: whether to each picture that is wanted belongs the one of the same name.
        beside: a second source, of what is wanted.
        given: the sub-folder of what is given.
        wanted: the sub-folder of what is wanted.
        degrade: what is given is made from what is wanted, by these.
        both: pictures without pairs are given and wanted both ways at once.
        size: the side in pixels of the squares that come out, as in `read`; so are the rest.
        channels: see there.
        fit: see there.
        held_out: see there; pairs are split by what is wanted, pictures without pairs each kind by itself.
        progress: see there; called for each side.
        fewest: distinct pictures that are asked for on each side.

    Raises:
        BadInput: if a source or a setting cannot be used, pictures of pairs lack partners or differ in size, or there
            are too few.
    """
    check_share(held_out)
    check(size, channels, fit)
    if degrade:
        _refuse_beside(beside)
        Degrade(degrade).shape((channels, size, size))  # refused before anything is read
        plain = read(source, size, channels, fit, held_out=held_out, progress=progress, fewest=fewest)
        return _degraded(plain, Degrade(degrade))
    assert pairs == "unpaired" or not both, "checked when the recipe is read"
    sides = find_sides(source, beside, given, wanted, pairs == "paired")
    sources = (sides.given, sides.wanted)
    inputs, outputs = (decoded_source(side, size, channels, fit, progress) for side in sources)
    if pairs == "paired":
        examples: Examples = _paired(sides, inputs, outputs, fit, held_out, fewest)
    else:
        examples = _unpaired(sides, inputs, outputs, fit, held_out, fewest, both)
    named = f"{source} and {beside}" if beside else source
    return replace(examples, survey=replace(examples.survey, source=named))


def glance_translation(source: str, beside: str, given: str, wanted: str, pairs: str, degrade: Sequence[str]) -> Glance:
    """Look at the pictures of a translation without reading them all; see `read_translation` for what is where.

    Returns:
        What is seen of both sides together; the count is that of what is wanted, and pictures side by side are taken
        for two.

    Raises:
        BadInput: if a side cannot be found, or nothing of it can be read.
    """
    if degrade:
        _refuse_beside(beside)
        Degrade(tuple(degrade))
        return glance(source)
    sides = find_sides(source, beside, given, wanted, pairs == "paired")
    looks = [look(each) for each in sides.seen]
    return replace(
        looks[-1],
        source=f"{source} and {beside}" if beside else source,
        count=len(sides.wanted.names),
        classes=sides.wanted.classes if pairs == "paired" else (),
        other_files=sum(each.other_files for each in looks),
        sizes=tuple((width // sides.across, height) for each in looks for width, height in each.sizes),
        modes=_together(each.modes for each in looks),
        formats=_together(each.formats for each in looks),
        colour=any(each.colour for each in looks),
        alpha=any(each.alpha for each in looks),
        unreadable=tuple(pair for each in looks for pair in each.unreadable),
        notes=sides.notes,
        found=None,
    )


def _refuse_beside(beside: str) -> None:
    if beside:
        raise BadInput(f"--data.degrade makes pairs from one source, and there is {beside} too: leave one of them out")


def _together(counts: Iterable[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(dict(each))
    return tuple(most_frequent(total.elements()).items())


def _degraded(plain: Examples, degrade: Degrade) -> Degraded:
    note = f"what is given is made from what is wanted by {', then '.join(degrade.names)}"
    known = {field.name: getattr(plain, field.name) for field in fields(Examples)}
    known["survey"] = replace(plain.survey, notes=[*plain.survey.notes, note])
    return Degraded(**known, degrade=degrade)


def _paired(sides: Sides, inputs: Decoded, outputs: Decoded, fit: str, held_out: float, fewest: int) -> Paired:
    """The pairs of which both pictures could be read."""
    given, wanted = inputs.index, outputs.index
    theirs = np.flatnonzero(np.isin(given.places, wanted.places))
    ours = np.flatnonzero(np.isin(wanted.places, given.places))
    places = _refuse_sizes(sides, given.at(theirs), wanted.at(ours))
    refuse_few(sides.wanted.place, len(np.unique(wanted.keys[ours])), fit, fewest)
    partners = np.full(len(wanted.keys), -1, np.int64)
    partners[ours] = theirs  # both are in the order of the pairs, and pictures of one size give the same tiles
    train, held = (ours[side] for side in split(wanted.keys[ours], held_out))
    notes = [f"{counted(len(places), 'pair')}: {_named(sides)}"]
    if lost := len(sides.wanted.names) - len(places):
        notes.append(f"{counted(lost, 'pair')} left out, since a picture of a pair cannot be read")
    survey = _survey(sides, inputs, outputs, notes)
    survey = replace(survey, train=len(train), held_out=len(held), tiles=tiles_of(len(ours), fit))
    return Paired(
        outputs.values, wanted.labels, sides.wanted.classes, wanted.keys, train, held, survey,
        inputs.values, given.keys, partners,
    )  # fmt: skip


def _unpaired(
    sides: Sides, inputs: Decoded, outputs: Decoded, fit: str, held_out: float, fewest: int, both: bool
) -> Unpaired:
    for side, decoded in ((sides.given, inputs), (sides.wanted, outputs)):
        refuse_few(side.place, decoded.survey.images - decoded.survey.duplicates, fit, fewest)
    given_train, given_held = split(inputs.index.keys, held_out)
    train, held = split(outputs.index.keys, held_out)
    count = inputs.survey.images
    notes = [
        f"{counted(count, 'picture')} of what is given, {len(given_train):,} to train on and {len(given_held):,} held "
        f"out, in no pairs: {_named(sides)}"
    ]
    survey = replace(
        _survey(sides, inputs, outputs, notes),
        train=len(train),
        held_out=len(held),
        tiles=tiles_of(len(outputs.values), fit),
        classes={},
    )
    keys = outputs.index.keys
    return Unpaired(
        outputs.values, np.zeros(len(keys), np.int64), (), keys, train, held, survey,
        inputs.values, inputs.index.keys, given_train, given_held, both,
    )  # fmt: skip


def _refuse_sizes(sides: Sides, given: Index, wanted: Index) -> NDArray[np.int64]:
    """The places of the pairs; these are of them alone.

    Raises:
        BadInput: if the pictures of a pair differ in size.
    """
    places, ours = np.unique(wanted.places, return_index=True)
    theirs = np.unique(given.places, return_index=True)[1]
    odd = np.flatnonzero((given.sizes[theirs] != wanted.sizes[ours]).any(axis=1))
    if len(odd):
        place = places[odd[0]]
        one, other = ("{}x{}".format(*sizes) for sizes in (given.sizes[theirs[odd[0]]], wanted.sizes[ours[odd[0]]]))
        raise BadInput(
            f"the pictures of {counted(len(odd), 'pair')} differ in size, such as {sides.given.names[place]} in "
            f"{sides.given.place} ({one}) and {sides.wanted.names[place]} in {sides.wanted.place} ({other}): scale or "
            "crop them until each lies on its partner"
        )
    return places


def _named(sides: Sides) -> str:
    if sides.across > 1:
        return "one half of each picture is given, the other is wanted"
    return f"{sides.given.place} is given, {sides.wanted.place} is wanted"


def _survey(sides: Sides, inputs: Decoded, outputs: Decoded, notes: list[str]) -> Survey:
    """The survey of what is wanted, but for the split, with what is to be said of what is given."""
    theirs, ours = inputs.survey, outputs.survey
    unreadable = ours.unreadable + [item for item in theirs.unreadable if sides.across == 1]
    said = [*notes, *sides.notes, *ours.notes, *(note for note in theirs.notes if note not in ours.notes)]
    return replace(ours, unreadable=unreadable, notes=list(dict.fromkeys(said)))
