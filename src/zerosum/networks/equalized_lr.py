"""Layers with an equalised learning rate: weights are stored as N(0, 1), and scaled when they are used.

So every weight has the same dynamic range, and Adam, whose steps do not depend on it, changes each at the same speed
(Karras et al. 2017, "Progressive Growing of GANs", arXiv:1710.10196, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

from zerosum.networks.layers import Weights


class Linear(nn.Module):
    """(N, inside) to (N, outside)."""

    def __init__(self, inside: int, outside: int, *, gain: float = 1.0, rate: float = 1.0, bias: float = 0.0) -> None:
        """A layer.

        Args:
            inside: numbers in.
            outside: numbers out.
            gain: standard deviation of what comes out, where what goes in has 1.
            rate: multiple of the learning rate (StyleGAN's mapping network: 0.01).
            bias: what every bias starts at.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside) / rate)
        self.bias = nn.Parameter(torch.full((outside,), bias / rate))
        self.scale, self.rate = gain * rate * inside**-0.5, rate

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inside) to (N, outside)."""
        return functional.linear(hidden, self.weight * self.scale, self.bias * self.rate)


class Convolution(nn.Module):
    """Convolution of odd side that keeps the size: (N, inside, H, W) to (N, outside, H, W)."""

    def __init__(self, inside: int, outside: int, side: int, *, gain: float = 1.0, bias: bool = True) -> None:
        """A layer; `gain` as for `Linear`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, side, side))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None
        self.scale, self.padding = gain * (inside * side**2) ** -0.5, side // 2

    def forward(self, sample: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W)."""
        return functional.conv2d(sample, self.weight * self.scale, self.bias, padding=self.padding)


class Scaled(nn.Module):
    """A weight stored at standard deviation 1 and used at another."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, stored: Tensor) -> Tensor:
        """The weight as it is used, of any shape."""
        return stored * self.scale

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight as it is stored."""
        return weight / self.scale


class EqualisedWeights(Weights):
    """What heads are built of beside such layers: like `Weights`, at an equalised learning rate."""

    def _ready(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, fan_in: int, gain: float) -> nn.Module:
        ready = super()._ready(layer, fan_in, gain)
        register_parametrization(ready, "weight", Scaled(gain * fan_in**-0.5))
        return ready


class Deviation(nn.Module):
    """One more channel: how much the samples of a group differ from each other, so that a collapse is seen.

    Minibatch standard deviation (Karras et al. 2017, arXiv:1710.10196, section 3), in groups of at most `group`.
    """

    def __init__(self, group: int = 4) -> None:
        """Compare at most so many samples with each other."""
        super().__init__()
        self.group = group

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + 1, H, W)."""
        count, _, height, width = hidden.shape
        group = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
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


def normalised(hidden: Tensor) -> Tensor:
    """Each pixel's vector over channels, or each row, at length sqrt(C): pixel norm (arXiv:1710.10196, section 4.2)."""
    squares = at_least_float32(hidden).square().mean(1, keepdim=True)
    return hidden * (squares + 1e-8).rsqrt().to(hidden.dtype)
