"""Rows of a recipe file that choose another recipe or another size, where data, budget and machine suit it.

The default recipe is a file whose rows come from measurements of recipes and sizes at several budgets:

    [[choose]]
    device = "cpu"
    trait = "color"
    min_budget = "10m"
    size = "small"
    reason = "better than nano from 10 minutes on"

The first row that applies is taken; where none applies, the file itself is used.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from zerosum.recipes.recipe import NetworkSize
from zerosum.settings import Settings
from zerosum.units import Seconds


class Choice(Settings):
    """A row of `[[choose]]`: what to use instead of the file itself, and where."""

    recipe: str = ""
    """Name of another recipe; left out: the file itself."""
    size: NetworkSize | None = None
    """Size of the networks; left out: that of the device."""
    device: Literal["cpu", "gpu"] | None = None
    """Kind of device on which the row applies; left out: any."""
    kind: str = ""
    """Kind of data to which the row applies; left out: any."""
    trait: str = ""
    """Trait of the data that the row needs, such as "color"; left out: none."""
    always: bool = False
    """Whether the row also applies where the user sets networks or losses: the file has none for this kind of data."""
    min_budget: Seconds | None = None
    """Least training time; a row with one does not apply where only a number of examples is given."""
    reason: str
    """The reason that is shown to the user."""


def replace_recipe(choices: Sequence[Choice], recipe: str, kind: str) -> str:
    """Return the recipe that a file has in place of itself for a kind of data, whatever the user sets.

    Example:
        >>> replace_recipe([Choice(kind="points", recipe="mine", always=True, reason="fits")], "auto", "points")
        'mine'
    """
    return next((choice.recipe for choice in choices if choice.always and choice.kind == kind), recipe)


def find_choice(
    choices: Sequence[Choice], *, kind: str, traits: Collection[str], on_cpu: bool, budget: float | None, size: str
) -> Choice | None:
    """Return the first row that applies; None if there is none.

    Args:
        choices: the rows of a recipe file.
        kind: the kind of the data.
        traits: the traits of the data.
        on_cpu: whether training runs on a CPU.
        budget: training time in seconds; None where a number of examples is given instead.
        size: the size that the user asked for; "" for none. Rows with another size do not apply.

    Example:
        >>> rows = [Choice(size="small", min_budget="10m", reason="measured")]
        >>> find_choice(rows, kind="images", traits=(), on_cpu=True, budget=60.0, size="") is None
        True
    """
    device = "cpu" if on_cpu else "gpu"
    for choice in choices:
        conditions = (
            choice.device in (None, device),
            choice.kind in ("", kind),
            not choice.trait or choice.trait in traits,
            choice.min_budget is None or (budget is not None and budget >= choice.min_budget),
            not size or choice.size in (None, size),
        )
        if all(conditions):
            return choice
    return None
