"""Feature networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.custom import CustomFeatures
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.inception import InceptionFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.networks import efficientnet_lite0

_SMALL_IMAGE_SIZE, _LARGE_IMAGE_SIZE = 96, 224  # input sizes of Lite0, in pixels

FEATURE_NETWORKS: dict[str, Callable[[int, torch.device, str], FeatureNetwork]] = {
    "lite0": lambda image_size, device, field: EfficientNetFeatures.load(
        _SMALL_IMAGE_SIZE if image_size <= _SMALL_IMAGE_SIZE else _LARGE_IMAGE_SIZE, device, field
    ),
    "inception": lambda image_size, device, field: InceptionFeatures.load(device, field=field),
    "pixels": lambda image_size, device, field: PixelFeatures(),
}
"""`(image_size, device, field)` to a network, by name; `image_size` is the longer side of the images in pixels, `field`
the argument or setting that chose the network, for messages."""
FEATURE_NETWORK_NAMES = (*FEATURE_NETWORKS, "classifier")
"""All names besides import paths. "classifier" is trained on the dataset's own classes, by the caller."""


def load_feature_network(name: str, image_size: int, device: torch.device, field: str = "features") -> FeatureNetwork:
    """Load a feature network by name.

    Args:
        name: a key of `FEATURE_NETWORKS`, or "package.module:factory" for a custom network.
        image_size: longer side of the images in pixels.
        device: where it computes.
        field: the argument or setting that names it, for messages.

    Raises:
        BadInput: there is no such network, or it cannot be loaded.
    """
    if ":" in name:
        return CustomFeatures.load(name, device, field)
    if name not in FEATURE_NETWORKS:
        matches = difflib.get_close_matches(name, FEATURE_NETWORK_NAMES, 1)
        hint = f" (did you mean {matches[0]}?)" if matches else ""
        raise BadInput(
            f"`{field}` {name}: there is no such feature network{hint}; choose one of "
            f"{', '.join(FEATURE_NETWORK_NAMES)}, or package.module:factory for a network of your own"
        )
    return FEATURE_NETWORKS[name](image_size, device, field)


def is_lite0_installed() -> bool:
    """Return whether the package with the weights of Lite0 is installed; none of its code is imported."""
    return efficientnet_lite0.find_weights() is not None
