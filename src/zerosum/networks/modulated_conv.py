"""Modulated convolution: every sample is convolved with weights of its own, without making them.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, equations 1 to 3.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

EPSILON = 1e-8
"""Added to the sum of squares that a demodulated weight is divided by."""


def modulated_conv2d(sample: Tensor, style: Tensor, weight: Tensor, demodulate: bool = True) -> Tensor:
    """Convolve each sample with `weight`, its inputs scaled by the sample's style, its outputs back to unit variance.

    Scaling weights and scaling what goes in are the same product, so one ordinary convolution serves the batch, and a
    network so built exports with a batch of any size. (The other form makes N weights and convolves in N groups.)

    Args:
        sample: (N, C, H, W).
        style: (N, C) scale of each input channel.
        weight: (O, C, k, k), k odd.
        demodulate: divide each output channel by the length of its modulated weights.

    Returns:
        (N, O, H, W)
    """
    convolved = functional.conv2d(sample * style[:, :, None, None], weight, padding=weight.shape[-1] // 2)
    if not demodulate:
        return convolved
    squares = style.square() @ weight.square().sum((2, 3)).T  # (N, O): of each sample's own weights
    return convolved * (squares + EPSILON).rsqrt()[:, :, None, None]
