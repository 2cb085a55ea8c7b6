"""Class conditioning for networks without classes of their own: at the latent, at the sample, or in the output head.

Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game.types import DiscriminatorOutput, condition_inputs
from zerosum.networks import heads
from zerosum.networks.heads import ClassEmbedding, HeadFactory, Labels
from zerosum.networks.layers import LayerFactory, init_kaiming

_FACTORY = LayerFactory(init_kaiming)


class LatentConditioned(nn.Module):
    """A generator whose latent is concatenated with a learned vector of the class."""

    def __init__(self, network: nn.Module, num_classes: int, embedding_size: int) -> None:
        """Wrap `network`, which must take latents with `embedding_size` more values."""
        super().__init__()
        self.network, self.class_embedding = network, ClassEmbedding(num_classes, embedding_size, _FACTORY)
        self.condition_inputs = ("label", *condition_inputs(network))

    def forward(self, latent: Tensor, label: Labels, **other_inputs: Tensor) -> Tensor:
        """Map latents (N, L) and labels to samples (N, *shape)."""
        sample: Tensor = self.network(torch.cat([latent, self.class_embedding(label)], 1), **other_inputs)
        return sample


class SampleConditioned(nn.Module):
    """A discriminator whose samples are concatenated with a learned vector of the class, as planes for images."""

    def __init__(self, network: nn.Module, num_classes: int, embedding_size: int) -> None:
        """Wrap `network`, which must take samples with `embedding_size` more channels."""
        super().__init__()
        # small at first: planes of the image's own variance would dominate the first convolution
        self.network, self.class_embedding = (
            network,
            ClassEmbedding(num_classes, embedding_size, _FACTORY, 0.25 * embedding_size**-0.5),
        )
        self.condition_inputs = ("label", *condition_inputs(network))

    def forward(self, sample: Tensor, label: Labels, **other_inputs: Tensor) -> DiscriminatorOutput:
        """Map samples (N, C, ...) and labels to the output of the network."""
        vectors = self.class_embedding(label).to(sample.dtype)
        planes = vectors.view(*vectors.shape, *[1] * (sample.dim() - 2)).expand(-1, -1, *sample.shape[2:])
        output: DiscriminatorOutput = self.network(torch.cat([sample, planes], 1), **other_inputs)
        return output


def choose_head(condition: str, num_classes: int) -> HeadFactory:
    """Return the output head of a discriminator with this class condition."""
    if condition == "projection":
        return partial(heads.ProjectionHead, num_classes=num_classes)
    if condition == "auxiliary-classifier":
        return partial(heads.AuxiliaryClassifierHead, num_classes=num_classes)
    return heads.ScoreHead
