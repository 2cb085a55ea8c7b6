"""From latents to styles: StyleGAN's mapping network.

Karras, Laine, Aila 2018, "A Style-Based Generator Architecture for Generative Adversarial Networks", arXiv:1812.04948,
section 2, as it stands in StyleGAN2 (Karras et al. 2019, arXiv:1912.04958); with classes as in StyleGAN2-ADA (Karras et
al. 2020, arXiv:2006.06676).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.equalized_lr import Linear, normalised
from zerosum.networks.heads import ClassVectors, Labels
from zerosum.networks.layers import Weights, scaled

RATE = 0.01
"""How much slower than the rest of the generator the mapping learns; at the full rate it runs away."""
GAIN = 2**0.5
"""What follows every leaky ReLU: it makes up for the variance that ReLU takes, as in all of StyleGAN2."""


def leaky(hidden: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times `GAIN`."""
    return functional.leaky_relu(hidden, 0.2) * GAIN


class Anyhow(nn.Module):
    """The latent's direction, whatever the class."""

    takes: tuple[str, ...] = ()

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) to (N, L), each row of length sqrt(L)."""
        return normalised(latent)


class Classed(nn.Module):
    """The latent's direction, and beside it the direction of the class's learned vector."""

    takes: tuple[str, ...] = ("label",)

    def __init__(self, classes: int, size: int) -> None:
        """`size` numbers in a class's vector."""
        super().__init__()
        self.vectors = ClassVectors(classes, size, Weights(scaled))

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) and labels to (N, L + size)."""
        assert label is not None, "a generator of classes needs labels: the game sees to it"
        return torch.cat([normalised(latent), normalised(self.vectors(label)).to(latent.dtype)], 1)


class Mapping(nn.Module):
    """Latents, and labels where it is told of classes, to styles."""

    def __init__(self, start: Anyhow | Classed, inside: int, width: int, depth: int) -> None:
        """`depth` layers from the `inside` numbers that `start` makes of a latent to `width` numbers of style."""
        super().__init__()
        self.start, self.takes = start, start.takes
        sizes = (inside, *[width] * depth)
        self.layers = nn.ModuleList(Linear(before, after, rate=RATE) for before, after in pairwise(sizes))

    def forward(self, latent: Tensor, label: Labels | None = None) -> Tensor:
        """(N, L) to (N, width)."""
        style: Tensor = self.start(latent, label)
        for layer in self.layers:
            style = leaky(layer(style))
        return style
