"""Inspect and read data of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.data.images.inspect import Glance, glance
from zerosum.data.images.load import FEWEST, read
from zerosum.data.pairs.load import glance_translation, read_translation
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.data.config import Data
    from zerosum.data.dataset import Examples
    from zerosum.data.images.ingest import Progress
    from zerosum.data.images.sources import Source
    from zerosum.data.points.mixtures import Toy

HELD_OUT = 0.1
"""Of the data, held out."""


def look(data: Data) -> Glance:
    """What is seen of a recipe's data without reading them all.

    Raises:
        BadInput: they cannot be used.
    """
    if data.pairs == "none":
        return glance(data.source)
    seen = glance_translation(data.source, data.beside, data.given, data.wanted, data.pairs, data.degrade)
    if seen.kind == "points":
        raise BadInput(f"{data.source} is a set of points, and pictures are wanted; give a folder of images")
    return seen


def provide(data: Data, progress: Progress, found: Source | Toy | None = None, both: bool = False) -> Examples:
    """Read the data of settings whose size, channels and fit are settled.

    Args:
        data: the settings.
        progress: called with items done and items in all.
        found: the source, where it was found already.
        both: unpaired images are translated in both directions.

    Raises:
        BadInput: they cannot be used.
    """
    if data.pairs == "none":
        return read(found or data.source, data.size or 0, data.channels or 0, data.fit or "", progress=progress)
    return _pictures(data, both, progress, HELD_OUT, FEWEST)


def provide_from(data: Data, source: str, beside: str, progress: Progress, both: bool = False) -> Examples:
    """Read images from elsewhere as these settings' inputs and targets of translation, all of them for evaluation.

    Raises:
        BadInput: they cannot be used.
    """
    return _pictures(data.model_copy(update={"source": source, "beside": beside}), both, progress, 0.0, 1)


def _pictures(data: Data, both: bool, progress: Progress, held_out: float, fewest: int) -> Examples:
    assert data.pairs != "none", "a game that translates has pairs or not: checked when the recipe is read"
    both = both and data.pairs == "unpaired"  # pairs are evaluated in one direction at a time
    return read_translation(
        data.source, pairs=data.pairs, beside=data.beside, given=data.given, wanted=data.wanted, degrade=data.degrade,
        both=both, size=data.size or 0, channels=data.channels or 0, fit=data.fit or "",
        held_out=held_out, progress=progress, fewest=fewest,
    )  # fmt: skip
