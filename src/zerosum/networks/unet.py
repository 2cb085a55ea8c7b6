"""U-Net: an encoder and a decoder with a skip connection at every resolution.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004,
after Ronneberger et al. 2015, arXiv:1505.04597. The encoder uses 4x4 convolutions of stride 2 with leaky ReLU 0.2, the
decoder ReLU.

Differences: the decoder repeats pixels and convolves 3x3, where the paper's transposed convolutions produce
checkerboard patterns. The dropout that is the paper's noise derives from a sample's seed. `full_resolution_channels`
adds a feature map at the image's full resolution, which the paper's network reads and writes only through a stride of
2. A `residual` network corrects its input.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import RandomStream, fork_seed, uniform
from zerosum.networks import receptive_field
from zerosum.networks.bounded_tanh import BoundedTanh
from zerosum.networks.layers import LEAKY_RELU, NORMS_2D, RELU, RESIDUAL_OUTPUT_GAIN, LayerFactory, Norm, UpsampleConv
from zerosum.networks.padding import crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange

NUM_DROPOUT_BLOCKS = 3
"""Number of decoder blocks with dropout, starting from the innermost, as in the paper."""


class SeededDropout(nn.Module):
    """Dropout as a function of a sample's seed, in training and evaluation mode alike: dropout as noise."""

    def __init__(self, rate: float, layer_index: int) -> None:
        """Create the layer; `layer_index` gives each layer of the network random numbers of its own."""
        super().__init__()
        self.rate, self.layer_index = rate, layer_index

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Drop values of (N, C, H, W) by seeds (N,); at rate 0 the seeds are unused."""
        if not self.rate:
            return hidden
        assert seed is not None, "dropout needs seeds: the network has `seed` in `condition_inputs`"
        draws = uniform(fork_seed(seed, self.layer_index), hidden[0].numel(), RandomStream.DROPOUT).view(hidden.shape)
        return hidden * ((draws >= self.rate) / (1 - self.rate)).to(hidden.dtype)


class UpBlock(nn.Module):
    """Double the size: convolution, norm, dropout, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory, dropout: SeededDropout
    ) -> None:
        super().__init__()
        bias = not norm.has_bias
        self.conv = UpsampleConv(factory.conv2d(in_channels, out_channels, kernel_size=3, gain=RELU.gain, bias=bias))
        self.norm, self.dropout, self.activation = norm.build(out_channels), dropout, RELU.build()

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """Map (N, C_in, H, W) and seeds (N,) to (N, C_out, 2H, 2W)."""
        activated: Tensor = self.activation(self.dropout(self.norm(self.conv(hidden)), seed))
        return activated


class UNet(nn.Module):
    """Map images to images of the same size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: tuple[int, ...],
        *,
        norm: str,
        factory: LayerFactory,
        dropout: float = 0.0,
        full_resolution_channels: int = 0,
        residual: bool = False,
    ) -> None:
        """Create the network.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            widths: channels of the feature maps, from half the image's size to the innermost.
            norm: key in `layers.NORMS_2D` of the norm, which the layers next to the image do not have.
            factory: creates the layers.
            dropout: dropout rate in the innermost decoder blocks.
            full_resolution_channels: channels of a feature map at the image's full resolution; 0 for none.
            residual: add the output to the input, and do not bound it by tanh.
        """
        super().__init__()
        no_norm = NORMS_2D["none"]
        level_widths = (full_resolution_channels, *widths) if full_resolution_channels else widths
        first_conv = (
            factory.conv2d(in_channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain)
            if full_resolution_channels
            else None
        )
        down_blocks: list[nn.Module] = [nn.Sequential(first_conv, LEAKY_RELU.build())] if first_conv else []
        down_blocks += [_build_down_block(full_resolution_channels or in_channels, widths[0], no_norm, factory)]
        self.down_blocks = nn.ModuleList(
            [*down_blocks, *(_build_down_block(*pair, NORMS_2D[norm], factory) for pair in pairwise(widths))]
        )
        up_out_channels = level_widths[-2::-1]
        up_in_channels = (level_widths[-1], *(2 * width for width in up_out_channels))
        rates = [dropout if index < NUM_DROPOUT_BLOCKS else 0.0 for index in range(len(up_out_channels))]
        self.up_blocks = nn.ModuleList(
            UpBlock(up_in_channels[index], up_out_channels[index], NORMS_2D[norm], factory, SeededDropout(rate, index))
            for index, rate in enumerate(rates)
        )
        last_conv = factory.conv2d(
            up_in_channels[-1], out_channels, kernel_size=3, gain=RESIDUAL_OUTPUT_GAIN if residual else 1.0
        )
        self.output_layer = nn.Sequential(
            last_conv if full_resolution_channels else UpsampleConv(last_conv),
            nn.Identity() if residual else BoundedTanh(),
        )
        self.residual = residual
        self.condition_inputs: tuple[str, ...] = ("seed",) if any(rates) else ()
        self.size_multiple = 1 << len(widths)
        self._has_full_resolution, self._depth = bool(full_resolution_channels), len(widths)
        self.receptive_field_radius = (
            None if norm == "instance" else receptive_field.compute_radius(self._trace_input_range, self.size_multiple)
        )

    def forward(self, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
        """Map (N, C_in, H, W), and seeds (N,) if there is dropout, to (N, C_out, H, W).

        The output lies in [-1, 1] unless the network is residual.
        """
        hidden, skips = pad_to_multiple(inputs, self.size_multiple), []
        for down_block in self.down_blocks:
            hidden = down_block(hidden)
            skips.append(hidden)
        for up_block, skip in zip(self.up_blocks, skips[-2::-1], strict=True):
            hidden = torch.cat([up_block(hidden, seed), skip], 1)
        output = crop(self.output_layer(hidden), *inputs.shape[2:])
        return inputs + output if self.residual else output

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """Return the input range of these output pixels, over the skip connections of all resolutions."""
        decoder_range = receptive_field.trace_conv(pixel_range, 3) if self._has_full_resolution else pixel_range
        input_ranges = []
        for level in range(0 if self._has_full_resolution else 1, self._depth + 1):
            decoder_range = receptive_field.trace_upsample_conv(decoder_range) if level else decoder_range
            encoder_range = decoder_range
            for _ in range(level):
                encoder_range = receptive_field.trace_strided_conv(encoder_range)
            input_ranges.append(
                receptive_field.trace_conv(encoder_range, 3) if self._has_full_resolution else encoder_range
            )
        return receptive_field.union_ranges(input_ranges)


def _build_down_block(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> nn.Module:
    """Build a block (N, C_in, 2H, 2W) to (N, C_out, H, W)."""
    conv = factory.strided_conv2d(in_channels, out_channels, LEAKY_RELU.gain, bias=not norm.has_bias)
    return nn.Sequential(conv, norm.build(out_channels), LEAKY_RELU.build())
