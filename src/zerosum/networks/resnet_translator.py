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
from zerosum.networks.layers import NORMS, RELU, Doubling, Norm, Weights, scaled
from zerosum.networks.padding import Mirrored, cropped, framed
from zerosum.networks.receptive_field import Span

_FAINT = 0.1
"""The gain of a correction's last convolution: at first a picture is hardly changed."""


class Block(nn.Module):
    """x + f(x), f two 3x3 convolutions."""

    def __init__(self, width: int, norm: Norm, weights: Weights) -> None:
        super().__init__()
        bias = not norm.shifts
        # what nothing brings back to size must not grow from block to block
        quiet = 1.0 if norm.shifts else 0.5
        self.branch = nn.Sequential(
            weights.convolution(width, width, side=3, gain=RELU.gain, bias=bias),
            norm.make(width),
            RELU.make(),
            weights.convolution(width, width, side=3, gain=quiet, bias=bias),
            norm.make(width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        changed: Tensor = hidden + self.branch(hidden)
        return changed


class Translator(nn.Module):
    """Pictures to pictures of the same size."""

    takes: tuple[str, ...] = ()

    def __init__(
        self,
        inside: int,
        outside: int,
        width: int,
        *,
        downs: int,
        blocks: int,
        norm: str,
        weights: Weights,
        residual: bool = False,
        contrast: int = 0,
    ) -> None:
        """Build it.

        Args:
            inside: channels of what is given.
            outside: channels of what is made.
            width: channels at the picture's own size; they double at every down.
            downs: halvings before the blocks.
            blocks: residual blocks.
            norm: which of `layers.NORMS`.
            weights: how weights are drawn.
            residual: what is made is added to what is given, and not bounded by tanh.
            contrast: numbers that a place of an inner map is compared by; 0: no heads.
        """
        super().__init__()
        kind, wide = NORMS[norm], [width << level for level in range(downs + 1)]
        bias = not kind.shifts
        first = Mirrored(weights.convolution(inside, width, side=7, gain=RELU.gain, bias=bias))
        self.stages = nn.ModuleList([_active(first, width, kind)])
        for less, more in pairwise(wide):
            self.stages.append(_active(weights.halving(less, more, RELU.gain, bias), more, kind))
        self.stages.extend(Block(wide[-1], kind, weights) for _ in range(blocks))
        self.ups = nn.Sequential()
        for more, less in pairwise(wide[::-1]):
            up = Doubling(weights.convolution(more, less, side=3, gain=RELU.gain, bias=bias))
            self.ups.append(_active(up, less, kind))
        self.picture = Mirrored(weights.convolution(width, outside, side=7, gain=_FAINT if residual else 1.0))
        self.residual, self.multiple = residual, 1 << downs
        self._downs, self._blocks = downs, blocks
        self.reach = None if norm == "instance" else receptive_field.farthest(self._span, self.multiple)
        self.levels = tuple(dict.fromkeys([*range(downs + 2), downs + 1 + blocks // 2]))
        widths = [*wide, *[wide[-1]] * (len(self.levels) - len(wide))]
        self.heads = nn.ModuleList(_head(wide, contrast) for wide in widths if contrast)

    def forward(self, given: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H, W), in [-1, 1] unless it is added to what is given."""
        hidden = framed(given, self.multiple)
        for stage in self.stages:
            hidden = stage(hidden)
        made = cropped(self.picture(self.ups(hidden)), *given.shape[2:])
        return given + made if self.residual else made.tanh()

    def encode(self, given: Tensor) -> list[Tensor]:
        """(N, inside, H, W) to the maps (N, width, h, w) that are compared.

        After the first convolution, after each down, after the first block and the middle one (once if they are one).
        """
        hidden, maps = framed(given, self.multiple), []
        for place in range(self.levels[-1] + 1):
            hidden = self.stages[place](hidden)
            if place in self.levels:
                maps.append(hidden)
        return maps

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Places of a map, (M, width), to vectors (M, contrast) of length 1; `level` is its number in `encode`."""
        return functional.normalize(self.heads[level](rows), dim=1)

    def _span(self, span: Span) -> Span:
        """What is seen to make these pixels."""
        span = receptive_field.convolved(span, 7)
        for _ in range(self._downs):
            span = receptive_field.doubled(span)
        span = receptive_field.convolved(span, 3, dilation=2 * self._blocks)
        for _ in range(self._downs):
            span = receptive_field.halved(span)
        return receptive_field.convolved(span, 7)


def _active(convolution: nn.Module, width: int, norm: Norm) -> nn.Module:
    return nn.Sequential(convolution, norm.make(width), RELU.make())


def _head(width: int, size: int) -> nn.Module:
    """(M, width) to (M, size), as in SimCLR (arXiv:2002.05709)."""
    weights = Weights(scaled)
    return nn.Sequential(weights.linear(width, size, RELU.gain), RELU.make(), weights.linear(size, size))
