"""Deep convolutional networks (Radford, Metz, Chintala 2015, arXiv:1511.06434).

The generator doubles the size from 4x4 by 4x4 transposed convolutions of stride 2, the discriminator halves
it down to 4x4 by 4x4 convolutions of stride 2. As in the paper, ReLU in the generator and leaky ReLU 0.2 in
the discriminator, and no norm beside the picture on either side.

One thing may be added: `detail`, a 3x3 convolution of a few channels at the picture's own size on either side, where
the paper's networks see and make no pixel but through a stride of 2.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from zerosum.game.types import Verdict
from zerosum.networks.heads import HeadMaker, Labels
from zerosum.networks.layers import LEAKY_RELU, RELU, Norm, Weights, bound, dropout


class Generator(nn.Module):
    """Latent vectors to square pictures; `widths` are the channels at 4x4, 8x8, ..., half the picture."""

    def __init__(
        self,
        latent: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        weights: Weights,
        bounded: bool,
        detail: int = 0,
    ) -> None:
        super().__init__()
        first = widths[0]
        self.start = nn.Sequential(
            weights.linear(latent, first * 16, RELU.gain, bias=not norm.shifts),
            nn.Unflatten(1, (first, 4, 4)),
            norm.make(first),
            RELU.make(),
        )
        stages = (
            nn.Sequential(
                weights.doubling(inside, outside, RELU.gain, bias=not norm.shifts),
                norm.make(outside),
                RELU.make(),
            )
            for inside, outside in pairwise([*widths, detail] if detail else widths)
        )
        self.stages = nn.Sequential(*stages)
        last = weights.convolution(detail, channels, side=3) if detail else weights.doubling(widths[-1], channels)
        self.picture = nn.Sequential(last, bound(bounded))

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) to (N, channels, S, S) with S = 4 * 2^len(widths), in [-1, 1] if bounded."""
        picture: Tensor = self.picture(self.stages(self.start(latent)))
        return picture


class Discriminator(nn.Module):
    """Square pictures to scores; `widths` are the channels at half the picture, ..., 8x8, 4x4."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        *,
        norm: Norm,
        weights: Weights,
        rate: float,
        head: HeadMaker,
        detail: int = 0,
    ) -> None:
        super().__init__()
        close: list[nn.Module] = []
        if detail:
            close = [weights.convolution(channels, detail, side=3, gain=LEAKY_RELU.gain), LEAKY_RELU.make()]
        self.picture = nn.Sequential(
            *close,
            weights.halving(detail or channels, widths[0], LEAKY_RELU.gain),
            LEAKY_RELU.make(),
            dropout(rate),
        )
        stages = (
            nn.Sequential(
                weights.halving(inside, outside, LEAKY_RELU.gain, bias=not norm.shifts),
                norm.make(outside),
                LEAKY_RELU.make(),
                dropout(rate),
            )
            for inside, outside in pairwise(widths)
        )
        self.stages = nn.Sequential(*stages)
        self.head = head(widths[-1] * 16, weights, True)
        self.takes = self.head.takes

    def forward(self, sample: Tensor, label: Labels | None = None) -> Verdict:
        """(N, channels, S, S) with S = 4 * 2^len(widths) to a verdict with score (N,)."""
        seen = self.stages(self.picture(sample))  # (N, widths[-1], 4, 4)
        verdict: Verdict = self.head(seen.flatten(1), label)
        return verdict
