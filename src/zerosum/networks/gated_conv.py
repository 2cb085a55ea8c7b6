"""Gated convolutions: a picture's holes are filled by layers that learn where to look.

Yu, Lin, Yang, Shen, Lu, Huang 2019, "Free-Form Image Inpainting with Gated Convolution", arXiv:1806.03589, sections 3.1
and 3.2: the first of the paper's two networks, of which the second refines what it makes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.layers import Activation, LayerFactory, UpsampleConv
from zerosum.networks.padding import crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange


class GatedELU(nn.Module):
    """The second half of the channels says how much of the first half, after ELU, passes (equation 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, 2C, H, W) to (N, C, H, W)."""
        feature, gate = hidden.chunk(2, 1)
        # on a CPU copies are 2.6 times as fast as slices of channels_last, as in fastgan.Gate
        return functional.elu(feature.clone()) * gate.clone().sigmoid()


GATED_ELU = Activation(GatedELU, 2.2404)
"""Its gain g solves E[elu(g u)^2] E[sigmoid(g v)^2] = 1 for standard normal u and v."""


class Inpainter(nn.Module):
    """A picture with holes, and where they are, to the whole picture."""

    condition_inputs: tuple[str, ...] = ()
    size_multiple = 4

    def __init__(self, channels: int, width: int, dilations: tuple[int, ...], factory: LayerFactory) -> None:
        """Build it.

        Args:
            channels: of the picture; the mask is one more.
            width: channels at the picture's own size; twice and four times as many after each halving.
            dilations: of the 3x3 convolutions in the middle, between one and one more that have none.
            factory: how weights are drawn.
        """
        super().__init__()
        half, middle = 2 * width, 4 * width
        spread = [factory.conv2d(middle, 2 * middle, kernel_size=3, dilation=d, gain=GATED_ELU.gain) for d in dilations]
        self.layers = nn.Sequential(
            _build_gated_conv(factory.conv2d(channels + 1, 2 * width, kernel_size=5, gain=GATED_ELU.gain)),
            _build_gated_conv(factory.strided_conv2d(width, 2 * half, GATED_ELU.gain)),
            _build_gated_conv(factory.conv2d(half, 2 * half, kernel_size=3, gain=GATED_ELU.gain)),
            _build_gated_conv(factory.strided_conv2d(half, 2 * middle, GATED_ELU.gain)),
            _build_gated_conv(factory.conv2d(middle, 2 * middle, kernel_size=3, gain=GATED_ELU.gain)),
            *map(_build_gated_conv, spread),
            _build_gated_conv(factory.conv2d(middle, 2 * middle, kernel_size=3, gain=GATED_ELU.gain)),
            _build_gated_conv(UpsampleConv(factory.conv2d(middle, 2 * half, kernel_size=3, gain=GATED_ELU.gain))),
            _build_gated_conv(UpsampleConv(factory.conv2d(half, 2 * width, kernel_size=3, gain=GATED_ELU.gain))),
            factory.conv2d(width, channels, kernel_size=3),
            nn.Tanh(),
        )
        self._dilations = dilations
        self.receptive_field_radius = receptive_field.compute_radius(self._trace_input_range, self.size_multiple)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C + 1, H, W), the picture and last its mask, -1 where it is known and 1 in the hole, to (N, C, H, W).

        What is known comes back to the last bit; the hole is filled in [-1, 1].
        """
        known, hole = inputs[:, :-1], (inputs[:, -1:] + 1) / 2
        made = crop(self.layers(pad_to_multiple(inputs, self.size_multiple)), *inputs.shape[2:])
        return hole * made + (1 - hole) * known

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """What is seen to make these pixels."""
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
