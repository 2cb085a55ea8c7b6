"""Inspect and load the data of a recipe, of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.data.images.inspect import SourceInspection, inspect_source
from zerosum.data.images.load import MIN_IMAGES, load_source
from zerosum.data.pairs.load import inspect_translation, load_translation
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.data.config import Data
    from zerosum.data.dataset import Dataset
    from zerosum.data.images.ingest import ProgressFn
    from zerosum.data.images.sources import Source
    from zerosum.data.points.mixtures import GaussianMixture

HELD_OUT_FRACTION = 0.1
"""Fraction of the examples that is held out."""


def inspect_data(data: Data) -> SourceInspection:
    """Inspect the data of a recipe without reading them all.

    Raises:
        BadInput: if the data cannot be used.
    """
    if data.pairs == "none":
        return inspect_source(data.source)
    inspection = inspect_translation(data.source, data.target_source, data.input, data.target, data.pairs, data.degrade)
    if inspection.kind == "points":
        raise BadInput(f"{data.source} is a dataset of points, but translation needs images: give a folder of images")
    return inspection


def load_dataset(
    data: Data, progress: ProgressFn, source: Source | GaussianMixture | None = None, bidirectional: bool = False
) -> Dataset:
    """Load the data of settings whose size, channels and fit are set.

    Args:
        data: the settings.
        progress: called with the number of images done and the number of all images.
        source: the source, if it is resolved already.
        bidirectional: translate unpaired images in both directions.

    Raises:
        BadInput: if the data cannot be used.
    """
    if data.pairs == "none":
        return load_source(source or data.source, data.size or 0, data.channels or 0, data.fit or "", progress=progress)
    return _load_translation_dataset(data, bidirectional, progress, HELD_OUT_FRACTION, MIN_IMAGES)


def load_external_dataset(
    data: Data, source: str, target_source: str, progress: ProgressFn, bidirectional: bool = False
) -> Dataset:
    """Load other images as the inputs and targets of translation, as these settings say, all of them for evaluation.

    Nothing is held out, and a single image is enough.

    Args:
        data: the settings of the run.
        source: the source of the images, instead of `data.source`.
        target_source: the source of the target images, instead of `data.target_source`.
        progress: called with the number of images done and the number of all images.
        bidirectional: translate unpaired images in both directions.

    Raises:
        BadInput: if the images cannot be used.
    """
    return _load_translation_dataset(
        data.model_copy(update={"source": source, "target_source": target_source}), bidirectional, progress, 0.0, 1
    )


def _load_translation_dataset(
    data: Data, bidirectional: bool, progress: ProgressFn, held_out_fraction: float, min_images: int
) -> Dataset:
    assert data.pairs != "none", "a translation game has paired or unpaired data: checked when the recipe is validated"
    bidirectional = bidirectional and data.pairs == "unpaired"  # pairs are evaluated in one direction at a time
    return load_translation(
        data.source, pairs=data.pairs, target_source=data.target_source, input_folder=data.input,
        target_folder=data.target, degrade=data.degrade, bidirectional=bidirectional, size=data.size or 0,
        channels=data.channels or 0, fit=data.fit or "", held_out_fraction=held_out_fraction, progress=progress,
        min_images=min_images,
    )  # fmt: skip
