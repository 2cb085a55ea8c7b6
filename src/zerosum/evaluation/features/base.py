"""What a feature network is: anything that turns images into numbers by which sets of images are compared."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class FeatureOutput(NamedTuple):
    """What a network makes of N images."""

    features: Tensor
    """(N, D) float32"""
    probabilities: Tensor | None = None
    """(N, K) float32 class probabilities, each row adding up to 1; None for a network without a head."""


class FeatureNetwork(Protocol):
    """Images in, features out. Calling it is deterministic, and each image's features are its own."""

    @property
    def name(self) -> str:
        """As the user names it and scores are called by: "lite0"."""
        ...

    @property
    def version(self) -> str:
        """8 to 16 hex digits that change whenever the same image would get other features: its weights' hash."""
        ...

    @property
    def is_cacheable(self) -> bool:
        """Whether equal versions see the same for sure, so that features of real images may be kept."""
        ...

    @property
    def resize_mode(self) -> str:
        """How images come to the size the network looks at, in words: "bicubic, antialiased, to 96 px"."""
        ...

    def __call__(self, images: Tensor) -> FeatureOutput:
        """See images (N, C, H, W) float32 in [-1, 1], C in 1 to 4."""
        ...
