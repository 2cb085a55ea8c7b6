"""The interface of feature networks, which map items to the features that metrics compare."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class FeatureOutput(NamedTuple):
    """The output of a feature network for N items."""

    features: Tensor
    """(N, D) float32"""
    probabilities: Tensor | None = None
    """(N, K) float32 class probabilities, each row adding up to 1; None for a network without a head."""


class FeatureNetwork(Protocol):
    """A deterministic map from items to features, where no item affects the features of another."""

    @property
    def name(self) -> str:
        """Name as the user gives it and as score names contain it, such as "lite0"."""
        ...

    @property
    def version(self) -> str:
        """8 to 16 hex digits that change whenever the same item would get other features: the hash of its weights."""
        ...

    @property
    def is_cacheable(self) -> bool:
        """Whether equal versions guarantee equal features, so that features of real items may be cached."""
        ...

    @property
    def resize_mode(self) -> str:
        """How images are resized for the network: "bicubic, antialiased, to 96 px"; "none" for other data."""
        ...

    def __call__(self, items: Tensor, /) -> FeatureOutput:
        """Return the features of items (N, ...) float32, as `EvaluationKind.network_input` returns them.

        Images are (N, C, H, W) in [-1, 1], with C from 1 to 4.
        """
        ...
