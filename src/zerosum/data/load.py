"""A recipe's data: looked at, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.data.images.inspect import Glance, glance
from zerosum.data.images.load import FEWEST, read
from zerosum.data.pairs.load import glance_translation, read_translation
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.data.dataset import Examples
    from zerosum.data.images.ingest import Progress
    from zerosum.data.images.sources import Source
    from zerosum.data.points.mixtures import Toy
    from zerosum.recipes.recipe import Data, Recipe

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


def provide(recipe: Recipe, progress: Progress, found: Source | Toy | None = None) -> Examples:
    """The data of a recipe whose size, channels and fit are settled; `found` already or not.

    Raises:
        BadInput: they cannot be used.
    """
    data = recipe.data
    if not recipe.translates:
        return read(found or data.source, data.size or 0, data.channels or 0, data.fit or "", progress=progress)
    return _pictures(recipe, data.source, data.beside, progress, HELD_OUT, FEWEST)


def provide_from(recipe: Recipe, source: str, beside: str, progress: Progress) -> Examples:
    """Data from elsewhere as this recipe's pictures to be turned into others, all of them to be asked about.

    Raises:
        BadInput: they cannot be used.
    """
    return _pictures(recipe, source, beside, progress, 0.0, 1)


def _pictures(recipe: Recipe, source: str, beside: str, progress: Progress, held_out: float, fewest: int) -> Examples:
    data = recipe.data
    assert data.pairs != "none", "a game that translates has pairs or not: checked when the recipe is read"
    both = recipe.game.both and data.pairs == "unpaired"  # asked about pairs, one way is asked about at a time
    return read_translation(
        source, pairs=data.pairs, beside=beside, given=data.given, wanted=data.wanted, degrade=data.degrade,
        both=both, size=data.size or 0, channels=data.channels or 0, fit=data.fit or "",
        held_out=held_out, progress=progress, fewest=fewest,
    )  # fmt: skip
