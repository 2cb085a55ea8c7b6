"""Names of the degradations, and how many times smaller each makes an image."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from zerosum.errors import BadInput

DOWNSAMPLING_FACTORS = {"down2": 2, "down4": 4, "down8": 8}
"""How many times smaller a picture becomes, by the name of the degradation; others leave its size."""

DEGRADATIONS = ("gray", "edges", *DOWNSAMPLING_FACTORS, "masks", "blur", "jpeg", "noise", "scratches")
"""Every degradation, by name."""

_SINGLE_CHANNEL = ("gray", "edges")  # those that leave one channel


def check_degradations(names: Sequence[str]) -> None:
    """Whether these degradations, in this order, make sense together, on whatever pictures.

    Raises:
        BadInput: if there are none, one is unknown or named twice, or two do not go together.
    """
    if not names:
        raise BadInput(f"No degradation is named: give at least one of {', '.join(DEGRADATIONS)}.")
    for name in names:
        if name not in DEGRADATIONS:
            near = difflib.get_close_matches(name, DEGRADATIONS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(DEGRADATIONS)}."
            raise BadInput(f'There is no degradation "{name}"; {hint}')
        if names.count(name) > 1:
            raise BadInput(f'The degradation "{name}" is named twice: name it once.')
    for several, why in (
        (tuple(DOWNSAMPLING_FACTORS), "both make the picture smaller"),
        (_SINGLE_CHANNEL, "both take the colour away"),
    ):
        found = [name for name in names if name in several]
        if len(found) > 1:
            raise BadInput(f"The degradations {found[0]} and {found[1]} {why}: keep one of them.")
    if "masks" in names[:-1]:
        after = names[names.index("masks") + 1]
        raise BadInput(f"The degradation {after} comes after masks and would spoil the mask: name masks last.")
