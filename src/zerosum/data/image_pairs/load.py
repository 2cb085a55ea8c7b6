"""Load the inputs and targets of translation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.image_pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.image_pairs.scale import find_scale_factor, require_scale_factor
from zerosum.data.image_pairs.sources import PairSources, resolve_all_pairs
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.decode import MAX_EXAMPLES_PER_IMAGE
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.holding_out import ImageSplit, SplitRows, count_training_images
from zerosum.data.images.ingest import ImageIngest
from zerosum.data.images.inspect import ImageInspection, inspect_data, inspect_images
from zerosum.data.images.joined import resolve_all_sources
from zerosum.data.images.load import (
    MIN_IMAGES,
    check_image_settings,
    count_tiles,
    load_source,
    make_codec,
    require_enough_images,
)
from zerosum.data.images.rows import DecodedImages
from zerosum.data.images.size import ImageSize
from zerosum.data.images.splits import Split
from zerosum.data.images.summary import ImageSummary
from zerosum.data.images.symmetries import choose_symmetries
from zerosum.data.kind import LoadOptions
from zerosum.data.text import most_common, pluralize
from zerosum.errors import BadInput

KIND = "image-pairs"
"""The name of this kind of data."""


@dataclass(frozen=True)
class PairInspection(ImageInspection):
    """The inspection of inputs and targets together.

    `count` is the number of targets, and a file with two images side by side counts as two images in `sizes`.
    """

    pair_sources: PairSources | None = field(default=None, repr=False, compare=False)
    """The resolved sources, so that large folders are not listed twice; None where the inputs are degraded targets."""
    scale_factor: int = 1
    """How many times as large as their inputs the targets are on each side, if the settings do not say."""


def load_pairs(data: ImagePairDataConfig, options: LoadOptions, inspection: PairInspection | None = None) -> Dataset:
    """Load the inputs and targets of settings whose size, channels and fit are set, or read them from the cache.

    Args:
        data: the settings.
        inspection: the inspection of the same data, if there was one.
        options: progress, for inputs and targets one after the other, and the fraction that is held out, by the content
            of the targets; unpaired inputs are split by themselves.

    Raises:
        BadInput: if a source or a setting cannot be used, an image of a pair has no partner or another size, or there
            are too few images.
    """
    size, channels, fit = data.size or ImageSize(0, 0), data.channels or 0, data.fit or ""
    check_image_settings(size, channels, fit)
    min_images = 1 if options.for_evaluation else MIN_IMAGES
    split = Split.TEST if options.test_split else Split.TRAINING
    if data.degrade:
        # raises before anything is read
        DegradationPipeline(data.degrade).input_shape((channels, size.height, size.width))
        source = (inspection and inspection.resolved) or resolve_all_sources(data, split)
        dataset = load_source(
            source, size, channels, fit, progress=options.progress, min_images=min_images, value_range=data.range,
            pages=data.bands == "pages", preview_bands=data.preview_bands,
            split_images=ImageSplit.of_options(options, data.groups),
        )  # fmt: skip
        return _finish(_build_degraded(dataset, DegradationPipeline(data.degrade)), data)
    pair_sources = (inspection and inspection.pair_sources) or resolve_all_pairs(data, split)
    input_channels = data.input_channels or channels
    pages = data.bands == "pages"
    form = ExampleFormat(size, channels, fit, data.range, data.dtype or "uint8", pages)
    factor = data.factor
    if size.height % factor or size.width % factor:
        raise BadInput(f"`data.size` {size.setting}: must be a multiple of {factor}, by which inputs are smaller")
    input_size = ImageSize(size.height // factor, size.width // factor)
    input_form = ExampleFormat(input_size, input_channels, fit, data.range_of_inputs, data.dtype_of_inputs, pages)
    pair_sources = replace(pair_sources, scale_factor=factor)
    codec = make_codec(form, data.preview_bands)
    inputs = ImageIngest(pair_sources.input, input_form).load(options.progress)
    targets = ImageIngest(pair_sources.target, form).load(options.progress)
    build = _build_paired if data.has_targets else _build_unpaired
    split_images = ImageSplit.of_options(options, data.groups)
    dataset = build(pair_sources, inputs, targets, form, split_images, min_images)
    return _finish(replace(dataset, codec=codec, input_range=input_form.sample_range), data)


def _finish(dataset: Dataset, data: ImagePairDataConfig) -> Dataset:
    """Return the dataset with the symmetries of the settings, and with its sources and its kind in the summary."""
    summary = replace(dataset.summary, source=_describe_sources(data), kind=KIND)
    return replace(dataset, summary=summary, symmetries=choose_symmetries(bool(data.hflip), data.rotate90))


def _describe_sources(data: ImagePairDataConfig) -> str:
    return " and ".join(data.training_sources)


def inspect_pairs(data: ImagePairDataConfig) -> PairInspection:
    """Inspect the images of a translation without reading them all.

    Raises:
        BadInput: if the inputs or the targets cannot be found, or none of them can be read.
    """
    if data.degrade:
        return PairInspection(**vars(inspect_data(data)))
    pair_sources = resolve_all_pairs(data)
    scale_factor = find_scale_factor(pair_sources) if data.has_targets and data.scale_factor is None else 1
    inspections = [inspect_images(file_source) for file_source in pair_sources.file_sources]
    inputs, targets = inspections[0], inspections[-1]
    return PairInspection(
        source=_describe_sources(data),
        count=len(pair_sources.target.names),
        classes=pair_sources.target.classes if data.has_targets else (),
        other_files=sum(inspection.other_files for inspection in inspections),
        sizes=tuple(
            (width // pair_sources.images_per_file, height)
            for inspection in (inspections if scale_factor == data.factor == 1 else [targets])
            for width, height in inspection.sizes
        ),
        pixel_modes=_merge_counts(inspection.pixel_modes for inspection in inspections),
        formats=_merge_counts(inspection.formats for inspection in inspections),
        has_color=any(inspection.has_color for inspection in inspections),
        has_alpha=any(inspection.has_alpha for inspection in inspections),
        unreadable=tuple(item for inspection in inspections for item in inspection.unreadable),
        notes=pair_sources.notes,
        bands=targets.bands,
        input_bands=inputs.bands,
        pages=targets.pages,
        has_given_inputs=True,
        extremes=targets.extremes,
        input_extremes=inputs.extremes,
        pair_sources=pair_sources,
        scale_factor=scale_factor,
    )


def _merge_counts(counts: Iterable[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for items in counts:
        total.update(dict(items))
    return tuple(most_common(total.elements()).items())


def _build_degraded(dataset: Dataset, degrade: DegradationPipeline) -> DegradedDataset:
    note = f"the inputs are made from the targets by {', then '.join(degrade.names)}"
    summary = replace(dataset.summary, notes=[*dataset.summary.notes, note])
    return DegradedDataset(
        dataset.values, dataset.labels, dataset.classes, dataset.content_hashes, dataset.train, dataset.held_out,
        summary, dataset.codec, degrade=degrade,
    )  # fmt: skip


def _build_paired(
    pair_sources: PairSources,
    inputs: DecodedImages,
    targets: DecodedImages,
    form: ExampleFormat,
    split_images: ImageSplit,
    min_images: int,
) -> PairedDataset:
    """Return the pairs whose input and target could both be read."""
    input_metadata, target_metadata = inputs.metadata, targets.metadata
    input_rows = np.flatnonzero(np.isin(input_metadata.source_indices, target_metadata.source_indices))
    target_rows = np.flatnonzero(np.isin(target_metadata.source_indices, input_metadata.source_indices))
    tile = form.size if MAX_EXAMPLES_PER_IMAGE[form.fit] > 1 else None
    pair_indices = require_scale_factor(
        pair_sources, input_metadata.select(input_rows), target_metadata.select(target_rows), tile
    )
    distinct = count_training_images(pair_sources.target, target_metadata.select(target_rows))
    require_enough_images(pair_sources.target.display_name, distinct, form.fit, min_images)
    partners = np.full(len(target_metadata.content_hashes), -1, np.int64)
    partners[target_rows] = input_rows  # both are in the order of the pairs, and images of one size give the same tiles
    sides = split_images(pair_sources.target, target_metadata.select(target_rows))
    train, held_out = target_rows[sides.train], target_rows[sides.held_out]
    near_copies = split_images.describe_near_copies(
        targets.values, SplitRows(train, held_out), pair_sources.target, target_metadata
    )
    notes = [
        *sides.notes,
        *near_copies,
        f"{pluralize(len(pair_indices), 'pair')}: {_describe_pair_sources(pair_sources)}",
    ]
    if skipped := len(pair_sources.target.names) - len(pair_indices):
        notes.append(f"skipped {pluralize(skipped, 'pair')} with an unreadable image")
    summary = _summarize(pair_sources, inputs, targets, notes)
    summary = replace(summary, train=len(train), held_out=len(held_out), tiles=count_tiles(len(target_rows), form.fit))
    return PairedDataset(
        targets.values, target_metadata.labels, pair_sources.target.classes, target_metadata.content_hashes, train,
        held_out, summary, ImageCodec.of_images(targets.values), input_values=inputs.values,
        input_hashes=input_metadata.content_hashes, input_rows=partners,
    )  # fmt: skip


def _build_unpaired(
    pair_sources: PairSources,
    inputs: DecodedImages,
    targets: DecodedImages,
    form: ExampleFormat,
    split_images: ImageSplit,
    min_images: int,
) -> UnpairedDataset:
    for side, decoded in ((pair_sources.input, inputs), (pair_sources.target, targets)):
        distinct = count_training_images(side, decoded.metadata)
        require_enough_images(side.display_name, distinct, form.fit, min_images)
    input_train, input_held_out, input_notes = split_images(pair_sources.input, inputs.metadata)
    sides = split_images(pair_sources.target, targets.metadata)
    train, held_out, target_notes = sides
    near_copies = split_images.describe_near_copies(targets.values, sides, pair_sources.target, targets.metadata)
    notes = [
        f"{pluralize(inputs.summary.count, 'unpaired input')}, {len(input_train):,} to train on and "
        f"{len(input_held_out):,} held out: {_describe_pair_sources(pair_sources)}",
        *input_notes,
        *target_notes,
        *near_copies,
    ]
    summary = replace(
        _summarize(pair_sources, inputs, targets, notes),
        train=len(train),
        held_out=len(held_out),
        tiles=count_tiles(len(targets.values), form.fit),
        classes={},
    )
    content_hashes = targets.metadata.content_hashes
    return UnpairedDataset(
        targets.values, np.zeros(len(content_hashes), np.int64), (), content_hashes, train, held_out, summary,
        ImageCodec.of_images(targets.values), input_values=inputs.values, input_hashes=inputs.metadata.content_hashes,
        input_train=input_train, input_held_out=input_held_out,
    )  # fmt: skip


def _describe_pair_sources(pair_sources: PairSources) -> str:
    if pair_sources.images_per_file > 1:
        return "the input and the target are the two halves of each image"
    return f"inputs from {pair_sources.input.display_name}, targets from {pair_sources.target.display_name}"


def _summarize(
    pair_sources: PairSources, inputs: DecodedImages, targets: DecodedImages, notes: list[str]
) -> ImageSummary:
    """Return the summary of the targets without the counts of the split, with the notes of the inputs added."""
    input_summary, target_summary = inputs.summary, targets.summary
    unreadable = target_summary.unreadable + [
        item for item in input_summary.unreadable if pair_sources.images_per_file == 1
    ]
    input_notes = [note for note in input_summary.notes if note not in target_summary.notes]
    all_notes = [*notes, *pair_sources.notes, *target_summary.notes, *input_notes]
    return replace(target_summary, unreadable=unreadable, notes=list(dict.fromkeys(all_notes)))
