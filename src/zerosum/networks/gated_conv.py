"""Gated convolutions for inpainting: the layers learn which pixels are valid.

Yu, Lin, Yang, Shen, Lu, Huang 2019, "Free-Form Image Inpainting with Gated Convolution", arXiv:1806.03589, sections 3.1
and 3.2: the first of the paper's two networks, without the second, which refines its output.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.bounded_tanh import BoundedTanh
from zerosum.networks.layers import Activation, LayerFactory, UpsampleConv
from zerosum.networks.padding import crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange


class GatedELU(nn.Module):
    """The second half of the channels gates the first half, which passes through ELU (equation 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, 2C, H, W) to (N, C, H, W)."""
        feature, gate = hidden.chunk(2, 1)
        # on a CPU copies are 2.6 times as fast as slices of channels_last, as in fastgan.GatedLinearUnit
        return functional.elu(feature.clone()) * gate.clone().sigmoid()


GATED_ELU = Activation(GatedELU, 2.2404)
"""The gain g solves E[elu(g u)^2] E[sigmoid(g v)^2] = 1 for standard normal u and v."""


class Inpainter(nn.Module):
    """Fill the holes of an image, given the image and a mask of the holes."""

    condition_inputs: tuple[str, ...] = ()
    size_multiple = 4

    def __init__(self, channels: int, width: int, dilations: tuple[int, ...], factory: LayerFactory) -> None:
        """Create the network.

        Args:
            channels: channels of the image; the mask is one more.
            width: channels at the image's full resolution; twice and four times as many after each halving.
            dilations: of the 3x3 convolutions in the middle; an undilated one precedes and another follows them.
            factory: creates the layers.
        """
        super().__init__()
        half_width, quarter_width = 2 * width, 4 * width
        dilated = [
            factory.conv2d(quarter_width, 2 * quarter_width, kernel_size=3, dilation=dilation, gain=GATED_ELU.gain)
            for dilation in dilations
        ]
        self.layers = nn.Sequential(
            _build_gated_conv(factory.conv2d(channels + 1, 2 * width, kernel_size=5, gain=GATED_ELU.gain)),
            _build_gated_conv(factory.strided_conv2d(width, 2 * half_width, GATED_ELU.gain)),
            _build_gated_conv(factory.conv2d(half_width, 2 * half_width, kernel_size=3, gain=GATED_ELU.gain)),
            _build_gated_conv(factory.strided_conv2d(half_width, 2 * quarter_width, GATED_ELU.gain)),
            _build_gated_conv(factory.conv2d(quarter_width, 2 * quarter_width, kernel_size=3, gain=GATED_ELU.gain)),
            *map(_build_gated_conv, dilated),
            _build_gated_conv(factory.conv2d(quarter_width, 2 * quarter_width, kernel_size=3, gain=GATED_ELU.gain)),
            _build_gated_conv(
                UpsampleConv(factory.conv2d(quarter_width, 2 * half_width, kernel_size=3, gain=GATED_ELU.gain))
            ),
            _build_gated_conv(UpsampleConv(factory.conv2d(half_width, 2 * width, kernel_size=3, gain=GATED_ELU.gain))),
            factory.conv2d(width, channels, kernel_size=3),
            BoundedTanh(),
        )
        self._dilations = dilations
        self.receptive_field_radius = receptive_field.compute_radius(self._trace_input_range, self.size_multiple)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, C + 1, H, W) to (N, C, H, W): the last input channel is the mask, -1 where known and 1 in the hole.

        Known pixels are returned exactly; the hole is filled with values in [-1, 1].
        """
        known, hole = inputs[:, :-1], (inputs[:, -1:] + 1) / 2
        filled = crop(self.layers(pad_to_multiple(inputs, self.size_multiple)), *inputs.shape[2:])
        return hole * filled + (1 - hole) * known

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """Return the input range of these output pixels."""
        pixel_range = receptive_field.trace_upsample_conv(
            receptive_field.trace_upsample_conv(receptive_field.trace_conv(pixel_range, 3))
        )
        pixel_range = receptive_field.trace_conv(pixel_range, 3, dilation=2 + sum(self._dilations))
        pixel_range = receptive_field.trace_strided_conv(
            receptive_field.trace_conv(receptive_field.trace_strided_conv(pixel_range), 3)
        )
        return receptive_field.trace_conv(pixel_range, 5)


def _build_gated_conv(conv: nn.Module) -> nn.Module:
    return nn.Sequential(conv, GATED_ELU.build())
