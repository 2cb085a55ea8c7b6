"""Feature networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features import efficientnet_lite0
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.custom import UsersNetwork, checked
from zerosum.evaluation.features.efficientnet_lite0 import Lite0
from zerosum.evaluation.features.inception import Inception
from zerosum.evaluation.features.pixels import Pixels

__all__ = ["NAMES", "NETWORKS", "checked", "choose", "has_lite0"]

_SMALL, _LARGE = 96, 224  # sides that Lite0 looks at

NETWORKS: dict[str, Callable[[int, torch.device], FeatureNetwork]] = {
    "lite0": lambda side, device: Lite0.load(_SMALL if side <= _SMALL else _LARGE, device),
    "inception": lambda side, device: Inception.load(device),
    "pixels": lambda side, device: Pixels(),
}
"""Each made from the side of the images, in pixels, and the device."""
NAMES = (*NETWORKS, "labels")
"""What can be asked for besides a path. "labels" is a network trained on the run's own classes: the caller makes it."""


def choose(name: str, image_side: int, device: torch.device) -> FeatureNetwork:
    """The feature network of a name, ready.

    Args:
        name: one of `NETWORKS`, or "package.module:factory" for a network of the user's.
        image_side: the images' longer side in pixels.
        device: where it computes.

    Raises:
        BadInput: there is none of that name, or it cannot be made ready.
    """
    if ":" in name:
        return UsersNetwork.load(name, device)
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise BadInput(
            f"--features {name}: there is no such network{hint} Networks: {', '.join(NAMES)}, or for one of yours "
            f"package.module:factory"
        )
    return NETWORKS[name](image_side, device)


def has_lite0() -> bool:
    """Whether the package with Lite0's weights is installed; nothing of it is loaded."""
    return efficientnet_lite0.found() is not None
