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
from zerosum.networks.layers import LEAKY_RELU, LayerFactory, init_kaiming
from zerosum.networks.receptive_field import PixelRange

_FACTORY = LayerFactory(init_kaiming)
_RESIDUAL_SCALE = 0.2
"""Of a branch that is added; the paper's."""
_LAST_CONV_GAIN = 0.1
"""The gain of the last convolution."""


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the input and all the ones before it."""

    depth = 5

    def __init__(self, width: int, growth_channels: int) -> None:
        """Between are `growth_channels` channels a convolution."""
        super().__init__()
        inner = (
            _build_conv_leaky_relu(width + place * growth_channels, growth_channels) for place in range(self.depth - 1)
        )
        self.convs = nn.ModuleList(inner)
        self.last_conv = _FACTORY.conv2d(width + (self.depth - 1) * growth_channels, width, kernel_size=3)

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        seen = hidden
        for layer in self.convs:
            seen = torch.cat([seen, layer(seen)], 1)
        changed: Tensor = hidden + _RESIDUAL_SCALE * self.last_conv(seen)
        return changed


class RRDB(nn.Module):
    """Residual in residual: three dense blocks, a share of whose changes is added."""

    depth = 3 * DenseBlock.depth
    """Convolutions in a row."""

    def __init__(self, width: int, growth_channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, growth_channels) for _ in range(3)))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        return hidden.lerp(self.blocks(hidden), _RESIDUAL_SCALE)


class ResidualBlock(nn.Module):
    """SRResNet's block: two convolutions."""

    depth = 2
    """Convolutions in a row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_build_conv_leaky_relu(width, width), _FACTORY.conv2d(width, width, kernel_size=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        changed: Tensor = hidden + _RESIDUAL_SCALE * self.branch(hidden)
        return changed


class SuperResolution(nn.Module):
    """Pictures (N, C, h, w) to pictures (N, C, factor h, factor w); at factor 1, to better ones."""

    condition_inputs: tuple[str, ...] = ()
    size_multiple = 1

    def __init__(
        self, channels: int, width: int, upscale_factor: int, blocks: list[RRDB] | list[ResidualBlock]
    ) -> None:
        super().__init__()
        self.upscale_factor, self._num_doublings = upscale_factor, upscale_factor.bit_length() - 1
        self.first_conv = _FACTORY.conv2d(channels, width, kernel_size=3)
        self.blocks = nn.Sequential(*blocks, _FACTORY.conv2d(width, width, kernel_size=3, gain=_RESIDUAL_SCALE))
        self.upsampling = nn.Sequential(*(_build_pixel_shuffle_upsampling(width) for _ in range(self._num_doublings)))
        last = _FACTORY.conv2d(width, channels, kernel_size=3, gain=_LAST_CONV_GAIN)
        self.output_layer = nn.Sequential(_build_conv_leaky_relu(width, width), last)
        self._depth = 2 + sum(block.depth for block in blocks)
        self.receptive_field_radius = receptive_field.compute_radius(
            self._trace_input_range, 1, upscale_factor
        )  # always beyond the 2 pixels of bicubic interpolation

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, factor h, factor w), about [-1, 1] but not bounded."""
        hidden = self.first_conv(inputs)
        made: Tensor = self.output_layer(self.upsampling(hidden + self.blocks(hidden)))
        return upsample_bicubic(inputs, self.upscale_factor) + made

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """What is seen to make these pixels."""
        pixel_range = receptive_field.trace_conv(pixel_range, 5)
        for _ in range(self._num_doublings):
            pixel_range = receptive_field.trace_conv(receptive_field.trace_pixel_shuffle(pixel_range), 3)
        return receptive_field.trace_conv(pixel_range, 3, dilation=self._depth)


def upsample_bicubic(image: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) to (N, C, factor h, factor w) by bicubic interpolation; factor 1 leaves it as it is."""
    if factor == 1:
        return image
    return functional.interpolate(image, scale_factor=float(factor), mode="bicubic", align_corners=False)


def _build_conv_leaky_relu(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        _FACTORY.conv2d(in_channels, out_channels, kernel_size=3, gain=LEAKY_RELU.gain), LEAKY_RELU.build()
    )


def _build_pixel_shuffle_upsampling(width: int) -> nn.Module:
    """Twice the size by pixel shuffle (Shi et al. 2016, arXiv:1609.05158).

    The four kernels that make a pixel's four are alike at first (Aitken et al. 2017, arXiv:1707.02937): drawn apart,
    they would print a chequerboard.
    """
    layer = _FACTORY.conv2d(width, 4 * width, kernel_size=3, gain=LEAKY_RELU.gain)
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[::4].repeat_interleave(4, 0))
    return nn.Sequential(layer, nn.PixelShuffle(2), LEAKY_RELU.build())
