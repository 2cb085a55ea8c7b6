"""Fully connected networks, for points or small pictures (Goodfellow et al. 2014, arXiv:1406.2661).

The generator and the discriminator mirror each other: hidden layers of linear, norm, activation between the
latent vector and the sample, between the sample and its score.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from zerosum.game.types import Verdict
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import Activation, Norm, Weights, bound, dropout


class Generator(nn.Module):
    """Latent vectors to samples of any shape."""

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        activation: Activation,
        norm: Norm,
        weights: Weights,
        reach: float,
        extent: float,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.hidden = _hidden((latent, *widths), activation, norm, weights, rate=0.0)
        spread(self.hidden, reach)
        self.sample = nn.Sequential(
            weights.linear(widths[-1], prod(shape), extent), nn.Unflatten(1, shape), bound(bounded)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, *shape), in [-1, 1] if bounded."""
        sample: Tensor = self.sample(self.hidden(latent))
        return sample


class Discriminator(nn.Module):
    """Samples of any shape to scores."""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        activation: Activation,
        norm: Norm,
        weights: Weights,
        reach: float,
        rate: float,
        head: HeadMaker,
    ) -> None:
        super().__init__()
        self.hidden = _hidden((prod(shape), *widths), activation, norm, weights, rate)
        spread(self.hidden, reach)
        self.head = head(widths[-1], weights, True)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, *shape) to a verdict with score (N,)."""
        hidden = self.hidden(sample.flatten(1))  # (N, widths[-1])
        verdict: Verdict = self.head(hidden, label)
        return verdict


def _hidden(
    widths: tuple[int, ...], activation: Activation, norm: Norm, weights: Weights, rate: float
) -> nn.Sequential:
    """The hidden layers, (N, widths[0]) to (N, widths[-1]), with dropout at this rate."""
    layers = (
        nn.Sequential(
            weights.linear(inside, outside, activation.gain, bias=not norm.shifts),
            norm.make(outside),
            activation.make(),
            dropout(rate),
        )
        for inside, outside in pairwise(widths)
    )
    return nn.Sequential(*layers)


def spread(hidden: nn.Sequential, reach: float) -> None:
    """Draw the first layer's biases so that its units bend anywhere within `reach` of the origin, not all at it."""
    first = hidden[0][0]  # type: ignore[index]
    if reach and first.bias is not None:
        with torch.no_grad():
            first.bias.uniform_(-reach, reach).mul_(first.weight.norm(dim=1))
