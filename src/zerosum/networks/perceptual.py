"""Perceptual distance of images in the features of a network trained on photographs.

Zhang, Isola, Efros, Shechtman, Wang 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
arXiv:1801.03924, equation 1, without its learned weights; the network is EfficientNet-Lite0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.projected import FrozenEfficientNet, composite_alpha

_SIDE_MULTIPLE, _MAX_SIDE = 32, 256
"""Sides in pixels that the network takes: multiples of the first number, up to the second."""


class PerceptualDistance(nn.Module):
    """Distance of images in the feature maps of a frozen network; it has no parameters and no state."""

    def __init__(self, side: int) -> None:
        """Load the network for images of about this side; they are resized to the next multiple of 32, at most 256.

        Raises:
            BadInput: the package with the network's weights is missing, or its file is damaged.
        """
        super().__init__()
        self.features = FrozenEfficientNet(
            min(-(-side // _SIDE_MULTIPLE) * _SIDE_MULTIPLE, _MAX_SIDE), "the perceptual term"
        )

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Return the distances (N,), from 0 to 4, of images (N, C, S, S) in [-1, 1] to their targets of the same shape.

        At each pixel of a feature map the channel vectors are normalized to length 1 and their squared difference is
        summed; the result is averaged over pixels and over the four maps. Images with alpha are compared over black and
        over white.
        """
        squared_differences = [
            (_normalize_channels(generated_map) - _normalize_channels(target_map)).square()
            for pair in zip(composite_alpha(generated), composite_alpha(target), strict=True)
            for generated_map, target_map in zip(*map(self.features, pair), strict=True)
        ]
        return torch.stack([difference.sum(1).mean((1, 2)) for difference in squared_differences]).mean(0)


def _normalize_channels(hidden: Tensor) -> Tensor:
    """Normalize the channel vector of each pixel of (N, width, H, W) to length 1, in at least float32."""
    return functional.normalize(hidden.to(torch.promote_types(hidden.dtype, torch.float32)), dim=1)
