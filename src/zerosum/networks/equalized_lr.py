"""Layers with an equalized learning rate: weights are stored as N(0, 1) and scaled at run time.

All weights then have the same dynamic range, so Adam, whose step size does not depend on it, changes them all at the
same relative speed (Karras et al. 2017, "Progressive Growing of GANs", arXiv:1710.10196, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

from zerosum.game.types import at_least_float32
from zerosum.networks.layers import LayerFactory


class EqualizedLinear(nn.Module):
    """Linear layer with an equalized learning rate."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        """Create the layer.

        Args:
            in_features: number of inputs.
            out_features: number of outputs.
            gain: standard deviation of the outputs where the inputs have 1.
            lr_multiplier: factor on the learning rate (0.01 in StyleGAN's mapping network).
            bias_init: initial value of every bias.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.scale, self.lr_multiplier = gain * lr_multiplier * in_features**-0.5, lr_multiplier

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features)."""
        return functional.linear(hidden, self.weight * self.scale, self.bias * self.lr_multiplier)


class EqualizedConv2d(nn.Module):
    """Convolution with an equalized learning rate that keeps the size; `kernel_size` must be odd."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, gain: float = 1.0, bias: bool = True
    ) -> None:
        """Create the layer; `gain` as in `EqualizedLinear`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale, self.padding = gain * (in_channels * kernel_size**2) ** -0.5, kernel_size // 2

    def forward(self, sample: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W)."""
        return functional.conv2d(sample, self.weight * self.scale, self.bias, padding=self.padding)


class WeightScale(nn.Module):
    """Parametrization of a weight that is stored with standard deviation 1 and used at another."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, stored_weight: Tensor) -> Tensor:
        """Return the weight as the layer uses it, of any shape."""
        return stored_weight * self.scale

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight as it is stored."""
        return weight / self.scale


class EqualizedLayerFactory(LayerFactory):
    """A `LayerFactory` whose layers have an equalized learning rate; the heads of these networks are built with it."""

    def _initialize(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, fan_in: int, gain: float) -> nn.Module:
        initialized = super()._initialize(layer, fan_in, gain)
        register_parametrization(initialized, "weight", WeightScale(gain * fan_in**-0.5))
        return initialized


class MinibatchStd(nn.Module):
    """Append a channel with the standard deviation over a group of samples, which reveals mode collapse.

    Minibatch standard deviation (Karras et al. 2017, arXiv:1710.10196, section 3), over groups of at most `group_size`.
    """

    def __init__(self, group_size: int = 4) -> None:
        """Create the layer; `group_size` is the largest number of samples that are compared with each other."""
        super().__init__()
        self.group_size = group_size

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + 1, H, W)."""
        count, _, height, width = hidden.shape
        group = next(size for size in range(min(self.group_size, count), 0, -1) if count % size == 0)
        # sample n is compared with n + N / group, ...: a batch of both real and fake samples would mix them, so the
        # scores of a network with this layer are not per sample
        grouped = at_least_float32(hidden).reshape(group, count // group, -1)
        centered = grouped - grouped.mean(0)  # written out: a variance along the first axis is slow on a CPU
        std = (centered.square().mean(0) + 1e-8).sqrt().mean(1)  # (N / group,)
        plane = std.to(hidden.dtype).repeat(group)[:, None, None, None].expand(count, 1, height, width)
        return torch.cat([hidden, plane], 1)


def pixel_norm(hidden: Tensor) -> Tensor:
    """Scale each pixel's channel vector, or each row, to length sqrt(C): pixel norm (arXiv:1710.10196, section 4.2)."""
    squares = at_least_float32(hidden).square().mean(1, keepdim=True)
    return hidden * (squares + 1e-8).rsqrt().to(hidden.dtype)
