"""Modulated convolution: a convolution with different weights for each sample, computed without building those weights.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, equations 1 to 3.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

EPSILON = 1e-8
"""Added to the sum of squares by which demodulation divides."""


def modulated_conv2d(sample: Tensor, style: Tensor, weight: Tensor, demodulate: bool = True) -> Tensor:
    """Convolve each sample with `weight`, its input channels scaled by its style and its outputs demodulated.

    Scaling the weights equals scaling the inputs, so one ordinary convolution serves the batch, and the network can be
    exported with any batch size. (The other form builds N weights and convolves in N groups.)

    Args:
        sample: (N, C, H, W).
        style: (N, C) scale of each input channel.
        weight: (O, C, k, k), k odd.
        demodulate: divide each output channel by the norm of its modulated weights, for unit variance.

    Returns:
        (N, O, H, W)
    """
    convolved = functional.conv2d(sample * style[:, :, None, None], weight, padding=weight.shape[-1] // 2)
    if not demodulate:
        return convolved
    squares = style.square() @ weight.square().sum((2, 3)).T  # (N, O): squared norm of each sample's weights
    return convolved * (squares + EPSILON).rsqrt()[:, :, None, None]
