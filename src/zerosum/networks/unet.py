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

from zerosum.game.seeded_rng import Purpose, fork, uniform
from zerosum.networks import receptive_field
from zerosum.networks.layers import LEAKY_RELU, NORMS, RELU, Doubling, Norm, Weights
from zerosum.networks.padding import cropped, framed
from zerosum.networks.receptive_field import Span

NOISY = 3
"""Ups, the innermost first, that have dropout (the paper's)."""


class Dropout(nn.Module):
    """Values dropped as a sample's seed says, in training and in use alike: dropout as noise."""

    def __init__(self, rate: float, place: int) -> None:
        """`place` tells the network's layers apart."""
        super().__init__()
        self.rate, self.place = rate, place

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, C, H, W) and seeds (N,) to the same shape; at rate 0 seeds are not wanted."""
        if not self.rate:
            return hidden
        assert seed is not None, "dropout draws from seeds: the network takes them"
        chance = uniform(fork(seed, self.place), hidden[0].numel(), Purpose.DROP).view(hidden.shape)
        return hidden * ((chance >= self.rate) / (1 - self.rate)).to(hidden.dtype)


class Up(nn.Module):
    """Twice the size: convolution, norm, dropout, ReLU."""

    def __init__(self, inside: int, outside: int, norm: Norm, weights: Weights, dropout: Dropout) -> None:
        super().__init__()
        bias = not norm.shifts
        self.convolution = Doubling(weights.convolution(inside, outside, side=3, gain=RELU.gain, bias=bias))
        self.norm, self.dropout, self.active = norm.make(outside), dropout, RELU.make()

    def forward(self, hidden: Tensor, seed: Tensor | None) -> Tensor:
        """(N, inside, H, W) and seeds (N,) to (N, outside, 2H, 2W)."""
        active: Tensor = self.active(self.dropout(self.norm(self.convolution(hidden)), seed))
        return active


class UNet(nn.Module):
    """Pictures to pictures of the same size."""

    def __init__(
        self,
        inside: int,
        outside: int,
        widths: tuple[int, ...],
        *,
        norm: str,
        weights: Weights,
        dropout: float = 0.0,
        detail: int = 0,
    ) -> None:
        """Build it.

        Args:
            inside: channels of what is given.
            outside: channels of what is made.
            widths: channels of the maps, from half the picture's size to the innermost.
            norm: which of `layers.NORMS`, but beside the picture.
            weights: how weights are drawn.
            dropout: share of values dropped in the innermost ups.
            detail: channels of a map at the picture's own size; 0: none.
        """
        super().__init__()
        plain = NORMS["none"]
        levels = (detail, *widths) if detail else widths
        first = weights.convolution(inside, detail, side=3, gain=LEAKY_RELU.gain) if detail else None
        downs: list[nn.Module] = [nn.Sequential(first, LEAKY_RELU.make())] if first else []
        downs += [_down(detail or inside, widths[0], plain, weights)]
        self.downs = nn.ModuleList([*downs, *(_down(*pair, NORMS[norm], weights) for pair in pairwise(widths))])
        outs = levels[-2::-1]
        ins = (levels[-1], *(2 * width for width in outs))
        rates = [dropout if place < NOISY else 0.0 for place in range(len(outs))]
        self.ups = nn.ModuleList(
            Up(ins[place], outs[place], NORMS[norm], weights, Dropout(rate, place)) for place, rate in enumerate(rates)
        )
        last = weights.convolution(ins[-1], outside, side=3)
        self.picture = nn.Sequential(last if detail else Doubling(last), nn.Tanh())
        self.takes: tuple[str, ...] = ("seed",) if any(rates) else ()
        self.multiple = 1 << len(widths)
        self._detailed, self._depth = bool(detail), len(widths)
        self.reach = None if norm == "instance" else receptive_field.farthest(self._span, self.multiple)

    def forward(self, given: Tensor, seed: Tensor | None = None) -> Tensor:
        """(N, inside, H, W), and seeds (N,) where there is dropout, to (N, outside, H, W) in [-1, 1]."""
        hidden, maps = framed(given, self.multiple), []
        for down in self.downs:
            hidden = down(hidden)
            maps.append(hidden)
        for up, beside in zip(self.ups, maps[-2::-1], strict=True):
            hidden = torch.cat([up(hidden, seed), beside], 1)
        return cropped(self.picture(hidden), *given.shape[2:])

    def _span(self, span: Span) -> Span:
        """What is seen to make these pixels, by the map of every size."""
        at, seen = receptive_field.convolved(span, 3) if self._detailed else span, []
        for level in range(0 if self._detailed else 1, self._depth + 1):
            at = receptive_field.doubled(at) if level else at
            back = at
            for _ in range(level):
                back = receptive_field.halved(back)
            seen.append(receptive_field.convolved(back, 3) if self._detailed else back)
        return receptive_field.union(seen)


def _down(inside: int, outside: int, norm: Norm, weights: Weights) -> nn.Module:
    """(N, inside, 2H, 2W) to (N, outside, H, W)."""
    halving = weights.halving(inside, outside, LEAKY_RELU.gain, bias=not norm.shifts)
    return nn.Sequential(halving, norm.make(outside), LEAKY_RELU.make())
