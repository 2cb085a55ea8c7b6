"""U-Net: down to a few places and up again, with every map of the way down beside its like on the way up.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004,
after Ronneberger et al. 2015, arXiv:1505.04597. Down by 4x4 convolutions of stride 2 with leaky ReLU 0.2; up, ReLU.

What differs: ups repeat pixels and convolve 3x3, where the paper's transposed convolutions print a chequerboard. The
dropout that is the paper's noise derives from a sample's seed. `detail` adds a map at the picture's own size, which the
paper's network sees and makes only through a stride of 2.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import RandomStream, fork_seed, uniform
from zerosum.networks import receptive_field
from zerosum.networks.layers import LEAKY_RELU, NORMS_2D, RELU, LayerFactory, Norm, UpsampleConv
from zerosum.networks.padding import crop, pad_to_multiple
from zerosum.networks.receptive_field import PixelRange

NUM_DROPOUT_BLOCKS = 3
"""Ups, the innermost first, that have dropout (the paper's)."""


class SeededDropout(nn.Module):
    """Values dropped as a sample's seed says, in training and in use alike: dropout as noise."""

    def __init__(self, rate: float, layer_index: int) -> None:
        """`layer_index` tells the network's layers apart."""
        super().__init__()
        self.rate, self.layer_index = rate, layer_index

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) and seeds (N,) to the same shape; at rate 0 seeds are not wanted."""
        if not self.rate:
            return hidden
        assert seed is not None, "dropout draws from seeds: the network takes them"
        chance = uniform(fork_seed(seed, self.layer_index), hidden[0].numel(), RandomStream.DROPOUT).view(hidden.shape)
        return hidden * ((chance >= self.rate) / (1 - self.rate)).to(hidden.dtype)


class UpBlock(nn.Module):
    """Twice the size: convolution, norm, dropout, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory, dropout: SeededDropout
    ) -> None:
        super().__init__()
        bias = not norm.has_bias
        self.conv = UpsampleConv(factory.conv2d(in_channels, out_channels, kernel_size=3, gain=RELU.gain, bias=bias))
        self.norm, self.dropout, self.activation = norm.build(out_channels), dropout, RELU.build()

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, 2H, 2W)."""
        active: Tensor = self.activation(self.dropout(self.norm(self.conv(hidden)), seed))
        return active


class UNet(nn.Module):
    """Pictures to pictures of the same size."""

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
    ) -> None:
        """Build it.

        Args:
            in_channels: channels of what is given.
            out_channels: channels of what is made.
            widths: channels of the maps, from half the picture's size to the innermost.
            norm: which of `layers.NORMS`, but beside the picture.
            factory: how weights are drawn.
            dropout: share of values dropped in the innermost ups.
            full_resolution_channels: channels of a map at the picture's own size; 0: none.
        """
        super().__init__()
        plain = NORMS_2D["none"]
        levels = (full_resolution_channels, *widths) if full_resolution_channels else widths
        first = (
            factory.conv2d(in_channels, full_resolution_channels, kernel_size=3, gain=LEAKY_RELU.gain)
            if full_resolution_channels
            else None
        )
        downs: list[nn.Module] = [nn.Sequential(first, LEAKY_RELU.build())] if first else []
        downs += [_build_down_block(full_resolution_channels or in_channels, widths[0], plain, factory)]
        self.down_blocks = nn.ModuleList(
            [*downs, *(_build_down_block(*pair, NORMS_2D[norm], factory) for pair in pairwise(widths))]
        )
        outs = levels[-2::-1]
        ins = (levels[-1], *(2 * width for width in outs))
        rates = [dropout if place < NUM_DROPOUT_BLOCKS else 0.0 for place in range(len(outs))]
        self.up_blocks = nn.ModuleList(
            UpBlock(ins[place], outs[place], NORMS_2D[norm], factory, SeededDropout(rate, place))
            for place, rate in enumerate(rates)
        )
        last = factory.conv2d(ins[-1], out_channels, kernel_size=3)
        self.output_layer = nn.Sequential(last if full_resolution_channels else UpsampleConv(last), nn.Tanh())
        self.condition_inputs: tuple[str, ...] = ("seed",) if any(rates) else ()
        self.size_multiple = 1 << len(widths)
        self._has_full_resolution, self._depth = bool(full_resolution_channels), len(widths)
        self.receptive_field_radius = (
            None if norm == "instance" else receptive_field.compute_radius(self._trace_input_range, self.size_multiple)
        )

    def forward(self, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
        """(N, inside, H, W), and seeds (N,) where there is dropout, to (N, outside, H, W) in [-1, 1]."""
        hidden, maps = pad_to_multiple(inputs, self.size_multiple), []
        for down in self.down_blocks:
            hidden = down(hidden)
            maps.append(hidden)
        for up, beside in zip(self.up_blocks, maps[-2::-1], strict=True):
            hidden = torch.cat([up(hidden, seed), beside], 1)
        return crop(self.output_layer(hidden), *inputs.shape[2:])

    def _trace_input_range(self, pixel_range: PixelRange) -> PixelRange:
        """What is seen to make these pixels, by the map of every size."""
        at, seen = receptive_field.trace_conv(pixel_range, 3) if self._has_full_resolution else pixel_range, []
        for level in range(0 if self._has_full_resolution else 1, self._depth + 1):
            at = receptive_field.trace_upsample_conv(at) if level else at
            back = at
            for _ in range(level):
                back = receptive_field.trace_strided_conv(back)
            seen.append(receptive_field.trace_conv(back, 3) if self._has_full_resolution else back)
        return receptive_field.union_ranges(seen)


def _build_down_block(in_channels: int, out_channels: int, norm: Norm, factory: LayerFactory) -> nn.Module:
    """(N, inside, 2H, 2W) to (N, outside, H, W)."""
    halving = factory.strided_conv2d(in_channels, out_channels, LEAKY_RELU.gain, bias=not norm.has_bias)
    return nn.Sequential(halving, norm.build(out_channels), LEAKY_RELU.build())
