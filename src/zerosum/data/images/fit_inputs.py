"""Inputs of image-to-image translation at the size and with the channels of its targets, without a network."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def fit_inputs(inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize inputs to the target shape without a network: the baseline that a translator must beat.

    Args:
        inputs: (N, Ci, h, w). Channels beyond those of the target (a mask) are dropped.
        shape: (C, H, W).

    Returns:
        (N, C, H, W). If the channels still differ, their mean is repeated.
    """
    channels, height, width = shape
    images = inputs[:, :channels] if inputs.shape[1] > channels else inputs
    if images.shape[2:] != (height, width):
        images = functional.interpolate(images, (height, width), mode="bicubic", antialias=False).clamp(-1, 1)
    if images.shape[1] == channels:
        return images
    gray = images.mean(1, keepdim=True)
    return gray.expand(-1, channels, -1, -1)
