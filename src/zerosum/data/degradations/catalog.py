"""The names of the degradations, and the factor by which each makes an image smaller."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from zerosum.errors import BadInput

DOWNSAMPLING_FACTORS = {"down2": 2, "down4": 4, "down8": 8}
"""Downsampling factor of each degradation that makes an image smaller; the others keep its size."""

DEGRADATIONS = ("gray", "edges", *DOWNSAMPLING_FACTORS, "masks", "blur", "jpeg", "noise", "scratches")
"""The names of all degradations."""

SINGLE_CHANNEL = ("gray", "edges")
"""Degradations whose result has one channel."""


def check_degradations(names: Sequence[str]) -> None:
    """Raise if these degradations cannot be applied in this order, whatever the images.

    Raises:
        BadInput: if there are none, one is unknown or named twice, or two exclude each other.
    """
    if not names:
        raise BadInput(f"no degradation is named: give at least one of {', '.join(DEGRADATIONS)}")
    for name in names:
        if name not in DEGRADATIONS:
            matches = difflib.get_close_matches(name, DEGRADATIONS, 1, 0.5)
            hint = f"did you mean {matches[0]}?" if matches else f"give one of {', '.join(DEGRADATIONS)}"
            raise BadInput(f"there is no degradation {name!r}: {hint}")
        if names.count(name) > 1:
            raise BadInput(f"the degradation {name!r} is named twice: name it once")
    for exclusive, reason in (
        (tuple(DOWNSAMPLING_FACTORS), "both make the image smaller"),
        (SINGLE_CHANNEL, "both remove the color"),
    ):
        used = [name for name in names if name in exclusive]
        if len(used) > 1:
            raise BadInput(f"the degradations {used[0]!r} and {used[1]!r} {reason}: keep one of them")
    if "masks" in names[:-1]:
        following = names[names.index("masks") + 1]
        raise BadInput(f"the degradation {following!r} after 'masks' would change the mask: name 'masks' last")
