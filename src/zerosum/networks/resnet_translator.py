"""The residual translator: down to a quarter of the size, residual blocks, and up again.

Johnson, Alahi, Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer", arXiv:1603.08155, as Zhu et al. 2017
(CycleGAN), arXiv:1703.10593, use it. Its inner maps, and the small heads through which they are compared, are those of
Park et al. 2020, "Contrastive Learning for Unpaired Image-to-Image Translation", arXiv:2007.15651, section 3.

What differs: downs are 4x4, so that they meet every pixel equally often; ups repeat pixels and convolve 3x3, where
transposed convolutions print a chequerboard; only the 7x7 convolutions beside the pictures mirror what they see at the
edges. The first map that is compared is that of the first 7x7 convolution, not the picture itself.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.layers import NORMS_2D, RELU, LayerFactory, Norm, UpsampleConv, init_kaiming
from zerosum.networks.padding import ReflectPadConv2d, crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange

_RESIDUAL_OUTPUT_GAIN = 0.1
"""The gain of a correction's last convolution: at first a picture is hardly changed."""


class ResidualBlock(nn.Module):
    """x + f(x), f two 3x3 convolutions."""

    def __init__(self, width: int, norm: Norm, factory: LayerFactory) -> None:
        super().__init__()
        bias = not norm.has_bias
        # what nothing brings back to size must not grow from block to block
        quiet = 1.0 if norm.has_bias else 0.5
        self.branch = nn.Sequential(
            factory.conv2d(width, width, kernel_size=3, gain=RELU.gain, bias=bias),
            norm.build(width),
            RELU.build(),
            factory.conv2d(width, width, kernel_size=3, gain=quiet, bias=bias),
            norm.build(width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        changed: Tensor = hidden + self.branch(hidden)
        return changed


class ResNetTranslator(nn.Module):
    """Pictures to pictures of the same size."""

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
        """Build it.

        Args:
            inside: channels of what is given.
            out_channels: channels of what is made.
            width: channels at the picture's own size; they double at every down.
            num_downsamplings: halvings before the blocks.
            num_blocks: residual blocks.
            norm: which of `layers.NORMS`.
            factory: how weights are drawn.
            residual: what is made is added to what is given, and not bounded by tanh.
            contrastive_size: numbers that a place of an inner map is compared by; 0: no heads.
        """
        super().__init__()
        kind, wide = NORMS_2D[norm], [width << level for level in range(num_downsamplings + 1)]
        bias = not kind.has_bias
        first = ReflectPadConv2d(factory.conv2d(in_channels, width, kernel_size=7, gain=RELU.gain, bias=bias))
        self.stages = nn.ModuleList([_build_conv_norm_relu(first, width, kind)])
        for less, more in pairwise(wide):
            self.stages.append(_build_conv_norm_relu(factory.strided_conv2d(less, more, RELU.gain, bias), more, kind))
        self.stages.extend(ResidualBlock(wide[-1], kind, factory) for _ in range(num_blocks))
        self.upsampling = nn.Sequential()
        for more, less in pairwise(wide[::-1]):
            up = UpsampleConv(factory.conv2d(more, less, kernel_size=3, gain=RELU.gain, bias=bias))
            self.upsampling.append(_build_conv_norm_relu(up, less, kind))
        self.output_layer = ReflectPadConv2d(
            factory.conv2d(width, out_channels, kernel_size=7, gain=_RESIDUAL_OUTPUT_GAIN if residual else 1.0)
        )
        self.residual, self.size_multiple = residual, 1 << num_downsamplings
        self._num_downsamplings, self._num_blocks = num_downsamplings, num_blocks
        self.receptive_field_radius = (
            None if norm == "instance" else receptive_field.compute_radius(self._trace_input_range, self.size_multiple)
        )
        self.contrastive_stages = tuple(
            dict.fromkeys([*range(num_downsamplings + 2), num_downsamplings + 1 + num_blocks // 2])
        )
        widths = [*wide, *[wide[-1]] * (len(self.contrastive_stages) - len(wide))]
        self.contrastive_heads = nn.ModuleList(
            _build_contrastive_head(wide, contrastive_size) for wide in widths if contrastive_size
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W), in [-1, 1] unless it is added to what is given."""
        hidden = pad_to_multiple(inputs, self.size_multiple)
        for setup in self.stages:
            hidden = setup(hidden)
        made = crop(self.output_layer(self.upsampling(hidden)), *inputs.shape[2:])
        return inputs + made if self.residual else made.tanh()

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """(N, inside, H, W) to the maps (N, width, h, w) that are compared.

        After the first convolution, after each down, after the first block and the middle one (once if they are one).
        """
        hidden, maps = pad_to_multiple(inputs, self.size_multiple), []
        for place in range(self.contrastive_stages[-1] + 1):
            hidden = self.stages[place](hidden)
            if place in self.contrastive_stages:
                maps.append(hidden)
        return maps

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Places of a map, (M, width), to vectors (M, contrast) of length 1; `level` is its number in `encode`."""
        return functional.normalize(self.contrastive_heads[level](rows), dim=1)

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """What is seen to make these pixels."""
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
    """(M, width) to (M, size), as in SimCLR (arXiv:2002.05709)."""
    weights = LayerFactory(init_kaiming)
    return nn.Sequential(
        weights.linear(width, contrastive_size, RELU.gain),
        RELU.build(),
        weights.linear(contrastive_size, contrastive_size),
    )
