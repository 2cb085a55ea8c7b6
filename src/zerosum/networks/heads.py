"""What a discriminator says of the features it has seen: a score, and what it makes of a sample's class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zerosum.game.types import Verdict
from zerosum.networks.layers import Weights, score

Labels = Tensor
"""Class indices (N,) int64, or (N, K) float weights of the classes, between which one can walk."""


def soft(label: Labels, classes: int, like: Tensor) -> Tensor:
    """Labels as weights of the classes, (N, K), in the precision of `like`."""
    if label.is_floating_point():
        return label.to(like.dtype)
    return (label[:, None] == torch.arange(classes, device=label.device)).to(like.dtype)  # one_hot would wait for a GPU


class ClassVectors(nn.Module):
    """A learned vector for each class: labels to (N, size)."""

    def __init__(self, classes: int, size: int, weights: Weights, gain: float = 1.0) -> None:
        """Vectors of numbers with standard deviation `gain`, where `weights` are scaled or orthogonal."""
        super().__init__()
        self.classes = classes
        self.table = weights.table(classes, size, gain)

    def forward(self, label: Labels) -> Tensor:
        """Labels to their vectors, (N, size)."""
        vectors: Tensor = self.table(soft(label, self.classes, next(self.parameters())))
        return vectors


class Plain(nn.Module):
    """A score, whatever the class."""

    takes: tuple[str, ...] = ()

    def __init__(self, width: int, weights: Weights, bias: bool = True) -> None:
        super().__init__()
        self.score = weights.linear(width, 1, bias=bias)

    def forward(self, features: Tensor, label: Labels | None = None) -> Verdict:
        """(N, width) to a verdict with score (N,)."""
        return Verdict(score(self.score(features)))


class Projection(nn.Module):
    """A score, and how well the features fit the class: their product with its vector.

    Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, equation 3.
    """

    takes: tuple[str, ...] = ("label",)

    def __init__(self, width: int, weights: Weights, bias: bool = True, *, classes: int) -> None:
        super().__init__()
        self.score = weights.linear(width, 1, bias=bias)
        self.vectors = ClassVectors(classes, width, weights, width**-0.5)

    def forward(self, features: Tensor, label: Labels | None = None) -> Verdict:
        """(N, width) and labels to a verdict with score (N,)."""
        assert label is not None, "a projection needs labels: checked when the networks are built"
        fit = (self.vectors(label) * features).sum(1, keepdim=True)
        return Verdict(score(self.score(features) + fit))


class Recognition(nn.Module):
    """A score, and beside it a guess of the class. Odena et al. 2017 (AC-GAN), arXiv:1610.09585, section 3."""

    takes: tuple[str, ...] = ()

    def __init__(self, width: int, weights: Weights, bias: bool = True, *, classes: int) -> None:
        super().__init__()
        self.score, self.classes = weights.linear(width, 1, bias=bias), weights.linear(width, classes)

    def forward(self, features: Tensor, label: Labels | None = None) -> Verdict:
        """(N, width) to a verdict with score (N,) and class logits (N, K), both float32."""
        guess = self.classes(features)
        return Verdict(score(self.score(features)), guess.to(torch.promote_types(guess.dtype, torch.float32)))


HeadMaker = Callable[[int, Weights, bool], nn.Module]
"""From the width of the features, how weights are drawn, and whether the score has a bias, to a head:
`forward(features, label) -> Verdict`."""
