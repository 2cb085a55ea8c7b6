"""Load the inputs and targets of translation."""

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
    """Load all images of a translation, or read them from the cache.

    Args:
        source: a folder, .zip, .npz or .npy of images. With `degrade`, it holds the targets; with `target_source`, the
            inputs; otherwise it has the subfolders `input_folder` and `target_folder`, or its files hold two images
            side by side, A left and B right.
        pairs: `paired` if each target has the input of the same name, else `unpaired`.
        target_source: a second source, which holds the targets.
        input_folder: the subfolder of the inputs.
        target_folder: the subfolder of the targets.
        degrade: degradations that make the inputs from the targets.
        bidirectional: translate unpaired images in both directions at once.
        size: side of the square examples in pixels; see `load_source`, also for the following.
        channels: number of channels.
        fit: how images become squares.
        held_out_fraction: fraction that is held out, by the content of the targets; unpaired inputs are split by
            themselves.
        progress: called with the number of images done and of all images, for inputs and targets one after the other.
        min_images: least number of distinct inputs and of distinct targets.

    Raises:
        BadInput: if a source or a setting cannot be used, an image of a pair has no partner or another size, or there
            are too few images.
    """
    check_held_out_fraction(held_out_fraction)
    check_image_settings(size, channels, fit)
    if degrade:
        _require_no_target_source(target_source)
        DegradationPipeline(degrade).input_shape((channels, size, size))  # raises before anything is read
        dataset = load_source(
            source, size, channels, fit, held_out_fraction=held_out_fraction, progress=progress, min_images=min_images
        )
        return _build_degraded(dataset, DegradationPipeline(degrade))
    assert pairs == "unpaired" or not bidirectional, "checked when the recipe is validated"
    pair_sources = resolve_pair_sources(source, target_source, input_folder, target_folder, pairs == "paired")
    sources = (pair_sources.input, pair_sources.target)
    inputs, targets = (load_or_decode(side, size, channels, fit, progress) for side in sources)
    if pairs == "paired":
        translation: Dataset = _build_paired(pair_sources, inputs, targets, fit, held_out_fraction, min_images)
    else:
        translation = _build_unpaired(pair_sources, inputs, targets, fit, held_out_fraction, min_images, bidirectional)
    name = f"{source} and {target_source}" if target_source else source
    return replace(translation, summary=replace(translation.summary, source=name))


def inspect_translation(
    source: str, target_source: str, input_folder: str, target_folder: str, pairs: str, degrade: Sequence[str]
) -> SourceInspection:
    """Inspect the images of a translation without reading them all; `load_translation` describes the arguments.

    Returns:
        The inspection of inputs and targets together. `count` is the number of targets, and a file with two images side
        by side counts as two images in `sizes`.

    Raises:
        BadInput: if the inputs or the targets cannot be found, or none of them can be read.
    """
    if degrade:
        _require_no_target_source(target_source)
        DegradationPipeline(tuple(degrade))
        return inspect_source(source)
    pair_sources = resolve_pair_sources(source, target_source, input_folder, target_folder, pairs == "paired")
    inspections = [inspect_images(file_source) for file_source in pair_sources.file_sources]
    return replace(
        inspections[-1],
        source=f"{source} and {target_source}" if target_source else source,
        count=len(pair_sources.target.names),
        classes=pair_sources.target.classes if pairs == "paired" else (),
        other_files=sum(inspection.other_files for inspection in inspections),
        sizes=tuple(
            (width // pair_sources.images_per_file, height)
            for inspection in inspections
            for width, height in inspection.sizes
        ),
        pixel_modes=_merge_counts(inspection.pixel_modes for inspection in inspections),
        formats=_merge_counts(inspection.formats for inspection in inspections),
        has_color=any(inspection.has_color for inspection in inspections),
        has_alpha=any(inspection.has_alpha for inspection in inspections),
        unreadable=tuple(item for inspection in inspections for item in inspection.unreadable),
        notes=pair_sources.notes,
        resolved=None,
    )


def _require_no_target_source(target_source: str) -> None:
    if target_source:
        raise BadInput(
            f"`data.degrade` makes the inputs from the targets of one source, but `data.target_source` is "
            f"{target_source!r}: leave one of them out"
        )


def _merge_counts(counts: Iterable[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for items in counts:
        total.update(dict(items))
    return tuple(most_common(total.elements()).items())


def _build_degraded(dataset: Dataset, degrade: DegradationPipeline) -> DegradedDataset:
    note = f"the inputs are made from the targets by {', then '.join(degrade.names)}"
    arguments = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    arguments["summary"] = replace(dataset.summary, notes=[*dataset.summary.notes, note])
    return DegradedDataset(**arguments, degrade=degrade)


def _build_paired(
    pair_sources: PairSources,
    inputs: DecodedSource,
    targets: DecodedSource,
    fit: str,
    held_out_fraction: float,
    min_images: int,
) -> PairedDataset:
    """Return the pairs whose input and target could both be read."""
    input_metadata, target_metadata = inputs.metadata, targets.metadata
    input_rows = np.flatnonzero(np.isin(input_metadata.source_indices, target_metadata.source_indices))
    target_rows = np.flatnonzero(np.isin(target_metadata.source_indices, input_metadata.source_indices))
    pair_indices = _require_equal_sizes(
        pair_sources, input_metadata.select(input_rows), target_metadata.select(target_rows)
    )
    target_hashes = target_metadata.content_hashes[target_rows]
    require_enough_images(pair_sources.target.display_name, len(np.unique(target_hashes)), fit, min_images)
    partners = np.full(len(target_metadata.content_hashes), -1, np.int64)
    partners[target_rows] = input_rows  # both are in the order of the pairs, and images of one size give the same tiles
    train, held_out = (target_rows[side] for side in split_by_content(target_hashes, held_out_fraction))
    notes = [f"{pluralize(len(pair_indices), 'pair')}: {_describe_pair_sources(pair_sources)}"]
    if skipped := len(pair_sources.target.names) - len(pair_indices):
        notes.append(f"skipped {pluralize(skipped, 'pair')} with an unreadable image")
    summary = _summarize(pair_sources, inputs, targets, notes)
    summary = replace(summary, train=len(train), held_out=len(held_out), tiles=count_tiles(len(target_rows), fit))
    return PairedDataset(
        targets.values, target_metadata.labels, pair_sources.target.classes, target_metadata.content_hashes, train,
        held_out, summary, inputs.values, input_metadata.content_hashes, partners,
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
    input_train, input_held_out = split_by_content(inputs.metadata.content_hashes, held_out_fraction)
    train, held_out = split_by_content(targets.metadata.content_hashes, held_out_fraction)
    notes = [
        f"{pluralize(inputs.summary.images, 'unpaired input')}, {len(input_train):,} to train on and "
        f"{len(input_held_out):,} held out: {_describe_pair_sources(pair_sources)}"
    ]
    summary = replace(
        _summarize(pair_sources, inputs, targets, notes),
        train=len(train),
        held_out=len(held_out),
        tiles=count_tiles(len(targets.values), fit),
        classes={},
    )
    content_hashes = targets.metadata.content_hashes
    return UnpairedDataset(
        targets.values, np.zeros(len(content_hashes), np.int64), (), content_hashes, train, held_out, summary,
        inputs.values, inputs.metadata.content_hashes, input_train, input_held_out, bidirectional,
    )  # fmt: skip


def _require_equal_sizes(
    pair_sources: PairSources, input_metadata: ExampleMetadata, target_metadata: ExampleMetadata
) -> NDArray[np.int64]:
    """Return the source indices (n,) of the pairs; the metadata are those of pairs alone.

    Raises:
        BadInput: if the images of a pair differ in size.
    """
    pair_indices, target_rows = np.unique(target_metadata.source_indices, return_index=True)
    input_rows = np.unique(input_metadata.source_indices, return_index=True)[1]
    input_sizes, target_sizes = input_metadata.sizes[input_rows], target_metadata.sizes[target_rows]
    mismatches = np.flatnonzero((input_sizes != target_sizes).any(axis=1))
    if len(mismatches):
        first = mismatches[0]
        index = pair_indices[first]
        input_size, target_size = ("{}x{}".format(*size) for size in (input_sizes[first], target_sizes[first]))
        raise BadInput(
            f"the images of {pluralize(len(mismatches), 'pair')} differ in size, such as "
            f"{pair_sources.input.names[index]} in {pair_sources.input.display_name} ({input_size}) and "
            f"{pair_sources.target.names[index]} in {pair_sources.target.display_name} ({target_size}): scale or crop "
            "both images of a pair to the same area and size"
        )
    return pair_indices


def _describe_pair_sources(pair_sources: PairSources) -> str:
    if pair_sources.images_per_file > 1:
        return "the input and the target are the two halves of each image"
    return f"inputs from {pair_sources.input.display_name}, targets from {pair_sources.target.display_name}"


def _summarize(
    pair_sources: PairSources, inputs: DecodedSource, targets: DecodedSource, notes: list[str]
) -> DatasetSummary:
    """Return the summary of the targets without the counts of the split, with the notes of the inputs added."""
    input_summary, target_summary = inputs.summary, targets.summary
    unreadable = target_summary.unreadable + [
        item for item in input_summary.unreadable if pair_sources.images_per_file == 1
    ]
    input_notes = [note for note in input_summary.notes if note not in target_summary.notes]
    all_notes = [*notes, *pair_sources.notes, *target_summary.notes, *input_notes]
    return replace(target_summary, unreadable=unreadable, notes=list(dict.fromkeys(all_notes)))
