"""Super-resolution networks, from small images to large ones, with residual blocks at the small size.

SRResNet: Ledig et al. 2016 (SRGAN), arXiv:1609.04802, without batch norm as in Lim et al. 2017 (EDSR),
arXiv:1707.02921. RRDB, residual in residual dense blocks: Wang et al. 2018 (ESRGAN), arXiv:1809.00219, section 3.1.

Differences: the network computes a correction that is added to the bicubically upsampled input and initialized small,
so that it starts from the baseline it has to beat. All convolutions are 3x3, both kinds upsample by pixel shuffle, and
PReLU is leaky ReLU. An RRDB adds 0.2 of the change that its dense blocks make, where the published one adds 0.2 of
their output, input included, by which the signal grows 1.2 times per block.
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
"""Factor on a branch before it is added, as in the paper."""
_LAST_CONV_GAIN = 0.1
"""Gain of the last convolution."""


class DenseBlock(nn.Module):
    """Five convolutions, each of which gets the input and the outputs of all previous ones."""

    depth = 5

    def __init__(self, width: int, growth_channels: int) -> None:
        """Create the block; each convolution but the last adds `growth_channels` channels."""
        super().__init__()
        inner = (
            _build_conv_leaky_relu(width + index * growth_channels, growth_channels) for index in range(self.depth - 1)
        )
        self.convs = nn.ModuleList(inner)
        self.last_conv = _FACTORY.conv2d(width + (self.depth - 1) * growth_channels, width, kernel_size=3)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        features = hidden
        for layer in self.convs:
            features = torch.cat([features, layer(features)], 1)
        output: Tensor = hidden + _RESIDUAL_SCALE * self.last_conv(features)
        return output


class RRDB(nn.Module):
    """Residual in residual dense block: three dense blocks, a fraction of whose change is added."""

    depth = 3 * DenseBlock.depth
    """Number of convolutions in sequence."""

    def __init__(self, width: int, growth_channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, growth_channels) for _ in range(3)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        return hidden.lerp(self.blocks(hidden), _RESIDUAL_SCALE)


class ResidualBlock(nn.Module):
    """SRResNet's block of two convolutions."""

    depth = 2
    """Number of convolutions in sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_build_conv_leaky_relu(width, width), _FACTORY.conv2d(width, width, kernel_size=3))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        output: Tensor = hidden + _RESIDUAL_SCALE * self.branch(hidden)
        return output


class SuperResolution(nn.Module):
    """Map images (N, C, h, w) to images (N, C, factor h, factor w); factor 1 restores images at their own size."""

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
        last_conv = _FACTORY.conv2d(width, channels, kernel_size=3, gain=_LAST_CONV_GAIN)
        self.output_layer = nn.Sequential(_build_conv_leaky_relu(width, width), last_conv)
        self._depth = 2 + sum(block.depth for block in blocks)
        # always larger than the 2 pixels of bicubic interpolation
        self.receptive_field_radius = receptive_field.compute_radius(self._trace_input_range, 1, upscale_factor)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, C, factor h, factor w), about in [-1, 1] but not bounded."""
        hidden = self.first_conv(inputs)
        correction: Tensor = self.output_layer(self.upsampling(hidden + self.blocks(hidden)))
        return upsample_bicubic(inputs, self.upscale_factor) + correction

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """Return the input range of these output pixels."""
        pixel_range = receptive_field.trace_conv(pixel_range, 5)
        for _ in range(self._num_doublings):
            pixel_range = receptive_field.trace_conv(receptive_field.trace_pixel_shuffle(pixel_range), 3)
        return receptive_field.trace_conv(pixel_range, 3, dilation=self._depth)


def upsample_bicubic(image: Tensor, factor: int) -> Tensor:
    """Map (N, C, h, w) to (N, C, factor h, factor w) by bicubic interpolation; factor 1 returns the image unchanged."""
    if factor == 1:
        return image
    return functional.interpolate(image, scale_factor=float(factor), mode="bicubic", align_corners=False)


def _build_conv_leaky_relu(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        _FACTORY.conv2d(in_channels, out_channels, kernel_size=3, gain=LEAKY_RELU.gain), LEAKY_RELU.build()
    )


def _build_pixel_shuffle_upsampling(width: int) -> nn.Module:
    """Build a layer that doubles the size by pixel shuffle (Shi et al. 2016, arXiv:1609.05158).

    The four kernels of one output pixel block start equal (Aitken et al. 2017, arXiv:1707.02937): initialized
    separately, they would produce a checkerboard pattern.
    """
    layer = _FACTORY.conv2d(width, 4 * width, kernel_size=3, gain=LEAKY_RELU.gain)
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[::4].repeat_interleave(4, 0))
    return nn.Sequential(layer, nn.PixelShuffle(2), LEAKY_RELU.build())
