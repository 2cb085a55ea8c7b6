"""What passes between the networks and the game: batches, verdicts, named losses."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

Batch = dict[str, Tensor]
"""Tensors that share their first axis N. `real`: the data, images (N, C, H, W) float32 in [-1, 1] or points (N, F);
`seed`: (N,) int64, from which everything random about sample n of the batch derives."""

NamedTensors = dict[str, Tensor]
"""Named losses or signals of any shape; the loop takes the mean of each."""


class DiscriminatorOutput(NamedTuple):
    """What a discriminator says of a batch of samples."""

    score: Tensor
    """(N,), or (N, 1, h, w) from a patch discriminator; float32; larger means more real."""
    class_logits: Tensor | None = None
    """(N, K) class logits, if the discriminator has such a head."""
    reconstructions: Tensor | None = None
    """(N, k C, h, w) pictures found again in what the discriminator has seen, one after the other from each of its k
    decoders, if it has any; only at its own move."""
    feature_maps: tuple[Tensor, ...] | None = None
    """Its inner maps (N, width, h, w), from the picture inwards, if it shows them: what feature matching compares."""
