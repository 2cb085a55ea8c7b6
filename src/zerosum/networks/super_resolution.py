"""Super-resolution: small pictures to large ones, by residual blocks at the small size.

SRResNet: Ledig et al. 2016 (SRGAN), arXiv:1609.04802, without batch norm as in Lim et al. 2017 (EDSR),
arXiv:1707.02921. RRDB, residual in residual dense blocks: Wang et al. 2018 (ESRGAN), arXiv:1809.00219, section 3.1.

What differs: the network makes a correction of the picture enlarged by bicubic interpolation, drawn faint, so that it
starts from what it is to beat. All convolutions are 3x3, both kinds enlarge by pixel shuffle, and PReLU is leaky ReLU.
An RRDB adds 0.2 of what its dense blocks change, where the published one adds 0.2 of what they give, itself included,
by which the signal grows 1.2 times a block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.layers import LEAKY_RELU, Weights, scaled
from zerosum.networks.receptive_field import Span

_WEIGHTS = Weights(scaled)
_SHARE = 0.2
"""Of a branch that is added; the paper's."""
_FAINT = 0.1
"""The gain of the last convolution."""


class Dense(nn.Module):
    """Five convolutions, each of which sees the input and all the ones before it."""

    depth = 5

    def __init__(self, width: int, growth: int) -> None:
        """Between are `growth` channels a convolution."""
        super().__init__()
        inner = (_active(width + place * growth, growth) for place in range(self.depth - 1))
        self.inner = nn.ModuleList(inner)
        self.last = _WEIGHTS.convolution(width + (self.depth - 1) * growth, width, side=3)

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        seen = hidden
        for layer in self.inner:
            seen = torch.cat([seen, layer(seen)], 1)
        changed: Tensor = hidden + _SHARE * self.last(seen)
        return changed


class RRDB(nn.Module):
    """Residual in residual: three dense blocks, a share of whose changes is added."""

    depth = 3 * Dense.depth
    """Convolutions in a row."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Dense(width, growth) for _ in range(3)))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        return hidden.lerp(self.blocks(hidden), _SHARE)


class Plain(nn.Module):
    """SRResNet's block: two convolutions."""

    depth = 2
    """Convolutions in a row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_active(width, width), _WEIGHTS.convolution(width, width, side=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        changed: Tensor = hidden + _SHARE * self.branch(hidden)
        return changed


class SuperResolution(nn.Module):
    """Pictures (N, C, h, w) to pictures (N, C, factor h, factor w); at factor 1, to better ones."""

    takes: tuple[str, ...] = ()
    multiple = 1

    def __init__(self, channels: int, width: int, factor: int, blocks: list[RRDB] | list[Plain]) -> None:
        super().__init__()
        self.factor, self._doublings = factor, factor.bit_length() - 1
        self.first = _WEIGHTS.convolution(channels, width, side=3)
        self.blocks = nn.Sequential(*blocks, _WEIGHTS.convolution(width, width, side=3, gain=_SHARE))
        self.ups = nn.Sequential(*(_doubling(width) for _ in range(self._doublings)))
        last = _WEIGHTS.convolution(width, channels, side=3, gain=_FAINT)
        self.picture = nn.Sequential(_active(width, width), last)
        self._depth = 2 + sum(block.depth for block in blocks)
        self.reach = receptive_field.farthest(
            self._span, 1, factor
        )  # always beyond the 2 pixels of bicubic interpolation

    def forward(self, given: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, factor h, factor w), about [-1, 1] but not bounded."""
        hidden = self.first(given)
        made: Tensor = self.picture(self.ups(hidden + self.blocks(hidden)))
        return enlarged(given, self.factor) + made

    def _span(self, span: Span) -> Span:
        """What is seen to make these pixels."""
        span = receptive_field.convolved(span, 5)
        for _ in range(self._doublings):
            span = receptive_field.convolved(receptive_field.shuffled(span), 3)
        return receptive_field.convolved(span, 3, dilation=self._depth)


def enlarged(picture: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) to (N, C, factor h, factor w) by bicubic interpolation; factor 1 leaves it as it is."""
    if factor == 1:
        return picture
    return functional.interpolate(picture, scale_factor=float(factor), mode="bicubic", align_corners=False)


def _active(inside: int, outside: int) -> nn.Module:
    return nn.Sequential(_WEIGHTS.convolution(inside, outside, side=3, gain=LEAKY_RELU.gain), LEAKY_RELU.make())


def _doubling(width: int) -> nn.Module:
    """Twice the size by pixel shuffle (Shi et al. 2016, arXiv:1609.05158).

    The four kernels that make a pixel's four are alike at first (Aitken et al. 2017, arXiv:1707.02937): drawn apart,
    they would print a chequerboard.
    """
    layer = _WEIGHTS.convolution(width, 4 * width, side=3, gain=LEAKY_RELU.gain)
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[::4].repeat_interleave(4, 0))
    return nn.Sequential(layer, nn.PixelShuffle(2), LEAKY_RELU.make())
