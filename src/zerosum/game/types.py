"""What networks and games share: samples, batches, discriminator outputs, named tensors, condition inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias, TypedDict, runtime_checkable

import torch
from torch import Tensor, nn

Sample: TypeAlias = "Tensor | Mapping[str, Sample]"
"""Samples of a batch: a tensor (N, ...), or a tree (a dict) of named tensors, such as a molecule's atoms and bonds."""


class Batch(TypedDict, total=False):
    """Tensors, or trees of tensors, with a common first axis N."""

    real: Sample
    """Images (N, C, H, W) float32 in [-1, 1], points (N, F), or a tree of tensors (N, ...)."""
    seed: Tensor
    """(N,) int64, from which all random numbers of sample n derive."""
    label: Tensor
    """(N,) int64 classes."""
    condition: Sample
    """Numeric conditions (N, K) float32, or a tree of them: wanted properties, known columns."""
    inputs: Sample
    """(N, ...) inputs of a translation."""


NamedTensors = dict[str, Tensor]
"""Named losses or signals of any shape; the training loop reduces each to its mean."""

PerceptualDistanceFn = Callable[[Tensor, Tensor], Tensor]
"""Distance of images (N, C, H, W) from other images in the features of a pretrained network: (N,)."""

A_TO_B, B_TO_A = "a_to_b", "b_to_a"
"""The directions of translation between two domains, first that from A to B: the keys of samples in cycle games."""


class DiscriminatorOutput(NamedTuple):
    """Output of a discriminator for a batch of samples."""

    score: Tensor
    """(N,), or (N, 1, h, w) of a patch discriminator, float32; larger means more real."""
    class_logits: Tensor | None = None
    """(N, K) class logits, if the discriminator has an auxiliary classifier."""
    reconstructions: Tensor | None = None
    """(N, k C, h, w) images reconstructed from the features by each of the k decoders, concatenated along channels;
    None without decoders, or outside the discriminator's own move."""
    feature_maps: tuple[Tensor, ...] | None = None
    """Feature maps (N, width, h, w) of the hidden layers, first layer first, for feature matching; None if unused."""


class Reconstruction(NamedTuple):
    """Samples as an autoencoder decodes them, and how far they are from what it encoded."""

    sample: Sample
    """(N, ...) reconstructed samples."""
    loss: Tensor
    """(N,) reconstruction loss."""


class Autoencoder(nn.Module, ABC):
    """An encoder of samples into codes, and the decoder that reverses it.

    The codes are one floating-point tensor. Each of their channels (axis 1) has mean 0 and variance 1, by the
    statistics of the batch in training mode, and by running ones, kept as buffers, in evaluation mode.
    """

    condition_inputs: tuple[str, ...] = ()
    """What the decoder takes besides codes: "condition", and "seed" if it draws samples instead of computing them."""

    @abstractmethod
    def encode(self, sample: Sample) -> Tensor:
        """Return the standardized codes (N, ...) of samples (N, ...)."""

    @abstractmethod
    def decode(self, codes: Tensor, seed: Tensor | None = None, condition: Sample | None = None) -> Sample:
        """Return the samples of codes.

        Args:
            codes: (N, ...).
            seed: (N,) int64, from which all randomness derives; None: nothing is random.
            condition: (N, ...) numeric conditions.
        """

    @abstractmethod
    def reconstruct(
        self, codes: Tensor, sample: Sample, deviation: Tensor | None = None, condition: Sample | None = None
    ) -> Reconstruction:
        """Return the reconstruction of samples from codes, with its loss.

        Args:
            codes: (N, ...), with their noise.
            sample: (N, ...) the samples.
            deviation: (N,) standard deviation of the noise; None: there is none.
            condition: (N, ...) numeric conditions.
        """

    def predict(self, codes: Tensor) -> Tensor | None:
        """Predict all values (N, P) of a condition from codes (N, ...) that have no noise; None without a predictor."""
        return None

    def forward(
        self, sample: Sample, noise: Tensor, deviation: Tensor | None = None, condition: Sample | None = None
    ) -> Reconstruction:
        """Encode samples (N, ...), add noise (N, ...) of a standard deviation (N,), and reconstruct them."""
        return self.reconstruct(self.encode(sample) + noise, sample, deviation, condition)


@runtime_checkable
class ConditionalNetwork(Protocol):
    """A network whose `forward` takes further keyword arguments."""

    condition_inputs: tuple[str, ...]
    """Their names: "label" (N,) classes, "condition" (N, K) numeric conditions, "inputs" (N, ...) inputs of a
    translation, "seed" (N,) seeds of noise."""


@runtime_checkable
class TransformsSamples(Protocol):
    """A discriminator that sees a fixed transformation of samples, at which gradient penalties differentiate."""

    def transform_samples(self, sample: Sample) -> Sample:
        """Return what the network takes in place of samples (N, ...)."""


def condition_inputs(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the further keyword arguments of a network; () for a module that declares none."""
    return network.condition_inputs if isinstance(network, ConditionalNetwork) else ()


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert half precision to float32: sums of squares overflow in half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
