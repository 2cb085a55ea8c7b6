"""What a discriminator says of the features it has seen: a score, and what it makes of a sample's class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import LayerFactory, to_score

Labels = Tensor
"""Class indices (N,) int64, or (N, K) float weights of the classes, between which one can walk."""


def to_class_weights(label: Labels, num_classes: int, like: Tensor) -> Tensor:
    """Labels as weights of the classes, (N, K), in the precision of `like`."""
    if label.is_floating_point():
        return label.to(like.dtype)
    return (label[:, None] == torch.arange(num_classes, device=label.device)).to(
        like.dtype
    )  # one_hot would wait for a GPU


class ClassEmbedding(nn.Module):
    """A learned vector for each class: labels to (N, size)."""

    def __init__(self, num_classes: int, embedding_size: int, factory: LayerFactory, gain: float = 1.0) -> None:
        """Vectors of numbers with standard deviation `gain`, where `factory` are scaled or orthogonal."""
        super().__init__()
        self.num_classes = num_classes
        self.embedding = factory.embedding(num_classes, embedding_size, gain)

    def forward(self, label: Labels) -> Tensor:
        """Labels to their vectors, (N, size)."""
        vectors: Tensor = self.embedding(to_class_weights(label, self.num_classes, next(self.parameters())))
        return vectors


class ScoreHead(nn.Module):
    """A score, whatever the class."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True) -> None:
        super().__init__()
        self.score = factory.linear(width, 1, bias=bias)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, width) to a verdict with score (N,)."""
        return DiscriminatorOutput(to_score(self.score(features)))


class ProjectionHead(nn.Module):
    """A score, and how well the features fit the class: their product with its vector.

    Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, equation 3.
    """

    condition_inputs: tuple[str, ...] = ("label",)

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True, *, num_classes: int) -> None:
        super().__init__()
        self.score = factory.linear(width, 1, bias=bias)
        self.class_embedding = ClassEmbedding(num_classes, width, factory, width**-0.5)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, width) and labels to a verdict with score (N,)."""
        assert label is not None, "a projection needs labels: checked when the networks are built"
        fit = (self.class_embedding(label) * features).sum(1, keepdim=True)
        return DiscriminatorOutput(to_score(self.score(features) + fit))


class AuxiliaryClassifierHead(nn.Module):
    """A score, and beside it a guess of the class. Odena et al. 2017 (AC-GAN), arXiv:1610.09585, section 3."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True, *, num_classes: int) -> None:
        super().__init__()
        self.score, self.classifier = factory.linear(width, 1, bias=bias), factory.linear(width, num_classes)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """(N, width) to a verdict with score (N,) and class logits (N, K), both float32."""
        guess = self.classifier(features)
        return DiscriminatorOutput(
            to_score(self.score(features)), guess.to(torch.promote_types(guess.dtype, torch.float32))
        )


HeadFactory = Callable[[int, LayerFactory, bool], nn.Module]
"""From the width of the features, how weights are drawn, and whether the score has a bias, to a head:
`forward(features, label) -> Verdict`."""
