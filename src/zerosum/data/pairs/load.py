"""Reading what a translation learns from: pictures and what they are to be made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zerosum.data.cache import DecodedSource, ExampleMetadata
from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.images.ingest import ProgressFn, ignore_progress
from zerosum.data.images.inspect import SourceInspection, inspect_images, inspect_source
from zerosum.data.images.load import (
    MIN_IMAGES,
    check_held_out_fraction,
    check_image_settings,
    count_tiles,
    load_or_decode,
    load_source,
    require_enough_images,
)
from zerosum.data.images.summary import DatasetSummary, most_common, pluralize
from zerosum.data.pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.pairs.sources import PairSources, resolve_pair_sources
from zerosum.data.split import split_by_content
from zerosum.errors import BadInput

PairKind = Literal["paired", "unpaired"]


def load_translation(
    source: str,
    *,
    pairs: PairKind,
    target_source: str = "",
    input_folder: str = "A",
    target_folder: str = "B",
    degrade: tuple[str, ...] = (),
    bidirectional: bool = False,
    size: int,
    channels: int,
    fit: str,
    held_out_fraction: float = 0.1,
    progress: ProgressFn = ignore_progress,
    min_images: int = MIN_IMAGES,
) -> Dataset:
    """Read all pictures of a translation, or what the cache kept of them.

    Args:
        source: a folder, .zip, .npz or .npy of images: those that are degraded; or one with the sub-folders `input_folder` and
            `wanted`; or of pictures side by side, A left and B right; or, with something `target_source`, what is given.
        pairs: whether to each picture that is wanted belongs the one of the same name.
        target_source: a second source, of what is wanted.
        input_folder: the sub-folder of what is given.
        wanted: the sub-folder of what is wanted.
        degrade: what is given is made from what is wanted, by these.
        bidirectional: pictures without pairs are given and wanted both ways at once.
        size: the side in pixels of the squares that come out, as in `read`; so are the rest.
        channels: see there.
        fit: see there.
        held_out_fraction: see there; pairs are split by what is wanted, pictures without pairs each kind by itself.
        progress: see there; called for each side.
        min_images: distinct pictures that are asked for on each side.

    Raises:
        BadInput: if a source or a setting cannot be used, pictures of pairs lack partners or differ in size, or there
            are too few.
    """
    check_held_out_fraction(held_out_fraction)
    check_image_settings(size, channels, fit)
    if degrade:
        _require_no_target_source(target_source)
        DegradationPipeline(degrade).input_shape((channels, size, size))  # refused before anything is read
        plain = load_source(
            source, size, channels, fit, held_out_fraction=held_out_fraction, progress=progress, min_images=min_images
        )
        return _build_degraded(plain, DegradationPipeline(degrade))
    assert pairs == "unpaired" or not bidirectional, "checked when the recipe is read"
    sides = resolve_pair_sources(source, target_source, input_folder, target_folder, pairs == "paired")
    sources = (sides.input, sides.target)
    inputs, outputs = (load_or_decode(side, size, channels, fit, progress) for side in sources)
    if pairs == "paired":
        dataset: Dataset = _build_paired(sides, inputs, outputs, fit, held_out_fraction, min_images)
    else:
        dataset = _build_unpaired(sides, inputs, outputs, fit, held_out_fraction, min_images, bidirectional)
    named = f"{source} and {target_source}" if target_source else source
    return replace(dataset, summary=replace(dataset.summary, source=named))


def inspect_translation(
    source: str, target_source: str, input_folder: str, target_folder: str, pairs: str, degrade: Sequence[str]
) -> SourceInspection:
    """Look at the pictures of a translation without reading them all; see `read_translation` for what is where.

    Returns:
        What is seen of both sides together; the count is that of what is wanted, and pictures side by side are taken
        for two.

    Raises:
        BadInput: if a side cannot be found, or nothing of it can be read.
    """
    if degrade:
        _require_no_target_source(target_source)
        DegradationPipeline(tuple(degrade))
        return inspect_source(source)
    sides = resolve_pair_sources(source, target_source, input_folder, target_folder, pairs == "paired")
    looks = [inspect_images(each) for each in sides.file_sources]
    return replace(
        looks[-1],
        source=f"{source} and {target_source}" if target_source else source,
        count=len(sides.target.names),
        classes=sides.target.classes if pairs == "paired" else (),
        other_files=sum(each.other_files for each in looks),
        sizes=tuple((width // sides.images_per_file, height) for each in looks for width, height in each.sizes),
        pixel_modes=_merge_counts(each.pixel_modes for each in looks),
        formats=_merge_counts(each.formats for each in looks),
        has_color=any(each.has_color for each in looks),
        has_alpha=any(each.has_alpha for each in looks),
        unreadable=tuple(pair for each in looks for pair in each.unreadable),
        notes=sides.notes,
        resolved=None,
    )


def _require_no_target_source(target_source: str) -> None:
    if target_source:
        raise BadInput(
            f"--data.degrade makes pairs from one source, and there is {target_source} too: leave one of them out"
        )


def _merge_counts(counts: Iterable[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(dict(each))
    return tuple(most_common(total.elements()).items())


def _build_degraded(dataset: Dataset, degrade: DegradationPipeline) -> DegradedDataset:
    note = f"what is given is made from what is wanted by {', then '.join(degrade.names)}"
    known = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    known["summary"] = replace(dataset.summary, notes=[*dataset.summary.notes, note])
    return DegradedDataset(**known, degrade=degrade)


def _build_paired(
    pair_sources: PairSources,
    inputs: DecodedSource,
    targets: DecodedSource,
    fit: str,
    held_out_fraction: float,
    min_images: int,
) -> PairedDataset:
    """The pairs of which both pictures could be read."""
    given, wanted = inputs.metadata, targets.metadata
    theirs = np.flatnonzero(np.isin(given.source_indices, wanted.source_indices))
    ours = np.flatnonzero(np.isin(wanted.source_indices, given.source_indices))
    places = _require_equal_sizes(pair_sources, given.select(theirs), wanted.select(ours))
    require_enough_images(pair_sources.target.display_name, len(np.unique(wanted.keys[ours])), fit, min_images)
    partners = np.full(len(wanted.keys), -1, np.int64)
    partners[ours] = theirs  # both are in the order of the pairs, and pictures of one size give the same tiles
    train, held = (ours[side] for side in split_by_content(wanted.keys[ours], held_out_fraction))
    notes = [f"{pluralize(len(places), 'pair')}: {_describe_pair_sources(pair_sources)}"]
    if lost := len(pair_sources.target.names) - len(places):
        notes.append(f"{pluralize(lost, 'pair')} left out, since a picture of a pair cannot be read")
    summary = _summarize(pair_sources, inputs, targets, notes)
    summary = replace(summary, train=len(train), held_out=len(held), tiles=count_tiles(len(ours), fit))
    return PairedDataset(
        targets.values, wanted.labels, pair_sources.target.classes, wanted.keys, train, held, summary,
        inputs.values, given.keys, partners,
    )  # fmt: skip


def _build_unpaired(
    pair_sources: PairSources,
    inputs: DecodedSource,
    targets: DecodedSource,
    fit: str,
    held_out_fraction: float,
    min_images: int,
    bidirectional: bool,
) -> UnpairedDataset:
    for side, decoded in ((pair_sources.input, inputs), (pair_sources.target, targets)):
        require_enough_images(side.display_name, decoded.summary.images - decoded.summary.duplicates, fit, min_images)
    given_train, given_held = split_by_content(inputs.metadata.keys, held_out_fraction)
    train, held = split_by_content(targets.metadata.keys, held_out_fraction)
    count = inputs.summary.images
    notes = [
        f"{pluralize(count, 'picture')} of what is given, {len(given_train):,} to train on and {len(given_held):,} held "
        f"out, in no pairs: {_describe_pair_sources(pair_sources)}"
    ]
    summary = replace(
        _summarize(pair_sources, inputs, targets, notes),
        train=len(train),
        held_out=len(held),
        tiles=count_tiles(len(targets.values), fit),
        classes={},
    )
    keys = targets.metadata.keys
    return UnpairedDataset(
        targets.values, np.zeros(len(keys), np.int64), (), keys, train, held, summary,
        inputs.values, inputs.metadata.keys, given_train, given_held, bidirectional,
    )  # fmt: skip


def _require_equal_sizes(
    pair_sources: PairSources, input_metadata: ExampleMetadata, target_metadata: ExampleMetadata
) -> NDArray[np.int64]:
    """The places of the pairs; these are of them alone.

    Raises:
        BadInput: if the pictures of a pair differ in size.
    """
    places, ours = np.unique(target_metadata.source_indices, return_index=True)
    theirs = np.unique(input_metadata.source_indices, return_index=True)[1]
    odd = np.flatnonzero((input_metadata.sizes[theirs] != target_metadata.sizes[ours]).any(axis=1))
    if len(odd):
        place = places[odd[0]]
        one, other = (
            "{}x{}".format(*sizes)
            for sizes in (input_metadata.sizes[theirs[odd[0]]], target_metadata.sizes[ours[odd[0]]])
        )
        raise BadInput(
            f"the pictures of {pluralize(len(odd), 'pair')} differ in size, such as {pair_sources.input.names[place]} in "
            f"{pair_sources.input.display_name} ({one}) and {pair_sources.target.names[place]} in {pair_sources.target.display_name} ({other}): scale or "
            "crop them until each lies on its partner"
        )
    return places


def _describe_pair_sources(pair_sources: PairSources) -> str:
    if pair_sources.images_per_file > 1:
        return "one half of each picture is given, the other is wanted"
    return f"{pair_sources.input.display_name} is given, {pair_sources.target.display_name} is wanted"


def _summarize(
    pair_sources: PairSources, inputs: DecodedSource, targets: DecodedSource, notes: list[str]
) -> DatasetSummary:
    """The survey of what is wanted, but for the split, with what is to be said of what is given."""
    theirs, ours = inputs.summary, targets.summary
    unreadable = ours.unreadable + [item for item in theirs.unreadable if pair_sources.images_per_file == 1]
    said = [*notes, *pair_sources.notes, *ours.notes, *(note for note in theirs.notes if note not in ours.notes)]
    return replace(ours, unreadable=unreadable, notes=list(dict.fromkeys(said)))
