"""Classes, brought to networks that know of none: beside the latent, beside the picture, or in the last word.

Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game.types import Verdict
from zerosum.networks import heads
from zerosum.networks.heads import ClassVectors, HeadMaker, Labels
from zerosum.networks.layers import Weights, scaled

_WEIGHTS = Weights(scaled)


class Joined(nn.Module):
    """A generator whose latent is joined by a vector of the class."""

    def __init__(self, network: nn.Module, classes: int, size: int) -> None:
        """`network` takes latents with `size` numbers more."""
        super().__init__()
        self.network, self.vectors = network, ClassVectors(classes, size, _WEIGHTS)
        self.takes = ("label", *getattr(network, "takes", ()))

    def forward(self, latent: Tensor, label: Labels, **rest: Tensor) -> Tensor:
        """(N, latent) and labels to (N, *shape)."""
        sample: Tensor = self.network(torch.cat([latent, self.vectors(label)], 1), **rest)
        return sample


class Beside(nn.Module):
    """A discriminator that sees planes of the class's numbers beside the picture, or the numbers beside a point."""

    def __init__(self, network: nn.Module, classes: int, size: int) -> None:
        """`network` takes samples with `size` channels more."""
        super().__init__()
        # quiet at first: planes as loud as the picture drown it in the first convolution
        self.network, self.vectors = network, ClassVectors(classes, size, _WEIGHTS, 0.25 * size**-0.5)
        self.takes = ("label", *getattr(network, "takes", ()))

    def forward(self, sample: Tensor, label: Labels, **rest: Tensor) -> Verdict:
        """(N, C, ...) and labels to a verdict."""
        vectors = self.vectors(label).to(sample.dtype)
        planes = vectors.view(*vectors.shape, *[1] * (sample.dim() - 2)).expand(-1, -1, *sample.shape[2:])
        verdict: Verdict = self.network(torch.cat([sample, planes], 1), **rest)
        return verdict


def head(condition: str, classes: int) -> HeadMaker:
    """What ends a discriminator with this condition."""
    if condition == "projection":
        return partial(heads.Projection, classes=classes)
    if condition == "classify":
        return partial(heads.Recognition, classes=classes)
    return heads.Plain
