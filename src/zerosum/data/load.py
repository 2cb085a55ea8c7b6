"""Inspect and read data of every kind."""

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
"""Of the data, held out."""


def inspect_data(data: Data) -> SourceInspection:
    """What is seen of a recipe's data without reading them all.

    Raises:
        BadInput: they cannot be used.
    """
    if data.pairs == "none":
        return inspect_source(data.source)
    seen = inspect_translation(data.source, data.target_source, data.input, data.target, data.pairs, data.degrade)
    if seen.kind == "points":
        raise BadInput(f"{data.source} is a set of points, and pictures are wanted; give a folder of images")
    return seen


def load_dataset(
    data: Data, on_progress: ProgressFn, source: Source | GaussianMixture | None = None, both: bool = False
) -> Dataset:
    """Read the data of settings whose size, channels and fit are settled.

    Args:
        data: the settings.
        on_progress: called with items done and items in all.
        source: the source, where it was found already.
        both: unpaired images are translated in both directions.

    Raises:
        BadInput: they cannot be used.
    """
    if data.pairs == "none":
        return load_source(
            source or data.source, data.size or 0, data.channels or 0, data.fit or "", progress=on_progress
        )
    return _load_translation_dataset(data, both, on_progress, HELD_OUT_FRACTION, MIN_IMAGES)


def load_external_dataset(
    data: Data, source: str, target_source: str, on_progress: ProgressFn, both: bool = False
) -> Dataset:
    """Read images from elsewhere as these settings' inputs and targets of translation, all of them for evaluation.

    Raises:
        BadInput: they cannot be used.
    """
    return _load_translation_dataset(
        data.model_copy(update={"source": source, "target_source": target_source}), both, on_progress, 0.0, 1
    )


def _load_translation_dataset(
    data: Data, both: bool, on_progress: ProgressFn, held_out_fraction: float, min_examples: int
) -> Dataset:
    assert data.pairs != "none", "a game that translates has pairs or not: checked when the recipe is read"
    both = both and data.pairs == "unpaired"  # pairs are evaluated in one direction at a time
    return load_translation(
        data.source, pairs=data.pairs, target_source=data.target_source, input_folder=data.input, target_folder=data.target, degrade=data.degrade,
        bidirectional=both, size=data.size or 0, channels=data.channels or 0, fit=data.fit or "",
        held_out_fraction=held_out_fraction, progress=on_progress, min_images=min_examples,
    )  # fmt: skip
