"""How far apart pictures look to a network trained on photographs.

Zhang, Isola, Efros, Shechtman, Wang 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
arXiv:1801.03924, equation 1, without its learned weights; the network is EfficientNet-Lite0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.projected import FrozenEfficientNet, composite_alpha

_SIDE_MULTIPLE, _MAX_SIDE = 32, 256
"""Pixels a side that the network takes: multiples of the one, up to the other."""


class PerceptualDistance(nn.Module):
    """The distance of pictures in the frozen network's maps; it has no parameters, and nothing to save."""

    def __init__(self, side: int) -> None:
        """For pictures of about this side; they are brought to the next multiple of 32, at most 256.

        Raises:
            BadInput: the package with the network's weights is missing, or its file is damaged.
        """
        super().__init__()
        self.features = FrozenEfficientNet(
            min(-(-side // _SIDE_MULTIPLE) * _SIDE_MULTIPLE, _MAX_SIDE), "the perceptual term"
        )

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Pictures (N, C, S, S) in [-1, 1] and as many others to their distances (N,), from 0 to 4.

        At every place of a map the channels are brought to length 1, and the squared difference is summed over them; it
        is averaged over places, and over the four maps. With alpha: over black and over white.
        """
        each = [
            (_normalize_channels(ours) - _normalize_channels(theirs)).square()
            for pair in zip(composite_alpha(generated), composite_alpha(target), strict=True)
            for ours, theirs in zip(*map(self.features, pair), strict=True)
        ]
        return torch.stack([apart.sum(1).mean((1, 2)) for apart in each]).mean(0)


def _normalize_channels(hidden: Tensor) -> Tensor:
    """(N, width, H, W) with the channels at every place brought to length 1, float32 at least."""
    return functional.normalize(hidden.to(torch.promote_types(hidden.dtype, torch.float32)), dim=1)
