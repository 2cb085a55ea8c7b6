"""The residual translator: an encoder to a quarter of the size, residual blocks, and a decoder.

Johnson, Alahi, Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer", arXiv:1603.08155, as Zhu et al. 2017
(CycleGAN), arXiv:1703.10593, use it. Its inner feature maps, and the heads that project them for comparison, are those
of Park et al. 2020, "Contrastive Learning for Unpaired Image-to-Image Translation", arXiv:2007.15651, section 3.

Differences: the encoder's convolutions are 4x4, so that every pixel has the same weight; the decoder repeats pixels and
convolves 3x3, where transposed convolutions produce checkerboard patterns; only the 7x7 convolutions next to the images
use reflection padding. The first map that is compared is that of the first 7x7 convolution, not the image itself.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.bounded_tanh import BoundedTanh
from zerosum.networks.layers import NORMS_2D, RELU, RESIDUAL_OUTPUT_GAIN, LayerFactory, Norm, UpsampleConv, init_kaiming
from zerosum.networks.padding import ReflectPadConv2d, crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange


class ResidualBlock(nn.Module):
    """x + f(x), f two 3x3 convolutions."""

    def __init__(self, width: int, norm: Norm, factory: LayerFactory) -> None:
        super().__init__()
        bias = not norm.has_bias
        # without a norm the signal must not grow from block to block
        last_gain = 1.0 if norm.has_bias else 0.5
        self.branch = nn.Sequential(
            factory.conv2d(width, width, kernel_size=3, gain=RELU.gain, bias=bias),
            norm.build(width),
            RELU.build(),
            factory.conv2d(width, width, kernel_size=3, gain=last_gain, bias=bias),
            norm.build(width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        output: Tensor = hidden + self.branch(hidden)
        return output


class ResNetTranslator(nn.Module):
    """Map images to images of the same size."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        *,
        num_downsamplings: int,
        num_blocks: int,
        norm: str,
        factory: LayerFactory,
        residual: bool = False,
        contrastive_size: int = 0,
    ) -> None:
        """Create the network.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            width: channels at the image's full resolution; they double at every halving.
            num_downsamplings: halvings before the blocks.
            num_blocks: number of residual blocks.
            norm: key in `layers.NORMS_2D`.
            factory: creates the layers.
            residual: add the output to the input, and do not bound it by tanh.
            contrastive_size: size of the vectors in which pixels of inner maps are compared; 0 for no heads.
        """
        super().__init__()
        chosen_norm, widths = NORMS_2D[norm], [width << level for level in range(num_downsamplings + 1)]
        bias = not chosen_norm.has_bias
        first_conv = ReflectPadConv2d(factory.conv2d(in_channels, width, kernel_size=7, gain=RELU.gain, bias=bias))
        self.stages = nn.ModuleList([_build_conv_norm_relu(first_conv, width, chosen_norm)])
        for narrow, wide in pairwise(widths):
            down_conv = factory.strided_conv2d(narrow, wide, RELU.gain, bias)
            self.stages.append(_build_conv_norm_relu(down_conv, wide, chosen_norm))
        self.stages.extend(ResidualBlock(widths[-1], chosen_norm, factory) for _ in range(num_blocks))
        self.upsampling = nn.Sequential()
        for wide, narrow in pairwise(widths[::-1]):
            up_conv = UpsampleConv(factory.conv2d(wide, narrow, kernel_size=3, gain=RELU.gain, bias=bias))
            self.upsampling.append(_build_conv_norm_relu(up_conv, narrow, chosen_norm))
        self.output_layer = ReflectPadConv2d(
            factory.conv2d(width, out_channels, kernel_size=7, gain=RESIDUAL_OUTPUT_GAIN if residual else 1.0)
        )
        self.output_activation = nn.Identity() if residual else BoundedTanh()
        self.residual, self.size_multiple = residual, 1 << num_downsamplings
        self._num_downsamplings, self._num_blocks = num_downsamplings, num_blocks
        self.receptive_field_radius = (
            None if norm == "instance" else receptive_field.compute_radius(self._trace_input_range, self.size_multiple)
        )
        self.contrastive_stages = tuple(
            dict.fromkeys([*range(num_downsamplings + 2), num_downsamplings + 1 + num_blocks // 2])
        )
        map_widths = [*widths, *[widths[-1]] * (len(self.contrastive_stages) - len(widths))]
        self.contrastive_heads = nn.ModuleList(
            _build_contrastive_head(map_width, contrastive_size) for map_width in map_widths if contrastive_size
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W), in [-1, 1] unless the network is residual."""
        hidden = pad_to_multiple(inputs, self.size_multiple)
        for stage in self.stages:
            hidden = stage(hidden)
        output = crop(self.output_layer(self.upsampling(hidden)), *inputs.shape[2:])
        activated: Tensor = self.output_activation(output)
        return inputs + activated if self.residual else activated

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """Map (N, C_in, H, W) to the feature maps (N, width, h, w) that the patch-NCE loss compares.

        They are those after the first convolution, after each halving, and after the first and the middle block (once
        if these are the same).
        """
        hidden, maps = pad_to_multiple(inputs, self.size_multiple), []
        for index in range(self.contrastive_stages[-1] + 1):
            hidden = self.stages[index](hidden)
            if index in self.contrastive_stages:
                maps.append(hidden)
        return maps

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Map pixels (M, width) of a feature map to unit vectors (M, contrastive_size).

        Args:
            level: index of the feature map in the list that `encode` returns.
            rows: channel vectors of the pixels.
        """
        return functional.normalize(self.contrastive_heads[level](rows), dim=1)

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """Return the input range of these output pixels."""
        pixel_range = receptive_field.trace_conv(pixel_range, 7)
        for _ in range(self._num_downsamplings):
            pixel_range = receptive_field.trace_upsample_conv(pixel_range)
        pixel_range = receptive_field.trace_conv(pixel_range, 3, dilation=2 * self._num_blocks)
        for _ in range(self._num_downsamplings):
            pixel_range = receptive_field.trace_strided_conv(pixel_range)
        return receptive_field.trace_conv(pixel_range, 7)


def _build_conv_norm_relu(conv: nn.Module, width: int, norm: Norm) -> nn.Module:
    return nn.Sequential(conv, norm.build(width), RELU.build())


def _build_contrastive_head(width: int, contrastive_size: int) -> nn.Module:
    """Build a head (M, width) to (M, contrastive_size), as in SimCLR (arXiv:2002.05709)."""
    factory = LayerFactory(init_kaiming)
    return nn.Sequential(
        factory.linear(width, contrastive_size, RELU.gain),
        RELU.build(),
        factory.linear(contrastive_size, contrastive_size),
    )
