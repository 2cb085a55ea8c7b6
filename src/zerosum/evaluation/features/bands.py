"""Features of some bands of images: pretrained networks take gray or RGB, and images have any number of channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zerosum.evaluation.features.base import FeatureNetwork, FeatureOutput


@dataclass(frozen=True, eq=False)
class BandFeatures:
    """The features of one or three bands, which a network takes as gray or RGB."""

    network: FeatureNetwork
    bands: tuple[int, ...]
    """Indices of the channels."""

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.network.name

    @property
    def version(self) -> str:
        """The version of the network."""
        return self.network.version

    @property
    def is_cacheable(self) -> bool:
        """Whether features may be cached."""
        return self.network.is_cacheable

    @property
    def resize_mode(self) -> str:
        """How images are resized for the network, and which of their bands it sees, counted from 1."""
        numbers = ", ".join(str(band + 1) for band in self.bands)
        return f"{self.network.resize_mode}, band{'s' * (len(self.bands) > 1)} {numbers} only"

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return the features of images (N, C, H, W) in [-1, 1]."""
        return self.network(images[:, list(self.bands)])
