"""Output heads of discriminators: from features to a score, with or without a class condition."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import LayerFactory, to_score

Labels = Tensor
"""Class indices (N,) int64, or class weights (N, K) float, which allow interpolation between classes."""


def to_class_weights(label: Labels, num_classes: int, like: Tensor) -> Tensor:
    """Convert labels to class weights (N, K) in the dtype of `like`; indices become one-hot."""
    if label.is_floating_point():
        return label.to(like.dtype)
    one_hot = label[:, None] == torch.arange(num_classes, device=label.device)  # functional.one_hot synchronizes a GPU
    return one_hot.to(like.dtype)


def count_weights(num_classes: int, num_numbers: int) -> int:
    """Return the number of weights of `to_condition_weights`: the number of classes if there are no numbers."""
    return num_classes + num_numbers + 1 if num_numbers else num_classes


def to_condition_weights(label: Labels | None, condition: Tensor, num_classes: int) -> Tensor:
    """Convert labels and numbers (N, M) to class weights (N, K + M + 1): one-hot classes, the numbers and a one.

    So all that is linear in the class is also affine in the numbers: embeddings, projections and norms.
    """
    ones = torch.ones_like(condition[:, :1])
    if not num_classes:
        return torch.cat([condition, ones], 1)
    assert label is not None, "a class-conditional network needs labels: the game passes them"
    return torch.cat([to_class_weights(label, num_classes, condition), condition, ones], 1)


class ClassEmbedding(nn.Module):
    """A learned vector for each class."""

    def __init__(self, num_classes: int, embedding_size: int, factory: LayerFactory, gain: float = 1.0) -> None:
        """Create vectors whose values have standard deviation `gain`, if `factory` initializes by kaiming or
        orthogonal.
        """
        super().__init__()
        self.num_classes = num_classes
        self.embedding = factory.embedding(num_classes, embedding_size, gain)

    def forward(self, label: Labels) -> Tensor:
        """Return the vectors (N, embedding_size) of the labels."""
        vectors: Tensor = self.embedding(to_class_weights(label, self.num_classes, next(self.parameters())))
        return vectors

    def class_axes(self) -> dict[str, int]:
        """Return the axis of the classes of its tensors, with and without spectral norm."""
        norm = "embedding.parametrizations.weight"
        return {"embedding.weight": 1, f"{norm}.original": 1, f"{norm}.0._v": 0}


class ScoreHead(nn.Module):
    """An unconditional score."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True) -> None:
        super().__init__()
        self.score = factory.linear(width, 1, bias=bias)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map features (N, width) to an output with score (N,)."""
        return DiscriminatorOutput(to_score(self.score(features)))


class ProjectionHead(nn.Module):
    """A score, plus the inner product of the features and a learned vector of the class.

    Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, equation 3.
    """

    condition_inputs: tuple[str, ...] = ("label",)

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True, *, num_classes: int) -> None:
        super().__init__()
        self.score = factory.linear(width, 1, bias=bias)
        self.class_embedding = ClassEmbedding(num_classes, width, factory, width**-0.5)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map features (N, width) and labels to an output with score (N,)."""
        assert label is not None, "the projection head needs labels: the game passes them"
        projection = (self.class_embedding(label) * features).sum(1, keepdim=True)
        return DiscriminatorOutput(to_score(self.score(features) + projection))


class AuxiliaryClassifierHead(nn.Module):
    """A score and class logits. Odena et al. 2017 (AC-GAN), arXiv:1610.09585, section 3."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, width: int, factory: LayerFactory, bias: bool = True, *, num_classes: int) -> None:
        super().__init__()
        self.score, self.classifier = factory.linear(width, 1, bias=bias), factory.linear(width, num_classes)

    def forward(self, features: Tensor, label: Labels | None = None) -> DiscriminatorOutput:
        """Map features (N, width) to an output with score (N,) and class logits (N, K), both at least float32."""
        class_logits = self.classifier(features)
        return DiscriminatorOutput(
            to_score(self.score(features)), class_logits.to(torch.promote_types(class_logits.dtype, torch.float32))
        )

    def class_axes(self) -> dict[str, int]:
        """Return the axis of the classes of its tensors, with and without spectral norm."""
        norm = "classifier.parametrizations.weight"
        return {"classifier.weight": 0, "classifier.bias": 0, f"{norm}.original": 0, f"{norm}.0._u": 0}


HeadFactory = Callable[[int, LayerFactory, bool], nn.Module]
"""Create a head from the feature width, the layer factory, and whether the score has a bias; the head is called as
`forward(features, label) -> DiscriminatorOutput`."""
