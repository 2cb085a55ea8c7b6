"""Layers with an equalised learning rate: weights are stored as N(0, 1), and scaled when they are used.

So every weight has the same dynamic range, and Adam, whose steps do not depend on it, changes each at the same speed
(Karras et al. 2017, "Progressive Growing of GANs", arXiv:1710.10196, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

from zerosum.networks.layers import LayerFactory


class EqualizedLinear(nn.Module):
    """(N, inside) to (N, outside)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        """A layer.

        Args:
            in_features: numbers in.
            out_features: numbers out.
            gain: standard deviation of what comes out, where what goes in has 1.
            lr_multiplier: multiple of the learning rate (StyleGAN's mapping network: 0.01).
            bias_init: what every bias starts at.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.scale, self.lr_multiplier = gain * lr_multiplier * in_features**-0.5, lr_multiplier

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside) to (N, outside)."""
        return functional.linear(hidden, self.weight * self.scale, self.bias * self.lr_multiplier)


class EqualizedConv2d(nn.Module):
    """Convolution of odd side that keeps the size: (N, inside, H, W) to (N, outside, H, W)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, gain: float = 1.0, bias: bool = True
    ) -> None:
        """A layer; `gain` as for `Linear`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale, self.padding = gain * (in_channels * kernel_size**2) ** -0.5, kernel_size // 2

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        return functional.conv2d(sample, self.weight * self.scale, self.bias, padding=self.padding)


class WeightScale(nn.Module):
    """A weight stored at standard deviation 1 and used at another."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, stored_weight: Tensor) -> Tensor:
        """The weight as it is used, of any shape."""
        return stored_weight * self.scale

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight as it is stored."""
        return weight / self.scale


class EqualizedLayerFactory(LayerFactory):
    """What heads are built of beside such layers: like `Weights`, at an equalised learning rate."""

    def _initialize(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, fan_in: int, gain: float) -> nn.Module:
        ready = super()._initialize(layer, fan_in, gain)
        register_parametrization(ready, "weight", WeightScale(gain * fan_in**-0.5))
        return ready


class MinibatchStd(nn.Module):
    """One more channel: how much the samples of a group differ from each other, so that a collapse is seen.

    Minibatch standard deviation (Karras et al. 2017, arXiv:1710.10196, section 3), in groups of at most `group_size`.
    """

    def __init__(self, group_size: int = 4) -> None:
        """Compare at most so many samples with each other."""
        super().__init__()
        self.group_size = group_size

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + 1, H, W)."""
        count, _, height, width = hidden.shape
        group = next(size for size in range(min(self.group_size, count), 0, -1) if count % size == 0)
        # sample n is compared with n + N / group, ...: reals and fakes judged in one go would be mixed, so a network
        # with this layer does not judge each sample alone
        together = at_least_float32(hidden).reshape(group, count // group, -1)
        apart = together - together.mean(0)  # (written out: a variance along the first axis is slow on a CPU)
        spread = (apart.square().mean(0) + 1e-8).sqrt().mean(1)  # (N / group,)
        plane = spread.to(hidden.dtype).repeat(group)[:, None, None, None].expand(count, 1, height, width)
        return torch.cat([hidden, plane], 1)


def at_least_float32(hidden: Tensor) -> Tensor:
    """Half precision is widened: sums of its squares overflow."""
    return hidden.to(torch.promote_types(hidden.dtype, torch.float32))


def pixel_norm(hidden: Tensor) -> Tensor:
    """Each pixel's vector over channels, or each row, at length sqrt(C): pixel norm (arXiv:1710.10196, section 4.2)."""
    squares = at_least_float32(hidden).square().mean(1, keepdim=True)
    return hidden * (squares + 1e-8).rsqrt().to(hidden.dtype)
