"""Conditioning of networks that have none of their own: at the latent, at the sample, or in the output head.

Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import DiscriminatorOutput, Sample, condition_inputs
from zerosum.networks import heads
from zerosum.networks.heads import ClassEmbedding, HeadFactory, Labels, to_condition_weights
from zerosum.networks.layers import LayerFactory, init_kaiming
from zerosum.networks.stages import Stages, stages_from_sample

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

    def stages_from_sample(self) -> Stages:
        """Return the stages of the network; the vectors of the classes belong to none."""
        return stages_from_sample(self.network)


class NumbersConditioned(nn.Module):
    """A network conditioned on classes whose class weights also hold numbers: see `to_condition_weights`."""

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        """Wrap `network`, which must take as many class weights as there are classes and numbers, and one more."""
        super().__init__()
        self.network, self.num_classes = network, num_classes
        others = (name for name in condition_inputs(network) if name != "label")
        self.condition_inputs = (*(["label"] if num_classes else []), "condition", *others)

    def forward(
        self, inputs: Tensor, condition: Tensor, label: Labels | None = None, **other_inputs: Tensor
    ) -> Sample | DiscriminatorOutput:
        """Map latents (N, L) or samples (N, ...) with numbers (N, M) and labels to the output of the network."""
        weights = to_condition_weights(label, condition, self.num_classes)
        output: Sample | DiscriminatorOutput = self.network(inputs, label=weights, **other_inputs)
        return output

    def stages_from_sample(self) -> Stages:
        """Return the stages of the network; [] for a generator."""
        return stages_from_sample(self.network)


def count_numbers(spec: SampleSpec | None) -> int:
    """Return how many numbers a numeric condition has; 0 if there is none.

    Raises:
        BadInput: if it is not one row of numbers.
    """
    if spec is None:
        return 0
    if not isinstance(spec, TensorSpec) or len(spec.shape) != 1:
        raise BadInput(
            "`generator.condition`: takes numeric conditions of one row of numbers for each example, and those of the"
            " data have another form; set it and `discriminator.condition` to none, with networks of your own"
        )
    return spec.shape[0]


def add_numbers(network: nn.Module, num_classes: int, num_numbers: int) -> nn.Module:
    """Return a class-conditional network that also takes numbers; the same one if there are none."""
    return NumbersConditioned(network, num_classes) if num_numbers else network


def choose_head(condition: str, num_classes: int) -> HeadFactory:
    """Return the output head of a discriminator with this class condition."""
    if condition == "projection":
        return partial(heads.ProjectionHead, num_classes=num_classes)
    if condition == "auxiliary-classifier":
        return partial(heads.AuxiliaryClassifierHead, num_classes=num_classes)
    return heads.ScoreHead
