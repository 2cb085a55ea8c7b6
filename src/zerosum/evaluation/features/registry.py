"""Feature networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features import efficientnet_lite0
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.custom import CustomFeatures, validate_output
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.inception import InceptionFeatures
from zerosum.evaluation.features.pixels import PixelFeatures

__all__ = ["FEATURE_NETWORKS", "FEATURE_NETWORK_NAMES", "is_lite0_installed", "load_feature_network", "validate_output"]

_SMALL_IMAGE_SIZE, _LARGE_IMAGE_SIZE = 96, 224  # sides that Lite0 looks at

FEATURE_NETWORKS: dict[str, Callable[[int, torch.device], FeatureNetwork]] = {
    "lite0": lambda side, device: EfficientNetFeatures.load(
        _SMALL_IMAGE_SIZE if side <= _SMALL_IMAGE_SIZE else _LARGE_IMAGE_SIZE, device
    ),
    "inception": lambda side, device: InceptionFeatures.load(device),
    "pixels": lambda side, device: PixelFeatures(),
}
"""Each made from the side of the images, in pixels, and the device."""
FEATURE_NETWORK_NAMES = (*FEATURE_NETWORKS, "classifier")
"""What can be asked for besides a path. "classifier" is a network trained on the run's own classes: the caller makes it."""


def load_feature_network(name: str, image_size: int, device: torch.device) -> FeatureNetwork:
    """The feature network of a name, ready.

    Args:
        name: one of `NETWORKS`, or "package.module:factory" for a network of the user's.
        image_size: the images' longer side in pixels.
        device: where it computes.

    Raises:
        BadInput: there is none of that name, or it cannot be made ready.
    """
    if ":" in name:
        return CustomFeatures.load(name, device)
    if name not in FEATURE_NETWORKS:
        near = difflib.get_close_matches(name, FEATURE_NETWORK_NAMES, 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise BadInput(
            f"--features {name}: there is no such network{hint} Networks: {', '.join(FEATURE_NETWORK_NAMES)}, or for one of yours "
            f"package.module:factory"
        )
    return FEATURE_NETWORKS[name](image_size, device)


def is_lite0_installed() -> bool:
    """Whether the package with Lite0's weights is installed; nothing of it is loaded."""
    return efficientnet_lite0.find_weights() is not None
