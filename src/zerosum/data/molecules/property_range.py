"""The values that a property has in the training molecules, by which it is standardized and requests are checked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.molecules.properties import find_name
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.run_folder import Json

RANGE_MARGIN = 0.25
"""Deviations that a request may lie outside the range of the training molecules."""


@dataclass(frozen=True)
class PropertyRange:
    """A property, and the values that it has in the training molecules."""

    name: str
    mean: float
    deviation: float
    """The standard deviation."""
    low: float
    """The least value."""
    high: float
    """The largest value."""

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float32]) -> Self:
        """Return the range of a property with these values (N,) in the training molecules, NaN where unknown.

        Raises:
            BadInput: it is known of fewer than two, or the same in all of them.
        """
        known = values[~np.isnan(values)].astype(np.float64)
        if len(known) < 2:
            raise BadInput(f"`data.properties` {printable(name)}: could be computed for {len(known)} of "
                           f"{len(values):,} training molecules, from which nothing can be learned; leave it out, or "
                           "correct its function")  # fmt: skip
        if known.min() == known.max():
            raise BadInput(f"`data.properties` {printable(name)}: is {known[0]:g} in all training molecules, from "
                           "which nothing can be learned; leave it out")  # fmt: skip
        return cls(name, float(known.mean()), float(known.std()), float(known.min()), float(known.max()))

    def standardize(self, value: float) -> float:
        """Return a value with the mean subtracted and divided by the deviation."""
        return (value - self.mean) / self.deviation

    def settings(self) -> dict[str, Json]:
        """Return what `restore` needs."""
        return asdict(self)

    @classmethod
    def restore(cls, settings: object) -> Self:
        """Return the range that was saved.

        Raises:
            KeyError, TypeError, ValueError: the settings are damaged.
        """
        if not isinstance(settings, Mapping):
            raise TypeError(f"a property has a name and four numbers, not {settings!r}")
        mean, deviation, low, high = (float(settings[key]) for key in ("mean", "deviation", "low", "high"))
        return cls(str(settings["name"]), mean, deviation, low, high)


def find_property(properties: Sequence[PropertyRange], name: str) -> int:
    """Return the index of the property that a user names, in any case.

    Raises:
        BadInput: there is none of this name.
    """
    names = [known.name for known in properties]
    if own := find_name(name, names):
        return names.index(own)
    if not names:
        raise BadInput(f"`given` {printable(name)}: this run was trained without properties (`data.properties`)")
    nearest = difflib.get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"give one of {', '.join(names)}"
    raise BadInput(f"`given` {printable(name)}: the run was not trained with this property; {printable(hint)}")


def parse_wanted(known: PropertyRange, text: str) -> float:
    """Return the value that a user asks for.

    Raises:
        BadInput: it is no number, or far from the values of the training molecules.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    beginning = f"`given` {printable(known.name)}={printable(text)}"
    middle, ends = f"{known.mean:.3g}", f"{known.low:.4g} to {known.high:.4g}"
    if not math.isfinite(value):
        raise BadInput(f"{beginning}: give a number, such as {middle} (the training molecules have {ends})")
    margin = RANGE_MARGIN * known.deviation
    if not known.low - margin <= value <= known.high + margin:
        raise BadInput(f"{beginning}: the training molecules have values from {ends}; give one of these")
    return value
