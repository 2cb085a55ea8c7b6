"""Types shared by networks and games: batches, discriminator outputs, named tensors."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

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
