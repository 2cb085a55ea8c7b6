"""Find a feature network by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.custom import CustomFeatures
from zerosum.networks import efficientnet_lite0

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset

    FeatureLoader = Callable[[Dataset, torch.device, str], FeatureNetwork]
    """`(dataset, device, field)` to a network for the items of the dataset; `field` is the argument or setting that
    chose it, for messages."""


def load_feature_network(
    name: str, networks: Mapping[str, FeatureLoader], dataset: Dataset, device: torch.device, field: str = "features"
) -> FeatureNetwork:
    """Load a feature network by name.

    Args:
        name: a name in `networks`, or "package.module:factory" for a custom network.
        networks: the networks for the kind of data.
        dataset: what the network is used for.
        device: where it computes.
        field: the argument or setting that names it, for messages.

    Raises:
        BadInput: there is no such network, or it cannot be loaded.
    """
    if ":" in name:
        return CustomFeatures.load(name, device, field)
    if name not in networks:
        matches = difflib.get_close_matches(name, networks, 1)
        hint = f" (did you mean {matches[0]}?)" if matches else ""
        raise BadInput(
            f"`{field}` {name}: there is no such feature network for the {dataset.summary.noun}s of "
            f"{dataset.summary.source}{hint}; choose one of {', '.join(networks)}, or package.module:factory for a "
            "network of your own"
        )
    return networks[name](dataset, device, field)


def is_lite0_installed() -> bool:
    """Return whether the package with the weights of Lite0 is installed; none of its code is imported."""
    return efficientnet_lite0.find_weights() is not None
