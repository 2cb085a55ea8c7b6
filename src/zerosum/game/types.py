"""What networks and games share: batches, discriminator outputs, named tensors, condition inputs."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
"""Tensors with a common first axis N. `real`: images (N, C, H, W) float32 in [-1, 1] or points (N, F); `seed`: (N,)
int64, from which all random numbers of sample n derive; `label`: (N,) int64 classes; `inputs`: (N, ...) inputs of a
translation."""

NamedTensors = dict[str, Tensor]
"""Named losses or signals of any shape; the training loop reduces each to its mean."""


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


@runtime_checkable
class ConditionalNetwork(Protocol):
    """A network whose `forward` takes further keyword arguments."""

    condition_inputs: tuple[str, ...]
    """Their names: "label" (N,) classes, "inputs" (N, ...) inputs of a translation, "seed" (N,) seeds of noise."""


def condition_inputs(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the further keyword arguments of a network; () for a module that declares none."""
    return network.condition_inputs if isinstance(network, ConditionalNetwork) else ()


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert half precision to float32: sums of squares overflow in half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
