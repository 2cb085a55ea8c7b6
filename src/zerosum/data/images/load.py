"""Load a source: decode, hash, cache and split all its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.condition_columns import ConditionColumn, Conditions, check_cells, fit_column
from zerosum.data.dataset import Dataset
from zerosum.data.former_data import FormerData
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.decode import FITS, MAX_EXAMPLES_PER_IMAGE
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.holding_out import ImageSplit, count_training_images
from zerosum.data.images.ingest import ImageIngest
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import MAX_CHANNELS
from zerosum.data.images.size import ImageSize
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.splits import Split
from zerosum.data.images.summary import ImageSummary
from zerosum.data.images.value_range import Range
from zerosum.data.kind import HELD_OUT_FRACTION, ProgressFn, ignore_progress
from zerosum.data.split import check_held_out_fraction
from zerosum.data.text import enumerate_names
from zerosum.errors import BadInput

MIN_IMAGES = 16
"""Least number of distinct images for training."""
MIN_TILED_IMAGES = 4
"""Least number of distinct images for training if images are cut into tiles."""


def load_source(
    source: str | Path | Source,
    size: int | ImageSize,
    channels: int,
    fit: str,
    *,
    value_range: Range | None = None,
    dtype: PixelType = "uint8",
    pages: bool = False,
    preview_bands: tuple[int, ...] = (),
    held_out_fraction: float = HELD_OUT_FRACTION,
    split_images: ImageSplit | None = None,
    progress: ProgressFn = ignore_progress,
    min_images: int = MIN_IMAGES,
    split: Split = Split.TRAINING,
    conditions: Sequence[str] = (),
    former: FormerData | None = None,
) -> Dataset:
    """Load all images of a source, or read them from the cache.

    Args:
        source: a folder, .zip, .npz or .npy of images, or the name of a built-in dataset; or a resolved source.
        size: the side of square examples in pixels, or the height and the width of others.
        channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha; without alpha, images are composited over white.
        fit: `crop` (the largest centered part of that shape, scaled), `pad` (edge pixels repeated around the image),
            `resize` (ignoring the aspect ratio) or `tiles` (unscaled parts, many per image, all on one side of the
            split).
        value_range: (low, high) of values of more than 8 bits, as in `data.range`; None: 0..65535 for integer files,
            0..1 for float files, and for an array the range that holds all of it.
        dtype: the type of the values, as in `data.dtype`; with uint8, those of more bits are scaled to 0..255.
        pages: whether the pages of each file are the bands of one image.
        preview_bands: the bands that are shown, as in `data.preview_bands`.
        held_out_fraction: fraction that the discriminator never sees, 0 to 0.5, by content: see `split_by_content`.
        split_images: another rule by which images are held out, in place of that fraction.
        progress: called with the number of images done and of all images, from this thread.
        min_images: least number of distinct images, without those for validation; images to evaluate may be copies of
            one image.
        split: what is read of a source that has been split into train/, test/ and the like.
        conditions: the columns of the table of labels that are numeric conditions, as in `data.conditions`.
        former: what a run keeps of its data, if these are its data after a change.

    Returns:
        The dataset, with values (N, H, W, channels) of the type, in memory or memory-mapped.

    Raises:
        BadInput: if the source or a setting cannot be used, or too few distinct images can be read.

    Example:
        >>> dataset = load_source("digits", size=32, channels=1, fit="pad")
        >>> dataset.values.shape
        (10000, 32, 32, 1)
    """
    check_held_out_fraction(held_out_fraction)
    size = ImageSize.square(size) if isinstance(size, int) else size
    check_image_settings(size, channels, fit)
    resolved = resolve_source(source, split) if isinstance(source, str | Path) else source
    form = ExampleFormat(size, channels, fit, value_range, dtype, pages)
    codec = make_codec(form, preview_bands)
    cells = {name: resolved.column(name) for name in conditions}  # before all images are read, since it may fail
    decoded = ImageIngest(resolved, form).load(progress)
    labels, content_hashes, _, _ = decoded.metadata
    distinct = count_training_images(resolved, decoded.metadata)
    require_enough_images(resolved.display_name, distinct, fit, min_images)
    split_images = split_images or ImageSplit(held_out_fraction)
    sides = split_images(resolved, decoded.metadata)
    train, held_out, notes = sides
    near_copies = split_images.describe_near_copies(decoded.values, sides, resolved, decoded.metadata)
    summary = replace(
        decoded.summary,
        source=resolved.display_name,
        train=len(train),
        held_out=len(held_out),
        tiles=count_tiles(len(content_hashes), fit),
        notes=[*decoded.summary.notes, *describe_enlarged(decoded.summary, form), *notes, *near_copies],
    )
    dataset = Dataset(decoded.values, labels, resolved.classes, content_hashes, train, held_out, summary, codec)
    columns = former.codec.conditions.columns if former and isinstance(former.codec, ImageCodec) else ()
    return add_conditions(dataset, codec, resolved.names, decoded.metadata.source_indices, cells, columns)


def add_conditions(
    dataset: Dataset,
    codec: ImageCodec,
    names: Sequence[str],
    source_indices: NDArray[np.int64],
    cells: Mapping[str, Sequence[str]],
    fitted: Sequence[ConditionColumn] = (),
) -> Dataset:
    """Return a dataset with columns of the table of labels as numeric conditions; the same one if there are none.

    Args:
        dataset: the examples.
        codec: their codec.
        names: (S,) the images of the source.
        source_indices: (N,) the image of each example.
        cells: (S,) the values of the images, by column.
        fitted: the columns of a run whose data these are, which are not fitted again; () for other data.

    Raises:
        BadInput: if a column cannot be used.
    """
    if not cells:
        return dataset
    files = [names[index] for index in source_indices]
    columns, numbers = [], []
    known = {column.name: column for column in fitted}
    for name, column_cells in cells.items():
        chosen = [column_cells[index].strip() for index in source_indices]
        if name in known:
            check_cells(known[name], chosen, files)
        columns.append(known.get(name) or fit_column(name, chosen, files, dataset.train))
        numbers.append(columns[-1].encode(chosen))
    values, train = np.concatenate(numbers, 1), dataset.train
    conditions = Conditions.of_training(columns, values[train], dataset.labels[train])
    note = f"the conditions are {enumerate_names([column.describe() for column in columns])}"
    summary = replace(dataset.summary, notes=[*dataset.summary.notes, note])
    return replace(dataset, conditions=values, codec=replace(codec, conditions=conditions), summary=summary)


def make_codec(form: ExampleFormat, preview_bands: tuple[int, ...] = ()) -> ImageCodec:
    """Return the codec of examples of a format.

    Raises:
        BadInput: `preview_bands` are set for images that are shown as they are, or the images have no such band.
    """
    channels, height, width = form.channels, form.size.height, form.size.width
    codec = ImageCodec((channels, height, width), form.dtype, form.sample_range, preview_bands)
    if preview_bands and not codec.has_bands:
        raise BadInput("`data.preview_bands`: images of 8 bits in gray or RGB are shown as they are; leave it out")
    if max(preview_bands, default=1) > channels:
        numbers = ", ".join(map(str, preview_bands))
        raise BadInput(f"`data.preview_bands` {numbers}: the images have {channels} bands; give bands from 1 to that")
    return codec


def count_tiles(examples: int, fit: str) -> int:
    """Return the number of tiles for the summary: 0 if each example is an image."""
    return examples if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else 0


def describe_enlarged(summary: ImageSummary, form: ExampleFormat) -> list[str]:
    """Return a note if images are enlarged to tiles, which are meant to be of the images' own resolution."""
    smallest, side = summary.short_side["min"], min(form.size.height, form.size.width)
    if form.fit != "tiles" or smallest >= side:
        return []
    return [f"images below {side} pixels a side are enlarged to a tile of {form.size}; the smallest has {smallest}"]


def require_enough_images(display_name: str, distinct: int, fit: str, min_images: int) -> None:
    """Raise if there are too few distinct images.

    Raises:
        BadInput: if there are fewer than `min_images` distinct images, or fewer than 4 if they are cut into tiles.
    """
    needed = min(min_images, MIN_TILED_IMAGES) if MAX_EXAMPLES_PER_IMAGE[fit] > 1 else min_images
    if distinct < needed:
        raise BadInput(
            f"{display_name} has only {distinct} distinct image{'s' * (distinct != 1)} that can be read: add images; "
            f"at least {needed} are needed, and hundreds for good results"
        )


def check_image_settings(size: ImageSize, channels: int, fit: str) -> None:
    """Raise if a setting is out of range or unknown.

    Raises:
        BadInput: if `size`, `channels` or `fit` cannot be used.
    """
    if not 4 <= min(size.height, size.width) <= max(size.height, size.width) <= 4096:
        raise BadInput(
            f"`data.size` {size.setting} is out of range: give sides of 4 to 4096 pixels, such as 64 or 96x64 (width x "
            "height)"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadInput(
            f"`data.channels` {channels} is not supported: give 1 (gray), 2 (gray with alpha), 3 (RGB), 4 (RGB with "
            f"alpha) or a number of bands up to {MAX_CHANNELS}"
        )
    if fit not in FITS:
        raise BadInput(f"`data.fit` {fit!r} is unknown: give one of {', '.join(FITS)}")
